//! Codes, joining, leaving, and the circle itself.

use super::*;
use crate::protocol::limits::{CIRCLE_MEMBERS_MAX, INVITE_LINKS_MAX};

#[test]
fn a_code_lets_one_person_in_who_shares_from_then_on() {
    let mut family = Family::new();
    family.invite("ben", "code");
    let done = family.done("", accept("code", "dora"));
    assert!(!done.effects.unnumbered, "a cursor from before does not hold");
    assert_eq!(family.circle.joined_seq(family.member("dora").no), family.seq);
    let said = json!({"type": "sharing:changed", "userId": "dora", "enabled": true, "until": null});
    assert_eq!(family.heard(&done.said), ["olga", "anna", "ben", "cleo", "dora"].map(|user| (user.to_owned(), vec![said.clone()])));
    assert_eq!(family.circle.role(&family.member("dora")), "member");
    refused(family.ask("", accept("code", "emil")), ErrorCode::Gone, "This code was used or has expired");
    refused(family.ask("", accept("other", "emil")), ErrorCode::NotFound, "No such code");
}

#[test]
fn a_member_uses_no_code_up() {
    let mut family = Family::new();
    family.invite("ben", "code");
    assert!(!family.done("", accept("code", "anna")).changed);
    assert!(family.done("", accept("code", "dora")).changed);
}

#[test]
fn a_code_expires() {
    let mut family = Family::new();
    family.invite("ben", "code");
    family.pass(3_600);
    refused(family.ask("", accept("code", "dora")), ErrorCode::Gone, "This code was used or has expired");
}

#[test]
fn codes_and_members_have_their_bounds() {
    let mut family = Family::of(&["olga"]);
    for n in 0..INVITE_LINKS_MAX {
        family.invite("olga", &format!("code{n}"));
    }
    let expires_at = family.after(10);
    let code = |code: &str| Command::CreateInvite { code: code.into(), expires_at };
    refused(family.ask("olga", code("code1")), ErrorCode::Conflict, "This code exists");
    refused(family.ask("olga", code("more")), ErrorCode::TooLarge, "At most 200 codes can be in use");
    for n in 1..CIRCLE_MEMBERS_MAX {
        family.done("", accept(&format!("code{n}"), &format!("u{n}")));
    }
    refused(family.ask("", accept("code0", "dora")), ErrorCode::TooLarge, "A circle has at most 200 members");
}

#[test]
fn who_is_removed_is_gone_for_all_and_comes_back_without_a_past() {
    let mut family = Family::new();
    family.done("anna", at(47.0, family.now()));
    refused(family.ask("ben", remove("anna")), ErrorCode::Forbidden, "Action 'member:remove' is restricted to the owner");
    refused(family.ask("olga", remove("nobody")), ErrorCode::NotFound, "No such member");
    let no = family.member("anna").no;
    let done = family.done("olga", remove("anna"));
    assert_eq!(done.effects.removed, [UserId::new("anna")]);
    let left = family.now();
    let said = json!({"type": "sharing:changed", "userId": "anna", "enabled": false, "until": null});
    assert_eq!(family.heard(&done.said), ["olga", "ben", "cleo"].map(|user| (user.to_owned(), vec![said.clone()])));
    assert!(family.subscribe("ben").is_empty());
    family.invite("olga", "code");
    family.done("", accept("code", "anna"));
    assert_eq!(family.member("anna").no, no, "a number is never given to anybody else");
    assert!(family.subscribe("ben").is_empty());
    family.reload();
    assert!(family.subscribe("ben").is_empty());
    assert_eq!(family.done("anna", at(47.0, left)).answer.stored, Some(false), "measured while she was away");
}

#[test]
fn the_last_owner_hands_the_circle_to_the_longest_member_and_the_last_member_ends_it() {
    let mut family = Family::of(&["olga", "anna", "ben"]);
    family.done("olga", remove("olga"));
    assert_eq!(["anna", "ben"].map(|user| family.circle.role(&family.member(user))), ["owner", "member"]);
    family.done("ben", remove("ben"));
    let done = family.done("anna", remove("anna"));
    assert_eq!((done.effects.closed, done.effects.rows), (true, vec![Row::Deleted]));
}

#[test]
fn the_circle_is_its_owners_to_name_and_to_end() {
    let mut family = Family::new();
    let rename = Command::Rename { name: "Us".into() };
    refused(family.ask("anna", rename.clone()), ErrorCode::Forbidden, "Action 'circle:rename' is restricted to the owner");
    refused(family.ask("anna", Command::DeleteCircle), ErrorCode::Forbidden, "Action 'circle:delete' is restricted to the owner");
    assert!(family.done("olga", rename.clone()).changed && !family.done("olga", rename).changed);
    assert_eq!(family.circle.name(), "Us");
    assert!(family.done("olga", Command::DeleteCircle).effects.closed);
}
