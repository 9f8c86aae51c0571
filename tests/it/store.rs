//! What the store promises, on both databases.

use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::Text;
use moothall::cluster::node::{self, Lease, RegisterError};
use moothall::protocol::campaign::command::{BroadcastMode, Command, GridSize, Targets, TerrainAt};
use moothall::protocol::campaign::token::{Token, TokenType};
use moothall::protocol::hex::{HexKey, Terrain};
use moothall::protocol::ids::{CampaignId, ChangeId, CommandId, InvitationId, RoomId, SessionId, TokenId};
use moothall::protocol::limits::{COMMAND_MEMORY, EVENTS_KEPT_MIN, HEXES_MAX};
use moothall::protocol::time::Timestamp;
use moothall::rooms::campaign::fog::Visibility;
use moothall::rooms::campaign::rows::{
    InviteLink, LogRow, LogType, PendingInvitation, Role, Row, SessionStatus, StagedChange, StoredCampaign, StoredMember, StoredSession,
};
use moothall::rooms::kernel::MemberNo;
use moothall::rooms::members::MemberSet;
use moothall::store::campaign::{decode_shown, load_board, load_campaign};
use moothall::store::db::{Db, on};
use moothall::store::journal::{
    Acquire, CommandRow, Commit, DomainRows, EventRow, Missed, Outcome, acquire, command, commands_of, cursor_holds, events_after, prune,
    release, write_batch,
};
use moothall::store::migrate;
use moothall::store::pool::{self, DatabaseUrl};
use moothall::store::schema;
use moothall::store::types::{At, Json, LogTypeColumn};

use crate::support::postgres;

/// A migrated database with two users, `ann` and `bob`, and a place to keep its file.
struct Database {
    url: DatabaseUrl,
    _directory: Option<tempfile::TempDir>,
}

impl Database {
    fn sqlite() -> Self {
        let directory = tempfile::tempdir().expect("there is a temporary directory");
        let url = DatabaseUrl::Sqlite(directory.path().join("test.db"));
        Self { url, _directory: Some(directory) }.prepared()
    }

    fn postgres() -> Self {
        Self { url: DatabaseUrl::parse(&postgres::database()).expect("is a URL"), _directory: None }.prepared()
    }

    fn prepared(self) -> Self {
        let mut db = self.writer();
        migrate::up(&mut db).expect("an empty database can be migrated");
        add_user(&mut db, "ann");
        add_user(&mut db, "bob");
        self
    }

    fn writer(&self) -> Db {
        pool::open_writer(&self.url).expect("the database is there")
    }
}

/// Runs each function on either database, as tests of its name.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[test] fn $name() { super::$name(&super::Database::sqlite()) })*
        }
        mod on_postgres {
            $(#[test] fn $name() { super::$name(&super::Database::postgres()) })*
        }
    };
}

mod chat;
mod circle;

on_both!(
    a_room_belongs_to_one_live_node_at_a_time,
    every_ownership_has_an_epoch_of_its_own,
    a_commit_moves_the_head_and_leaves_its_rows,
    a_stale_owner_changes_nothing,
    a_bad_commit_costs_only_its_own_room,
    after_a_failed_commit_the_later_ones_of_its_room_are_not_tried,
    commits_of_an_old_and_a_new_ownership_in_one_batch_do_not_hurt_each_other,
    commits_with_a_hole_between_them_are_not_written_beyond_it,
    a_commit_without_an_event_leaves_the_head_where_it_is,
    an_acknowledged_command_is_remembered_and_not_done_twice,
    a_command_id_can_be_used_again_when_it_is_forgotten,
    the_newest_commands_are_remembered_oldest_first,
    the_last_value_of_a_key_wins_over_a_whole_batch,
    a_rare_row_takes_effect_after_all_that_came_before_it,
    a_campaign_is_loaded_as_it_was_written,
    the_log_is_kept_as_it_was_written,
    the_latest_session_is_the_one_that_counts,
    a_map_of_the_largest_size_is_replaced_and_loaded,
    a_deleted_campaign_leaves_nothing_behind,
    pruning_keeps_what_is_young_and_the_newest_thousand,
    a_cursor_holds_for_its_own_history_only,
    a_cursor_beyond_what_is_kept_does_not_hold,
    missed_events_come_whole_or_not_at_all,
    nothing_is_acknowledged_by_two_owners,
    a_node_holds_its_lease_until_it_ends,
    a_lost_row_is_a_lapsed_lease,
);

fn add_user(db: &mut Db, id: &str) {
    use schema::user::dsl as d;
    let now = At(Timestamp::from_ms(0));
    let row = (
        d::id.eq(id),
        d::name.eq(id.to_uppercase()),
        d::email.eq(format!("{id}@example.com")),
        d::email_verified.eq(false),
        d::created_at.eq(now),
        d::updated_at.eq(now),
    );
    on!(db, c => diesel::insert_into(d::user).values(row).execute(c)).expect("a new user");
}

fn add_campaign(db: &mut Db, id: &str) -> CampaignId {
    use schema::campaign::dsl as d;
    let row = (
        d::id.eq(id),
        d::name.eq("The Sunken Keep"),
        d::owner_id.eq("ann"),
        d::broadcast_mode.eq("immediate"),
        d::grid_width.eq(0),
        d::grid_height.eq(0),
        d::created_at.eq(At(Timestamp::from_ms(0))),
    );
    on!(db, c => diesel::insert_into(d::campaign).values(row).execute(c)).expect("a new campaign");
    CampaignId::new(id)
}

/// A campaign whose room is owned by the node `me`, and commits for it as its room would make them.
struct Room {
    campaign: CampaignId,
    room: RoomId,
    epoch: i64,
    head: i64,
}

const NOW: Timestamp = Timestamp::from_ms(1_800_000_000_000);

fn epoch_and_head(acquired: Acquire) -> (i64, i64) {
    match acquired {
        Acquire::Acquired { epoch, head } => (epoch, head),
        held => panic!("{held:?}"),
    }
}

impl Room {
    fn new(db: &mut Db, id: &str) -> Self {
        let campaign = add_campaign(db, id);
        Self::acquired(db, campaign, "me")
    }

    fn acquired(db: &mut Db, campaign: CampaignId, node: &str) -> Self {
        let room = RoomId::campaign(&campaign);
        let (epoch, head) = epoch_and_head(acquire(db, &room, node).expect("the database answers"));
        Self { campaign, room, epoch, head }
    }

    fn event(&mut self, rows: Vec<Row>) -> Commit {
        let expected_head = self.head;
        self.head += 1;
        let parts = format!("parts of {}", self.head).into_bytes();
        Commit {
            event: Some(EventRow { user: Some("ann".into()), parts }),
            ..self.commit(expected_head, DomainRows::Campaign(self.campaign.clone(), rows))
        }
    }

