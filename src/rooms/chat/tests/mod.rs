//! The rules of a workspace, one file per behaviour, on a [`Team`]: a workspace, the tables it is stored in, and its people.

mod channels;
mod company;
mod people;
mod simulation;
mod tables;
mod talking;

use serde_json::{Value, json};

use crate::protocol::chat::command::Role;
use crate::protocol::chat::{Answer, Body, Command, Query, ServerMessage, Signal, Target, decode};
use crate::protocol::error::{ErrorCode, Rejection};
use crate::protocol::ids::{ChannelId, MessageId, UserId, WorkspaceId};
use crate::protocol::time::Timestamp;
use crate::rooms::chat::Workspace;
use crate::rooms::chat::company::Here;
use crate::rooms::chat::rows::{Row, StoredMember, StoredWorkspace};
use crate::rooms::chat::tests::tables::Tables;
use crate::rooms::kernel::{Asked, Company, Effects, Member, MemberNo, Moment, Part, RoomLogic};

/// A workspace with the owner `olga`, the admin `adam`, and the members `anna`, `ben` and `cleo`.
struct Team {
    workspace: Workspace,
    tables: Tables,
    here: Here,
    seq: i64,
    commands: u32,
}

/// What came of a command.
#[derive(Debug)]
struct Done {
    answer: Answer,
    changed: bool,
    effects: Effects<ServerMessage, Row>,
    /// What the company said of it.
    said: Vec<Part<ServerMessage>>,
}

/// The frames for one member, as JSON.
fn told(parts: &[Part<ServerMessage>], member: &Member) -> Vec<Value> {
    let part = parts.iter().find(|part| part.to.holds(member.no, member.leads));
    part.map(|part| part.frames.iter().map(|frame| json!(frame)).collect()).unwrap_or_default()
}

impl Team {
    fn new() -> Self {
        Self::of(&[("olga", Role::Owner), ("adam", Role::Admin), ("anna", Role::Member), ("ben", Role::Member), ("cleo", Role::Member)])
    }

    fn of(users: &[(&str, Role)]) -> Self {
        let member = |(no, (user, role)): (usize, &(&str, Role))| StoredMember {
            no: MemberNo(no as u32),
            user: (*user).into(),
            name: user.to_uppercase().into(),
            role: *role,
            joined_at: Timestamp::from_ms(0),
            joined_seq: 0,
            left_at: None,
        };
        let tables = Tables::new(StoredWorkspace {
            id: WorkspaceId::new("w"),
            name: "Team".into(),
            members: users.iter().enumerate().map(member).collect(),
            channels: Vec::new(),
            conversations: Vec::new(),
            reads: Vec::new(),
            invitations: Vec::new(),
            links: Vec::new(),
        });
        Self { workspace: Workspace::from_stored(tables.stored.clone()), tables, here: Here::default(), seq: 0, commands: 0 }
    }

    fn member(&self, user: &str) -> Member {
        self.workspace.member(&user.into()).expect("a member of the team")
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_ms(i64::from(self.commands) * 1_000)
    }

    /// Does a command of `by` (nobody's, if that is no member): reads what is wanted, decides, applies, stores.
    fn ask(&mut self, by: &str, command: Command) -> Result<Done, Rejection> {
        self.commands += 1;
        let fresh = format!("f{}", self.commands);
        let by = self.workspace.member(&UserId::new(by));
        if let Some(lookup) = self.workspace.wants(&command) {
            let found = self.tables.look_up(lookup);
            self.workspace.learn(found);
        }
        assert_eq!(self.workspace.wants(&command), None, "what was learnt is known");
        let at = Moment { now: self.now(), fresh: &fresh, seq: self.seq + 1 };
        let decision = self.workspace.decide(at, by.as_ref(), &command)?;
        let changed = decision.event.is_some();
        let effects = decision.event.map(|event| self.workspace.apply(at, by.as_ref(), event)).unwrap_or_default();
        self.seq += i64::from(changed);
        for row in &effects.rows {
            self.tables.write(row.clone());
        }
        let said = if changed { self.here.room_changed(&self.workspace, at.now) } else { Vec::new() };
        Ok(Done { answer: decision.answer, changed, effects, said })
    }

