//! What the store promises of workspaces and what is said in them, on both databases.

use std::sync::Barrier;
use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::Text;
use moothall::protocol::chat::Target;
use moothall::protocol::chat::command::Role;
use moothall::protocol::chat::messages::{Message, Reaction};
use moothall::protocol::ids::{RoomId, WorkspaceId};
use moothall::rooms::chat::rows::{
    Answered, Found, InviteLink, Lookup, NewMessage, PendingInvitation, Row, StoredChannel, StoredConversation, StoredMember,
    StoredMessage, StoredRead, StoredWorkspace,
};
use moothall::rooms::kernel::MemberNo;
use moothall::rooms::members::MemberSet;
use moothall::store::chat::{
    load_workspace, look_up, workspace_of_channel, workspace_of_conversation, workspace_of_message, workspaces_of,
};
use moothall::store::db::{Db, on};
use moothall::store::journal::{Commit, DomainRows, EventRow, Outcome, acquire, write_batch};
use moothall::store::recovery::{self, SavedSocket};
use moothall::store::schema;
use moothall::store::types::At;

use super::{Database, NOW, count, epoch_and_head, heads};

on_both!(
    a_workspace_is_loaded_as_it_was_written,
    what_everybody_has_heard_of_is_changed_and_not_made_anew,
    a_sequence_is_given_once_in_each_place,
    a_message_is_found_as_it_was_said,
    messages_come_in_pages_newest_first,
    a_deleted_message_keeps_its_place_and_nothing_else,
    the_search_follows_what_is_said,
    nothing_of_another_workspace_is_found_or_changed,
    the_last_of_several_changes_in_a_batch_counts,
    a_deleted_workspace_leaves_nothing_behind,
    what_belongs_to_a_workspace_leads_to_it,
    a_saved_socket_is_taken_once,
    a_saved_socket_that_has_expired_is_not_there,
);

/// A workspace `w…` with a channel `c…` and a conversation `d…` of `ann` and `bob`, its room owned by the node `me`.
struct Room {
    workspace: WorkspaceId,
    room: RoomId,
    channel: Target,
    conversation: Target,
    epoch: i64,
    head: i64,
}

impl Room {
    fn new(db: &mut Db, n: u32) -> Self {
        let id = format!("w{n}");
        let mut this = Self::empty(db, &id);
        (this.channel, this.conversation) = (Target::Channel(format!("c{n}").as_str().into()), Target::Dm(format!("d{n}").as_str().into()));
        let people = || [MemberNo(0), MemberNo(1)].into_iter().collect();
        this.write(
            db,
            vec![
                Row::Member(member(0, "ann", Role::Owner)),
                Row::Member(member(1, "bob", Role::Member)),
                Row::Channel(channel(&format!("c{n}"), 1)),
                Row::ChannelMember(format!("c{n}").as_str().into(), "ann".into(), true),
                Row::Conversation(StoredConversation { participants: people(), ..conversation(&format!("d{n}"), 2) }),
            ],
        );
        this
    }

    fn empty(db: &mut Db, id: &str) -> Self {
        use schema::workspace::dsl as d;
        let row = (d::id.eq(id), d::name.eq("The Guild"), d::created_by.eq("ann"), d::created_at.eq(At(NOW)));
        on!(db, c => diesel::insert_into(d::workspace).values(row).execute(c)).expect("a new workspace");
        let room = RoomId::workspace(&id.into());
        let (epoch, head) = epoch_and_head(acquire(db, &room, "me").expect("the database answers"));
        let nowhere = Target::Channel("nowhere".into());
        Self { workspace: id.into(), room, channel: nowhere.clone(), conversation: nowhere, epoch, head }
    }

    fn event(&mut self, rows: Vec<Row>) -> Commit {
        let expected_head = self.head;
        self.head += 1;
        Commit {
            room: self.room.clone(),
            epoch: self.epoch,
            expected_head,
            seq: self.head,
            event: Some(EventRow { user: Some("ann".into()), parts: b"parts".to_vec() }),
            command: None,
            rows: DomainRows::Workspace(self.workspace.clone(), rows),
            at: NOW,
        }
    }