    fn without_event(&self, rows: Vec<Row>) -> Commit {
        self.commit(self.head, DomainRows::Campaign(self.campaign.clone(), rows))
    }

    /// What no database takes: a log row of a session that does not exist.
    fn bad(&mut self) -> Commit {
        self.event(vec![Row::Log(log("nowhere", LogType::HexReveal))])
    }

    fn commit(&self, expected_head: i64, rows: DomainRows) -> Commit {
        let seq = self.head;
        Commit { room: self.room.clone(), epoch: self.epoch, expected_head, seq, event: None, command: None, rows, at: NOW }
    }

    fn write(&mut self, db: &mut Db, rows: Vec<Row>) {
        let commit = self.event(rows);
        assert_eq!(write_batch(db, "me", &[commit]), [Outcome::Done]);
    }

    fn stored(&self, db: &mut Db) -> StoredCampaign {
        load_campaign(db, &self.campaign).expect("can be loaded").expect("exists")
    }
}

fn with_command(mut commit: Commit, id: &str) -> Commit {
    commit.command = Some(command_row(id));
    commit
}

fn command_row(id: &str) -> CommandRow {
    CommandRow { user: "ann".into(), id: command_id(id), hash: [7; 16], answer: b"{}".to_vec() }
}

fn command_id(id: &str) -> CommandId {
    CommandId::parse(id).expect("is an id")
}

fn key(q: i32, r: i32) -> HexKey {
    HexKey::new(q, r).expect("in range")
}

fn terrain(name: &str) -> Terrain {
    Terrain::parse(name).expect("is a terrain")
}

fn hex(q: i32, r: i32, name: &str) -> Row {
    Row::Hex(key(q, r), Some((terrain(name), 0)))
}

fn terrain_at(q: i32, r: i32, name: &str) -> TerrainAt {
    TerrainAt { key: key(q, r), terrain: terrain(name), terrain_variant: 0 }
}

fn log(session: &str, kind: LogType) -> LogRow {
    LogRow { session: SessionId::new(session), kind, user: Some("ann".into()), payload: r#"{"a":1}"#.into(), shown: None, at: NOW, seq: 1 }
}

fn session(id: &str) -> StoredSession {
    StoredSession { id: SessionId::new(id), status: SessionStatus::Active, started_by: "ann".into(), started_at: NOW, ended_at: None }
}

fn token(id: &str) -> Token {
    Token {
        id: TokenId::new(id),
        hex_key: key(1, -1),
        owner_id: Some("bob".into()),
        label: "Grük".into(),
        icon: "🗡".into(),
        color: "#aabbcc".into(),
        token_type: TokenType::Pc,
        visible: true,
    }
}

fn heads(db: &mut Db) -> Vec<(String, i64)> {
    use schema::room_owner::dsl as d;
    on!(db, c => d::room_owner.order(d::room_id).select((d::room_id, d::head_seq)).load(c)).expect("the database answers")
}

fn count(db: &mut Db, table: &str) -> i64 {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        n: i64,
    }
    let row: Count = on!(db, c => sql_query(format!("SELECT count(*) AS n FROM {table}")).get_result(c)).expect("is a table");
    row.n
}

fn execute(db: &mut Db, sql: &str) {
    on!(db, c => c.batch_execute(sql)).expect("is SQL");
}

fn add_node(db: &mut Db, id: &str) {
    use schema::cluster_node::dsl as d;
    let row = (
        d::node_id.eq(id),
        d::addr.eq(id),
        d::secret_hash.eq("s"),
        d::state.eq("up"),
        d::lease_until.eq(At(Timestamp::parse("9000-01-01T00:00:00Z").expect("a time"))),
    );
    on!(db, c => diesel::insert_into(d::cluster_node).values(row).execute(c)).expect("a new node");
}

fn a_room_belongs_to_one_live_node_at_a_time(database: &Database) {
    let mut db = database.writer();
    let room = RoomId::campaign(&"c".into());
    add_node(&mut db, "me");
    add_node(&mut db, "you");
    let (epoch, head) = epoch_and_head(acquire(&mut db, &room, "me").expect("answers"));
    assert_eq!(head, 0);
    assert_eq!(acquire(&mut db, &room, "you"), Ok(Acquire::HeldBy("me".into())));
    // What the wrong node, or the right one of an earlier time, gives up stays where it is.
    assert_eq!(release(&mut db, &room, "you", epoch), Ok(false));
    assert_eq!(release(&mut db, &room, "me", epoch - 1), Ok(false));
    assert_eq!(acquire(&mut db, &room, "you"), Ok(Acquire::HeldBy("me".into())));
    assert_eq!(release(&mut db, &room, "me", epoch), Ok(true));
    epoch_and_head(acquire(&mut db, &room, "you").expect("answers"));
    // A lease that has lapsed frees the room; so does a row that is gone.
    execute(&mut db, "UPDATE cluster_node SET lease_until = '2020-01-01T00:00:00.000Z' WHERE node_id = 'you'");
    epoch_and_head(acquire(&mut db, &room, "me").expect("answers"));
    node::end(&mut db, "me").expect("answers");
    epoch_and_head(acquire(&mut db, &room, "you").expect("answers"));
}

fn every_ownership_has_an_epoch_of_its_own(database: &Database) {
    let mut db = database.writer();
    let room = RoomId::campaign(&"c".into());
    let mut last = 1_700_000_000_000;
    for _ in 0..20 {
        let (epoch, _) = epoch_and_head(acquire(&mut db, &room, "me").expect("answers"));
        assert!(epoch > last, "{epoch} after {last}");
        last = epoch;
    }
    // Also when the clock went back.
    execute(&mut db, "UPDATE room_owner SET epoch = 9000000000000");
    assert_eq!(epoch_and_head(acquire(&mut db, &room, "me").expect("answers")).0, 9_000_000_000_001);
}

fn a_commit_moves_the_head_and_leaves_its_rows(database: &Database) {
    let mut db = database.writer();
    let mut room = Room::new(&mut db, "c");
    let commits = [room.event(vec![hex(0, 0, "forest")]), room.event(vec![]), with_command(room.event(vec![]), "x")];
    assert_eq!(write_batch(&mut db, "me", &commits), vec![Outcome::Done; 3]);
    assert_eq!(heads(&mut db), [("campaign:c".to_owned(), 3)]);
    let Missed::Events(events) = events_after(&mut db, &room.room, 0, 1000).expect("answers") else { panic!("too much") };
    let events: Vec<_> = events.into_iter().map(|e| (e.seq, e.epoch, String::from_utf8(e.parts).expect("text"))).collect();
    assert_eq!(events, [1, 2, 3].map(|seq| (seq, room.epoch, format!("parts of {seq}"))));
    assert_eq!(room.stored(&mut db).board.hexes, [terrain_at(0, 0, "forest")]);
    assert_eq!(write_batch(&mut db, "me", &[]), []);
}

