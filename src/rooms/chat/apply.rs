//! What follows from an event: the new state, the rows that hold it, and who is told what.

use crate::protocol::chat::messages::{Author, Message, ReactionAction, RoomType};
use crate::protocol::chat::{ServerMessage, Target};
use crate::protocol::ids::{ChannelId, ConversationId, UserId};
use crate::protocol::time::Timestamp;
use crate::rooms::chat::Workspace;
use crate::rooms::chat::event::Event;
use crate::rooms::chat::places::Place;
use crate::rooms::chat::rows::{Answered, NewMessage, Row, StoredMember, StoredMessage};
use crate::rooms::chat::telling::{Tellings, parts};
use crate::rooms::kernel::{Effects, Member, MemberNo, Moment};
use crate::rooms::members::MemberSet;

type Outcome = Effects<ServerMessage, Row>;

fn outcome(told: Tellings, rows: Vec<Row>) -> Outcome {
    Effects { parts: parts(told), rows, ..Effects::default() }
}

fn silent(rows: impl IntoIterator<Item = Row>) -> Outcome {
    outcome(Vec::new(), rows.into_iter().collect())
}

impl Workspace {
    pub(super) fn carry_out(&mut self, at: Moment<'_>, by: Option<&Member>, event: Event) -> Outcome {
        let user = by.map(|by| by.user.clone());
        match event {
            Event::Renamed(name) => {
                self.name.clone_from(&name);
                silent([Row::Renamed(name)])
            }
            Event::Deleted => Effects { rows: vec![Row::Deleted], closed: true, ..Effects::default() },
            Event::Sent(message) => self.send(message),
            Event::Edited(message, content) => self.edit(at, message, content),
            Event::MessageDeleted(message) => self.delete_message(at, message),
            Event::Reacted { message, emoji, added } => self.react(at, by, message, emoji, added),
            Event::Read(target) => self.read(user, &target),
            Event::ChannelCreated(channel) => {
                let row = Row::Channel(channel.clone());
                let member_rows = channel.members.iter().filter_map(|no| self.channel_member(&channel.id, no, true));
                let rows = [row].into_iter().chain(member_rows).collect();
                self.open(channel.into(), rows)
            }
            Event::ConversationOpened(conversation) => self.open(conversation.clone().into(), vec![Row::Conversation(conversation)]),
            Event::ChannelArchived(id) => self.archive(at, id),
            Event::ChannelJoined(id, no) => self.enter(&id, no),
            Event::ChannelLeft(id, no) => self.leave(&id, no),
            Event::Invited(invitation) => {
                self.invitations.insert(invitation.id.clone(), invitation.clone());
                silent(user.map(|by| Row::Invited(invitation, by, at.now)))
            }
            Event::InvitationDeclined(invitation) => {
                self.invitations.remove(&invitation.id);
                silent([Row::InvitationAnswered(invitation.id, Answered::Declined)])
            }
            Event::InvitationAccepted { invitation, joined } => {
                self.invitations.remove(&invitation.id);
                let answered = Row::InvitationAnswered(invitation.id, Answered::Accepted);
                silent([answered].into_iter().chain(joined.map(|member| self.admit(member))))
            }
            Event::LinkMade(link) => {
                self.links.insert(link.code.clone(), link.clone());
                silent(user.map(|by| Row::Link(link, by, at.now)))
            }
            Event::LinkUsed { link, joined } => {
                let used = Row::LinkUses(link.code.clone(), link.uses);
                self.links.insert(link.code.clone(), link);
                silent([used, self.admit(joined)])
            }
            Event::RoleSet(member) => silent([self.admit(member)]),
            Event::MemberRemoved(member) => self.remove_member(member),
        }
    }

    /// Those who are in a place and in the workspace: who leaves the workspace stays among the people of his conversations, and hears nothing.
    pub(super) fn audience(&self, place: &Place) -> MemberSet {
        place.members.intersection(self.roster.members())
    }

