//! Channels and conversations: who opens, enters, leaves and closes them.

use crate::protocol::chat::{Answer, Command, Target};
use crate::protocol::error::{ErrorCode, Rejection};
use crate::protocol::ids::{ChannelId, ConversationId, UserId};
use crate::protocol::limits::{CHANNELS_MAX, CONVERSATION_PEOPLE_MAX, CONVERSATIONS_MAX};
use crate::rooms::chat::Workspace;
use crate::rooms::chat::ask::{in_use, no_such_place};
use crate::rooms::chat::decide::{Decided, forbidden, nothing, only, too_large};
use crate::rooms::chat::event::Event;
use crate::rooms::chat::places::{Channel, Place};
use crate::rooms::chat::rows::{StoredChannel, StoredConversation};
use crate::rooms::kernel::{Decision, Member, MemberNo, Moment};
use crate::rooms::members::MemberSet;

impl Workspace {
    pub(super) fn judge_channel(&self, at: Moment<'_>, by: &Member, command: &Command) -> Decided {
        match command {
            Command::CreateChannel { name, private } => self.judge_creation(at, by, name, *private),
            Command::ArchiveChannel { channel_id } => {
                let (place, channel) = self.channel_known_to(by, channel_id)?;
                if !by.leads && channel.created_by != by.user {
                    return Err(forbidden(command, "channel's creator and the admins"));
                }
                if place.is_archived() { nothing() } else { only(Event::ChannelArchived(channel_id.clone())) }
            }
            Command::JoinChannel { channel_id } => {
                let (place, _) = self.channel_known_to(by, channel_id)?;
                self.judge_entry(place, channel_id, by.no)
            }
            Command::JoinRoom { target } => self.judge_hearing(by, target),
            Command::LeaveChannel { channel_id } => {
                let (place, _) = self.channel_known_to(by, channel_id)?;
                judge_exit(place, channel_id, by.no)
            }
            Command::AddToChannel { channel_id, user } => {
                let place = self.place_in_use(by, &Target::Channel(channel_id.clone()))?;
                self.judge_entry(place, channel_id, self.no_of(user)?)
            }
            Command::RemoveFromChannel { channel_id, user } => {
                let (place, channel) = self.channel_known_to(by, channel_id)?;
                if !by.leads && channel.created_by != by.user && *user != by.user {
                    return Err(forbidden(command, "channel's creator and the admins"));
                }
                judge_exit(place, channel_id, self.no_of(user)?)
            }
            Command::OpenConversation { users } => self.judge_conversation(at, by, users),
            _ => nothing(),
        }
    }

    fn judge_creation(&self, at: Moment<'_>, by: &Member, name: &str, private: bool) -> Decided {
        // a private channel's name is compared with no other: a refusal would tell that there is one
        if !private && self.places.has_public_channel(name) {
            return Err(Rejection::new(ErrorCode::Conflict, "There is a channel with this name"));
        }
        if self.places.channels_len() >= CHANNELS_MAX {
            return Err(too_large(format!("A workspace has at most {CHANNELS_MAX} channels")));
        }
        let id = ChannelId::new(at.fresh);
        let channel = StoredChannel {
            id: id.clone(),
            no: self.places.next_no(),
            name: name.to_owned(),
            private,
            created_by: by.user.clone(),
            created_at: at.now,
            archived_at: None,
            members: MemberSet::one(by.no),
            last_sequence: 0,
        };
        let answer = Answer { channel_id: Some(id), created: true, ..Answer::default() };
        Ok(Decision { event: Some(Event::ChannelCreated(channel)), answer })
    }

    /// With `room:join` a connection hears the place again, also one that it never ceased to hear.
    fn judge_hearing(&self, by: &Member, target: &Target) -> Decided {
        let (place, decided) = match target {
            Target::Channel(id) => {
                let (place, _) = self.channel_known_to(by, id)?;
                (place, self.judge_entry(place, id, by.no)?)
            }
            Target::Dm(_) => (self.place_for(by, target)?, nothing()?),
        };
        Ok(Decision { answer: Answer { hears: Some((place.no, true)), ..decided.answer }, ..decided })
    }

    /// Whoever is in the channel may stay there, archived or not; nobody comes into an archived one.
    fn judge_entry(&self, place: &Place, id: &ChannelId, no: MemberNo) -> Decided {
        if place.members.contains(no) {
            return nothing();
        }
        in_use(place)?;
        only(Event::ChannelJoined(id.clone(), no))
    }

    fn judge_conversation(&self, at: Moment<'_>, by: &Member, users: &[UserId]) -> Decided {
        let mut people = MemberSet::one(by.no);
        for user in users {
            people.insert(self.no_of(user)?);
        }
        if people.len() > CONVERSATION_PEOPLE_MAX {
            return Err(too_large(format!("A conversation has at most {CONVERSATION_PEOPLE_MAX} people")));
        }
        if let Some(id) = self.places.conversation_of(&people) {
            return Ok(Decision { event: None, answer: Answer { conversation_id: Some(id.clone()), ..Answer::default() } });
        }
        if self.places.conversations_len() >= CONVERSATIONS_MAX {
            return Err(too_large(format!("A workspace has at most {CONVERSATIONS_MAX} conversations")));
        }
        let id = ConversationId::new(at.fresh);
        let (no, created_at) = (self.places.next_no(), at.now);
        let conversation = StoredConversation { id: id.clone(), no, created_at, participants: people, last_sequence: 0 };
        let answer = Answer { conversation_id: Some(id), created: true, ..Answer::default() };
        Ok(Decision { event: Some(Event::ConversationOpened(conversation)), answer })
    }

    /// A channel that is public, or that `by` is in.
    fn channel_known_to(&self, by: &Member, id: &ChannelId) -> Result<(&Place, &Channel), Rejection> {
        let target = Target::Channel(id.clone());
        let known = self.places.get(&target).filter(|place| place.is_public() || place.members.contains(by.no));
        known.and_then(|place| Some((place, place.channel()?))).ok_or_else(|| no_such_place(&target))
    }

    pub(super) fn no_of(&self, user: &UserId) -> Result<MemberNo, Rejection> {
        self.roster.member_no(user).ok_or_else(|| Rejection::not_found("No such member"))
    }
}

fn judge_exit(place: &Place, id: &ChannelId, no: MemberNo) -> Decided {
    match place.members.contains(no) {
        true => only(Event::ChannelLeft(id.clone(), no)),
        false => nothing(),
    }
}