fn a_stale_owner_changes_nothing(database: &Database) {
    let mut db = database.writer();
    let mut mine = Room::new(&mut db, "c");
    mine.write(&mut db, vec![]);
    let mut stale = Room::acquired(&mut db, mine.campaign.clone(), "me");
    let owner = Room::acquired(&mut db, mine.campaign.clone(), "me");
    assert!(owner.epoch > stale.epoch);
    let silent = stale.without_event(vec![hex(0, 0, "forest")]);
    assert_eq!(write_batch(&mut db, "me", &[silent]), [Outcome::Fenced], "an old epoch, without an event");
    let commits = [stale.event(vec![hex(0, 0, "forest")]), stale.event(vec![])];
    assert_eq!(write_batch(&mut db, "me", &commits), vec![Outcome::Fenced; 2], "an old epoch");
    let mut ahead = Room { head: owner.head + 1, room: owner.room.clone(), campaign: owner.campaign.clone(), ..owner };
    let commit = ahead.event(vec![hex(0, 0, "forest")]);
    assert_eq!(write_batch(&mut db, "me", &[commit]), [Outcome::Fenced], "a head that never was");
    let commit = owner.without_event(vec![hex(0, 0, "forest")]);
    assert_eq!(write_batch(&mut db, "you", std::slice::from_ref(&commit)), [Outcome::Fenced], "another node");
    assert_eq!(heads(&mut db), [("campaign:c".to_owned(), 1)]);
    assert_eq!(count(&mut db, "room_event"), 1);
    assert!(owner.stored(&mut db).board.hexes.is_empty());
    assert_eq!(write_batch(&mut db, "me", &[commit]), [Outcome::Done]);
}

fn a_bad_commit_costs_only_its_own_room(database: &Database) {
    let mut db = database.writer();
    let mut rooms: Vec<Room> = ["a", "b", "c", "d"].map(|id| Room::new(&mut db, id)).into();
    let lost = Room::acquired(&mut db, rooms[2].campaign.clone(), "me");
    let commits: Vec<Commit> = vec![
        rooms[3].event(vec![hex(0, 0, "forest")]),
        rooms[1].bad(),
        rooms[0].event(vec![hex(0, 0, "forest")]),
        rooms[2].event(vec![]),
        rooms[3].event(vec![hex(0, 1, "forest")]),
    ];
    let outcomes = write_batch(&mut db, "me", &commits);
    assert_eq!(outcomes[0], Outcome::Done);
    assert!(matches!(&outcomes[1], Outcome::Failed(_)), "{outcomes:?}");
    assert_eq!(outcomes[2..], [Outcome::Done, Outcome::Fenced, Outcome::Done]);
    let expected = [("campaign:a", 1), ("campaign:b", 0), ("campaign:c", 0), ("campaign:d", 2)];
    assert_eq!(heads(&mut db), expected.map(|(room, head)| (room.to_owned(), head)));
    assert_eq!(rooms[3].stored(&mut db).board.hexes.len(), 2);
    assert_eq!(lost.head, 0);
}

fn after_a_failed_commit_the_later_ones_of_its_room_are_not_tried(database: &Database) {
    let mut db = database.writer();
    let mut room = Room::new(&mut db, "c");
    let mut other = Room::new(&mut db, "d");
    let commits =
        [room.event(vec![hex(0, 0, "forest")]), room.bad(), room.event(vec![hex(1, 0, "forest")]), other.event(vec![hex(0, 0, "forest")])];
    let outcomes = write_batch(&mut db, "me", &commits);
    assert_eq!((&outcomes[0], &outcomes[3]), (&Outcome::Done, &Outcome::Done));
    assert!(matches!(&outcomes[1..3], [Outcome::Failed(_), Outcome::Failed(_)]), "{outcomes:?}");
    assert_eq!(heads(&mut db), [("campaign:c".to_owned(), 1), ("campaign:d".to_owned(), 1)]);
    assert_eq!(room.stored(&mut db).board.hexes, [terrain_at(0, 0, "forest")]);
}

fn commits_of_an_old_and_a_new_ownership_in_one_batch_do_not_hurt_each_other(database: &Database) {
    let mut db = database.writer();
    let mut old = Room::new(&mut db, "c");
    let mut new = Room::acquired(&mut db, old.campaign.clone(), "me");
    let commits = [old.event(vec![]), new.event(vec![]), old.event(vec![]), new.event(vec![])];
    let outcomes = write_batch(&mut db, "me", &commits);
    assert_eq!(outcomes, [Outcome::Fenced, Outcome::Done, Outcome::Fenced, Outcome::Done]);
}

fn commits_with_a_hole_between_them_are_not_written_beyond_it(database: &Database) {
    let mut db = database.writer();
    let mut room = Room::new(&mut db, "c");
    let commits = [room.event(vec![]), room.event(vec![]), room.event(vec![])];
    let with_hole = [commits[0].clone(), commits[2].clone()];
    assert_eq!(write_batch(&mut db, "me", &with_hole), [Outcome::Done, Outcome::Fenced]);
    let mut misnumbered = commits[1].clone();
    misnumbered.seq += 1;
    assert!(matches!(write_batch(&mut db, "me", &[misnumbered])[..], [Outcome::Failed(_)]));
    assert_eq!(heads(&mut db), [("campaign:c".to_owned(), 1)]);
}

fn a_commit_without_an_event_leaves_the_head_where_it_is(database: &Database) {
    let mut db = database.writer();
    let mut room = Room::new(&mut db, "c");
    room.write(&mut db, vec![Row::Session(session("s"))]);
    let commits = [
        with_command(room.without_event(vec![]), "nothing changed"),
        room.without_event(vec![Row::Log(log("s", LogType::PlayerJoin))]),
        room.event(vec![]),
        room.without_event(vec![Row::Log(log("s", LogType::PlayerLeave))]),
    ];
    assert_eq!(write_batch(&mut db, "me", &commits), vec![Outcome::Done; 4]);
    assert_eq!(heads(&mut db), [("campaign:c".to_owned(), 2)]);
    assert_eq!((count(&mut db, "room_event"), count(&mut db, "room_command"), count(&mut db, "session_event")), (2, 1, 2));
}

