use super::*;
use crate::protocol::chat::command::ResultMap;
use crate::rooms::chat::company::{GRACE, TYPING};
use crate::rooms::kernel::{Arrival, ConnectionKey};

type Parts = Vec<Part<ServerMessage>>;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_ms(ms)
}

impl Team {
    fn connect(&mut self, user: &str, connection: u64, ms: i64) -> Parts {
        let member = self.member(user);
        self.here.connect(&self.workspace, &member, ConnectionKey(connection), Arrival::Fresh, at(ms)).parts
    }

    fn disconnect(&mut self, user: &str, connection: u64, ms: i64) -> Parts {
        let no = self.workspace.roster.record(&user.into()).expect("a person").no;
        self.here.disconnect(&self.workspace, no, ConnectionKey(connection), at(ms)).parts
    }

    fn signal(&mut self, user: &str, connection: u64, signal: Signal, ms: i64) -> Result<Parts, Rejection> {
        let member = self.member(user);
        self.here.signal(&self.workspace, &member, ConnectionKey(connection), signal, at(ms))
    }

    fn typing(&mut self, user: &str, connection: u64, target: &Target, is_typing: bool, ms: i64) -> Parts {
        self.signal(user, connection, Signal::Typing { target: target.clone(), is_typing }, ms).expect("may type")
    }

    fn due(&mut self, ms: i64) -> Parts {
        self.here.due(&self.workspace, at(ms))
    }

    fn status(&self, user: &str) -> Value {
        let query = Query::Presence { workspace_id: "w".into(), users: vec![user.into()] };
        match self.query("anna", &query).expect("an answer").result {
            Some(ResultMap::Presence(map)) => json!(map[&UserId::new(user)]),
            other => panic!("{other:?}"),
        }
    }
}

/// `(who hears it, whether somebody types)` of a list that says nothing else.
fn types(team: &Team, parts: &Parts) -> Vec<(String, bool)> {
    let of = |(user, frames): (String, Vec<Value>)| match &frames[..] {
        [frame] if frame["type"] == "typing:update" => (user, frame["isTyping"] == true),
        other => panic!("{other:?}"),
    };
    team.heard(parts).into_iter().map(of).collect()
}

/// The status that everybody is told, if one is told at all.
fn presence(team: &Team, parts: &Parts) -> Option<Value> {
    let heard = team.heard(parts);
    let first = heard.first()?.1.clone();
    assert_eq!(heard.len(), team.workspace.members_len());
    assert!(heard.iter().all(|(_, frames)| *frames == first && kinds(frames) == ["presence:update"]), "{heard:?}");
    Some(first[0]["status"].clone())
}

#[test]
fn somebody_is_active_when_a_connection_is_and_away_when_all_are() {
    let mut team = Team::new();
    assert_eq!(team.status("ben"), "offline");
    let parts = team.connect("ben", 1, 0);
    assert_eq!(team.heard(&parts)[0].1, [json!({"type": "presence:update", "userId": "ben", "status": "active"})]);
    assert_eq!(presence(&team, &parts), Some(json!("active")));
    assert_eq!(team.connect("ben", 2, 0), []);
    assert_eq!(team.signal("ben", 1, Signal::Away, 1), Ok(vec![]));
    let parts = team.signal("ben", 2, Signal::Away, 2).expect("may");
    assert_eq!(presence(&team, &parts), Some(json!("away")));
    assert_eq!(team.signal("ben", 2, Signal::Away, 3), Ok(vec![]));
    assert_eq!(team.status("ben"), "away");
    let parts = team.signal("ben", 1, Signal::Active, 4).expect("may");
    assert_eq!(presence(&team, &parts), Some(json!("active")));
    let parts = team.disconnect("ben", 1, 5);
    assert_eq!(presence(&team, &parts), Some(json!("away")), "the one that is left is away");
    refused(team.query("anna", &Query::Presence { workspace_id: "x".into(), users: vec![] }), ErrorCode::NotFound, "No such workspace");
    assert_eq!(team.status("stranger"), "offline");
}