    fn write(&mut self, db: &mut Db, rows: Vec<Row>) {
        let commit = self.event(rows);
        assert_eq!(write_batch(db, "me", &[commit]), [Outcome::Done]);
    }

    fn stored(&self, db: &mut Db) -> StoredWorkspace {
        load_workspace(db, &self.workspace).expect("can be loaded").expect("exists")
    }

    fn message(&self, db: &mut Db, id: &str) -> Option<StoredMessage> {
        match look_up(db, &self.workspace, Lookup::Message(id.into())).expect("the database answers") {
            Found::Message(found, message) if found.as_str() == id => message,
            other => panic!("{other:?}"),
        }
    }

    fn older(&self, db: &mut Db, target: &Target, before: Option<i64>, limit: u32) -> Vec<Message> {
        match look_up(db, &self.workspace, Lookup::Older { target: target.clone(), before, limit }).expect("the database answers") {
            Found::Older(messages) => messages,
            other => panic!("{other:?}"),
        }
    }

    fn said(&self, sequence: i64) -> NewMessage {
        said(&self.channel, &format!("{}-{sequence}", self.workspace), sequence)
    }
}

fn member(no: u32, user: &str, role: Role) -> StoredMember {
    let name = user.to_uppercase().into();
    StoredMember { no: MemberNo(no), user: user.into(), name, role, joined_at: NOW, joined_seq: 0, left_at: None }
}

fn channel(id: &str, no: u32) -> StoredChannel {
    StoredChannel {
        id: id.into(),
        no,
        name: format!("channel {id}"),
        private: false,
        created_by: "ann".into(),
        created_at: NOW,
        archived_at: None,
        members: MemberSet::new(),
        last_sequence: 0,
    }
}

fn conversation(id: &str, no: u32) -> StoredConversation {
    StoredConversation { id: id.into(), no, created_at: NOW, participants: MemberSet::new(), last_sequence: 0 }
}

fn said(target: &Target, id: &str, sequence: i64) -> NewMessage {
    NewMessage {
        id: id.into(),
        target: target.clone(),
        sequence,
        author: "ann".into(),
        content: format!("message number{sequence}"),
        parent: None,
        created_at: later(sequence),
    }
}

fn later(seconds: i64) -> moothall::protocol::time::Timestamp {
    NOW.plus(Duration::from_secs(seconds.unsigned_abs()))
}

fn reaction(message: &str, user: &str, emoji: &str, there: bool, at: i64) -> Row {
    Row::Reaction(message.into(), user.into(), emoji.into(), there, later(at))
}

fn read(target: &Target, user: &str, sequence: i64) -> StoredRead {
    StoredRead { target: target.clone(), user: user.into(), sequence }
}

/// The ids of the messages with this word, as the search of the database has them.
fn found(db: &mut Db, word: &str) -> Vec<String> {
    #[derive(QueryableByName)]
    struct Id {
        #[diesel(sql_type = Text)]
        id: String,
    }
    let rows: Vec<Id> = on!(db,
        pg c => sql_query("SELECT id FROM message WHERE search @@ plainto_tsquery('simple', lower($1 COLLATE \"und-x-icu\")) ORDER BY id").bind::<Text, _>(word).load(c),
        sqlite c => sql_query("SELECT m.id FROM message_fts f JOIN message m ON m.row_no = f.rowid WHERE message_fts MATCH $1 ORDER BY m.id")
            .bind::<Text, _>(word)
            .load(c),
    )
    .expect("is a search");
    rows.into_iter().map(|row| row.id).collect()
}