fn an_acknowledged_command_is_remembered_and_not_done_twice(database: &Database) {
    let mut db = database.writer();
    let mut room = Room::new(&mut db, "c");
    let commit = with_command(room.event(vec![]), "x");
    assert_eq!(write_batch(&mut db, "me", &[commit]), [Outcome::Done]);
    let found = command(&mut db, &room.room, &"ann".into(), &command_id("x")).expect("answers").expect("is remembered");
    assert_eq!((found.hash, found.seq, found.answer.as_slice(), found.at), ([7; 16], 1, b"{}".as_slice(), NOW));
    assert_eq!(command(&mut db, &room.room, &"bob".into(), &command_id("x")), Ok(None));
    let again = with_command(room.event(vec![hex(0, 0, "forest")]), "x");
    assert!(matches!(write_batch(&mut db, "me", &[again])[..], [Outcome::Failed(_)]));
    room.head = 1;
    let twice = [with_command(room.event(vec![]), "y"), with_command(room.event(vec![hex(0, 0, "forest")]), "y")];
    assert!(matches!(write_batch(&mut db, "me", &twice)[..], [Outcome::Done, Outcome::Failed(_)]));
    assert_eq!(heads(&mut db), [("campaign:c".to_owned(), 2)]);
    assert!(room.stored(&mut db).board.hexes.is_empty());
}

fn a_command_id_can_be_used_again_when_it_is_forgotten(database: &Database) {
    let mut db = database.writer();
    let mut room = Room::new(&mut db, "c");
    let first = with_command(room.event(vec![]), "x");
    let mut early = with_command(room.event(vec![]), "x");
    early.at = NOW.plus(COMMAND_MEMORY - Duration::from_millis(1));
    let late = Commit { at: NOW.plus(COMMAND_MEMORY), ..early.clone() };
    assert_eq!(write_batch(&mut db, "me", &[first]), [Outcome::Done]);
    assert!(matches!(write_batch(&mut db, "me", &[early])[..], [Outcome::Failed(_)]));
    assert_eq!(write_batch(&mut db, "me", &[late]), [Outcome::Done]);
    let found = command(&mut db, &room.room, &"ann".into(), &command_id("x")).expect("answers").expect("is remembered");
    assert_eq!((found.seq, found.at), (2, NOW.plus(COMMAND_MEMORY)));
}

fn the_newest_commands_are_remembered_oldest_first(database: &Database) {
    let mut db = database.writer();
    let mut room = Room::new(&mut db, "c");
    let mut other = Room::new(&mut db, "d");
    let commits: Vec<Commit> = (0..5000)
        .map(|n| Commit { at: NOW.plus(Duration::from_millis(n / 3)), ..with_command(room.event(vec![]), &n.to_string()) })
        .chain([with_command(other.event(vec![]), "elsewhere")])
        .collect();
    assert_eq!(write_batch(&mut db, "me", &commits), vec![Outcome::Done; 5001]);
    let ids = |since| -> Vec<i64> {
        let commands = commands_of(&mut database.writer(), &room.room, since).expect("answers");
        commands.iter().map(|command| command.id.as_str().parse().expect("a number")).collect()
    };
    assert_eq!(ids(NOW), (5000 - 4096..5000).collect::<Vec<i64>>());
    assert_eq!(ids(NOW.plus(Duration::from_millis(1666))), [4998, 4999]);
}

fn the_last_value_of_a_key_wins_over_a_whole_batch(database: &Database) {
    let mut db = database.writer();
    let mut room = Room::new(&mut db, "c");
    let mut other = Room::new(&mut db, "d");
    let only = |no| Some(Visibility::Only(MemberSet::one(MemberNo(no))));
    let moved = Token { hex_key: key(5, 5), ..token("t") };
    let commits = [
        room.event(vec![hex(0, 0, "forest"), hex(1, 0, "forest"), hex(0, 0, "swamp"), Row::Fog(key(0, 0), only(1))]),
        room.event(vec![Row::Token("t".into(), Some(token("t"))), Row::Token("u".into(), Some(token("u"))), hex(0, 0, "water")]),
        other.event(vec![hex(0, 0, "desert"), Row::Fog(key(0, 0), only(3))]),
        room.event(vec![Row::Hex(key(1, 0), None), Row::Fog(key(0, 0), only(2)), Row::Fog(key(9, 9), only(2))]),
        room.event(vec![Row::Token("t".into(), Some(moved.clone())), Row::Token("u".into(), None), Row::Fog(key(9, 9), None)]),
    ];
    assert_eq!(write_batch(&mut db, "me", &commits), vec![Outcome::Done; 5]);
    let board = load_board(&mut db, &room.campaign).expect("loads");
    assert_eq!(board.hexes, [terrain_at(0, 0, "water")]);
    assert_eq!(board.fog, [(key(0, 0), only(2).expect("some"))]);
    assert_eq!(board.tokens, [moved]);
    let board = load_board(&mut db, &other.campaign).expect("loads");
    assert_eq!((board.hexes, board.fog), (vec![terrain_at(0, 0, "desert")], vec![(key(0, 0), only(3).expect("some"))]));
    // In another batch they are deleted, and another room's are not.
    room.write(&mut db, vec![Row::Hex(key(0, 0), None), Row::Fog(key(0, 0), None), Row::Token("t".into(), None)]);
    assert_eq!(load_board(&mut db, &room.campaign), Ok(Default::default()));
    assert_eq!(load_board(&mut db, &other.campaign).expect("loads").hexes.len(), 1);
}

fn a_rare_row_takes_effect_after_all_that_came_before_it(database: &Database) {
    let mut db = database.writer();
    let mut room = Room::new(&mut db, "c");
    let replaced = vec![terrain_at(2, 0, "desert"), terrain_at(3, 0, "desert")];
    let commits = [
        room.event(vec![hex(0, 0, "forest"), Row::ReplaceHexes(replaced), hex(3, 0, "water"), hex(4, 0, "water")]),
        room.event(vec![Row::Session(session("s")), Row::Log(log("s", LogType::SessionStart))]),
    ];
    assert_eq!(write_batch(&mut db, "me", &commits), vec![Outcome::Done; 2]);
    let expected = [terrain_at(2, 0, "desert"), terrain_at(3, 0, "water"), terrain_at(4, 0, "water")];
    assert_eq!(room.stored(&mut db).board.hexes, expected);
}

