//! Writing the rows of many commits at once.
//!
//! What is written all the time (messages, edits, reactions, read positions) is kept back; of each key of the last three the last value is
//! written. A rare row first writes out what was kept back of its workspace, so that the rows of one workspace take effect in their order.
//!
//! PostgreSQL gets many rows with one statement of a fixed text, its columns as arrays; SQLite, which has no round trips, gets prepared
//! statements of one row. The search follows the content by itself: triggers in SQLite, a generated column in PostgreSQL.

use std::collections::BTreeMap;

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Array, BigInt, Nullable, Text};

use crate::protocol::chat::Target;
use crate::protocol::ids::{MessageId, UserId, WorkspaceId};
use crate::protocol::time::Timestamp;
use crate::rooms::chat::rows::{NewMessage, Row};
use crate::store::chat::rare;
use crate::store::chat::values::{channel_of, conversation_of, target_columns};
use crate::store::db::Db;
use crate::store::prepared::Prepare;
use crate::store::types::{At, Instant};

/// Rows that one statement of PostgreSQL gets: enough to make the round trip cheap; messages of the largest size stay below 64 MiB.
const ROWS_PER_STATEMENT: usize = 1_024;

/// Takes the rows of a batch's commits, in order, and writes them.
#[derive(Default)]
pub(crate) struct Writer<'a> {
    kept_back: BTreeMap<&'a WorkspaceId, Pending<'a>>,
}

/// What of one workspace is still to be written. Messages come first: the others may be about one of them.
#[derive(Default)]
struct Pending<'a> {
    messages: Vec<&'a NewMessage>,
    edits: BTreeMap<&'a MessageId, (&'a str, Timestamp)>,
    /// By message, user and emoji: since when, or that it is gone.
    reactions: BTreeMap<(&'a MessageId, &'a UserId, &'a str), Option<Timestamp>>,
    reads: BTreeMap<(&'a Target, &'a UserId), i64>,
}

impl<'a> Writer<'a> {
    pub(crate) fn add(&mut self, db: &mut Db, workspace: &'a WorkspaceId, rows: &'a [Row]) -> QueryResult<()> {
        for row in rows {
            let pending = self.kept_back.entry(workspace).or_default();
            match row {
                Row::Message(message) => pending.messages.push(message),
                Row::Edited(message, content, at) => drop(pending.edits.insert(message, (content, *at))),
                Row::Reaction(message, user, emoji, there, at) => {
                    pending.reactions.insert((message, user, emoji), there.then_some(*at));
                }
                Row::Read(read) => drop(pending.reads.insert((&read.target, &read.user), read.sequence)),
                rare => {
                    let before = std::mem::take(pending);
                    write(db, &[(workspace, before)])?;
                    write_rare(db, workspace, rare)?;
                }
            }
        }
        Ok(())
    }

    pub(crate) fn finish(self, db: &mut Db) -> QueryResult<()> {
        write(db, &self.kept_back.into_iter().collect::<Vec<_>>())
    }
}

fn write_rare(db: &mut Db, workspace: &WorkspaceId, row: &Row) -> QueryResult<()> {
    match row {
        Row::Message(_) | Row::Edited(..) | Row::Reaction(..) | Row::Read(_) => unreachable!("these are kept back"),
        Row::Renamed(name) => rare::rename(db, workspace, name),
        Row::Deleted => rare::delete(db, workspace),
        Row::Member(member) => rare::put_member(db, workspace, member),
        Row::Channel(channel) => rare::put_channel(db, workspace, channel),
        Row::ChannelMember(channel, user, is_in_it) => rare::set_channel_member(db, channel, user, *is_in_it),
        Row::Conversation(conversation) => rare::add_conversation(db, workspace, conversation),
        Row::MessageDeleted(message, at) => rare::delete_message(db, workspace, message, *at),
        Row::Invited(invitation, by, at) => rare::invite(db, workspace, invitation, by, *at),
        Row::InvitationAnswered(invitation, answer) => rare::answer_invitation(db, workspace, invitation, *answer),
        Row::Link(link, by, at) => rare::put_link(db, workspace, link, by, *at),
        Row::LinkUses(code, uses) => rare::set_link_uses(db, workspace, code, *uses),
    }
}

type MessagePut<'a> = (&'a WorkspaceId, &'a NewMessage);
type EditPut<'a> = (&'a WorkspaceId, &'a MessageId, &'a str, Timestamp);
type ReactionPut<'a> = (&'a MessageId, &'a UserId, &'a str, Timestamp);
type ReactionAt<'a> = (&'a MessageId, &'a UserId, &'a str);
type ReadPut<'a> = (&'a WorkspaceId, &'static str, &'a str, &'a UserId, i64);

