//! The rules of a campaign, one file per behaviour, on a [`Table`]: a campaign, the tables it is stored in, and its people.

mod fog;
mod logs;
mod people;
mod sessions;
mod simulation;
mod staged;
mod tables;
mod tokens;

use serde_json::{Value, json};

use crate::protocol::campaign::command::{Answer, BroadcastMode, Command};
use crate::protocol::campaign::{Body, ServerMessage, decode};
use crate::protocol::error::{ErrorCode, Rejection};
use crate::protocol::ids::{CampaignId, UserId};
use crate::protocol::time::Timestamp;
use crate::rooms::campaign::Campaign;
use crate::rooms::campaign::board::Look;
use crate::rooms::campaign::rows::{LogRow, Role, Row, StoredBoard, StoredCampaign, StoredMember};
use crate::rooms::kernel::{Effects, Member, MemberNo, Moment, RoomLogic};

/// A campaign with a DM `dm` (also its owner) and the players `anna`, `ben` and `cleo`.
struct Table {
    campaign: Campaign,
    stored: StoredCampaign,
    log: Vec<LogRow>,
    seq: i64,
    commands: u32,
}

/// What came of a command.
#[derive(Debug)]
struct Done {
    answer: Answer,
    changed: bool,
    effects: Effects<ServerMessage, Row>,
}

impl Done {
    /// The frames for one member, as JSON.
    fn told(&self, member: &Member) -> Vec<Value> {
        let part = self.effects.parts.iter().find(|part| part.to.holds(member.no, member.leads));
        part.map(|part| part.frames.iter().map(|frame| json!(frame)).collect()).unwrap_or_default()
    }
}

impl Table {
    fn new() -> Self {
        Self::of(&["dm", "anna", "ben", "cleo"])
    }

    fn of(users: &[&str]) -> Self {
        let member = |(no, user): (usize, &&str)| StoredMember {
            no: MemberNo(no as u32),
            user: (*user).into(),
            name: user.to_uppercase(),
            role: if no == 0 { Role::Dm } else { Role::Player },
            joined_at: Timestamp::from_ms(0),
            joined_seq: 0,
            left_at: None,
        };
        Self::load(StoredCampaign {
            id: CampaignId::new("c"),
            owner: users[0].into(),
            mode: BroadcastMode::Immediate,
            session: None,
            members: users.iter().enumerate().map(member).collect(),
            board: StoredBoard::default(),
            staged: Vec::new(),
            invitations: Vec::new(),
            links: Vec::new(),
        })
    }

    fn load(stored: StoredCampaign) -> Self {
        Self { campaign: Campaign::from_stored(stored.clone()), stored, log: Vec::new(), seq: 0, commands: 0 }
    }

    fn member(&self, user: &str) -> Member {
        self.campaign.member(&user.into()).expect("a member of the table")
    }

    /// Does a command of `by` (nobody's, if that is no member): decides, applies, stores.
    fn ask(&mut self, by: &str, command: Command) -> Result<Done, Rejection> {
        self.commands += 1;
        let fresh = format!("f{}", self.commands);
        let by = self.campaign.member(&UserId::new(by));
        let at = Moment { now: Timestamp::from_ms(i64::from(self.commands) * 1_000), fresh: &fresh, seq: self.seq + 1 };
        let decision = self.campaign.decide(at, by.as_ref(), &command)?;
        let changed = decision.event.is_some();
        let effects = decision.event.map(|event| self.campaign.apply(at, by.as_ref(), event)).unwrap_or_default();
        self.seq += i64::from(changed);
        for row in &effects.rows {
            tables::write(&mut self.stored, &mut self.log, row.clone());
        }
        Ok(Done { answer: decision.answer, changed, effects })
    }

    /// The same for a frame as a client writes it.
    fn send(&mut self, by: &str, frame: Value) -> Result<Done, Rejection> {
        match decode(&frame.to_string()).map_err(|refused| refused.rejection)?.body {
            Body::Command(command) => self.ask(by, command),
            Body::Ping => panic!("ping is no command"),
        }
    }

    /// The same for a command that is expected to be done.
    fn done(&mut self, by: &str, frame: Value) -> Done {
        self.send(by, frame.clone()).unwrap_or_else(|rejection| panic!("{frame}: {rejection}"))
    }

    /// What each of the players and the DM was told, as `(user, frames)` without those who were told nothing.
    fn heard(&self, done: &Done) -> Vec<(String, Vec<Value>)> {
        let heard = |member: Member| (member.user.to_string(), done.told(&member));
        self.campaign.members().into_iter().map(heard).filter(|(_, frames)| !frames.is_empty()).collect()
    }

    fn view(&self, user: &str) -> Vec<Value> {
        self.campaign.view_for(&self.member(user), &|_| true).iter().map(|frame| json!(frame)).collect()
    }
}

#[track_caller]
fn refused(result: Result<Done, Rejection>, code: ErrorCode, message: &str) {
    let rejection = result.expect_err("a refusal");
    assert_eq!((rejection.code, rejection.message.as_str()), (code, message));
}

fn reveal(keys: &[&str], targets: Value) -> Value {
    json!({"type": "hex:reveal", "hexKeys": keys, "targets": targets})
}

fn hide(keys: &[&str], targets: Value) -> Value {
    json!({"type": "hex:hide", "hexKeys": keys, "targets": targets})
}

fn to(players: &[&str]) -> Value {
    json!({"playerIds": players})
}

fn grow(key: &str, terrain: &str) -> Value {
    json!({"type": "hex:update", "changes": [{"key": key, "terrain": terrain}]})
}

fn token(key: &str) -> Value {
    json!({"type": "token:create", "hexKey": key, "label": "Orc", "icon": "o", "color": "#00ff00", "tokenType": "npc"})
}

fn owned(key: &str, owner: &str) -> Value {
    let mut token = token(key);
    token["ownerId"] = json!(owner);
    token
}

fn kinds(frames: &[Value]) -> Vec<&str> {
    frames.iter().filter_map(|frame| frame["type"].as_str()).collect()
}