fn a_campaign_is_loaded_as_it_was_written(database: &Database) {
    let mut db = database.writer();
    let mut room = Room::new(&mut db, "c");
    let ann = StoredMember {
        no: MemberNo(0),
        user: "ann".into(),
        name: "ANN".into(),
        role: Role::Dm,
        joined_at: NOW,
        joined_seq: 0,
        left_at: None,
    };
    let bob = StoredMember { no: MemberNo(1), user: "bob".into(), name: "BOB".into(), role: Role::Player, joined_seq: 4, ..ann.clone() };
    let left = StoredMember { left_at: Some(NOW.plus(Duration::from_secs(1))), joined_seq: 7, ..bob.clone() };
    let reveal = Command::Reveal { hex_keys: vec![key(0, 0)], targets: Targets::Players(vec!["bob".into()]) };
    let staged = |id: &str| StagedChange { id: ChangeId::new(id), by: "ann".into(), command: reveal.clone(), fresh: format!("fresh {id}") };
    let link = |code: &str, max_uses, uses| InviteLink { code: code.into(), expires_at: NOW, max_uses, uses };
    let invitation = |id: &str| Row::Invitation { id: id.into(), email: format!("{id}@example.com"), by: "ann".into(), at: NOW };
    let put_link = |link| Row::Link { link, by: "ann".into(), at: NOW };
    let everyone = Visibility::Everyone { except: [1, 64, 300].map(MemberNo).into_iter().collect() };
    let paused = StoredSession { status: SessionStatus::Paused, ..session("s") };
    let no_owner = Token { owner_id: None, visible: false, token_type: TokenType::Npc, ..token("u") };
    let size = GridSize { grid_width: 30, grid_height: 20 };
    room.write(
        &mut db,
        vec![
            Row::Mode(BroadcastMode::Staged),
            Row::Size(size),
            Row::Session(session("s")),
            Row::Session(paused.clone()),
            Row::Member(ann.clone()),
            Row::Member(bob),
            Row::Member(left.clone()),
            Row::Hex(key(-9999, 9999), Some((terrain("deep-water_2"), 255))),
            Row::Fog(key(0, 0), Some(everyone.clone())),
            Row::Fog(key(0, 1), Some(Visibility::Everyone { except: MemberSet::new() })),
            Row::Fog(key(1, 0), Some(Visibility::Only(MemberSet::one(MemberNo(1))))),
            Row::Token("t".into(), Some(token("t"))),
            Row::Token("u".into(), Some(no_owner.clone())),
            Row::Stage(staged("first")),
            Row::Stage(staged("second")),
            Row::Stage(staged("third")),
            Row::Unstage("second".into()),
            invitation("i"),
            invitation("j"),
            invitation("k"),
            Row::InvitationAnswered { id: "j".into(), accepted: true },
            Row::InvitationAnswered { id: "k".into(), accepted: false },
            put_link(link("open", None, 3)),
            put_link(link("some", Some(3), 0)),
            put_link(link("used up", Some(1), 0)),
            Row::LinkUses { code: "used up".into(), uses: 1 },
            Row::LinkUses { code: "some".into(), uses: 2 },
        ],
    );
    let stored = room.stored(&mut db);
    assert_eq!((stored.id.as_str(), stored.owner.as_str(), stored.mode), ("c", "ann", BroadcastMode::Staged));
    assert_eq!(stored.session, Some(paused));
    assert_eq!(stored.members, [ann, left]);
    assert_eq!(stored.board.size, size);
    assert_eq!(stored.board.hexes, [TerrainAt { key: key(-9999, 9999), terrain: terrain("deep-water_2"), terrain_variant: 255 }]);
    let expected = [
        (key(0, 0), everyone),
        (key(0, 1), Visibility::Everyone { except: MemberSet::new() }),
        (key(1, 0), Visibility::Only(MemberSet::one(MemberNo(1)))),
    ];
    assert_eq!(stored.board.fog, expected);
    assert_eq!(stored.board.tokens, [token("t"), no_owner]);
    assert_eq!(stored.staged, [staged("first"), staged("third")]);
    assert_eq!(stored.invitations, [PendingInvitation { id: InvitationId::new("i"), email: "i@example.com".into() }]);
    assert_eq!(stored.links, [link("open", None, 3), link("some", Some(3), 2)]);
    assert_eq!(stored.board, load_board(&mut db, &room.campaign).expect("loads"));
    room.write(&mut db, vec![Row::UnstageAll, Row::Stage(staged("fourth"))]);
    assert_eq!(room.stored(&mut db).staged, [staged("fourth")]);
    assert!(load_campaign(&mut db, &"none".into()).expect("answers").is_none());
}

fn the_log_is_kept_as_it_was_written(database: &Database) {
    use schema::session_event::dsl as d;
    let mut db = database.writer();
    let mut room = Room::new(&mut db, "c");
    let shown = vec![(MemberSet::one(MemberNo(1)), vec![key(0, 0), key(0, -1)]), (MemberSet::one(MemberNo(9)), vec![])];
    let mut rows: Vec<Row> = vec![Row::Session(session("s"))];
    rows.extend(LogType::ALL.iter().zip(0..).map(|(&kind, seq)| {
        let user = (seq != 3).then(|| "bob".into());
        Row::Log(LogRow { seq, user, shown: (seq == 4).then(|| shown.clone()), at: NOW.plus(Duration::from_millis(1)), ..log("s", kind) })
    }));
    room.write(&mut db, rows);
    type Columns = (LogTypeColumn, Option<String>, Json, At, i64, Option<String>);
    let rows: Vec<Columns> = on!(&mut db, c => d::session_event
        .filter(d::session_id.eq("s"))
        .order(d::seq)
        .select((d::event_type, d::user_id, d::payload, d::created_at, d::seq, d::shown))
        .load(c))
    .expect("loads");
    assert_eq!(rows.iter().map(|row| row.0.0).collect::<Vec<_>>(), LogType::ALL);
    for (kind, user, payload, at, seq, stored) in rows {
        let payload: serde_json::Value = serde_json::from_str(&payload.0).expect("is JSON");
        assert_eq!(payload, serde_json::json!({"a": 1}));
        assert_eq!(at.0, NOW.plus(Duration::from_millis(1)));
        assert_eq!(user.as_deref(), (seq != 3).then_some("bob"), "{kind:?}");
        assert_eq!(stored.map(|text| decode_shown(&text).expect("is ours")), (seq == 4).then(|| shown.clone()));
    }
}

fn the_latest_session_is_the_one_that_counts(database: &Database) {
    let mut db = database.writer();
    let mut room = Room::new(&mut db, "c");
    let ended = |id| StoredSession { status: SessionStatus::Ended, ended_at: Some(NOW), ..session(id) };
    room.write(&mut db, vec![Row::Session(ended("z")), Row::Session(session("a"))]);
    assert_eq!(room.stored(&mut db).session, Some(session("a")), "of the same millisecond");
    let later = StoredSession { started_at: NOW.plus(Duration::from_millis(1)), ..ended("b") };
    room.write(&mut db, vec![Row::Session(ended("a")), Row::Session(later.clone())]);
    assert_eq!(room.stored(&mut db).session, Some(later));
}

fn a_map_of_the_largest_size_is_replaced_and_loaded(database: &Database) {
    let mut db = database.writer();
    let mut room = Room::new(&mut db, "c");
    let map = |name: &str| -> Vec<TerrainAt> { (0..HEXES_MAX as i32).map(|n| terrain_at(n / 400, n % 400, name)).collect() };
    room.write(&mut db, vec![Row::ReplaceHexes(map("forest"))]);
    room.write(&mut db, vec![Row::ReplaceHexes(map("desert")), hex(0, 0, "water")]);
    let hexes = load_board(&mut db, &room.campaign).expect("loads").hexes;
    let mut expected = map("desert");
    expected[0] = terrain_at(0, 0, "water");
    assert_eq!(hexes.len(), HEXES_MAX);
    assert!(hexes == expected);
}