fn a_workspace_is_loaded_as_it_was_written(database: &Database) {
    let mut db = database.writer();
    let mut room = Room::empty(&mut db, "w");
    super::add_user(&mut db, "cid");
    let (ann, bob) = (member(0, "ann", Role::Owner), StoredMember { joined_seq: 4, ..member(1, "bob", Role::Admin) });
    let left = StoredMember { left_at: Some(later(1)), joined_seq: 7, role: Role::Member, ..member(2, "cid", Role::Member) };
    let archived = StoredChannel { private: true, archived_at: Some(later(2)), ..channel("z", 3) };
    let people: MemberSet = [MemberNo(0), MemberNo(2)].into_iter().collect();
    let talk = StoredConversation { participants: people.clone(), ..conversation("d", 2) };
    let (in_b, in_d) = (Target::Channel("b".into()), Target::Dm("d".into()));
    let link = |code: &str, max_uses, uses| InviteLink { code: code.into(), expires_at: NOW, max_uses, uses };
    let put_link = |link| Row::Link(link, "ann".into(), NOW);
    let invitation = |id: &str| PendingInvitation { id: id.into(), email: format!("{id}@example.com") };
    let invite = |id: &str| Row::Invited(invitation(id), "ann".into(), NOW);
    room.write(
        &mut db,
        vec![
            Row::Renamed("Guild".into()),
            Row::Member(ann.clone()),
            Row::Member(bob.clone()),
            Row::Member(StoredMember { left_at: None, ..left.clone() }),
            Row::Conversation(talk.clone()),
            Row::Member(left.clone()),
            Row::Channel(StoredChannel { archived_at: None, ..archived.clone() }),
            Row::Channel(channel("b", 1)),
            Row::ChannelMember("b".into(), "ann".into(), true),
            Row::ChannelMember("b".into(), "bob".into(), true),
            Row::ChannelMember("b".into(), "bob".into(), true),
            Row::ChannelMember("b".into(), "ann".into(), false),
            Row::Channel(archived.clone()),
            Row::Message(said(&in_b, "m", 1)),
            Row::Message(said(&in_d, "n", 1)),
            Row::Message(said(&in_d, "o", 2)),
            Row::Read(read(&in_d, "cid", 1)),
            Row::Read(read(&in_b, "bob", 1)),
            invite("i"),
            invite("j"),
            invite("k"),
            Row::InvitationAnswered("j".into(), Answered::Accepted),
            Row::InvitationAnswered("k".into(), Answered::Declined),
            put_link(link("open", None, 3)),
            put_link(link("some", Some(3), 0)),
            put_link(link("used up", Some(1), 0)),
            Row::LinkUses("used up".into(), 1),
            Row::LinkUses("some".into(), 2),
        ],
    );
    let expected = StoredWorkspace {
        id: "w".into(),
        name: "Guild".into(),
        members: vec![ann, bob, left],
        channels: vec![StoredChannel { members: MemberSet::one(MemberNo(1)), last_sequence: 1, ..channel("b", 1) }, archived],
        conversations: vec![StoredConversation { last_sequence: 2, ..talk }],
        reads: vec![read(&in_b, "bob", 1), read(&in_d, "cid", 1)],
        invitations: vec![invitation("i")],
        links: vec![link("open", None, 3), link("some", Some(3), 2)],
    };
    assert_eq!(room.stored(&mut db), expected);
    assert!(load_workspace(&mut db, &"none".into()).expect("answers").is_none());
}

fn what_everybody_has_heard_of_is_changed_and_not_made_anew(database: &Database) {
    let mut db = database.writer();
    let mut room = Room::new(&mut db, 1);
    let renamed = StoredChannel { name: "other".into(), private: true, no: 9, created_by: "bob".into(), ..channel("c1", 1) };
    let back = StoredMember { role: Role::Admin, joined_at: later(5), joined_seq: 9, ..member(1, "bob", Role::Member) };
    room.write(&mut db, vec![Row::Channel(renamed), Row::Member(back.clone())]);
    let stored = room.stored(&mut db);
    let expected = StoredChannel { name: "other".into(), private: true, members: MemberSet::one(MemberNo(0)), ..channel("c1", 1) };
    assert_eq!((stored.channels, &stored.members[1]), (vec![expected], &back));
}

