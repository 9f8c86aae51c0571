//! Channels and conversations: who is in them, how many messages they hold, and who has read how far.

use std::collections::{BTreeMap, HashMap};

use crate::protocol::chat::Target;
use crate::protocol::ids::{ChannelId, ConversationId, UserId};
use crate::protocol::time::Timestamp;
use crate::rooms::chat::rows::{StoredChannel, StoredConversation, StoredRead};
use crate::rooms::kernel::{MemberNo, Topic};
use crate::rooms::members::MemberSet;

/// A channel or a conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    pub target: Target,
    pub no: u32,
    pub created_at: Timestamp,
    pub members: MemberSet,
    /// The `sequence` of its last message.
    pub last_sequence: i64,
    pub kind: Kind,
    /// Up to where who has read. Those who left are remembered; who is not here has read nothing.
    reads: BTreeMap<UserId, i64>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    Channel(Channel),
    Conversation,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Channel {
    pub id: ChannelId,
    pub name: String,
    pub private: bool,
    pub created_by: UserId,
    pub archived_at: Option<Timestamp>,
}

impl Place {
    pub fn topic(&self) -> Topic {
        Topic(self.no)
    }

    pub fn channel(&self) -> Option<&Channel> {
        match &self.kind {
            Kind::Channel(channel) => Some(channel),
            Kind::Conversation => None,
        }
    }

    /// A channel that every member of the workspace may know of.
    pub fn is_public(&self) -> bool {
        self.channel().is_some_and(|channel| !channel.private)
    }

    pub fn is_archived(&self) -> bool {
        self.channel().is_some_and(|channel| channel.archived_at.is_some())
    }

    /// How many messages this member has not read.
    pub fn unread(&self, user: &UserId) -> i64 {
        self.last_sequence - self.reads.get(user).copied().unwrap_or(0)
    }

    /// This member has read everything; the row that says so, if it was not so.
    pub fn read_all(&mut self, user: &UserId) -> Option<StoredRead> {
        (self.unread(user) != 0).then(|| {
            self.reads.insert(user.clone(), self.last_sequence);
            StoredRead { target: self.target.clone(), user: user.clone(), sequence: self.last_sequence }
        })
    }

    /// As it is stored.
    #[cfg(test)]
    pub fn to_reads(&self) -> impl Iterator<Item = StoredRead> {
        self.reads.iter().map(|(user, &sequence)| StoredRead { target: self.target.clone(), user: user.clone(), sequence })
    }

    pub fn archive(&mut self, at: Timestamp) {
        if let Kind::Channel(channel) = &mut self.kind {
            channel.archived_at = Some(at);
        }
    }

    /// The channel as it is stored; `None` for a conversation.
    pub fn to_stored_channel(&self) -> Option<StoredChannel> {
        let Channel { id, name, private, created_by, archived_at } = self.channel()?.clone();
        let Place { no, created_at, last_sequence, .. } = *self;
        Some(StoredChannel { id, no, name, private, created_by, created_at, archived_at, members: self.members.clone(), last_sequence })
    }
}

impl From<StoredChannel> for Place {
    fn from(stored: StoredChannel) -> Self {
        let StoredChannel { id, no, name, private, created_by, created_at, archived_at, members, last_sequence } = stored;
        let target = Target::Channel(id.clone());
        let kind = Kind::Channel(Channel { id, name, private, created_by, archived_at });
        Self { target, no, created_at, members, last_sequence, kind, reads: BTreeMap::new() }
    }
}

impl From<StoredConversation> for Place {
    fn from(stored: StoredConversation) -> Self {
        let StoredConversation { id, no, created_at, participants, last_sequence } = stored;
        let target = Target::Dm(id);
        Self { target, no, created_at, members: participants, last_sequence, kind: Kind::Conversation, reads: BTreeMap::new() }
    }
}

/// All places of a workspace. None of them ever goes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Places {
    by_no: BTreeMap<u32, Place>,
    no_by_target: HashMap<Target, u32>,
    conversation_by_people: HashMap<MemberSet, ConversationId>,
    channels: usize,
}

impl Places {
    pub fn from_stored(channels: Vec<StoredChannel>, conversations: Vec<StoredConversation>, reads: Vec<StoredRead>) -> Self {
        let mut places = Self::default();
        channels.into_iter().for_each(|channel| places.put(channel.into()));
        conversations.into_iter().for_each(|conversation| places.put(conversation.into()));
        for StoredRead { target, user, sequence } in reads {
            if let Some(place) = places.get_mut(&target) {
                place.reads.insert(user, sequence);
            }
        }
        places
    }

    pub fn put(&mut self, place: Place) {
        match &place.target {
            Target::Channel(_) => self.channels += 1,
            Target::Dm(id) => {
                self.conversation_by_people.insert(place.members.clone(), id.clone());
            }
        }
        self.no_by_target.insert(place.target.clone(), place.no);
        self.by_no.insert(place.no, place);
    }

    pub fn get(&self, target: &Target) -> Option<&Place> {
        self.no_by_target.get(target).and_then(|no| self.by_no.get(no))
    }

    pub fn get_mut(&mut self, target: &Target) -> Option<&mut Place> {
        self.no_by_target.get(target).and_then(|no| self.by_no.get_mut(no))
    }

    /// The place with this number.
    pub fn numbered(&self, no: u32) -> Option<&Place> {
        self.by_no.get(&no)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Place> {
        self.by_no.values()
    }

    /// Those that this member is in.
    pub fn of(&self, member: MemberNo) -> impl Iterator<Item = &Place> {
        self.iter().filter(move |place| place.members.contains(member))
    }

    pub fn conversation_of(&self, people: &MemberSet) -> Option<&ConversationId> {
        self.conversation_by_people.get(people)
    }

    /// A public channel in use with this name, whatever its case.
    pub fn has_public_channel(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        let open = self.iter().filter_map(Place::channel).filter(|channel| !channel.private && channel.archived_at.is_none());
        open.into_iter().any(|channel| channel.name.to_lowercase() == name)
    }

    pub fn channels_len(&self) -> usize {
        self.channels
    }

    pub fn conversations_len(&self) -> usize {
        self.by_no.len() - self.channels
    }

    /// A number that no place had.
    pub fn next_no(&self) -> u32 {
        self.by_no.last_key_value().map_or(0, |(no, _)| no + 1)
    }
}
