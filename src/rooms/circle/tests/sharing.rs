//! Who shares, until when, and how exactly.

use super::*;
use crate::rooms::circle::gate;

fn changed(user: &str, enabled: bool, until: Option<Timestamp>) -> Vec<Value> {
    vec![json!({"type": "sharing:changed", "userId": user, "enabled": enabled, "until": until})]
}

#[test]
fn who_stops_sharing_is_seen_by_nobody_and_all_are_told() {
    let mut family = Family::new();
    let noon = family.now();
    family.done("anna", at(47.0, noon));
    let done = family.done("anna", share(false));
    assert!(done.effects.unnumbered && done.effects.parts.is_empty());
    assert_eq!(
        family.heard_by(&done.said, false),
        ["olga", "anna", "ben", "cleo"].map(|user| (user.to_owned(), changed("anna", false, None)))
    );
    assert!(family.subscribe("ben").is_empty());
    let done = family.done("anna", at(47.5, family.now()));
    assert_eq!((done.answer.stored, done.changed), (Some(false), false));
    family.reload();
    assert!(family.subscribe("ben").is_empty());
    assert_eq!(family.tables.history("anna"), [noon.ms()], "his own history stays");
}

#[test]
fn that_somebody_stopped_takes_the_place_of_the_position_that_waits_for_a_slow_reader() {
    let mut family = Family::new();
    let position = family.done("anna", at(47.0, family.now())).effects.parts;
    let name = |parts: &[Part<ServerMessage>]| parts[0].frames.first().and_then(Circle::latest);
    let stopped = family.done("anna", share(false)).said;
    assert_eq!(name(&stopped), name(&position));
    let started = family.done("anna", share(true)).said;
    assert_ne!(name(&started), name(&position), "that would lose a position");
    family.done("anna", share_until(family.after(60)));
    family.here.connect(
        &family.circle,
        &family.member("ben"),
        crate::rooms::kernel::ConnectionKey(1),
        crate::rooms::kernel::Arrival::Fresh,
        family.now(),
    );
    family.pass(120);
    assert_eq!(name(&family.here.due(&family.circle, family.now())), name(&position));
    let left = family.done("anna", remove("anna")).said;
    assert_eq!(name(&left), name(&position));
}

#[test]
fn what_was_known_before_a_pause_is_not_shown_after_it() {
    let mut family = Family::new();
    family.done("anna", at(47.0, family.now()));
    family.done("anna", share(false));
    let done = family.done("anna", share(true));
    assert_eq!(family.heard(&done.said)[0].1, changed("anna", true, None));
    assert!(family.subscribe("ben").is_empty());
    family.reload();
    assert!(family.subscribe("ben").is_empty(), "nor after a restart");
    family.done("anna", at(47.5, family.now()));
    assert_eq!(family.seen("ben"), [("anna".to_owned(), 47.5)]);
    family.reload();
    assert_eq!(family.seen("ben"), [("anna".to_owned(), 47.5)]);
}

#[test]
fn what_was_measured_in_a_pause_is_never_kept() {
    let mut family = Family::new();
    family.done("anna", share(false));
    let paused = family.now();
    family.pass(60);
    family.done("anna", share(true));
    let resumed = family.now();
    for (measured_at, stored) in [(paused.ms() - 1, true), (paused.ms(), false), (resumed.ms() - 1, false), (resumed.ms(), true)] {
        let done = family.done("anna", at(47.0, Timestamp::from_ms(measured_at)));
        assert_eq!((done.answer.stored, done.changed), (Some(stored), stored), "{measured_at}");
    }
}

#[test]
fn what_was_measured_in_an_earlier_pause_is_not_kept_either() {
    let mut family = Family::new();
    family.pass(60);
    family.done("anna", share(false));
    let first_pause = family.now();
    for enabled in [true, false, true] {
        family.pass(60);
        family.done("anna", share(enabled));
    }
    let done = family.done("anna", at(47.0, first_pause));
    assert_eq!((done.answer.stored, done.changed), (Some(false), false));
    assert!(done.said.is_empty());
    let done = family.done("anna", at(47.0, Timestamp::from_ms(first_pause.ms() - 1)));
    assert_eq!(done.answer.stored, Some(true));
}

#[test]
fn sharing_ends_by_itself() {
    let mut family = Family::new();
    let ben = family.member("ben");
    family.here.connect(&family.circle, &ben, crate::rooms::kernel::ConnectionKey(1), crate::rooms::kernel::Arrival::Fresh, family.now());
    family.done("anna", at(47.0, family.now()));
    let until = family.after(60);
    let done = family.done("anna", share_until(until));
    assert_eq!(family.heard(&done.said)[0].1, changed("anna", true, Some(until)));
    assert_eq!(family.here.deadline(), Some(until));
    family.now = until.ms() - 1;
    assert!(family.here.due(&family.circle, family.now()).is_empty());
    assert_eq!(family.seen("ben"), [("anna".to_owned(), 47.0)]);
    family.now = until.ms();
    assert!(family.subscribe("ben").is_empty(), "whether it was told or not");
    let said = family.here.due(&family.circle, family.now());
    assert_eq!(family.heard(&said)[0].1, changed("anna", false, None));
    assert_eq!(family.here.deadline(), None);
    let done = family.done("anna", at(47.1, family.now()));
    assert_eq!(done.answer.stored, Some(false));
    family.pass(60);
    family.done("anna", share(true));
    assert!(family.subscribe("ben").is_empty());
    assert_eq!(family.done("anna", at(47.1, until)).answer.stored, Some(false), "measured when nothing was shared");
    assert_eq!(family.done("anna", at(47.2, Timestamp::from_ms(until.ms() - 1))).answer.stored, Some(true));
}