fn a_sequence_is_given_once_in_each_place(database: &Database) {
    let mut db = database.writer();
    let (mut room, mut other) = (Room::new(&mut db, 1), Room::new(&mut db, 2));
    let (channel, conversation) = (room.channel.clone(), room.conversation.clone());
    let first = room.event(vec![Row::Message(said(&channel, "a", 1)), Row::Message(said(&conversation, "b", 1))]);
    let again = room.event(vec![Row::Message(said(&channel, "c", 1))]);
    let of_other = other.event(vec![Row::Message(other.said(1))]);
    let outcomes = write_batch(&mut db, "me", &[first, again, of_other]);
    assert!(matches!(&outcomes[..], [Outcome::Done, Outcome::Failed(_), Outcome::Done]), "{outcomes:?}");
    room.head -= 1;
    let again = room.event(vec![Row::Message(said(&conversation, "d", 1))]);
    assert!(matches!(&write_batch(&mut db, "me", &[again])[..], [Outcome::Failed(_)]));
    room.head -= 1;
    room.write(&mut db, vec![Row::Message(said(&conversation, "d", 2))]);
    let stored = room.stored(&mut db);
    assert_eq!((stored.channels[0].last_sequence, stored.conversations[0].last_sequence), (1, 2));
    assert_eq!(count(&mut db, "message"), 4);
}

fn a_message_is_found_as_it_was_said(database: &Database) {
    let mut db = database.writer();
    let mut room = Room::new(&mut db, 1);
    let reply = NewMessage { parent: Some("w1-1".into()), author: "bob".into(), ..said(&room.conversation, "reply", 1) };
    room.write(
        &mut db,
        vec![
            Row::Message(room.said(1)),
            Row::Message(reply),
            reaction("reply", "bob", "👍🏽", true, 1),
            reaction("reply", "ann", "🎉", true, 2),
            reaction("reply", "ann", "👍🏽", true, 3),
            Row::Edited("reply".into(), "better".into(), later(9)),
        ],
    );
    let expected = StoredMessage {
        id: "reply".into(),
        target: room.conversation.clone(),
        sequence: 1,
        author: "bob".into(),
        parent: Some("w1-1".into()),
        created_at: later(1),
        deleted_at: None,
        reactions: [("👍🏽", "bob"), ("🎉", "ann"), ("👍🏽", "ann")].map(|(emoji, user)| (emoji.to_owned(), user.into())).to_vec(),
    };
    assert_eq!(room.message(&mut db, "reply"), Some(expected));
    assert_eq!(room.message(&mut db, "none"), None);
    let listed = room.older(&mut db, &room.conversation.clone(), None, 5);
    let [message] = &listed[..] else { panic!("{listed:?}") };
    assert_eq!((message.content.as_str(), &*message.author.name, message.author_id.as_str()), ("better", "BOB", "bob"));
    assert_eq!((message.created_at, message.updated_at, message.deleted_at), (later(1), later(9), None));
    assert_eq!((&message.channel_id, message.conversation_id.as_ref()), (&None, Some(&"d1".into())));
    let by = |emoji: &str, users: &[&str]| Reaction { emoji: emoji.into(), user_ids: users.iter().map(|&user| user.into()).collect() };
    assert_eq!(message.reactions, [by("👍🏽", &["bob", "ann"]), by("🎉", &["ann"])]);
}

fn messages_come_in_pages_newest_first(database: &Database) {
    let mut db = database.writer();
    let mut room = Room::new(&mut db, 1);
    let (channel, conversation) = (room.channel.clone(), room.conversation.clone());
    room.write(&mut db, (1..=7).map(|n| Row::Message(room.said(n))).collect());
    room.write(&mut db, vec![Row::Message(said(&conversation, "x", 1))]);
    let mut sequences = |target: &Target, before, limit| -> Vec<i64> {
        room.older(&mut db, target, before, limit).iter().map(|message| message.sequence).collect()
    };
    assert_eq!(sequences(&channel, None, 2), [7, 6, 5], "one more than asked for tells that there are more");
    assert_eq!(sequences(&channel, Some(5), 3), [4, 3, 2, 1]);
    assert_eq!(sequences(&channel, Some(3), 3), [2, 1]);
    assert!(sequences(&channel, Some(1), 3).is_empty());
    assert_eq!(sequences(&conversation, None, 200), [1]);
}

