//! The rules of a circle, one file per behaviour, on a [`Family`]: a circle, the tables it is stored in, and its people.

mod company;
mod people;
mod positions;
mod sharing;
mod simulation;
mod tables;

use serde_json::{Value, json};

use crate::protocol::circle::command::{KeyVersion, Point, Position, Precision, Role, Sealed};
use crate::protocol::circle::{Answer, Command, Query, ServerMessage};
use crate::protocol::error::{ErrorCode, Rejection};
use crate::protocol::ids::{CircleId, UserId};
use crate::protocol::time::Timestamp;
use crate::rooms::circle::company::Here;
use crate::rooms::circle::rows::{Row, Sharing, StoredCircle, StoredMember};
use crate::rooms::circle::tests::tables::Tables;
use crate::rooms::circle::{Circle, POSITIONS};
use crate::rooms::kernel::{Asked, Company, Effects, Member, MemberNo, Moment, Part, RoomLogic};

/// A circle with the owner `olga` and the members `anna`, `ben` and `cleo`, who joined in this order. A second passes with every command.
struct Family {
    circle: Circle,
    tables: Tables,
    here: Here,
    seq: i64,
    now: i64,
}

/// What came of a command.
#[derive(Debug)]
struct Done {
    answer: Answer,
    effects: Effects<ServerMessage, Row>,
    /// What the company said of it.
    said: Vec<Part<ServerMessage>>,
    changed: bool,
}

/// The frames for one member's connection, as JSON: one that asked for positions or one that did not.
fn told(parts: &[Part<ServerMessage>], circle: &Circle, member: &Member, subscribed: bool) -> Vec<Value> {
    let part = parts.iter().find(|part| part.to.holds(member.no, member.leads));
    let hears = |part: &&Part<ServerMessage>| {
        let topic = part.frames.first().and_then(|frame| circle.topic(frame));
        subscribed || topic.is_none_or(|topic| !Circle::unheard().contains(&topic))
    };
    part.filter(hears).map(|part| part.frames.iter().map(|frame| json!(frame)).collect()).unwrap_or_default()
}

impl Family {
    fn new() -> Self {
        Self::of(&["olga", "anna", "ben", "cleo"])
    }

    /// The first is the owner.
    fn of(users: &[&str]) -> Self {
        let member = |(no, user): (usize, &&str)| StoredMember {
            no: MemberNo(no as u32),
            user: (*user).into(),
            name: user.to_uppercase().into(),
            role: if no == 0 { Role::Owner } else { Role::Member },
            joined_at: Timestamp::from_ms(no as i64),
            joined_seq: 0,
            left_at: None,
            sharing: Sharing::AT_FIRST,
        };
        let members = users.iter().enumerate().map(member).collect();
        let circle = StoredCircle { id: CircleId::new("c"), name: "Home".into(), members, invites: Vec::new(), latest: Vec::new() };
        let tables = Tables::new(circle);
        Self { circle: Circle::from_stored(tables.load()), tables, here: Here::default(), seq: 0, now: 1_000_000 }
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_ms(self.now)
    }

    fn after(&self, seconds: i64) -> Timestamp {
        Timestamp::from_ms(self.now + seconds * 1_000)
    }

    fn pass(&mut self, seconds: i64) {
        self.now += seconds * 1_000;
    }

    fn member(&self, user: &str) -> Member {
        self.circle.member(&user.into()).expect("a member of the family")
    }

    /// Does a command of `by` (the server's, if that is empty): decides, applies, stores.
    fn ask(&mut self, by: &str, command: Command) -> Result<Done, Rejection> {
        self.pass(1);
        let by = self.circle.member(&UserId::new(by));
        let at = Moment { now: self.now(), fresh: "f", seq: self.seq + 1 };
        let decision = self.circle.decide(at, by.as_ref(), &command)?;
        let changed = decision.event.is_some();
        let effects = decision.event.map(|event| self.circle.apply(at, by.as_ref(), event)).unwrap_or_default();
        self.seq += i64::from(changed && !effects.unnumbered);
        effects.rows.iter().for_each(|row| self.tables.write(row.clone()));
        let said = if changed { self.here.room_changed(&self.circle, at.now) } else { Vec::new() };
        Ok(Done { answer: decision.answer, effects, said, changed })
    }

