//! A campaign: a dungeon master and players on a hex map.
//!
//! [`Campaign`] judges a command against its state (`decide`), changes the state by the event that comes of it and says who is told what
//! (`apply`). What the modules hold:
//!
//! | module | its question |
//! |---|---|
//! | `decide`, `joining` | may this person ask for that, in this state? |
//! | `judge` | what would that change on a board? |
//! | `board`, `draft` | what is where; and what would be, with the staged queue on top |
//! | `apply` | which state, rows and frames follow from an event |
//! | `gate` | what does a player see of a difference, of the map, of a token |
//! | `log` | what is written down of a session, and who may read it |
//! | `roster`, `session`, `staged` | people; the session's life; the queue |
//! | `resume` | do missed frames show what has been hidden since? |
//!
//! Rules that the tests cite, besides I1–I10 of the kernel:
//!
//! - **C1** A player is told of a hex's terrain, or of a token, only if he sees the hex (or owns the token) after the change.
//! - **C2** Staged changes have no effect that a player could see before they are published.
//! - **C3** Publishing is one event; each player is told the difference between before and after.
//! - **C4** The rows of an event, applied to what the campaign was loaded from, load the campaign as it is.

mod apply;
pub mod board;
mod decide;
mod draft;
pub mod event;
pub mod fog;
pub mod gate;
mod joining;
mod judge;
pub mod log;
pub mod presence;
mod resume;
mod roster;
pub mod rows;
mod session;
mod staged;
#[cfg(test)]
mod tests;
mod view;

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;

use serde_json::json;

use crate::protocol::campaign::ServerMessage;
use crate::protocol::campaign::command::{Answer, BroadcastMode, Command};
use crate::protocol::error::Rejection;
use crate::protocol::ids::{CampaignId, InvitationId, UserId};
use crate::protocol::time::Timestamp;
use crate::rooms::campaign::board::Board;
use crate::rooms::campaign::event::Event;
use crate::rooms::campaign::log::Page;
use crate::rooms::campaign::presence::Presence;
use crate::rooms::campaign::roster::Roster;
use crate::rooms::campaign::rows::{InviteLink, LogType, PendingInvitation, Row, StoredCampaign};
use crate::rooms::campaign::session::Session;
use crate::rooms::campaign::staged::Queue;
use crate::rooms::kernel::{Asked, Decision, Effects, Member, MemberNo, Moment, RoomLogic};

/// The whole state of one campaign.
#[derive(Debug)]
pub struct Campaign {
    id: CampaignId,
    owner: UserId,
    roster: Roster,
    session: Session,
    mode: BroadcastMode,
    /// What is published.
    board: Board,
    queue: Queue,
    invitations: BTreeMap<InvitationId, PendingInvitation>,
    /// Links that are used up stay until the room is unloaded, so that they can be told from unknown ones.
    links: HashMap<String, InviteLink>,
}

impl Campaign {
    pub fn from_stored(stored: StoredCampaign) -> Self {
        let StoredCampaign { id, owner, mode, session, members, board, staged, invitations, links } = stored;
        Self {
            id,
            owner,
            roster: Roster::from_stored(members),
            session: Session::from_stored(session),
            mode,
            board: Board::from_stored(board),
            queue: Queue::from_stored(staged),
            invitations: invitations.into_iter().map(|invitation| (invitation.id.clone(), invitation)).collect(),
            links: links.into_iter().map(|link| (link.code.clone(), link)).collect(),
        }
    }

    /// All members, in order of joining.
    pub fn members(&self) -> Vec<Member> {
        self.roster.members()
    }

    pub fn id(&self) -> &CampaignId {
        &self.id
    }

    /// The published board.
    pub fn board(&self) -> &Board {
        &self.board
    }

    /// The page of the log that is being written, if there is one.
    fn page(&self, at: Moment<'_>) -> Option<Page<'_>> {
        self.session.logged().map(|session| Page { session, at: at.now, seq: at.seq })
    }
}

impl RoomLogic for Campaign {
    type Command = Command;
    type Event = Event;
    type Message = ServerMessage;
    type Answer = Answer;
    type Row = Row;
    type Query = Infallible;
    type Signal = Infallible;
    type Lookup = Infallible;
    type Found = Infallible;
    type Company = Presence;

    fn ask(&self, _: Timestamp, _: &Presence, _: &Member, query: &Infallible) -> Result<Asked<Self>, Rejection> {
        match *query {}
    }

    fn tell(&self, _: &Member, _: &Infallible, found: Infallible) -> Result<Answer, Rejection> {
        match found {}
    }

    fn decide(&self, at: Moment<'_>, by: Option<&Member>, command: &Command) -> Result<Decision<Event, Answer>, Rejection> {
        self.judge_command(at, by, command)
    }

    fn apply(&mut self, at: Moment<'_>, by: Option<&Member>, event: Event) -> Effects<ServerMessage, Row> {
        self.carry_out(at, by, event)
    }

    fn member(&self, user: &UserId) -> Option<Member> {
        self.roster.member(user)
    }

    fn role(&self, member: &Member) -> &'static str {
        if member.leads { "dm" } else { "player" }
    }

    fn joined_seq(&self, member: MemberNo) -> i64 {
        self.roster.joined_seq(member)
    }

    fn members_len(&self) -> usize {
        self.roster.len()
    }

    fn view(&self, viewer: &Member, presence: &Presence) -> Vec<ServerMessage> {
        self.view_for(viewer, &|no| presence.is_online(no))
    }

    fn presence_rows(&self, at: Moment<'_>, member: &Member, joined: bool) -> Vec<Row> {
        let kind = if joined { LogType::PlayerJoin } else { LogType::PlayerLeave };
        let payload = json!({"userId": member.user, "name": member.name});
        let row = |page: Page<'_>| Row::Log(page.open(kind, Some(member.user.clone()), &payload));
        self.page(at).map(row).into_iter().collect()
    }

    fn resumable(missed: Vec<String>) -> Option<Vec<String>> {
        let texts: Vec<&str> = missed.iter().map(String::as_str).collect();
        (!resume::shows_what_was_hidden_since(&texts)).then_some(missed)
    }
}