fn a_deleted_campaign_leaves_nothing_behind(database: &Database) {
    let mut db = database.writer();
    let mut room = Room::new(&mut db, "c");
    let mut other = Room::new(&mut db, "d");
    let all = |id: &str| {
        vec![
            Row::Session(session(&format!("s{id}"))),
            Row::Log(log(&format!("s{id}"), LogType::SessionStart)),
            hex(0, 0, "forest"),
            Row::Fog(key(0, 0), Some(Visibility::Everyone { except: MemberSet::new() })),
            Row::Token(TokenId::new(format!("t{id}")), Some(token(&format!("t{id}")))),
        ]
    };
    let commits = [with_command(room.event(all("c")), "x"), with_command(other.event(all("d")), "x")];
    assert_eq!(write_batch(&mut db, "me", &commits), vec![Outcome::Done; 2]);
    let deletion = with_command(room.event(vec![hex(1, 1, "forest"), Row::Deleted]), "delete");
    let after = room.without_event(vec![Row::Log(log("sc", LogType::PlayerLeave))]);
    let outcomes = write_batch(&mut db, "me", &[deletion, after, other.event(vec![])]);
    assert_eq!(outcomes, [Outcome::Done, Outcome::Fenced, Outcome::Done]);
    assert!(load_campaign(&mut db, &room.campaign).expect("answers").is_none());
    assert_eq!(heads(&mut db), [("campaign:d".to_owned(), 2)]);
    let tables = ["campaign", "campaign_hex", "hex_visibility", "campaign_token", "game_session", "session_event", "room_command"];
    assert_eq!(tables.map(|table| count(&mut db, table)), [1; 7]);
    assert_eq!(count(&mut db, "room_event"), 2);
}

fn pruning_keeps_what_is_young_and_the_newest_thousand(database: &Database) {
    let mut db = database.writer();
    let (mut long, mut short) = (Room::new(&mut db, "long"), Room::new(&mut db, "short"));
    let hour = Duration::from_secs(3600);
    let mut commits: Vec<Commit> = (0..4000).map(|n| with_command(long.event(vec![]), &n.to_string())).collect();
    commits[3_500..].iter_mut().for_each(|commit| commit.at = NOW.plus(hour));
    commits.extend((0..1000).map(|_| short.event(vec![])));
    assert_eq!(write_batch(&mut db, "me", &commits), vec![Outcome::Done; 5000]);
    let mut all = |now| {
        let (mut events, mut commands) = (0, 0);
        loop {
            let step = prune(&mut db, now, hour).expect("answers");
            assert!(step.events <= 1000 && step.commands <= 1000, "{step:?}");
            (events, commands) = (events + step.events, commands + step.commands);
            if !step.more {
                return (events, commands);
            }
        }
    };
    assert_eq!(all(NOW.plus(hour)), (0, 3_500), "exactly as old as they may be");
    assert_eq!(all(NOW.plus(hour + Duration::from_millis(1))), (3_000, 0));
    assert_eq!(all(NOW.plus(hour * 9)), (0, 500));
    assert_eq!(count(&mut database.writer(), "room_event"), 2 * EVENTS_KEPT_MIN);
    let kept = events_after(&mut database.writer(), &long.room, 3_000, usize::MAX).expect("answers");
    assert!(matches!(kept, Missed::Events(events) if events.len() == 1000));
}

fn a_cursor_holds_for_its_own_history_only(database: &Database) {
    let mut db = database.writer();
    let mut first = Room::new(&mut db, "c");
    let holds = |since, epoch| cursor_holds(&mut database.writer(), &first.room, since, epoch).expect("answers");
    let (old, before) = (first.epoch, first.epoch - 1);
    assert!(holds(0, old) && holds(0, before) && !holds(1, old) && !holds(-1, old));
    assert!(!holds(0, old + 1), "an owner that never was");
    let commits = [first.event(vec![]), first.event(vec![])];
    assert_eq!(write_batch(&mut db, "me", &commits), vec![Outcome::Done; 2]);
    let mut second = Room::acquired(&mut db, first.campaign.clone(), "me");
    let room = second.room.clone();
    let holds = |since, epoch| cursor_holds(&mut database.writer(), &room, since, epoch).expect("answers");
    let new = second.epoch;
    assert!(holds(2, old), "over a restart");
    assert!(holds(2, new) && holds(1, old) && holds(0, old));
    assert!(!holds(1, new), "the new owner never was at 1");
    assert!(!holds(2, before) && !holds(2, new + 1) && !holds(3, new));
    second.write(&mut db, vec![]);
    second.write(&mut db, vec![]);
    assert!(holds(2, old) && holds(2, new) && holds(3, new) && holds(4, new) && holds(1, old));
    assert!(!holds(3, old), "the first owner never was at 3");
    // A restore: the last two events were never written, and other ones take their places.
    execute(&mut db, "DELETE FROM room_event WHERE seq > 2; UPDATE room_owner SET head_seq = 2");
    let mut third = Room::acquired(&mut db, second.campaign.clone(), "me");
    assert!(!holds(3, new) && !holds(4, new) && holds(2, old) && holds(2, new));
    third.write(&mut db, vec![]);
    third.write(&mut db, vec![]);
    third.write(&mut db, vec![]);
    assert!(!holds(3, new) && !holds(4, new) && holds(3, third.epoch) && holds(2, new));
    assert!(!cursor_holds(&mut db, &RoomId::campaign(&"none".into()), 0, new).expect("answers"));
}

fn a_cursor_beyond_what_is_kept_does_not_hold(database: &Database) {
    let mut db = database.writer();
    let mut first = Room::new(&mut db, "c");
    for _ in 0..4 {
        first.write(&mut db, vec![]);
    }
    let mut second = Room::acquired(&mut db, first.campaign.clone(), "me");
    second.write(&mut db, vec![]);
    let room = second.room.clone();
    let holds = |since, epoch| cursor_holds(&mut database.writer(), &room, since, epoch).expect("answers");
    execute(&mut db, "DELETE FROM room_event WHERE seq <= 2");
    assert!(!holds(0, first.epoch) && !holds(1, first.epoch));
    assert!(holds(2, first.epoch), "the owner of the time wrote the next event");
    assert!(!holds(2, first.epoch - 1), "nothing tells whether 2 was written before or after the rewriting");
    assert!(holds(3, first.epoch));
    execute(&mut db, "DELETE FROM room_event");
    assert!(holds(5, second.epoch) && !holds(5, first.epoch) && !holds(4, second.epoch));
}

