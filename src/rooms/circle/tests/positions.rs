//! Positions: who is told, what is kept, and what "now" is.

use super::*;
use crate::protocol::limits::MEASURED_AHEAD_MAX;

#[test]
fn a_position_goes_to_the_subscribed_others_with_its_sender_and_nothing_to_the_sender() {
    let mut family = Family::new();
    let measured_at = family.now();
    let done = family.done("anna", at(47.123, measured_at));
    assert_eq!(done.answer.stored, Some(true));
    assert!(done.effects.unnumbered && done.said.is_empty());
    assert_eq!(family.hearers(&done.effects.parts), ["olga", "ben", "cleo"]);
    assert_eq!(
        family.heard(&done.effects.parts)[0].1,
        [json!({"type": "location:broadcast", "userId": "anna", "senderId": "anna", "senderName": "ANNA", "circleId": "c",
            "latitude": 47.123, "longitude": 8.256, "accuracy": 5.0, "timestamp": measured_at, "altitude": 500.0, "speed": 2.0,
            "heading": 90.0, "battery": 80.0})]
    );
    assert!(family.heard_by(&done.effects.parts, false).is_empty(), "C3");
    assert_eq!(family.tables.history("anna"), [measured_at.ms()]);
}

#[test]
fn a_sealed_position_is_passed_on_unread_and_each_is_later_than_the_one_before() {
    let mut family = Family::new();
    family.done("anna", as_exact_as(Precision::Approximate));
    for text in ["b25l", "dHdv", "dGhyZWU="] {
        family.now -= 1_000;
        let done = family.done("anna", seal(text));
        let heard = family.heard(&done.effects.parts);
        assert_eq!(heard.len(), 3, "at the same millisecond too");
        assert_eq!(
            heard[0].1,
            [json!({"type": "location:broadcast", "userId": "anna", "senderId": "anna", "senderName": "ANNA", "circleId": "c",
                "payload": {"ciphertext": text, "nonce": "AAAA", "keyVersion": 1}})]
        );
    }
    assert_eq!(family.tables.points.len(), 3);
}

#[test]
fn what_was_measured_earlier_or_at_the_same_time_is_history_and_said_to_nobody() {
    let mut family = Family::new();
    let noon = family.now();
    family.done("anna", at(47.2, noon));
    for late in [noon.ms() - 60_000, noon.ms()] {
        let mut command = at(47.1, Timestamp::from_ms(late));
        let Command::Locate { device, .. } = &mut command else { unreachable!("it locates") };
        *device = "phone".into();
        for _ in 0..2 {
            let done = family.done("anna", command.clone());
            assert_eq!((done.answer.stored, done.effects.parts.len()), (Some(true), 0));
        }
    }
    assert_eq!(family.tables.points.len(), 3, "each once");
    assert_eq!(family.seen("ben"), [("anna".to_owned(), 47.2)]);
}

#[test]
fn a_point_from_the_future_is_refused_ten_minutes_ahead() {
    let mut family = Family::new();
    let last = family.after(1).plus(MEASURED_AHEAD_MAX);
    family.done("anna", at(47.0, last));
    let beyond = family.after(1).plus(MEASURED_AHEAD_MAX).plus(std::time::Duration::from_millis(1));
    refused(family.ask("anna", at(47.0, beyond)), ErrorCode::BadMessage, "timestamp: is in the future");
}

#[test]
fn a_subscriber_is_told_the_last_position_of_every_other_member_who_shares() {
    let mut family = Family::new();
    for (user, latitude) in [("olga", 46.0), ("anna", 47.0), ("ben", 48.0)] {
        let now = family.now();
        family.done(user, at(latitude, now));
    }
    family.done("olga", share(false));
    assert_eq!(family.seen("ben"), [("anna".to_owned(), 47.0)]);
    assert_eq!(family.seen("cleo"), [("anna".to_owned(), 47.0), ("ben".to_owned(), 48.0)]);
    family.reload();
    assert_eq!(family.seen("cleo"), [("anna".to_owned(), 47.0), ("ben".to_owned(), 48.0)]);
}

#[test]
fn who_deletes_his_history_is_nowhere_until_he_tells_again() {
    let mut family = Family::new();
    let noon = family.now();
    family.done("anna", at(47.0, noon));
    family.done("ben", at(48.0, noon));
    let done = family.done("anna", Command::DeleteHistory);
    assert_eq!((done.effects.parts.len(), done.effects.unnumbered), (0, true));
    assert_eq!(family.seen("cleo"), [("ben".to_owned(), 48.0)]);
    assert!(family.tables.history("anna").is_empty() && family.tables.history("ben").len() == 1);
    assert_eq!(family.done("anna", at(47.5, noon)).effects.parts.len(), 1, "what is gone is not in the way");
}

#[test]
fn what_is_too_old_goes_by_the_server_alone() {
    let mut family = Family::new();
    let noon = family.now();
    family.done("anna", at(47.0, noon));
    family.done("ben", at(48.0, family.after(0)));
    let before = Timestamp::from_ms(noon.ms() + 1);
    refused(family.ask("olga", Command::Expire { before }), ErrorCode::Forbidden, "Action 'history:expire' is restricted to the server");
    family.done("", Command::Expire { before });
    assert_eq!(family.seen("cleo"), [("ben".to_owned(), 48.0)]);
    assert!(family.tables.history("anna").is_empty());
}

#[test]
fn nobody_but_a_member_tells_anything() {
    let mut family = Family::new();
    for by in ["", "stranger"] {
        let refusal = family.ask(by, at(47.0, Timestamp::from_ms(0)));
        refused(refusal, ErrorCode::Forbidden, "Action 'location:update' is restricted to the members of the circle");
    }
}
