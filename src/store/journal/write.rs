//! The group commit: the commits of many rooms in one transaction.
//!
//! Costs are shared, failures are not: a batch that fails is rolled back and its rooms are tried one by one, and of a room that fails its commits
//! one by one. That is right only as long as the database has said that nothing was done. After a broken COMMIT or a lost connection it has
//! not, so nothing is tried again: the room is acquired and loaded anew, which waits for whatever is still under way, and so settles it.

use std::collections::BTreeMap;

use diesel::prelude::*;
use diesel::result::Error;
use diesel::sql_query;
use diesel::sql_types::{Array, BigInt, Binary, Nullable, Text};

use crate::protocol::ids::{CampaignId, CircleId, CommandId, RoomId, UserId, WorkspaceId};
use crate::protocol::limits::COMMAND_MEMORY;
use crate::protocol::time::Timestamp;
use crate::rooms;
use crate::store::db::Db;
use crate::store::fault::Fault;
use crate::store::prepared::Prepare;
use crate::store::types::{At, Instant};
use crate::store::{campaign, chat, circle};

/// What one command, or one thing that the server itself does in a room, changes.
#[derive(Clone, Debug)]
pub struct Commit {
    pub room: RoomId,
    /// Of the ownership under which it was decided.
    pub epoch: i64,
    /// The room's head before it.
    pub expected_head: i64,
    /// `expected_head` + 1 with an event, else `expected_head`.
    pub seq: i64,
    /// What happened. Without one the head stays where it is.
    pub event: Option<EventRow>,
    /// The acknowledgement to be remembered.
    pub command: Option<CommandRow>,
    pub rows: DomainRows,
    pub at: Timestamp,
}

/// The row of `room_event`, for recovery and repeats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRow {
    pub user: Option<UserId>,
    /// The frames with their audiences, encoded.
    pub parts: Vec<u8>,
}

/// The row of `room_command`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandRow {
    pub user: UserId,
    pub id: CommandId,
    /// Of the command's content: the same id with another content is refused.
    pub hash: [u8; 16],
    pub answer: Vec<u8>,
}

/// The rows of the domain, by the kind of room that they belong to.
#[derive(Clone, Debug)]
pub enum DomainRows {
    None,
    Campaign(CampaignId, Vec<rooms::campaign::rows::Row>),
    Workspace(WorkspaceId, Vec<rooms::chat::rows::Row>),
    Circle(CircleId, Vec<rooms::circle::rows::Row>),
}

impl DomainRows {
    /// The room and its journal go with these rows.
    fn delete_the_room(&self) -> bool {
        match self {
            DomainRows::None => false,
            DomainRows::Campaign(_, rows) => rows.contains(&rooms::campaign::rows::Row::Deleted),
            DomainRows::Workspace(_, rows) => rows.contains(&rooms::chat::rows::Row::Deleted),
            DomainRows::Circle(_, rows) => rows.contains(&rooms::circle::rows::Row::Deleted),
        }
    }
}

/// What became of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is durable.
    Done,
    /// The room belongs to somebody else, or its history went on without us. Nothing of it was written.
    Fenced,
    /// Nothing of it was written, and why, for the log.
    Failed(String),
    /// It may have been written or not; loading the room anew tells.
    Unknown,
}

/// Writes the commits, each wholly or not at all, and says for each what became of it, in the order given. Those of one room and epoch are
/// written in the order given, and after the first that is not `Done` none is tried.
///
/// After an `Unknown` the connection may be of no more use: see [`Db::is_broken`].
pub fn write_batch(db: &mut Db, node: &str, commits: &[Commit]) -> Vec<Outcome> {
    let mut rooms: BTreeMap<(&RoomId, i64), Vec<usize>> = BTreeMap::new();
    for (at, commit) in commits.iter().enumerate() {
        rooms.entry((&commit.room, commit.epoch)).or_default().push(at);
    }
    let rooms: Vec<Vec<usize>> = rooms.into_values().collect();
    let mut batch = Batch { db, node, commits, outcomes: vec![Outcome::Unknown; commits.len()] };
    batch.write(&rooms);
    batch.outcomes
}

/// What became of one transaction.
#[derive(Clone)]
enum Attempt {
    Done,
    Fenced,
    Failed(String),
    /// It waited for a lock in vain.
    Locked(String),
    /// It could not even begin: whatever else is tried now would wait as long and fail too.
    Blocked(String),
    Unknown,
}

/// Rooms of one batch that may wait for a lock in vain, a second each, before the others are given up: then it is no single room that is locked.
const LOCKED_ROOMS_MAX: usize = 3;

struct Batch<'a> {
    db: &'a mut Db,
    node: &'a str,
    commits: &'a [Commit],
    /// `Unknown` until it is known.
    outcomes: Vec<Outcome>,
}

