//! A workspace: a team, its channels and conversations, and what is said there.
//!
//! [`Workspace`] judges a command against its state (`decide`), changes the state by the event that comes of it and says who is told what
//! (`apply`). What the modules hold:
//!
//! | module | its question |
//! |---|---|
//! | `decide`, `talking`, `channels`, `joining` | may this person ask for that, in this state? |
//! | `ask` | the same for what changes nothing |
//! | `apply`, `telling` | which state, rows and frames follow from an event |
//! | `company` | who is here, and who is typing |
//! | `roster`, `places`, `facts` | people; channels and conversations; what is known of messages |
//! | `resume` | may missed frames still be shown as they were? |
//!
//! Messages themselves are in the database alone: the room knows of each channel and conversation how many there are, and of the messages touched
//! last what it takes to judge a command.
//!
//! Rules that the tests cite, besides I1–I10 of the kernel:
//!
//! - **W1** A frame of a channel or conversation goes to those who are in it at that moment, and in the workspace, and to nobody else.
//! - **W2** `sequence` counts 1, 2, 3 … in each channel and conversation.
//! - **W3** Who may not know that something exists gets the refusal that he would get if it did not.
//! - **W4** The rows of an event, applied to what the workspace was loaded from, load the workspace as it is.

mod apply;
mod ask;
mod channels;
pub mod company;
mod decide;
pub mod event;
mod facts;
mod joining;
mod places;
mod resume;
mod roster;
pub mod rows;
mod talking;
mod telling;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use crate::protocol::chat::command::Role;
use crate::protocol::chat::{Answer, Command, Query, ServerMessage, Signal};
use crate::protocol::error::Rejection;
use crate::protocol::ids::{InvitationId, UserId, WorkspaceId};
use crate::protocol::time::Timestamp;
use crate::rooms::chat::company::Here;
use crate::rooms::chat::event::Event;
use crate::rooms::chat::facts::Facts;
use crate::rooms::chat::places::Places;
use crate::rooms::chat::roster::Roster;
use crate::rooms::chat::rows::{Found, InviteLink, Lookup, PendingInvitation, Row, StoredWorkspace};
use crate::rooms::kernel::{Asked, Decision, Effects, Member, MemberNo, Moment, RoomLogic, Topic};

/// The whole state of one workspace.
#[derive(Debug)]
pub struct Workspace {
    id: WorkspaceId,
    name: String,
    roster: Roster,
    places: Places,
    facts: Facts,
    invitations: BTreeMap<InvitationId, PendingInvitation>,
    /// Links that are used up stay until the room is unloaded, so that they can be told from unknown ones.
    links: HashMap<String, InviteLink>,
    /// Grows with every change of who is where, so that the company need not look when there was none.
    moves: u64,
}

impl Workspace {
    pub fn from_stored(stored: StoredWorkspace) -> Self {
        let StoredWorkspace { id, name, members, channels, conversations, reads, invitations, links } = stored;
        Self {
            id,
            name,
            roster: Roster::from_stored(members),
            places: Places::from_stored(channels, conversations, reads),
            facts: Facts::default(),
            invitations: invitations.into_iter().map(|invitation| (invitation.id.clone(), invitation)).collect(),
            links: links.into_iter().map(|link| (link.code.clone(), link)).collect(),
            moves: 0,
        }
    }

    pub fn id(&self) -> &WorkspaceId {
        &self.id
    }

    pub fn name(&self) -> &str {
        &self.name
    }
}

impl RoomLogic for Workspace {
    type Command = Command;
    type Event = Event;
    type Message = ServerMessage;
    type Answer = Answer;
    type Row = Row;
    type Query = Query;
    type Signal = Signal;
    type Lookup = Lookup;
    type Found = Found;
    type Company = Here;

    fn wants(&self, command: &Command) -> Option<Lookup> {
        let id = match command {
            Command::Send { parent_id: Some(id), .. } => id,
            Command::Edit { message_id, .. } | Command::Delete { message_id } | Command::ToggleReaction { message_id, .. } => message_id,
            _ => return None,
        };
        (!self.facts.is_at_hand(id)).then(|| Lookup::Message(id.clone()))
    }

    fn learn(&mut self, found: Found) {
        if let Found::Message(id, message) = found {
            self.facts.learn(id, message);
        }
    }

    fn decide(&self, at: Moment<'_>, by: Option<&Member>, command: &Command) -> Result<Decision<Event, Answer>, Rejection> {
        self.judge_command(at, by, command)
    }

    fn apply(&mut self, at: Moment<'_>, by: Option<&Member>, event: Event) -> Effects<ServerMessage, Row> {
        self.carry_out(at, by, event)
    }

    fn ask(&self, _: Timestamp, here: &Here, by: &Member, query: &Query) -> Result<Asked<Self>, Rejection> {
        self.judge_query(here, by, query)
    }

    fn tell(&self, by: &Member, query: &Query, found: Found) -> Result<Answer, Rejection> {
        self.answer_from(by, query, found)
    }

    fn hears(answer: &Answer) -> Option<(Topic, bool)> {
        answer.hears.map(|(no, hears)| (Topic(no), hears))
    }

    fn topic(&self, message: &ServerMessage) -> Option<Topic> {
        self.topic_of(message)
    }

    fn latest(message: &ServerMessage) -> Option<String> {
        match message {
            ServerMessage::TypingUpdate { user_id, target_id, .. } => Some(format!("typing:{user_id}:{target_id}")),
            ServerMessage::PresenceUpdate { user_id, .. } => Some(format!("presence:{user_id}")),
            _ => None,
        }
    }

    fn member(&self, user: &UserId) -> Option<Member> {
        self.roster.member(user)
    }

    fn role(&self, member: &Member) -> &'static str {
        match self.roster.role(member.no) {
            Role::Owner => "owner",
            Role::Admin => "admin",
            Role::Member => "member",
        }
    }

    fn joined_seq(&self, member: MemberNo) -> i64 {
        self.roster.joined_seq(member)
    }

    fn members_len(&self) -> usize {
        self.roster.members().len()
    }

    fn view(&self, _: &Member, _: &Here) -> Vec<ServerMessage> {
        vec![ServerMessage::Ready {}]
    }

    fn presence_rows(&self, _: Moment<'_>, _: &Member, _: bool) -> Vec<Row> {
        Vec::new()
    }

    fn resumable(missed: Vec<String>) -> Option<Vec<String>> {
        resume::as_it_may_be_shown(missed)
    }
}