fn missed_events_come_whole_or_not_at_all(database: &Database) {
    let mut db = database.writer();
    let mut room = Room::new(&mut db, "c");
    for _ in 0..5 {
        room.write(&mut db, vec![]);
    }
    let size = "parts of 1".len();
    let mut after = |seq, bytes_max| match events_after(&mut db, &room.room, seq, bytes_max).expect("answers") {
        Missed::Events(events) => Some(events.into_iter().map(|event| event.seq).collect::<Vec<_>>()),
        Missed::TooMuch => None,
    };
    assert_eq!(after(2, 3 * size), Some(vec![3, 4, 5]));
    assert_eq!(after(2, 3 * size - 1), None);
    assert_eq!(after(5, 0), Some(vec![]));
    execute(&mut database.writer(), "DELETE FROM room_event WHERE seq <= 3");
    assert_eq!(after(2, 3 * size), None, "3 is gone");
    assert_eq!(after(3, 3 * size), Some(vec![4, 5]));
}

/// Two owners that know nothing of each other acquire, write and let go at random over two connections. Whatever was acknowledged is in the history
/// once, and the history is one.
fn nothing_is_acknowledged_by_two_owners(database: &Database) {
    for seed in 0..8 {
        interleave(database, seed);
    }
}

fn interleave(database: &Database, seed: u64) {
    let mut random = Random(seed + 1);
    let mut setup = database.writer();
    let campaign = add_campaign(&mut setup, &format!("c{seed}"));
    let mut connections = [database.writer(), database.writer()];
    let mut owned: [Option<Room>; 2] = [None, None];
    let mut acknowledged: Vec<(i64, Vec<u8>)> = Vec::new();
    for step in 0..120 {
        let who = random.below(2);
        let (db, node) = (&mut connections[who], ["one", "two"][who]);
        match (random.below(6), &mut owned[who]) {
            (0, _) => owned[who] = Some(Room::acquired(db, campaign.clone(), node)),
            (1, Some(room)) => {
                release(db, &room.room, node, room.epoch).expect("answers");
                owned[who] = None;
            }
            (_, Some(room)) => {
                let commits: Vec<Commit> = (0..=random.below(3))
                    .map(|_| {
                        let mut commit = room.event(vec![]);
                        commit.event.as_mut().expect("has one").parts = format!("{step} {who} {}", commit.seq).into_bytes();
                        commit
                    })
                    .collect();
                let outcomes = write_batch(db, node, &commits);
                let is_owner = outcomes.iter().all(|outcome| *outcome == Outcome::Done);
                assert!(is_owner || outcomes.iter().all(|outcome| *outcome == Outcome::Fenced), "seed {seed}: {outcomes:?}");
                if is_owner {
                    acknowledged.extend(commits.into_iter().map(|commit| (commit.seq, commit.event.expect("has one").parts)));
                } else {
                    owned[who] = None;
                }
            }
            (_, None) => {}
        }
    }
    let room = RoomId::campaign(&campaign);
    let Missed::Events(events) = events_after(&mut setup, &room, 0, usize::MAX).expect("answers") else { panic!("too much") };
    assert!(events.windows(2).all(|pair| pair[0].epoch <= pair[1].epoch), "seed {seed}");
    assert!(!events.is_empty(), "seed {seed}");
    assert_eq!(events.into_iter().map(|event| (event.seq, event.parts)).collect::<Vec<_>>(), acknowledged, "seed {seed}");
}

/// xorshift64: enough for choices that can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound
    }
}

fn a_node_holds_its_lease_until_it_ends(database: &Database) {
    let mut db = database.writer();
    let first = node::register(&mut db, "host:3000", "secret").expect("is the first");
    assert_eq!(node::renew(&mut db, &first), Ok(Lease::Renewed));
    let second = node::register(&mut db, "host:3000", "secret").expect("takes the place of the first");
    assert_ne!(first, second);
    assert_eq!(node::renew(&mut db, &first), Ok(Lease::Lapsed));
    assert_eq!(node::renew(&mut db, &second), Ok(Lease::Renewed));
    node::end(&mut db, &second).expect("answers");
    assert_eq!(node::renew(&mut db, &second), Ok(Lease::Lapsed));
}

fn a_lost_row_is_a_lapsed_lease(database: &Database) {
    let mut db = database.writer();
    let id = node::register(&mut db, "host:3000", "secret").expect("is the first");
    let room = RoomId::campaign(&"c".into());
    epoch_and_head(acquire(&mut db, &room, &id).expect("answers"));
    add_node(&mut db, "other");
    assert_eq!(acquire(&mut db, &room, "other"), Ok(Acquire::HeldBy(id)));
    execute(&mut db, "DELETE FROM cluster_node WHERE node_id <> 'other'");
    epoch_and_head(acquire(&mut db, &room, "other").expect("answers"));
}

#[test]
fn a_live_node_with_another_secret_keeps_a_stranger_out() {
    let database = Database::postgres();
    let mut db = database.writer();
    let here = node::register(&mut db, "here:3000", "secret").expect("is the first");
    let there = node::register(&mut db, "there:3000", "secret").expect("has the same secret");
    let refused = node::register(&mut db, "elsewhere:3000", "other secret");
    assert!(matches!(refused, Err(RegisterError::OtherSecret { .. })), "{refused:?}");
    assert_eq!(node::renew(&mut db, &here), Ok(Lease::Renewed));
    // The secret may change when all have stopped, or the one that has stopped without saying so comes back.
    node::end(&mut db, &there).expect("answers");
    node::register(&mut db, "here:3000", "other secret").expect("the other at this address is dead");
}

#[test]
fn a_lapsed_lease_is_not_renewed() {
    let database = Database::postgres();
    let mut db = database.writer();
    let id = node::register(&mut db, "here:3000", "secret").expect("is the first");
    execute(&mut db, "UPDATE cluster_node SET lease_until = clock_timestamp() AT TIME ZONE 'utc'");
    assert_eq!(node::renew(&mut db, &id), Ok(Lease::Lapsed));
    node::register(&mut db, "there:3000", "other secret").expect("nobody else lives");
}

#[test]
fn an_acquisition_waits_for_the_commit_that_is_under_way() {
    let database = Database::postgres();
    let mut db = database.writer();
    let room = Room::new(&mut db, "c");
    // However slow the machine is, the commit stays under way until it is told to end.
    execute(&mut db, "SET idle_in_transaction_session_timeout = 0; BEGIN; UPDATE room_owner SET head_seq = head_seq + 1");
    let (sender, started) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let acquisition = scope.spawn(|| {
            let mut other = database.writer();
            execute(&mut other, "SET lock_timeout = 0");
            sender.send(()).expect("is waited for");
            epoch_and_head(acquire(&mut other, &room.room, "me").expect("answers"))
        });
        started.recv().expect("the thread runs");
        let waiting = "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let mut observer = database.writer();
        while count_of(&mut observer, waiting) == 0 {
            assert!(!acquisition.is_finished(), "it did not wait");
        }
        execute(&mut db, "COMMIT");
        let (epoch, head) = acquisition.join().expect("acquires");
        assert_eq!(head, 1);
        assert!(epoch > room.epoch);
    });
}