fn a_deleted_message_keeps_its_place_and_nothing_else(database: &Database) {
    let mut db = database.writer();
    let mut room = Room::new(&mut db, 1);
    let rows =
        (1..=3).map(|n| Row::Message(room.said(n))).chain([reaction("w1-3", "bob", "👍", true, 1), reaction("w1-2", "bob", "👍", true, 1)]);
    room.write(&mut db, rows.collect());
    assert_eq!(found(&mut db, "number3"), ["w1-3"]);
    // Also when it was touched in the same commit.
    room.write(
        &mut db,
        vec![
            Row::Edited("w1-3".into(), "a secret".into(), later(1)),
            reaction("w1-3", "ann", "🎉", true, 1),
            Row::MessageDeleted("w1-3".into(), later(4)),
        ],
    );
    let channel = room.channel.clone();
    let listed = room.older(&mut db, &channel, None, 1);
    assert_eq!((listed[0].sequence, listed[0].content.as_str(), listed[0].deleted_at), (3, "", Some(later(4))));
    assert!(listed[0].reactions.is_empty());
    assert_eq!(room.message(&mut db, "w1-3").map(|message| (message.deleted_at, message.reactions)), Some((Some(later(4)), vec![])));
    assert_eq!(room.stored(&mut db).channels[0].last_sequence, 3);
    assert!(found(&mut db, "number3").is_empty() && found(&mut db, "secret").is_empty());
    assert_eq!((count(&mut db, "reaction"), found(&mut db, "message")), (1, vec!["w1-1".to_owned(), "w1-2".to_owned()]));
    assert_eq!(count(&mut db, "message WHERE content LIKE '%secret%'"), 0);
}

fn the_search_follows_what_is_said(database: &Database) {
    let mut db = database.writer();
    let mut room = Room::new(&mut db, 1);
    let channel = room.channel.clone();
    let with = |id: &str, sequence, content: &str| Row::Message(NewMessage { content: content.into(), ..said(&channel, id, sequence) });
    let rows = vec![with("a", 1, "Grüße aus dem Café"), with("b", 2, "The CAFÉ, again"), with("c", 3, ""), with("d", 4, "🗡 Привет мир")];
    room.write(&mut db, rows);
    assert_eq!(found(&mut db, "cAFÉ"), ["a", "b"], "capitals of any script do not count");
    assert!(found(&mut db, "cafe").is_empty(), "an accent counts on both");
    assert_eq!(found(&mut db, "привет"), ["d"]);
    assert_eq!(found(&mut db, "the"), ["b"], "no word of any language is left out");
    room.write(&mut db, vec![Row::Edited("a".into(), "nothing".into(), NOW), Row::Edited("c".into(), "the café".into(), NOW)]);
    assert_eq!((found(&mut db, "café"), found(&mut db, "nothing")), (vec!["b".to_owned(), "c".to_owned()], vec!["a".to_owned()]));
    // Longer than PostgreSQL takes a word for one.
    room.write(&mut db, vec![with("e", 5, &format!("{} end", "x".repeat(9_000)))]);
    assert_eq!(found(&mut db, "end"), ["e"]);
    if let Db::Sqlite(_) = db {
        super::execute(&mut db, "INSERT INTO message_fts (message_fts, rank) VALUES ('integrity-check', 1)");
    }
}

