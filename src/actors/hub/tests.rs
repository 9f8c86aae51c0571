use super::*;
use serde::Serialize;

use crate::actors::outbox::tests::{Peer, pair};
use crate::actors::parts::encode;
use crate::protocol::error::Rejection;
use crate::protocol::ids::{RoomId, RoomKind};
use crate::protocol::session::Connected;
use crate::rooms::kernel::{Audience, Part};

const ROOM: RoomNo = RoomNo(1);

#[derive(Serialize)]
struct Say {
    say: &'static str,
}

fn hub() -> HubRef {
    let settings = HubSettings { ping_interval: Duration::from_secs(25), ping_timeout: Duration::from_secs(20) };
    Hubs::new(settings, Arc::default()).here()
}

/// A connection of this thread, and the client at its other end.
fn connection() -> (ConnectionId, Peer) {
    let (outbox, peer) = pair(1 << 20);
    let line = Line::new(ConnectionId::next(), Voice::Socket(Socket::new(outbox)));
    register(line.clone());
    (line.id, peer)
}

fn entry(state: &str) -> Box<Entry> {
    let connected = Connected {
        user_id: "u".into(),
        role: "player".into(),
        connection_id: "c".into(),
        resumed: false,
        seq: 0,
        epoch: "1".into(),
        ping_interval: 1,
    };
    Box::new(Entry {
        room: room_id(),
        connected,
        epoch: 1,
        frames: if state.is_empty() { Frames::default() } else { Frames::new([state]) },
    })
}

fn room_id() -> RoomId {
    RoomId::of(RoomKind::Campaign, "one")
}

fn attach((connection, _): &(ConnectionId, Peer), member: u32, leads: bool, state: &str, hold: bool) -> Item {
    Item::Attach { connection: *connection, member: MemberNo(member), leads, left: Vec::new(), entry: entry(state), hold }
}

fn to((connection, _): &(ConnectionId, Peer), frame: &str) -> Item {
    Item::To { connection: *connection, latest: None, frames: Frames::new([frame]) }
}

/// A change of which those who lead hear one thing and the others another.
fn parts(leads: &'static str, others: &'static str) -> Item {
    let part = |to, say| Part { to, frames: vec![Say { say }] };
    Item::Parts(Arc::new(encode(&[part(Audience::Dm, leads), part(Audience::All, others)], None).parts))
}

/// The next frames that are not `connected`.
async fn texts<const N: usize>((_, peer): &mut (ConnectionId, Peer)) -> [String; N] {
    let mut texts = Vec::new();
    while texts.len() < N {
        let text = peer.next().await.expect("a text");
        if !text.starts_with(r#"{"type":"connected""#) {
            texts.push(text);
        }
    }
    texts.try_into().expect("as many as were read")
}

const EPOCH: &str = r#"{"type":"epoch","epoch":"5"}"#;

fn said(say: &str) -> String {
    format!(r#"{{"say":"{say}"}}"#)
}

#[actix::test]
async fn everybody_hears_his_own_part_in_the_order_in_which_the_room_spoke() {
    let (hub, mut dm, mut ann, mut bo) = (hub(), connection(), connection(), connection());
    hub.tell(ROOM, vec![attach(&dm, 0, true, "state", false), attach(&ann, 1, false, "state", false), parts("1 dm", "1 all")]);
    hub.tell(ROOM, vec![to(&ann, "ack 1"), Item::Epoch(5)]);
    hub.tell(ROOM, vec![attach(&bo, 2, false, "state with 1", false), parts("2 dm", "2 all"), to(&dm, "ack 2"), to(&dm, "ack 3")]);
    hub.tell(ROOM, vec![parts("last", "last")]);
    assert_eq!(texts(&mut dm).await, ["state", &said("1 dm"), EPOCH, &said("2 dm"), "ack 2", "ack 3", &said("last")]);
    assert_eq!(texts(&mut ann).await, ["state", &said("1 all"), "ack 1", EPOCH, &said("2 all"), &said("last")]);
    assert_eq!(texts(&mut bo).await, ["state with 1", &said("2 all"), &said("last")]);
    assert_eq!(hub.backlog.load(Ordering::Relaxed), 0);
}

#[actix::test]
async fn who_resumes_hears_what_was_missed_before_what_came_meanwhile() {
    let (hub, mut ann) = (hub(), connection());
    hub.tell(ROOM, vec![attach(&ann, 1, false, "", true), parts("", "4"), to(&ann, "ack")]);
    hub.tell(ROOM, vec![Item::Release { connection: ann.0, entry: entry("missed") }, parts("", "5")]);
    assert_eq!(texts(&mut ann).await, ["missed", &said("4"), "ack", &said("5")]);
    // The whole state takes the place of what was held.
    hub.tell(ROOM, vec![attach(&ann, 1, false, "", true), parts("", "6"), attach(&ann, 1, false, "state with 6", false), parts("", "7")]);
    assert_eq!(texts(&mut ann).await, ["state with 6", &said("7")]);
}

#[actix::test]
async fn who_is_sent_away_hears_nothing_after_the_goodbye_and_the_others_go_on() {
    let (hub, mut ann, mut bo, mut cy) = (hub(), connection(), connection(), connection());
    let people = [&ann, &bo, &cy];
    hub.tell(ROOM, people.iter().zip(1..).map(|(one, no)| attach(one, no, false, "state", false)).collect());
    hub.tell(
        ROOM,
        vec![parts("", "1"), Item::Detach { connection: ann.0, room: room_id(), close: Close::Removed }, parts("", "2"), to(&ann, "ack")],
    );
    assert_eq!(texts(&mut ann).await, ["state", &said("1")]);
    assert_eq!(ann.1.next().await, Err(4003));
    assert_eq!(texts(&mut cy).await, ["state", &said("1"), &said("2")]);
    unregister(cy.0);
    hub.tell(ROOM, vec![parts("", "3"), to(&bo, "ack")]);
    assert_eq!(texts(&mut bo).await, ["state", &said("1"), &said("2"), &said("3"), "ack"]);
}

#[actix::test]
async fn a_refusal_reaches_also_who_has_no_seat_yet() {
    let (hub, mut ann) = (hub(), connection());
    let reply = Box::new(Reply::refusal(None, None, Rejection::internal()));
    hub.tell(ROOM, vec![Item::Answer { connection: ann.0, reply }]);
    hub.tell(ROOM, vec![attach(&ann, 1, false, "state", false)]);
    let [refusal, state] = texts(&mut ann).await;
    assert!(refusal.contains("INTERNAL"), "{refusal}");
    assert_eq!(state, "state");
}