fn write(db: &mut Db, workspaces: &[(&WorkspaceId, Pending<'_>)]) -> QueryResult<()> {
    let mut messages: Vec<MessagePut<'_>> = Vec::new();
    let mut edits: Vec<EditPut<'_>> = Vec::new();
    let (mut reactions, mut no_reactions): (Vec<ReactionPut<'_>>, Vec<ReactionAt<'_>>) = Default::default();
    let mut reads: Vec<ReadPut<'_>> = Vec::new();
    for (workspace, pending) in workspaces {
        messages.extend(pending.messages.iter().map(|&message| (*workspace, message)));
        edits.extend(pending.edits.iter().map(|(&id, &(content, at))| (*workspace, id, content, at)));
        for (&(message, user, emoji), since) in &pending.reactions {
            match since {
                Some(since) => reactions.push((message, user, emoji, *since)),
                None => no_reactions.push((message, user, emoji)),
            }
        }
        reads.extend(pending.reads.iter().map(|(&(target, user), &sequence)| {
            let (kind, id) = target_columns(target);
            (*workspace, kind, id, user, sequence)
        }));
    }
    add_messages(db, &messages)?;
    edit_messages(db, &edits)?;
    delete_reactions(db, &no_reactions)?;
    put_reactions(db, &reactions)?;
    put_reads(db, &reads)
}

/// One column of many rows, as PostgreSQL takes it.
fn column<'r, R, V>(rows: &'r [R], value: impl Fn(&'r R) -> V) -> Vec<V> {
    rows.iter().map(value).collect()
}

fn add_messages(db: &mut Db, rows: &[MessagePut<'_>]) -> QueryResult<()> {
    match db {
        Db::Pg(c) => rows.chunks(ROWS_PER_STATEMENT).try_for_each(|rows| {
            sql_query(
                "INSERT INTO message (id, workspace_id, channel_id, conversation_id, sequence, author_id, content, parent_id, created_at, updated_at) \
                 SELECT id, workspace_id, channel_id, conversation_id, sequence, author_id, content, parent_id, at, at \
                 FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9) \
                 AS x (id, workspace_id, channel_id, conversation_id, sequence, author_id, content, parent_id, at)",
            )
            .bind::<Array<Text>, _>(column(rows, |row| row.1.id.as_str()))
            .bind::<Array<Text>, _>(column(rows, |row| row.0.as_str()))
            .bind::<Array<Nullable<Text>>, _>(column(rows, |row| channel_of(&row.1.target)))
            .bind::<Array<Nullable<Text>>, _>(column(rows, |row| conversation_of(&row.1.target)))
            .bind::<Array<BigInt>, _>(column(rows, |row| row.1.sequence))
            .bind::<Array<Text>, _>(column(rows, |row| row.1.author.as_str()))
            .bind::<Array<Text>, _>(column(rows, |row| row.1.content.as_str()))
            .bind::<Array<Nullable<Text>>, _>(column(rows, |row| row.1.parent.as_ref().map(MessageId::as_str)))
            .bind::<Array<Instant>, _>(column(rows, |row| At(row.1.created_at)))
            .prepared()
            .execute(c)
            .map(drop)
        }),
        Db::Sqlite(c) => rows.iter().try_for_each(|(workspace, message)| {
            sql_query(
                "INSERT INTO message (id, workspace_id, channel_id, conversation_id, sequence, author_id, content, parent_id, created_at, updated_at) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            )
            .bind::<Text, _>(message.id.as_str())
            .bind::<Text, _>(workspace.as_str())
            .bind::<Nullable<Text>, _>(channel_of(&message.target))
            .bind::<Nullable<Text>, _>(conversation_of(&message.target))
            .bind::<BigInt, _>(message.sequence)
            .bind::<Text, _>(message.author.as_str())
            .bind::<Text, _>(message.content.as_str())
            .bind::<Nullable<Text>, _>(message.parent.as_ref().map(MessageId::as_str))
            .bind::<Instant, _>(At(message.created_at))
            .bind::<Instant, _>(At(message.created_at))
            .prepared()
            .execute(c)
            .map(drop)
        }),
    }
}

fn edit_messages(db: &mut Db, rows: &[EditPut<'_>]) -> QueryResult<()> {
    match db {
        Db::Pg(c) => rows.chunks(ROWS_PER_STATEMENT).try_for_each(|rows| {
            sql_query(
                "UPDATE message m SET content = x.content, updated_at = x.at FROM unnest($1, $2, $3, $4) AS x (workspace_id, id, content, at) \
                 WHERE m.id = x.id AND m.workspace_id = x.workspace_id",
            )
            .bind::<Array<Text>, _>(column(rows, |row| row.0.as_str()))
            .bind::<Array<Text>, _>(column(rows, |row| row.1.as_str()))
            .bind::<Array<Text>, _>(column(rows, |row| row.2))
            .bind::<Array<Instant>, _>(column(rows, |row| At(row.3)))
            .prepared()
            .execute(c)
            .map(drop)
        }),
        Db::Sqlite(c) => rows.iter().try_for_each(|(workspace, id, content, at)| {
            sql_query("UPDATE message SET content = $1, updated_at = $2 WHERE id = $3 AND workspace_id = $4")
                .bind::<Text, _>(content)
                .bind::<Instant, _>(At(*at))
                .bind::<Text, _>(id.as_str())
                .bind::<Text, _>(workspace.as_str())
                .prepared()
                .execute(c)
                .map(drop)
        }),
    }
}

fn delete_reactions(db: &mut Db, rows: &[ReactionAt<'_>]) -> QueryResult<()> {
    match db {
        Db::Pg(c) => rows.chunks(ROWS_PER_STATEMENT).try_for_each(|rows| {
            sql_query(
                "DELETE FROM reaction r USING unnest($1, $2, $3) AS x (message_id, user_id, emoji) \
                 WHERE r.message_id = x.message_id AND r.user_id = x.user_id AND r.emoji = x.emoji",
            )
            .bind::<Array<Text>, _>(column(rows, |row| row.0.as_str()))
            .bind::<Array<Text>, _>(column(rows, |row| row.1.as_str()))
            .bind::<Array<Text>, _>(column(rows, |row| row.2))
            .prepared()
            .execute(c)
            .map(drop)
        }),
        Db::Sqlite(c) => rows.iter().try_for_each(|(message, user, emoji)| {
            sql_query("DELETE FROM reaction WHERE message_id = $1 AND user_id = $2 AND emoji = $3")
                .bind::<Text, _>(message.as_str())
                .bind::<Text, _>(user.as_str())
                .bind::<Text, _>(emoji)
                .prepared()
                .execute(c)
                .map(drop)
        }),
    }
}

fn put_reactions(db: &mut Db, rows: &[ReactionPut<'_>]) -> QueryResult<()> {
    match db {
        Db::Pg(c) => rows.chunks(ROWS_PER_STATEMENT).try_for_each(|rows| {
            sql_query(
                "INSERT INTO reaction (message_id, user_id, emoji, created_at) SELECT * FROM unnest($1, $2, $3, $4) \
                 ON CONFLICT (message_id, user_id, emoji) DO UPDATE SET created_at = excluded.created_at",
            )
            .bind::<Array<Text>, _>(column(rows, |row| row.0.as_str()))
            .bind::<Array<Text>, _>(column(rows, |row| row.1.as_str()))
            .bind::<Array<Text>, _>(column(rows, |row| row.2))
            .bind::<Array<Instant>, _>(column(rows, |row| At(row.3)))
            .prepared()
            .execute(c)
            .map(drop)
        }),
        Db::Sqlite(c) => rows.iter().try_for_each(|(message, user, emoji, at)| {
            sql_query(
                "INSERT INTO reaction (message_id, user_id, emoji, created_at) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (message_id, user_id, emoji) DO UPDATE SET created_at = excluded.created_at",
            )
            .bind::<Text, _>(message.as_str())
            .bind::<Text, _>(user.as_str())
            .bind::<Text, _>(emoji)
            .bind::<Instant, _>(At(*at))
            .prepared()
            .execute(c)
            .map(drop)
        }),
    }
}

fn put_reads(db: &mut Db, rows: &[ReadPut<'_>]) -> QueryResult<()> {
    match db {
        Db::Pg(c) => rows.chunks(ROWS_PER_STATEMENT).try_for_each(|rows| {
            sql_query(
                "INSERT INTO read_state (workspace_id, target_type, target_id, user_id, sequence) SELECT * FROM unnest($1, $2, $3, $4, $5) \
                 ON CONFLICT (workspace_id, target_id, user_id) DO UPDATE SET sequence = excluded.sequence",
            )
            .bind::<Array<Text>, _>(column(rows, |row| row.0.as_str()))
            .bind::<Array<Text>, _>(column(rows, |row| row.1))
            .bind::<Array<Text>, _>(column(rows, |row| row.2))
            .bind::<Array<Text>, _>(column(rows, |row| row.3.as_str()))
            .bind::<Array<BigInt>, _>(column(rows, |row| row.4))
            .prepared()
            .execute(c)
            .map(drop)
        }),
        Db::Sqlite(c) => rows.iter().try_for_each(|(workspace, kind, target, user, sequence)| {
            sql_query(
                "INSERT INTO read_state (workspace_id, target_type, target_id, user_id, sequence) VALUES ($1, $2, $3, $4, $5) \
                 ON CONFLICT (workspace_id, target_id, user_id) DO UPDATE SET sequence = excluded.sequence",
            )
            .bind::<Text, _>(workspace.as_str())
            .bind::<Text, _>(kind)
            .bind::<Text, _>(target)
            .bind::<Text, _>(user.as_str())
            .bind::<BigInt, _>(sequence)
            .prepared()
            .execute(c)
            .map(drop)
        }),
    }
}