    /// The same for a command that is expected to be done.
    fn done(&mut self, by: &str, command: Command) -> Done {
        self.ask(by, command.clone()).unwrap_or_else(|rejection| panic!("{command:?}: {rejection}"))
    }

    /// What everybody who asked for positions was told, without those who were told nothing.
    fn heard(&self, parts: &[Part<ServerMessage>]) -> Vec<(String, Vec<Value>)> {
        self.heard_by(parts, true)
    }

    fn heard_by(&self, parts: &[Part<ServerMessage>], subscribed: bool) -> Vec<(String, Vec<Value>)> {
        let members = self.tables.stored.members.iter().filter_map(|member| self.circle.member(&member.user));
        let heard = members.map(|member| (member.user.to_string(), told(parts, &self.circle, &member, subscribed)));
        heard.filter(|(_, frames)| !frames.is_empty()).collect()
    }

    fn hearers(&self, parts: &[Part<ServerMessage>]) -> Vec<String> {
        self.heard(parts).into_iter().map(|(user, _)| user).collect()
    }

    fn subscribe(&self, by: &str) -> Vec<Value> {
        let Ok(Asked::Known { answer, frames }) = self.circle.ask(self.now(), &self.here, &self.member(by), &Query::Subscribe) else {
            panic!("is known")
        };
        assert_eq!(Circle::hears(&answer), Some((POSITIONS, true)));
        frames.iter().map(|frame| json!(frame)).collect()
    }

    /// Where a new subscriber sees whom: user and latitude.
    fn seen(&self, by: &str) -> Vec<(String, f64)> {
        let seen = self.subscribe(by).into_iter();
        seen.map(|frame| (frame["userId"].as_str().expect("a text").to_owned(), frame["latitude"].as_f64().expect("is plain"))).collect()
    }

    fn reload(&mut self) {
        self.circle = Circle::from_stored(self.tables.load());
        self.here = Here::default();
    }

    fn invite(&mut self, by: &str, code: &str) {
        let expires_at = self.after(3_600);
        self.done(by, Command::CreateInvite { code: code.into(), expires_at });
    }
}

fn at(latitude: f64, measured_at: Timestamp) -> Command {
    let mut position = position(latitude, measured_at);
    position.longitude = 8.256;
    Command::Locate { device: String::new(), point: Point::Plain(position) }
}

fn position(latitude: f64, timestamp: Timestamp) -> Position {
    let (altitude, speed, heading, battery) = (Some(500.0), Some(2.0), Some(90.0), Some(80.0));
    Position { latitude, longitude: 8.256, accuracy: 5.0, timestamp, altitude, speed, heading, battery }
}

fn seal(text: &str) -> Command {
    let sealed = Sealed { ciphertext: text.into(), nonce: "AAAA".into(), key_version: KeyVersion::Number(1) };
    Command::Locate { device: String::new(), point: Point::Sealed(sealed) }
}

fn share(enabled: bool) -> Command {
    Command::SetSharing { enabled, until: None, precision: None }
}

fn share_until(until: Timestamp) -> Command {
    Command::SetSharing { enabled: true, until: Some(until), precision: None }
}

fn as_exact_as(precision: Precision) -> Command {
    Command::SetSharing { enabled: true, until: None, precision: Some(precision) }
}

fn accept(code: &str, user: &str) -> Command {
    Command::AcceptInvite { code: code.into(), user: user.into(), name: user.to_uppercase() }
}

fn remove(user: &str) -> Command {
    Command::RemoveMember { user: user.into() }
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, Rejection>, code: ErrorCode, message: &str) {
    let rejection = result.expect_err("a refusal");
    assert_eq!((rejection.code, rejection.message.as_str()), (code, message));
}