    /// A frame for everybody in a place.
    fn to_place(&self, target: &Target, frame: ServerMessage) -> Tellings {
        self.places.get(target).map(|place| (self.audience(place), frame)).into_iter().collect()
    }

    /// The sender has read everything up to his own message.
    fn send(&mut self, message: NewMessage) -> Outcome {
        let NewMessage { id, target, sequence, author, content, parent, created_at } = message.clone();
        let facts = StoredMessage {
            id,
            target: target.clone(),
            sequence,
            author: author.clone(),
            parent,
            created_at,
            deleted_at: None,
            reactions: Vec::new(),
        };
        let mut told = self.to_place(&target, ServerMessage::MessageNew(self.message(&facts, content, created_at)));
        self.facts.put(facts);
        let mut rows = vec![Row::Message(message)];
        if let Some(place) = self.places.get_mut(&target) {
            let fell = place.unread(&author) > 0;
            place.last_sequence = sequence;
            rows.extend(place.read_all(&author).map(Row::Read));
            told.extend(fell.then(|| self.nothing_unread(&author, &target)).flatten());
        }
        outcome(told, rows)
    }

    fn edit(&mut self, at: Moment<'_>, message: StoredMessage, content: String) -> Outcome {
        let told = self.message(&message, content.clone(), at.now);
        let told = self.to_place(&message.target, ServerMessage::MessageEdited(told));
        let row = Row::Edited(message.id.clone(), content, at.now);
        self.facts.put(message);
        outcome(told, vec![row])
    }

    fn delete_message(&mut self, at: Moment<'_>, message: StoredMessage) -> Outcome {
        let (channel_id, conversation_id) = ids(&message.target);
        let (message_id, deleted_at) = (message.id.clone(), at.now);
        let frame = ServerMessage::MessageDeleted { message_id: message_id.clone(), deleted_at, channel_id, conversation_id };
        let told = self.to_place(&message.target, frame);
        self.facts.put(message);
        outcome(told, vec![Row::MessageDeleted(message_id, deleted_at)])
    }

    fn react(&mut self, at: Moment<'_>, by: Option<&Member>, message: StoredMessage, emoji: String, added: bool) -> Outcome {
        let Some(by) = by else { return Effects::default() };
        let (channel_id, conversation_id) = ids(&message.target);
        let frame = ServerMessage::ReactionUpdate {
            message_id: message.id.clone(),
            emoji: emoji.clone(),
            user_id: by.user.clone(),
            user_name: by.name.clone(),
            action: if added { ReactionAction::Added } else { ReactionAction::Removed },
            channel_id,
            conversation_id,
        };
        let told = self.to_place(&message.target, frame);
        let row = Row::Reaction(message.id.clone(), by.user.clone(), emoji, added, at.now);
        self.facts.put(message);
        outcome(told, vec![row])
    }

    fn read(&mut self, user: Option<UserId>, target: &Target) -> Outcome {
        let Some((user, place)) = user.zip(self.places.get_mut(target)) else { return Effects::default() };
        let rows: Vec<Row> = place.read_all(&user).map(Row::Read).into_iter().collect();
        outcome(self.nothing_unread(&user, target).into_iter().collect(), rows)
    }

    fn nothing_unread(&self, user: &UserId, target: &Target) -> Option<(MemberSet, ServerMessage)> {
        let (channel_id, conversation_id) = ids(target);
        let frame = ServerMessage::UnreadUpdate { channel_id, conversation_id, unread_count: 0 };
        self.roster.member_no(user).map(|no| (MemberSet::one(no), frame))
    }

    fn open(&mut self, place: Place, rows: Vec<Row>) -> Outcome {
        let told = vec![(self.audience(&place), room_joined(&place.target))];
        self.places.put(place);
        self.moves += 1;
        outcome(told, rows)
    }