fn count_of(db: &mut Db, sql: &str) -> i64 {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        n: i64,
    }
    let row: Count = on!(db, c => sql_query(sql).get_result(c)).expect("is SQL");
    row.n
}

#[test]
fn a_room_that_somebody_locks_costs_only_its_own_commits() {
    let database = Database::postgres();
    let mut db = database.writer();
    let (mut a, mut b) = (Room::new(&mut db, "a"), Room::new(&mut db, "b"));
    let mut other = database.writer();
    execute(&mut other, "SET idle_in_transaction_session_timeout = 0; BEGIN; UPDATE room_owner SET epoch = 1 WHERE room_id = 'campaign:a'");
    execute(&mut db, "SET lock_timeout = '10ms'");
    let commits = [a.event(vec![]), a.event(vec![]), b.event(vec![])];
    let outcomes = write_batch(&mut db, "me", &commits);
    assert!(matches!(&outcomes[..], [Outcome::Failed(_), Outcome::Failed(_), Outcome::Done]), "{outcomes:?}");
    execute(&mut other, "ROLLBACK");
    assert_eq!(write_batch(&mut db, "me", &commits[..2]), vec![Outcome::Done; 2]);
}

#[test]
fn a_locked_table_fails_the_batch_after_a_few_rooms() {
    let database = Database::postgres();
    let mut db = database.writer();
    let mut rooms: Vec<Room> = (0..20).map(|n| Room::new(&mut db, &n.to_string())).collect();
    let commits: Vec<Commit> = rooms.iter_mut().map(|room| room.event(vec![])).collect();
    let mut other = database.writer();
    execute(&mut other, "SET idle_in_transaction_session_timeout = 0; BEGIN; LOCK TABLE room_owner");
    execute(&mut db, "SET lock_timeout = '100ms'");
    let start = std::time::Instant::now();
    let outcomes = write_batch(&mut db, "me", &commits);
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Failed(_))), "{outcomes:?}");
    assert!(start.elapsed() < Duration::from_millis(100 * 20), "each room waited");
    execute(&mut other, "ROLLBACK");
    assert_eq!(write_batch(&mut db, "me", &commits), vec![Outcome::Done; 20]);
}

#[test]
fn what_a_lost_connection_may_have_written_is_unknown() {
    let database = Database::postgres();
    let mut db = database.writer();
    let (mut a, mut b) = (Room::new(&mut db, "a"), Room::new(&mut db, "b"));
    assert!(!db.is_broken());
    execute(
        &mut database.writer(),
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
    assert_eq!(write_batch(&mut db, "me", &[a.event(vec![]), b.event(vec![])]), vec![Outcome::Unknown; 2]);
    assert!(db.is_broken());
}

#[test]
fn a_full_disk_fails_a_commit_and_leaves_the_room_writable() {
    let database = Database::sqlite();
    let mut db = database.writer();
    let (mut big, mut other) = (Room::new(&mut db, "a"), Room::new(&mut db, "b"));
    let pages = count_of(&mut db, "SELECT page_count AS n FROM pragma_page_count");
    execute(&mut db, &format!("PRAGMA max_page_count = {}", pages + 20));
    let mut commit = big.event(vec![]);
    commit.event.as_mut().expect("has one").parts = vec![0; 1024 * 1024];
    let outcomes = write_batch(&mut db, "me", &[commit.clone(), other.event(vec![])]);
    assert!(matches!(&outcomes[..], [Outcome::Failed(why), Outcome::Done] if why.contains("full")), "{outcomes:?}");
    execute(&mut db, "PRAGMA max_page_count = 1000000");
    assert_eq!(write_batch(&mut db, "me", &[commit]), [Outcome::Done]);
}

#[test]
fn a_locked_database_fails_the_batch_at_once_and_not_room_by_room() {
    let database = Database::sqlite();
    let mut db = database.writer();
    let (mut a, mut b) = (Room::new(&mut db, "a"), Room::new(&mut db, "b"));
    let mut other = database.writer();
    execute(&mut other, "BEGIN IMMEDIATE");
    execute(&mut db, "PRAGMA busy_timeout = 0");
    let commits = [a.event(vec![]), b.event(vec![])];
    let outcomes = write_batch(&mut db, "me", &commits);
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Failed(why) if why.contains("locked"))), "{outcomes:?}");
    execute(&mut other, "ROLLBACK");
    assert_eq!(write_batch(&mut db, "me", &commits), vec![Outcome::Done; 2]);
}

#[test]
fn a_pooled_connection_to_sqlite_only_reads() {
    let database = Database::sqlite();
    let pool = pool::pool(&database.url, 2);
    let mut db = pool.get().expect("the database is there");
    let written = on!(&mut *db, c => sql_query("DELETE FROM room_owner").execute(c));
    assert!(written.expect_err("is refused").to_string().contains("readonly"));
    let text = |db: &mut Db, pragma: &str| {
        #[derive(QueryableByName)]
        struct Value {
            #[diesel(sql_type = Text)]
            v: String,
        }
        let row: Value =
            on!(db, c => sql_query(format!("SELECT CAST({pragma} AS text) AS v FROM pragma_{pragma}")).get_result(c)).expect("is a pragma");
        row.v
    };
    for db in [&mut *db, &mut database.writer()] {
        let settings = ["journal_mode", "synchronous", "foreign_keys", "temp_store"].map(|pragma| text(db, pragma));
        assert_eq!(settings, ["wal", "2", "1", "2"]);
    }
}

#[test]
fn a_lost_connection_leaves_the_pool() {
    let database = Database::postgres();
    let pool = pool::pool(&database.url, 1);
    let mut db = pool.get().expect("the database is there");
    let everybody_else =
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    execute(&mut database.writer(), everybody_else);
    assert!(db.ping().is_err());
    drop(db);
    assert!(pool.get().expect("a new one").ping().is_ok());
    // So does one on which a transaction was left open.
    let mut db = pool.get().expect("the same");
    let panic = std::panic::AssertUnwindSafe(|| db.write(|_| -> QueryResult<()> { panic!("in the middle of a transaction") }));
    std::panic::catch_unwind(panic).expect_err("it panics");
    assert!(db.is_broken());
    drop(db);
    assert!(!pool.get().expect("a new one").is_broken());
}

#[test]
fn a_pool_of_a_database_that_is_down_is_made_at_once_and_fails_when_asked() {
    for url in ["postgres://127.0.0.1:1/none", "sqlite:///nonexistent/directory/m.db"] {
        let pool = pool::pool(&DatabaseUrl::parse(url).expect("is a URL"), 4);
        assert!(pool.get().is_err(), "{url}");
    }
}
