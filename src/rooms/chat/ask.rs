//! Questions: what somebody may be told of messages, people and what is unread.

use std::collections::BTreeMap;

use crate::protocol::chat::command::ResultMap;
use crate::protocol::chat::messages::Status;
use crate::protocol::chat::{Answer, Query, ServerMessage, Target};
use crate::protocol::error::{ErrorCode, Rejection};
use crate::protocol::ids::{ChannelId, ConversationId, WorkspaceId};
use crate::rooms::chat::Workspace;
use crate::rooms::chat::company::Here;
use crate::rooms::chat::places::Place;
use crate::rooms::chat::rows::{Found, Lookup};
use crate::rooms::kernel::{Asked, Member, Topic};

impl Workspace {
    pub(super) fn judge_query(&self, here: &Here, by: &Member, query: &Query) -> Result<Asked<Self>, Rejection> {
        let known = |answer| Ok(Asked::Known { answer, frames: Vec::new() });
        match query {
            Query::Older { target, before, limit } => {
                self.place_for(by, target)?;
                Ok(Asked::LookUp(Lookup::Older { target: target.clone(), before: *before, limit: *limit }))
            }
            Query::Presence { workspace_id, users } => {
                self.is_meant(workspace_id)?;
                let status = |user| self.roster.member_no(user).map_or(Status::Offline, |no| here.status(no));
                let result = ResultMap::Presence(users.iter().map(|user| (user.clone(), status(user))).collect());
                known(Answer { result: Some(result), ..Answer::default() })
            }
            Query::Unread { channels, conversations } => {
                let result = self.unread(by, channels.as_deref(), conversations.as_deref());
                known(Answer { result: Some(result), ..Answer::default() })
            }
            Query::LeaveRoom { target } => {
                let place = self.place_for(by, target)?;
                known(Answer { hears: Some((place.no, false)), ..Answer::default() })
            }
            Query::Here { workspace_id } => {
                self.is_meant(workspace_id)?;
                known(Answer::default())
            }
        }
    }

    fn is_meant(&self, id: &WorkspaceId) -> Result<(), Rejection> {
        if *id == self.id { Ok(()) } else { Err(Rejection::not_found("No such workspace")) }
    }

    /// Of places that the asker is not in nothing is said, as if they did not exist.
    fn unread(&self, by: &Member, channels: Option<&[ChannelId]>, conversations: Option<&[ConversationId]>) -> ResultMap {
        let named: Vec<&Place> = match (channels, conversations) {
            (None, None) => self.places.of(by.no).collect(),
            (channels, conversations) => {
                let channels = channels.unwrap_or_default().iter().cloned().map(Target::Channel);
                let conversations = conversations.unwrap_or_default().iter().cloned().map(Target::Dm);
                let places = channels.chain(conversations).filter_map(|target| self.places.get(&target));
                places.filter(|place| place.members.contains(by.no)).collect()
            }
        };
        let (mut channels, mut conversations) = (BTreeMap::new(), BTreeMap::new());
        for place in named {
            match &place.target {
                Target::Channel(id) => drop(channels.insert(id.clone(), place.unread(&by.user))),
                Target::Dm(id) => drop(conversations.insert(id.clone(), place.unread(&by.user))),
            }
        }
        ResultMap::Unread { channels, conversations }
    }

    /// What was found is of the time of reading: a message that was deleted since is shown without content.
    pub(super) fn answer_from(&self, by: &Member, query: &Query, found: Found) -> Result<Answer, Rejection> {
        let (Query::Older { target, limit, .. }, Found::Older(mut messages)) = (query, found) else { return Err(Rejection::internal()) };
        self.place_for(by, target)?;
        let limit = *limit as usize;
        let has_more = messages.len() > limit;
        messages.truncate(limit);
        messages.reverse();
        for message in &mut messages {
            if let Some(deleted_at) = self.facts.get(&message.id).and_then(|facts| facts.deleted_at) {
                message.content.clear();
                message.reactions.clear();
                message.deleted_at = Some(deleted_at);
            }
        }
        let next_cursor = messages.first().filter(|_| has_more).map(|oldest| oldest.sequence);
        Ok(Answer { has_more: Some(has_more), next_cursor: Some(next_cursor), messages: Some(messages), ..Answer::default() })
    }

    /// The place, for somebody who is in it. A public channel may be known to all, anything else only to those who are in it.
    pub(super) fn place_for(&self, by: &Member, target: &Target) -> Result<&Place, Rejection> {
        match self.places.get(target) {
            Some(place) if place.members.contains(by.no) => Ok(place),
            Some(place) if place.is_public() => Err(Rejection::new(ErrorCode::Forbidden, "Join the channel first")),
            _ => Err(no_such_place(target)),
        }
    }

    /// The same, for somebody who would change something there.
    pub(super) fn place_in_use(&self, by: &Member, target: &Target) -> Result<&Place, Rejection> {
        in_use(self.place_for(by, target)?)
    }

    pub(super) fn topic_of(&self, message: &ServerMessage) -> Option<Topic> {
        let of = |channel: &Option<ChannelId>, conversation: &Option<ConversationId>| match (channel, conversation) {
            (Some(id), _) => self.places.get(&Target::Channel(id.clone())),
            (None, Some(id)) => self.places.get(&Target::Dm(id.clone())),
            (None, None) => None,
        };
        let place = match message {
            ServerMessage::MessageNew(message) | ServerMessage::MessageEdited(message) => of(&message.channel_id, &message.conversation_id),
            ServerMessage::MessageDeleted { channel_id, conversation_id, .. }
            | ServerMessage::ReactionUpdate { channel_id, conversation_id, .. } => of(channel_id, conversation_id),
            ServerMessage::TypingUpdate { target_id, .. } => {
                of(&Some(target_id.as_str().into()), &None).or_else(|| of(&None, &Some(target_id.as_str().into())))
            }
            ServerMessage::ChannelArchived { channel_id } => of(&Some(channel_id.clone()), &None),
            ServerMessage::Ready {}
            | ServerMessage::PresenceUpdate { .. }
            | ServerMessage::UnreadUpdate { .. }
            | ServerMessage::RoomJoined { .. }
            | ServerMessage::RoomLeft { .. } => None,
        };
        place.map(Place::topic)
    }
}

pub(super) fn in_use(place: &Place) -> Result<&Place, Rejection> {
    match place.is_archived() {
        true => Err(Rejection::new(ErrorCode::InvalidState, "The channel is archived")),
        false => Ok(place),
    }
}

pub(super) fn no_such_place(target: &Target) -> Rejection {
    Rejection::not_found(match target {
        Target::Channel(_) => "No such channel",
        Target::Dm(_) => "No such conversation",
    })
}
