//! Who is here, over all devices.

use super::*;
use crate::rooms::kernel::{Arrival, ConnectionKey};

fn online(user: &str) -> Vec<Value> {
    vec![json!({"type": "user:online", "userId": user})]
}

fn offline(user: &str) -> Vec<Value> {
    vec![json!({"type": "user:offline", "userId": user})]
}

fn come(family: &mut Family, user: &str, key: u64) -> Vec<(String, Vec<Value>)> {
    let (member, now) = (family.member(user), family.now());
    let change = family.here.connect(&family.circle, &member, ConnectionKey(key), Arrival::Fresh, now);
    assert_eq!(change.presence_changed, !change.parts.is_empty());
    family.heard_by(&change.parts, false)
}

fn go(family: &mut Family, no: MemberNo, key: u64) -> Vec<(String, Vec<Value>)> {
    let now = family.now();
    let change = family.here.disconnect(&family.circle, no, ConnectionKey(key), now);
    assert_eq!(change.presence_changed, !change.parts.is_empty());
    family.heard_by(&change.parts, false)
}

#[test]
fn the_others_are_told_of_the_first_connection_and_of_the_end_of_the_last() {
    let mut family = Family::of(&["olga", "anna", "ben"]);
    let anna = family.member("anna").no;
    assert_eq!(come(&mut family, "anna", 1), ["olga", "ben"].map(|user| (user.to_owned(), online("anna"))));
    assert!(come(&mut family, "anna", 2).is_empty());
    assert!(go(&mut family, anna, 1).is_empty());
    assert!(go(&mut family, anna, 1).is_empty(), "it is gone already");
    assert!(family.here.is_online(anna));
    assert_eq!(go(&mut family, anna, 2), ["olga", "ben"].map(|user| (user.to_owned(), offline("anna"))));
    assert!(!family.here.is_online(anna));
}

#[test]
fn who_is_removed_is_offline_in_the_same_breath() {
    let mut family = Family::of(&["olga", "anna", "ben"]);
    let anna = family.member("anna").no;
    come(&mut family, "anna", 1);
    let done = family.done("olga", remove("anna"));
    let stopped = json!({"type": "sharing:changed", "userId": "anna", "enabled": false, "until": null});
    let said = [vec![stopped], offline("anna")].concat();
    assert_eq!(family.heard(&done.said), ["olga", "ben"].map(|user| (user.to_owned(), said.clone())));
    assert!(go(&mut family, anna, 1).is_empty());
}

#[test]
fn an_end_that_passed_while_the_room_was_loaded_is_told_once() {
    let mut family = Family::of(&["olga", "anna"]);
    let until = family.after(60);
    family.done("anna", share_until(until));
    family.reload();
    family.now = until.ms() + 500;
    come(&mut family, "olga", 1);
    come(&mut family, "olga", 2);
    assert_eq!(family.here.deadline(), Some(until));
    let said = family.here.due(&family.circle, family.now());
    assert_eq!(family.hearers(&said), ["olga", "anna"]);
    family.done("anna", share(false));
    come(&mut family, "anna", 3);
    assert_eq!(family.here.deadline(), None);
}