impl Batch<'_> {
    /// `rooms` are indices of commits, of each room in their order.
    fn write(&mut self, rooms: &[Vec<usize>]) {
        let all: Vec<&[usize]> = rooms.iter().map(Vec::as_slice).collect();
        match self.attempt(&all) {
            attempt @ (Attempt::Fenced | Attempt::Failed(_) | Attempt::Locked(_)) => match rooms {
                [room] => self.after(room, attempt),
                _ => self.room_by_room(rooms),
            },
            attempt => rooms.iter().for_each(|room| self.after(room, attempt.clone())),
        }
    }

    fn room_by_room(&mut self, rooms: &[Vec<usize>]) {
        let mut locked = 0;
        for (tried, room) in rooms.iter().enumerate() {
            let attempt = self.attempt(&[room]);
            locked += usize::from(matches!(attempt, Attempt::Locked(_)));
            let give_up = match &attempt {
                Attempt::Blocked(_) => Some(attempt.clone()),
                Attempt::Locked(why) if locked == LOCKED_ROOMS_MAX => Some(Attempt::Blocked(why.clone())),
                Attempt::Unknown => Some(Attempt::Unknown),
                _ => None,
            };
            self.after(room, attempt);
            // What is tried on a connection in doubt tells nothing.
            let give_up = give_up.or_else(|| self.db.is_broken().then_some(Attempt::Unknown));
            if let Some(attempt) = give_up {
                rooms[tried + 1..].iter().for_each(|room| self.after(room, attempt.clone()));
                return;
            }
        }
    }

    /// What a room's attempt as a whole gave. If a statement failed, its commits are tried one by one, up to the first that is not done.
    fn after(&mut self, room: &[usize], attempt: Attempt) {
        match attempt {
            Attempt::Done => self.settle(room, &Outcome::Done),
            Attempt::Fenced => self.settle(room, &Outcome::Fenced),
            Attempt::Failed(_) if room.len() > 1 => self.one_by_one(room),
            Attempt::Failed(why) | Attempt::Locked(why) | Attempt::Blocked(why) => self.settle(room, &Outcome::Failed(why)),
            Attempt::Unknown => {}
        }
    }

    fn one_by_one(&mut self, room: &[usize]) {
        for (tried, at) in room.iter().enumerate() {
            let (this, later) = (&room[tried..=tried], &room[tried + 1..]);
            let (outcome, of_later) = match self.attempt(&[&[*at]]) {
                Attempt::Done => {
                    self.settle(this, &Outcome::Done);
                    continue;
                }
                Attempt::Unknown => return,
                Attempt::Fenced => (Outcome::Fenced, Outcome::Fenced),
                Attempt::Failed(why) | Attempt::Locked(why) | Attempt::Blocked(why) => {
                    (Outcome::Failed(why), Outcome::Failed("an earlier commit of the room failed".to_owned()))
                }
            };
            self.settle(this, &outcome);
            self.settle(later, &of_later);
            return;
        }
    }

    fn settle(&mut self, commits: &[usize], outcome: &Outcome) {
        commits.iter().for_each(|&at| self.outcomes[at] = outcome.clone());
    }

    /// One transaction with the commits of these rooms.
    fn attempt(&mut self, rooms: &[&[usize]]) -> Attempt {
        let rooms: Vec<Vec<&Commit>> = rooms.iter().map(|room| room.iter().map(|&at| &self.commits[at]).collect()).collect();
        if !rooms.iter().all(|room| follow_each_other(room)) {
            return Attempt::Failed("the commits do not follow each other".to_owned());
        }
        let node = self.node;
        let mut reached = Reached::Nothing;
        let result = self.db.write(|db| {
            reached = Reached::Transaction;
            write_rooms(db, node, &rooms)?;
            reached = Reached::Commit;
            Ok(())
        });
        match result {
            Ok(()) => Attempt::Done,
            Err(Refusal::Fenced) => Attempt::Fenced,
            Err(Refusal::Repeated) => Attempt::Failed("a command was acknowledged before".to_owned()),
            Err(Refusal::Database(error)) => match (Fault::of(&error), reached) {
                (Fault::Lost, _) => Attempt::Unknown,
                (Fault::Busy, Reached::Nothing) => Attempt::Blocked(error.to_string()),
                (Fault::Busy, Reached::Transaction) => Attempt::Locked(error.to_string()),
                // A COMMIT that found no room on the disk wrote no commit record.
                (Fault::Full, _) | (_, Reached::Nothing | Reached::Transaction) => Attempt::Failed(error.to_string()),
                (_, Reached::Commit) => Attempt::Unknown,
            },
        }
    }
}

/// How far a transaction got.
#[derive(Clone, Copy)]
enum Reached {
    Nothing,
    Transaction,
    Commit,
}