fn nothing_of_another_workspace_is_found_or_changed(database: &Database) {
    let mut db = database.writer();
    let (mut room, mut other) = (Room::new(&mut db, 1), Room::new(&mut db, 2));
    room.write(&mut db, vec![Row::Message(room.said(1)), reaction("w1-1", "ann", "👍", true, 1)]);
    assert_eq!(other.message(&mut db, "w1-1"), None);
    assert!(other.older(&mut db, &room.channel, None, 10).is_empty());
    let before = room.message(&mut db, "w1-1");
    other.write(&mut db, vec![Row::Edited("w1-1".into(), "no".into(), NOW), Row::MessageDeleted("w1-1".into(), NOW)]);
    assert_eq!((room.message(&mut db, "w1-1"), found(&mut db, "number1")), (before, vec!["w1-1".to_owned()]));
}

fn the_last_of_several_changes_in_a_batch_counts(database: &Database) {
    let mut db = database.writer();
    let mut room = Room::new(&mut db, 1);
    let channel = room.channel.clone();
    let commits = [
        room.event(vec![Row::Message(room.said(1)), Row::Read(read(&channel, "ann", 1))]),
        room.event(vec![reaction("w1-1", "bob", "👍", true, 1), reaction("w1-1", "ann", "👍", true, 2)]),
        room.event(vec![Row::Edited("w1-1".into(), "first".into(), later(1)), Row::Read(read(&channel, "bob", 1))]),
        room.event(vec![reaction("w1-1", "bob", "👍", false, 3), reaction("w1-1", "ann", "🎉", true, 3)]),
        room.event(vec![Row::Message(room.said(2)), Row::Read(read(&channel, "ann", 2))]),
        room.event(vec![Row::Edited("w1-1".into(), "second".into(), later(2)), reaction("w1-1", "bob", "👍", true, 4)]),
    ];
    assert_eq!(write_batch(&mut db, "me", &commits), vec![Outcome::Done; 6]);
    let expected = [("👍", "ann"), ("🎉", "ann"), ("👍", "bob")].map(|(emoji, user)| (emoji.to_owned(), user.into()));
    assert_eq!(room.message(&mut db, "w1-1").expect("is there").reactions, expected);
    assert_eq!(room.older(&mut db, &channel, Some(2), 1)[0].content, "second");
    assert_eq!(room.stored(&mut db).reads, [read(&channel, "ann", 2), read(&channel, "bob", 1)]);
    room.write(&mut db, vec![reaction("w1-1", "ann", "🎉", false, 5), Row::Read(read(&channel, "bob", 2))]);
    assert_eq!(room.message(&mut db, "w1-1").expect("is there").reactions.len(), 2);
    assert_eq!(room.stored(&mut db).reads, [read(&channel, "ann", 2), read(&channel, "bob", 2)]);
}

fn a_deleted_workspace_leaves_nothing_behind(database: &Database) {
    let mut db = database.writer();
    let (mut room, mut other) = (Room::new(&mut db, 1), Room::new(&mut db, 2));
    for room in [&mut room, &mut other] {
        let (message, id) = (room.said(1), room.workspace.clone());
        let rows = vec![
            Row::Message(message),
            Row::Message(said(&room.conversation, &format!("{id}-d"), 1)),
            reaction(&format!("{id}-1"), "bob", "👍", true, 1),
            Row::Read(read(&room.channel, "ann", 1)),
            Row::Invited(PendingInvitation { id: format!("i{id}").as_str().into(), email: "x@example.com".into() }, "ann".into(), NOW),
            Row::Link(InviteLink { code: format!("l{id}"), expires_at: NOW, max_uses: None, uses: 0 }, "ann".into(), NOW),
        ];
        room.write(&mut db, rows);
    }
    let deletion = room.event(vec![Row::Message(room.said(2)), Row::Deleted]);
    assert_eq!(write_batch(&mut db, "me", &[deletion, other.event(vec![])]), [Outcome::Done, Outcome::Done]);
    assert!(load_workspace(&mut db, &room.workspace).expect("answers").is_none());
    assert_eq!(heads(&mut db), [("workspace:w2".to_owned(), 3)]);
    let tables = ["workspace", "workspace_invitation", "workspace_invite_link", "channel", "channel_member", "conversation", "reaction"];
    assert_eq!(tables.map(|table| count(&mut db, table)), [1; 7]);
    assert_eq!(["message", "workspace_member", "conversation_participant"].map(|table| count(&mut db, table)), [2; 3]);
    assert_eq!((count(&mut db, "read_state"), count(&mut db, "room_event")), (1, 3));
    assert_eq!(found(&mut db, "number1"), ["w2-1", "w2-d"]);
}

