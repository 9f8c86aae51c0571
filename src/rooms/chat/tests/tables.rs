//! A model of the database: what rows do to what a workspace is loaded from, and the messages.

use super::*;
use crate::protocol::chat::messages::{Author, Message, Reaction};
use crate::rooms::chat::rows::{Found, Lookup, StoredMessage, StoredRead};
use crate::rooms::members::MemberSet;

pub struct Tables {
    pub stored: StoredWorkspace,
    pub messages: Vec<(StoredMessage, String, Timestamp)>,
}

fn set<K: PartialEq, T>(list: &mut Vec<T>, of: impl Fn(&T) -> K, value: T) {
    match list.iter().position(|thing| of(thing) == of(&value)) {
        Some(at) => list[at] = value,
        None => list.push(value),
    }
}

impl Tables {
    pub fn new(stored: StoredWorkspace) -> Self {
        Self { stored, messages: Vec::new() }
    }

    pub fn write(&mut self, row: Row) {
        let stored = &mut self.stored;
        match row {
            Row::Renamed(name) => stored.name = name,
            Row::Deleted => self.messages.clear(),
            Row::Member(member) => set(&mut stored.members, |member| member.no, member),
            Row::Channel(mut channel) => {
                let old = stored.channels.iter().find(|old| old.id == channel.id);
                channel.members = old.map_or_else(MemberSet::new, |old| old.members.clone());
                set(&mut stored.channels, |channel| channel.id.clone(), channel);
            }
            Row::ChannelMember(id, user, is_in) => {
                let no = stored.members.iter().find(|member| member.user == user).expect("a member").no;
                let channel = stored.channels.iter_mut().find(|channel| channel.id == id).expect("a channel");
                let changed = if is_in { channel.members.insert(no) } else { channel.members.remove(no) };
                assert!(changed, "a row changes something");
            }
            Row::Conversation(conversation) => stored.conversations.push(conversation),
            Row::Message(new) => {
                let last = self.messages.iter().filter(|(message, ..)| message.target == new.target).count() as i64;
                assert_eq!(new.sequence, last + 1, "W2");
                match &new.target {
                    Target::Channel(id) => stored.channels.iter_mut().find(|channel| channel.id == *id).expect("there").last_sequence += 1,
                    Target::Dm(id) => stored.conversations.iter_mut().find(|place| place.id == *id).expect("there").last_sequence += 1,
                }
                let message = StoredMessage {
                    id: new.id,
                    target: new.target,
                    sequence: new.sequence,
                    author: new.author,
                    parent: new.parent,
                    created_at: new.created_at,
                    deleted_at: None,
                    reactions: Vec::new(),
                };
                self.messages.push((message, new.content, new.created_at));
            }
            Row::Edited(id, text, at) => {
                let (_, content, updated_at) = self.message_mut(&id);
                (*content, *updated_at) = (text, at);
            }
            Row::MessageDeleted(id, at) => {
                let (message, content, _) = self.message_mut(&id);
                message.deleted_at = Some(at);
                message.reactions.clear();
                content.clear();
            }
            Row::Reaction(id, user, emoji, is_there, _) => {
                let reactions = &mut self.message_mut(&id).0.reactions;
                let had = reactions.len();
                reactions.retain(|reaction| *reaction != (emoji.clone(), user.clone()));
                assert_eq!(is_there, had == reactions.len(), "a row changes something");
                reactions.extend(is_there.then_some((emoji, user)));
            }
            Row::Read(read) => set(&mut stored.reads, |read| (read.target.clone(), read.user.clone()), read),
            Row::Invited(invitation, ..) => stored.invitations.push(invitation),
            Row::InvitationAnswered(id, _) => stored.invitations.retain(|invitation| invitation.id != id),
            Row::Link(link, ..) => stored.links.push(link),
            Row::LinkUses(code, uses) => {
                stored.links.iter_mut().filter(|link| link.code == code).for_each(|link| link.uses = uses);
                stored.links.retain(|link| link.max_uses.is_none_or(|max| link.uses < max));
            }
        }
    }

    fn message_mut(&mut self, id: &MessageId) -> &mut (StoredMessage, String, Timestamp) {
        self.messages.iter_mut().find(|(message, ..)| message.id == *id).expect("a message")
    }

    pub fn look_up(&self, lookup: Lookup) -> Found {
        match lookup {
            Lookup::Message(id) => {
                let message = self.messages.iter().find(|(message, ..)| message.id == id).map(|(message, ..)| message.clone());
                Found::Message(id, message)
            }
            Lookup::Older { target, before, limit } => {
                let wanted = |(message, ..): &&(StoredMessage, String, Timestamp)| {
                    message.target == target && before.is_none_or(|before| message.sequence < before)
                };
                let newest = self.messages.iter().rev().filter(wanted).take(limit as usize + 1);
                Found::Older(newest.map(|message| self.listed(message)).collect())
            }
        }
    }

    fn listed(&self, (facts, content, updated_at): &(StoredMessage, String, Timestamp)) -> Message {
        let facts = facts.clone();
        let (channel_id, conversation_id) = match &facts.target {
            Target::Channel(id) => (Some(id.clone()), None),
            Target::Dm(id) => (None, Some(id.clone())),
        };
        let reaction = |(emoji, user)| Reaction { emoji, user_ids: vec![user] };
        Message {
            id: facts.id,
            content: content.clone(),
            author: Author { id: facts.author.clone(), name: "".into() },
            author_id: facts.author,
            channel_id,
            conversation_id,
            parent_id: facts.parent,
            sequence: facts.sequence,
            created_at: facts.created_at,
            updated_at: *updated_at,
            deleted_at: facts.deleted_at,
            reactions: facts.reactions.into_iter().map(reaction).collect(),
        }
    }
}

/// Lists in the order of their keys, so that two can be compared.
pub fn sorted(mut stored: StoredWorkspace) -> StoredWorkspace {
    stored.members.sort_by_key(|member| member.no);
    stored.channels.sort_by_key(|channel| channel.no);
    stored.conversations.sort_by_key(|conversation| conversation.no);
    stored.reads.sort_by(|a: &StoredRead, b| (&a.target, &a.user).cmp(&(&b.target, &b.user)));
    stored.invitations.sort_by(|a, b| a.id.cmp(&b.id));
    stored.links.sort_by(|a, b| a.code.cmp(&b.code));
    stored.links.retain(|link| link.max_uses.is_none_or(|max| link.uses < max));
    stored
}

/// The workspace as it would be stored.
pub fn of(workspace: &Workspace) -> StoredWorkspace {
    let conversation = |place: &crate::rooms::chat::places::Place| match &place.target {
        Target::Channel(_) => None,
        Target::Dm(id) => Some(crate::rooms::chat::rows::StoredConversation {
            id: id.clone(),
            no: place.no,
            created_at: place.created_at,
            participants: place.members.clone(),
            last_sequence: place.last_sequence,
        }),
    };
    sorted(StoredWorkspace {
        id: workspace.id.clone(),
        name: workspace.name.clone(),
        members: (0..workspace.roster.next_no().0).filter_map(|no| workspace.roster.person(MemberNo(no)).cloned()).collect(),
        channels: workspace.places.iter().filter_map(|place| place.to_stored_channel()).collect(),
        conversations: workspace.places.iter().filter_map(conversation).collect(),
        reads: workspace.places.iter().flat_map(|place| place.to_reads()).collect(),
        invitations: workspace.invitations.values().cloned().collect(),
        links: workspace.links.values().cloned().collect(),
    })
}