enum Refusal {
    Fenced,
    /// The id of a command is remembered already.
    Repeated,
    Database(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Refusal::Database(error)
    }
}

fn follow_each_other(room: &[&Commit]) -> bool {
    let mut head = room[0].expected_head;
    room.iter().enumerate().all(|(at, commit)| {
        let follows = commit.expected_head == head && (at + 1 == room.len() || !commit.rows.delete_the_room());
        head += i64::from(commit.event.is_some());
        follows && commit.seq == head
    })
}

/// The rooms in the order of their ids, so that two transactions never wait for each other's rooms in a circle.
fn write_rooms(db: &mut Db, node: &str, rooms: &[Vec<&Commit>]) -> Result<(), Refusal> {
    if move_heads(db, node, rooms)? != rooms.len() {
        return Err(Refusal::Fenced);
    }
    let commits: Vec<&Commit> = rooms.iter().flatten().copied().collect();
    append_events(db, &commits)?;
    if !remember_commands(db, &commits)? {
        return Err(Refusal::Repeated);
    }
    let (mut campaigns, mut workspaces, mut circles) = (campaign::Writer::default(), chat::Writer::default(), circle::Writer::default());
    for commit in commits {
        match &commit.rows {
            DomainRows::None => {}
            DomainRows::Campaign(id, rows) => campaigns.add(db, id, rows)?,
            DomainRows::Workspace(id, rows) => workspaces.add(db, id, rows)?,
            DomainRows::Circle(id, rows) => circles.add(db, id, rows)?,
        }
    }
    campaigns.finish(db)?;
    workspaces.finish(db)?;
    circles.finish(db)?;
    Ok(())
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

/// How many of the rooms are ours at the heads that we believe. A room without an event is asked all the same. PostgreSQL locks its row by that; SQLite
/// has one writer, so that what was read stays true, and the row need not be written.
fn move_heads(db: &mut Db, node: &str, rooms: &[Vec<&Commit>]) -> QueryResult<usize> {
    let events = |room: &Vec<&Commit>| room.iter().filter(|commit| commit.event.is_some()).count() as i64;
    match db {
        Db::Pg(c) => {
            let first = |value: fn(&Commit) -> i64| rooms.iter().map(|room| value(room[0])).collect::<Vec<_>>();
            sql_query(
                "UPDATE room_owner o SET head_seq = o.head_seq + x.n FROM unnest($1, $2, $3, $4) AS x (room_id, epoch, head, n) \
                 WHERE o.room_id = x.room_id AND o.node_id = $5 AND o.epoch = x.epoch AND o.head_seq = x.head",
            )
            .bind::<Array<Text>, _>(rooms.iter().map(|room| room[0].room.as_str()).collect::<Vec<_>>())
            .bind::<Array<BigInt>, _>(first(|commit| commit.epoch))
            .bind::<Array<BigInt>, _>(first(|commit| commit.expected_head))
            .bind::<Array<BigInt>, _>(rooms.iter().map(events).collect::<Vec<_>>())
            .bind::<Text, _>(node)
            .prepared()
            .execute(c)
        }
        Db::Sqlite(c) => rows_changed(rooms, |room| {
            if events(room) == 0 {
                return sql_query(
                    "SELECT count(*) AS n FROM room_owner WHERE room_id = $1 AND node_id = $2 AND epoch = $3 AND head_seq = $4",
                )
                .bind::<Text, _>(room[0].room.as_str())
                .bind::<Text, _>(node)
                .bind::<BigInt, _>(room[0].epoch)
                .bind::<BigInt, _>(room[0].expected_head)
                .prepared()
                .get_result(c)
                .map(|Count { n }| n as usize);
            }
            sql_query("UPDATE room_owner SET head_seq = head_seq + $1 WHERE room_id = $2 AND node_id = $3 AND epoch = $4 AND head_seq = $5")
                .bind::<BigInt, _>(events(room))
                .bind::<Text, _>(room[0].room.as_str())
                .bind::<Text, _>(node)
                .bind::<BigInt, _>(room[0].epoch)
                .bind::<BigInt, _>(room[0].expected_head)
                .prepared()
                .execute(c)
        }),
    }
}

fn rows_changed<T>(items: &[T], mut run: impl FnMut(&T) -> QueryResult<usize>) -> QueryResult<usize> {
    items.iter().try_fold(0, |changed, item| Ok(changed + run(item)?))
}

fn append_events(db: &mut Db, commits: &[&Commit]) -> QueryResult<()> {
    let rows: Vec<(&Commit, &EventRow)> = commits.iter().filter_map(|commit| Some((*commit, commit.event.as_ref()?))).collect();
    match db {
        _ if rows.is_empty() => {}
        Db::Pg(c) => {
            sql_query(
                "INSERT INTO room_event (room_id, seq, epoch, user_id, parts, created_at) SELECT * FROM unnest($1, $2, $3, $4, $5, $6)",
            )
            .bind::<Array<Text>, _>(rows.iter().map(|(commit, _)| commit.room.as_str()).collect::<Vec<_>>())
            .bind::<Array<BigInt>, _>(rows.iter().map(|(commit, _)| commit.seq).collect::<Vec<_>>())
            .bind::<Array<BigInt>, _>(rows.iter().map(|(commit, _)| commit.epoch).collect::<Vec<_>>())
            .bind::<Array<Nullable<Text>>, _>(rows.iter().map(|(_, event)| event.user.as_ref().map(UserId::as_str)).collect::<Vec<_>>())
            .bind::<Array<Binary>, _>(rows.iter().map(|(_, event)| event.parts.as_slice()).collect::<Vec<_>>())
            .bind::<Array<Instant>, _>(rows.iter().map(|(commit, _)| At(commit.at)).collect::<Vec<_>>())
            .prepared()
            .execute(c)?;
        }
        Db::Sqlite(c) => {
            rows_changed(&rows, |(commit, event)| {
                sql_query("INSERT INTO room_event (room_id, seq, epoch, user_id, parts, created_at) VALUES ($1, $2, $3, $4, $5, $6)")
                    .bind::<Text, _>(commit.room.as_str())
                    .bind::<BigInt, _>(commit.seq)
                    .bind::<BigInt, _>(commit.epoch)
                    .bind::<Nullable<Text>, _>(event.user.as_ref().map(UserId::as_str))
                    .bind::<Binary, _>(event.parts.as_slice())
                    .bind::<Instant, _>(At(commit.at))
                    .prepared()
                    .execute(c)
            })?;
        }
    }
    Ok(())
}

/// False when one of the ids is remembered already (I3). One that has been forgotten but not pruned gives way.
fn remember_commands(db: &mut Db, commits: &[&Commit]) -> QueryResult<bool> {
    let rows: Vec<(&Commit, &CommandRow)> = commits.iter().filter_map(|commit| Some((*commit, commit.command.as_ref()?))).collect();
    let written = match db {
        _ if rows.is_empty() => 0,
        Db::Pg(c) => sql_query(
            "INSERT INTO room_command AS old (room_id, user_id, command_id, hash, seq, answer, created_at) \
             SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7) \
             ON CONFLICT (room_id, user_id, command_id) DO UPDATE \
             SET hash = excluded.hash, seq = excluded.seq, answer = excluded.answer, created_at = excluded.created_at \
             WHERE old.created_at <= excluded.created_at - make_interval(secs => $8)",
        )
        .bind::<Array<Text>, _>(rows.iter().map(|(commit, _)| commit.room.as_str()).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(rows.iter().map(|(_, command)| command.user.as_str()).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(rows.iter().map(|(_, command)| command.id.as_str()).collect::<Vec<_>>())
        .bind::<Array<Binary>, _>(rows.iter().map(|(_, command)| command.hash.as_slice()).collect::<Vec<_>>())
        .bind::<Array<BigInt>, _>(rows.iter().map(|(commit, _)| commit.seq).collect::<Vec<_>>())
        .bind::<Array<Binary>, _>(rows.iter().map(|(_, command)| command.answer.as_slice()).collect::<Vec<_>>())
        .bind::<Array<Instant>, _>(rows.iter().map(|(commit, _)| At(commit.at)).collect::<Vec<_>>())
        .bind::<diesel::sql_types::Double, _>(COMMAND_MEMORY.as_secs_f64())
        .prepared()
        .execute(c)?,
        Db::Sqlite(c) => rows_changed(&rows, |(commit, command)| {
            sql_query(
                "INSERT INTO room_command AS old (room_id, user_id, command_id, hash, seq, answer, created_at) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7) \
                 ON CONFLICT (room_id, user_id, command_id) DO UPDATE \
                 SET hash = excluded.hash, seq = excluded.seq, answer = excluded.answer, created_at = excluded.created_at \
                 WHERE old.created_at <= $8",
            )
            .bind::<Text, _>(commit.room.as_str())
            .bind::<Text, _>(command.user.as_str())
            .bind::<Text, _>(command.id.as_str())
            .bind::<Binary, _>(command.hash.as_slice())
            .bind::<BigInt, _>(commit.seq)
            .bind::<Binary, _>(command.answer.as_slice())
            .bind::<Instant, _>(At(commit.at))
            .bind::<Instant, _>(At(commit.at.minus(COMMAND_MEMORY)))
            .prepared()
            .execute(c)
        })?,
    };
    Ok(written == rows.len())
}