    fn archive(&mut self, at: Moment<'_>, id: ChannelId) -> Outcome {
        let target = Target::Channel(id.clone());
        let row = self.places.get_mut(&target).and_then(|place| {
            place.archive(at.now);
            place.to_stored_channel()
        });
        self.moves += 1;
        outcome(self.to_place(&target, ServerMessage::ChannelArchived { channel_id: id }), row.map(Row::Channel).into_iter().collect())
    }

    /// Whoever comes in has read what was said before.
    fn enter(&mut self, id: &ChannelId, no: MemberNo) -> Outcome {
        let target = Target::Channel(id.clone());
        let member_row = self.channel_member(id, no, true);
        let read = self.places.get_mut(&target).zip(self.roster.person(no)).and_then(|(place, person)| {
            place.members.insert(no);
            place.read_all(&person.user)
        });
        self.moves += 1;
        outcome(vec![(MemberSet::one(no), room_joined(&target))], member_row.into_iter().chain(read.map(Row::Read)).collect())
    }

    fn leave(&mut self, id: &ChannelId, no: MemberNo) -> Outcome {
        let target = Target::Channel(id.clone());
        if let Some(place) = self.places.get_mut(&target) {
            place.members.remove(no);
        }
        self.moves += 1;
        outcome(vec![(MemberSet::one(no), room_left(&target))], self.channel_member(id, no, false).into_iter().collect())
    }

    fn channel_member(&self, id: &ChannelId, no: MemberNo, is_in: bool) -> Option<Row> {
        self.roster.person(no).map(|person| Row::ChannelMember(id.clone(), person.user.clone(), is_in))
    }

    fn admit(&mut self, member: StoredMember) -> Row {
        self.roster.put(member.clone());
        self.moves += 1;
        Row::Member(member)
    }

    /// He leaves all channels, and is among the people of his conversations again if he returns.
    fn remove_member(&mut self, member: StoredMember) -> Outcome {
        let (no, user) = (member.no, member.user.clone());
        let mut rows = vec![self.admit(member)];
        let mut told = Tellings::new();
        for target in self.places.of(no).map(|place| place.target.clone()).collect::<Vec<_>>() {
            told.push((MemberSet::one(no), room_left(&target)));
            if let Target::Channel(id) = &target {
                rows.extend(self.channel_member(id, no, false));
                if let Some(place) = self.places.get_mut(&target) {
                    place.members.remove(no);
                }
            }
        }
        Effects { removed: vec![user], ..outcome(told, rows) }
    }

    /// A message as it is told.
    fn message(&self, facts: &StoredMessage, content: String, updated_at: Timestamp) -> Message {
        let StoredMessage { id, target, sequence, author, parent, created_at, deleted_at, .. } = facts.clone();
        let (channel_id, conversation_id) = ids(&target);
        let name = self.roster.record(&author).map_or_else(|| "".into(), |person| person.name.clone());
        Message {
            id,
            content,
            author: Author { id: author.clone(), name },
            author_id: author,
            channel_id,
            conversation_id,
            parent_id: parent,
            sequence,
            created_at,
            updated_at,
            deleted_at,
            reactions: Vec::new(),
        }
    }
}

fn ids(target: &Target) -> (Option<ChannelId>, Option<ConversationId>) {
    match target {
        Target::Channel(id) => (Some(id.clone()), None),
        Target::Dm(id) => (None, Some(id.clone())),
    }
}

fn room_joined(target: &Target) -> ServerMessage {
    let (room_id, room_type) = room(target);
    ServerMessage::RoomJoined { room_id, room_type }
}

fn room_left(target: &Target) -> ServerMessage {
    let (room_id, room_type) = room(target);
    ServerMessage::RoomLeft { room_id, room_type }
}

fn room(target: &Target) -> (String, RoomType) {
    match target {
        Target::Channel(id) => (id.to_string(), RoomType::Channel),
        Target::Dm(id) => (id.to_string(), RoomType::Dm),
    }
}
