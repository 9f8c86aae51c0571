//! Messages, reactions, and what is read: judged for those who are in the place.

use crate::protocol::chat::{Answer, Command, Target};
use crate::protocol::error::{ErrorCode, Rejection};
use crate::protocol::ids::MessageId;
use crate::protocol::limits::EMOJI_PER_MESSAGE_MAX;
use crate::rooms::chat::Workspace;
use crate::rooms::chat::ask::in_use;
use crate::rooms::chat::decide::{Decided, forbidden, nothing, only, too_large};
use crate::rooms::chat::event::Event;
use crate::rooms::chat::places::Place;
use crate::rooms::chat::rows::{NewMessage, StoredMessage};
use crate::rooms::kernel::{Decision, Member, Moment};

impl Workspace {
    pub(super) fn judge_talk(&self, at: Moment<'_>, by: &Member, command: &Command) -> Decided {
        match command {
            Command::Send { target, content, parent_id } => self.judge_send(at, by, target, content, parent_id.as_ref()),
            Command::Edit { message_id, content } => {
                let (message, place) = self.message_for(by, message_id)?;
                if message.author != by.user {
                    return Err(forbidden(command, "author"));
                }
                in_use(place)?;
                only(Event::Edited(not_deleted(message)?.clone(), content.clone()))
            }
            Command::Delete { message_id } => {
                let (message, place) = self.message_for(by, message_id)?;
                if message.author != by.user && !by.leads {
                    return Err(forbidden(command, "author and the admins"));
                }
                in_use(place)?;
                match message.deleted_at {
                    Some(_) => nothing(),
                    None => {
                        only(Event::MessageDeleted(StoredMessage { deleted_at: Some(at.now), reactions: Vec::new(), ..message.clone() }))
                    }
                }
            }
            Command::ToggleReaction { message_id, emoji } => self.judge_reaction(by, message_id, emoji),
            Command::MarkRead { target } => match self.place_for(by, target)?.unread(&by.user) {
                0 => nothing(),
                _ => only(Event::Read(target.clone())),
            },
            _ => nothing(),
        }
    }

    fn judge_send(&self, at: Moment<'_>, by: &Member, target: &Target, content: &str, parent: Option<&MessageId>) -> Decided {
        let place = self.place_in_use(by, target)?;
        if let Some(parent) = parent {
            self.facts.get(parent).filter(|message| message.target == *target).ok_or_else(no_such_message)?;
        }
        let message = NewMessage {
            id: MessageId::new(at.fresh),
            target: target.clone(),
            sequence: place.last_sequence + 1,
            author: by.user.clone(),
            content: content.to_owned(),
            parent: parent.cloned(),
            created_at: at.now,
        };
        let answer = Answer { message_id: Some(message.id.clone()), sequence: Some(message.sequence), ..Answer::default() };
        Ok(Decision { event: Some(Event::Sent(message)), answer })
    }

    fn judge_reaction(&self, by: &Member, id: &MessageId, emoji: &str) -> Decided {
        let (message, place) = self.message_for(by, id)?;
        in_use(place)?;
        let message = not_deleted(message)?;
        let mut reactions = message.reactions.clone();
        reactions.retain(|(there, user)| !(there == emoji && *user == by.user));
        let added = reactions.len() == message.reactions.len();
        if added {
            let mut kinds: Vec<&str> = reactions.iter().map(|(emoji, _)| emoji.as_str()).collect();
            kinds.sort_unstable();
            kinds.dedup();
            if kinds.len() >= EMOJI_PER_MESSAGE_MAX && !kinds.contains(&emoji) {
                return Err(too_large(format!("A message has at most {EMOJI_PER_MESSAGE_MAX} different reactions")));
            }
            reactions.push((emoji.to_owned(), by.user.clone()));
        }
        only(Event::Reacted { message: StoredMessage { reactions, ..message.clone() }, emoji: emoji.to_owned(), added })
    }

    /// A message, and where it stands, for somebody who is there. Of one in a place that he may not know of, he is told what he is told of one that
    /// there is not.
    fn message_for(&self, by: &Member, id: &MessageId) -> Result<(&StoredMessage, &Place), Rejection> {
        let message = self.facts.get(id).ok_or_else(no_such_message)?;
        let place = self.place_for(by, &message.target).map_err(|rejection| match rejection.code {
            ErrorCode::NotFound => no_such_message(),
            _ => rejection,
        })?;
        Ok((message, place))
    }
}

fn not_deleted(message: &StoredMessage) -> Result<&StoredMessage, Rejection> {
    match message.deleted_at {
        Some(_) => Err(Rejection::new(ErrorCode::InvalidState, "The message was deleted")),
        None => Ok(message),
    }
}

fn no_such_message() -> Rejection {
    Rejection::not_found("No such message")
}