#[test]
fn somebody_is_offline_five_seconds_after_the_last_connection_and_a_return_before_is_not_told() {
    let mut team = Team::new();
    team.connect("ben", 1, 0);
    assert_eq!(team.disconnect("ben", 1, 1_000), []);
    assert_eq!((team.here.deadline(), team.status("ben")), (Some(at(1_000).plus(GRACE)), json!("active")));
    assert_eq!(team.due(5_999), []);
    assert_eq!(team.connect("ben", 2, 5_999), []);
    assert_eq!((team.here.deadline(), team.due(6_000)), (None, vec![]));
    team.disconnect("ben", 2, 7_000);
    assert_eq!(team.disconnect("ben", 2, 7_001), [], "it is gone already");
    let parts = team.due(12_000);
    assert_eq!(presence(&team, &parts), Some(json!("offline")));
    assert_eq!((team.status("ben"), team.here.deadline()), (json!("offline"), None));
}

#[test]
fn typing_is_told_to_the_others_in_the_place_and_ends_by_itself() {
    let mut team = Team::new();
    let channel = team.private("anna", &["ben", "cleo"]);
    team.connect("anna", 1, 0);
    let parts = team.typing("anna", 1, &channel, true, 0);
    let frame = json!({"type": "typing:update", "userId": "anna", "userName": "ANNA", "targetId": id(&channel), "isTyping": true});
    assert_eq!(team.heard(&parts), [("ben".into(), vec![frame.clone()]), ("cleo".into(), vec![frame])]);
    assert_eq!(team.typing("anna", 1, &channel, true, 4_000), [], "it goes on");
    assert_eq!(team.here.deadline(), Some(at(4_000).plus(TYPING)));
    assert_eq!(team.due(13_999), []);
    let parts = team.due(14_000);
    assert_eq!(types(&team, &parts), [("ben".into(), false), ("cleo".into(), false)]);
    assert_eq!(team.typing("anna", 1, &channel, false, 14_001), [], "it has ended");
    team.typing("anna", 1, &channel, true, 15_000);
    let parts = team.typing("anna", 1, &channel, false, 15_001);
    assert_eq!(types(&team, &parts), [("ben".into(), false), ("cleo".into(), false)]);
}

#[test]
fn who_types_on_two_connections_is_told_once_and_ends_with_the_last() {
    let mut team = Team::new();
    let channel = team.public("anna", &["ben"]);
    team.connect("anna", 1, 0);
    team.connect("anna", 2, 0);
    assert_eq!(team.typing("anna", 1, &channel, true, 0).len(), 1);
    assert_eq!(team.typing("anna", 2, &channel, true, 1_000), []);
    assert_eq!(team.disconnect("anna", 1, 2_000), []);
    let parts = team.disconnect("anna", 2, 3_000);
    assert_eq!(types(&team, &parts), [("ben".into(), false)]);
}

#[test]
fn who_is_taken_out_types_no_more() {
    let mut team = Team::new();
    let channel = team.private("anna", &["ben", "cleo"]);
    team.connect("ben", 1, 0);
    team.typing("ben", 1, &channel, true, 0);
    let done = team.done("anna", Command::RemoveFromChannel { channel_id: id(&channel), user: "ben".into() });
    assert_eq!(types(&team, &done.said), [("anna".into(), false), ("cleo".into(), false)]);
    let typing = Signal::Typing { target: channel.clone(), is_typing: true };
    refused(team.signal("ben", 1, typing.clone(), 1), ErrorCode::NotFound, "No such channel");
    team.connect("cleo", 2, 0);
    team.typing("cleo", 2, &channel, true, 1);
    let done = team.done("anna", Command::ArchiveChannel { channel_id: id(&channel) });
    assert_eq!(types(&team, &done.said), [("anna".into(), false)]);
    refused(team.signal("cleo", 2, typing, 1), ErrorCode::InvalidState, "The channel is archived");
}

#[test]
fn a_removed_member_is_offline_for_the_others() {
    let mut team = Team::new();
    let channel = team.public("anna", &["ben"]);
    let ben = team.member("ben");
    team.connect("ben", 1, 0);
    team.typing("ben", 1, &channel, true, 0);
    let done = team.done("olga", Command::RemoveMember { user: "ben".into() });
    assert_eq!(told(&done.said, &ben), [] as [Value; 0]);
    assert_eq!(kinds(&told(&done.said, &team.member("anna"))), ["typing:update", "presence:update"]);
    assert_eq!(kinds(&told(&done.said, &team.member("cleo"))), ["presence:update"]);
    assert_eq!((team.disconnect("ben", 1, 1), team.here.deadline()), (vec![], None));
    assert_eq!(team.status("ben"), "offline");
}

#[test]
fn whoever_comes_is_ready_at_once() {
    let team = Team::new();
    assert_eq!(team.workspace.view(&team.member("ben"), &team.here), [ServerMessage::Ready {}]);
}