#[test]
fn an_end_that_was_not_told_yet_is_told_before_a_new_beginning() {
    let mut family = Family::new();
    for (again, said) in
        [(true, vec![changed("anna", false, None), changed("anna", true, None)]), (false, vec![changed("anna", false, None)])]
    {
        let until = family.after(60);
        family.done("anna", share_until(until));
        family.now = until.ms();
        let done = family.done("anna", share(again));
        assert_eq!(family.heard(&done.said)[0].1, said.concat());
        assert_eq!(family.here.deadline(), None);
    }
}

#[test]
fn two_ends_at_once_are_told_one_after_the_other() {
    let mut family = Family::new();
    let ben = family.member("ben");
    let until = family.after(60);
    family.done("anna", share_until(until));
    family.done("cleo", share_until(until));
    family.here = Here::default();
    family.here.connect(&family.circle, &ben, crate::rooms::kernel::ConnectionKey(1), crate::rooms::kernel::Arrival::Fresh, family.now());
    family.now = until.ms();
    for user in ["anna", "cleo"] {
        assert_eq!(family.here.deadline(), Some(until));
        let said = family.here.due(&family.circle, until);
        assert_eq!(family.heard(&said)[0].1, changed(user, false, None));
    }
    assert_eq!(family.here.deadline(), None);
}

#[test]
fn an_end_in_the_past_is_refused_and_one_without_sharing_means_nothing() {
    let mut family = Family::new();
    refused(family.ask("anna", share_until(family.after(1))), ErrorCode::BadMessage, "until: is not in the future");
    let until = Some(family.after(60));
    let done = family.done("anna", Command::SetSharing { enabled: false, until, precision: None });
    assert_eq!(family.heard(&done.said)[0].1, changed("anna", false, None));
}

#[test]
fn what_is_so_already_is_told_to_nobody() {
    let mut family = Family::new();
    assert!(!family.done("anna", share(true)).changed);
    assert!(!family.done("anna", as_exact_as(Precision::Exact)).changed);
    family.done("anna", share(false));
    assert!(!family.done("anna", share(false)).changed);
}

#[test]
fn who_is_seen_approximately_is_seen_so_at_once_and_everywhere() {
    let mut family = Family::new();
    let noon = family.now();
    family.done("anna", at(47.128, noon));
    let done = family.done("anna", as_exact_as(Precision::Approximate));
    assert!(done.said.is_empty(), "whether she shares did not change");
    let rough = json!({"type": "location:broadcast", "userId": "anna", "senderId": "anna", "senderName": "ANNA", "circleId": "c",
        "latitude": 47.13, "longitude": 8.26, "accuracy": 1000.0, "timestamp": noon, "battery": 80.0});
    assert_eq!(family.heard(&done.effects.parts), ["olga", "ben", "cleo"].map(|user| (user.to_owned(), vec![rough.clone()])));
    assert_eq!(family.subscribe("ben"), [rough]);
    let done = family.done("anna", at(47.138, family.now()));
    assert_eq!(family.heard(&done.effects.parts)[0].1[0]["latitude"], 47.14);
    assert_eq!(family.tables.points[0].point, Point::Plain(position(47.128, noon)), "the rounding is on the way out");
}

#[test]
fn the_gate_rounds_to_hundredths_and_is_no_more_accurate_than_a_kilometre() {
    let cases = [(47.128, 47.13), (-0.004, 0.0), (-33.8688, -33.87), (89.999, 90.0), (-90.0, -90.0), (0.005, 0.01)];
    for (exact, rough) in cases {
        let Point::Plain(seen) = gate::as_seen(&Point::Plain(position(exact, Timestamp::from_ms(5))), Precision::Approximate) else {
            panic!("stays plain")
        };
        assert_eq!((seen.latitude, seen.latitude.is_sign_negative()), (rough, rough < 0.0));
        assert_eq!((seen.accuracy, seen.altitude, seen.speed, seen.heading), (1_000.0, None, None, None));
        assert_eq!((seen.battery, seen.timestamp.ms()), (Some(80.0), 5));
    }
    let far = Position { accuracy: 5_000.0, ..position(47.0, Timestamp::from_ms(5)) };
    let Point::Plain(seen) = gate::as_seen(&Point::Plain(far), Precision::Approximate) else { panic!("stays plain") };
    assert_eq!(seen.accuracy, 5_000.0);
}