fn what_belongs_to_a_workspace_leads_to_it(database: &Database) {
    let mut db = database.writer();
    let (mut room, mut other) = (Room::new(&mut db, 2), Room::new(&mut db, 1));
    super::execute(&mut db, "UPDATE workspace SET created_at = '2020-01-01T00:00:00.000Z' WHERE id = 'w2'");
    room.write(&mut db, vec![Row::Message(room.said(1))]);
    assert_eq!(workspaces_of(&mut db, &"ann".into()).expect("answers"), ["w2".into(), "w1".into()]);
    other.write(&mut db, vec![Row::Member(StoredMember { left_at: Some(NOW), ..member(1, "bob", Role::Member) })]);
    assert_eq!(workspaces_of(&mut db, &"bob".into()).expect("answers"), ["w2".into()]);
    assert!(workspaces_of(&mut db, &"nobody".into()).expect("answers").is_empty());
    assert_eq!(workspace_of_channel(&mut db, &"c1".into()), Ok(Some("w1".into())));
    assert_eq!(workspace_of_conversation(&mut db, &"d2".into()), Ok(Some("w2".into())));
    assert_eq!(workspace_of_message(&mut db, &"w2-1".into()), Ok(Some("w2".into())));
    assert_eq!(workspace_of_channel(&mut db, &"d1".into()), Ok(None));
    assert_eq!(workspace_of_conversation(&mut db, &"c1".into()), Ok(None));
    assert_eq!(workspace_of_message(&mut db, &"c1".into()), Ok(None));
}

fn saved(pid_hash: &str, state: &[u8], expires_at: i64) -> SavedSocket {
    SavedSocket { pid_hash: pid_hash.into(), state: state.to_vec(), expires_at: later(expires_at) }
}

fn a_saved_socket_is_taken_once(database: &Database) {
    let mut db = database.writer();
    recovery::save(&mut db, &[saved("a", b"old", 10), saved("b", &[0, 255], 10)]).expect("is saved");
    recovery::save(&mut db, &[saved("a", b"new", 10)]).expect("is saved");
    let start = Barrier::new(2);
    let mut taken = std::thread::scope(|scope| {
        let take = || {
            let mut db = database.writer();
            start.wait();
            recovery::take(&mut db, "a", NOW).expect("the database answers")
        };
        let threads = [scope.spawn(take), scope.spawn(take)];
        threads.map(|thread| thread.join().expect("does not panic"))
    });
    taken.sort();
    assert_eq!(taken, [None, Some(b"new".to_vec())]);
    assert_eq!(recovery::take(&mut db, "b", NOW), Ok(Some(vec![0, 255])));
    assert_eq!(recovery::take(&mut db, "b", NOW), Ok(None));
    let many: Vec<SavedSocket> = (0..3_000).map(|n| saved(&n.to_string(), b"", 10)).collect();
    recovery::save(&mut db, &many).expect("is saved");
    assert_eq!(recovery::take(&mut db, "2999", NOW), Ok(Some(Vec::new())));
}

fn a_saved_socket_that_has_expired_is_not_there(database: &Database) {
    let mut db = database.writer();
    recovery::save(&mut db, &[saved("a", b"x", 5), saved("b", b"x", 5), saved("c", b"x", 6)]).expect("is saved");
    assert_eq!(recovery::take(&mut db, "a", later(5)), Ok(None));
    assert_eq!(recovery::prune(&mut db, later(5)), Ok(1));
    assert_eq!(recovery::take(&mut db, "c", later(5)), Ok(Some(b"x".to_vec())));
}