    /// The same for a command that is expected to be done.
    fn done(&mut self, by: &str, command: Command) -> Done {
        self.ask(by, command.clone()).unwrap_or_else(|rejection| panic!("{command:?}: {rejection}"))
    }

    fn query(&self, by: &str, query: &Query) -> Result<Answer, Rejection> {
        let by = self.member(by);
        match self.workspace.ask(self.now(), &self.here, &by, query)? {
            Asked::Known { answer, .. } => Ok(answer),
            Asked::LookUp(lookup) => self.workspace.tell(&by, query, self.tables.look_up(lookup)),
        }
    }

    /// What everybody was told, as `(user, frames)` without those who were told nothing.
    fn heard(&self, parts: &[Part<ServerMessage>]) -> Vec<(String, Vec<Value>)> {
        let members = self.tables.stored.members.iter().filter_map(|member| self.workspace.member(&member.user));
        let heard = members.map(|member| (member.user.to_string(), told(parts, &member)));
        heard.filter(|(_, frames)| !frames.is_empty()).collect()
    }

    /// Who was told anything.
    fn hearers(&self, parts: &[Part<ServerMessage>]) -> Vec<String> {
        self.heard(parts).into_iter().map(|(user, _)| user).collect()
    }

    fn channel(&mut self, by: &str, name: &str, private: bool) -> Target {
        let done = self.done(by, Command::CreateChannel { name: name.into(), private });
        Target::Channel(done.answer.channel_id.expect("an id"))
    }

    /// A public channel of `by` with these people besides.
    fn public(&mut self, by: &str, others: &[&str]) -> Target {
        let target = self.channel(by, &format!("public{}", self.commands), false);
        others.iter().for_each(|user| drop(self.done(user, Command::JoinRoom { target: target.clone() })));
        target
    }

    /// A private channel of `by` with these people besides.
    fn private(&mut self, by: &str, others: &[&str]) -> Target {
        let target = self.channel(by, "private", true);
        others.iter().for_each(|user| drop(self.done(by, Command::AddToChannel { channel_id: id(&target), user: (*user).into() })));
        target
    }

    fn conversation(&mut self, by: &str, others: &[&str]) -> Target {
        let users = others.iter().map(|user| UserId::new(*user)).collect();
        let done = self.done(by, Command::OpenConversation { users });
        Target::Dm(done.answer.conversation_id.expect("an id"))
    }

    fn say(&mut self, by: &str, target: &Target, content: &str) -> MessageId {
        self.done(by, send(target, content)).answer.message_id.expect("an id")
    }

    /// The messages of a place as `by` reads them: sequence and content.
    fn read(&self, by: &str, target: &Target) -> Vec<(i64, String)> {
        let answer = self.query(by, &Query::Older { target: target.clone(), before: None, limit: 200 }).expect("may read");
        answer.messages.expect("messages").into_iter().map(|message| (message.sequence, message.content)).collect()
    }
}

fn id(target: &Target) -> ChannelId {
    match target {
        Target::Channel(id) => id.clone(),
        Target::Dm(_) => panic!("a conversation is no channel"),
    }
}

fn send(target: &Target, content: &str) -> Command {
    Command::Send { target: target.clone(), content: content.into(), parent_id: None }
}

fn reply(target: &Target, parent: &str) -> Command {
    Command::Send { target: target.clone(), content: "reply".into(), parent_id: Some(parent.into()) }
}

fn edit(message: &MessageId, content: &str) -> Command {
    Command::Edit { message_id: message.clone(), content: content.into() }
}

fn delete(message: &MessageId) -> Command {
    Command::Delete { message_id: message.clone() }
}

fn react(message: &MessageId, emoji: &str) -> Command {
    Command::ToggleReaction { message_id: message.clone(), emoji: emoji.into() }
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, Rejection>, code: ErrorCode, message: &str) {
    let rejection = result.expect_err("a refusal");
    assert_eq!((rejection.code, rejection.message.as_str()), (code, message));
}

fn kinds(frames: &[Value]) -> Vec<&str> {
    frames.iter().filter_map(|frame| frame["type"].as_str()).collect()
}
