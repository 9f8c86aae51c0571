//! Channels as somebody may know of them.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::BigInt;

use crate::protocol::ids::{ChannelId, UserId, WorkspaceId};
use crate::protocol::time::Timestamp;
use crate::store::campaigns::page::{Page, in_order, page_of, resolved};
use crate::store::db::{Db, on};
use crate::store::schema;
use crate::store::types::At;
use crate::store::workspaces::Standing;

/// A channel that somebody may know of: it is public in a workspace of his or hers, or he or she is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    pub id: ChannelId,
    pub workspace: WorkspaceId,
    pub name: String,
    pub private: bool,
    pub created_by: UserId,
    pub created_at: Timestamp,
    pub archived_at: Option<Timestamp>,
    /// `None` for who is not in it.
    pub standing: Option<Standing>,
}

type ChannelColumns = (String, String, String, bool, String, At, Option<At>, Option<String>, i64, Option<i64>);

fn channel((id, workspace, name, private, created_by, created_at, archived_at, member, last_sequence, read): ChannelColumns) -> Channel {
    Channel {
        id: ChannelId::new(id),
        workspace: WorkspaceId::new(workspace),
        name,
        private,
        created_by: UserId::new(created_by),
        created_at: created_at.0,
        archived_at: archived_at.map(|at| at.0),
        standing: member.map(|_| Standing { last_sequence, read: read.unwrap_or(0) }),
    }
}

/// The end of an index, for each channel alone.
const LAST_SEQUENCE: &str = "(SELECT coalesce(max(m.sequence), 0) FROM message m WHERE m.channel_id = channel.id)";

/// The channels that somebody may know of, as [`ChannelColumns`].
macro_rules! known_channels {
    ($user:expr) => {{
        use schema::{channel as d, channel_member, read_state, workspace_member as member};
        // What a join is made by must own what it is compared with.
        let user = || $user.as_str().to_owned();
        let is_in_workspace = member::workspace_id.eq(d::workspace_id).and(member::user_id.eq(user())).and(member::left_at.is_null());
        let is_in_channel = channel_member::channel_id.eq(d::id).and(channel_member::user_id.eq(user()));
        let is_read = read_state::workspace_id.eq(d::workspace_id).and(read_state::target_id.eq(d::id)).and(read_state::user_id.eq(user()));
        d::table
            .inner_join(member::table.on(is_in_workspace))
            .left_join(channel_member::table.on(is_in_channel))
            .left_join(read_state::table.on(is_read))
            .filter(d::private.eq(false).or(channel_member::user_id.is_not_null()))
            .select((
                d::id,
                d::workspace_id,
                d::name,
                d::private,
                d::created_by,
                d::created_at,
                d::archived_at,
                channel_member::user_id.nullable(),
                sql::<BigInt>(LAST_SEQUENCE),
                read_state::sequence.nullable(),
            ))
    }};
}

/// `None` when there is no such channel, or none that the user may know of.
pub fn one(db: &mut Db, id: &ChannelId, user: &UserId) -> QueryResult<Option<Channel>> {
    use schema::channel as d;
    let row: Option<ChannelColumns> = on!(db, c => known_channels!(user).filter(d::id.eq(id.as_str())).first(c).optional())?;
    Ok(row.map(channel))
}

/// The channels of a workspace that somebody may know of, oldest first. `None` when a cursor names none of them.
pub fn of_workspace(db: &mut Db, workspace: &WorkspaceId, user: &UserId, page: Page<String>) -> QueryResult<Option<Vec<Channel>>> {
    use schema::channel as d;
    let found = resolved(page, |id| {
        let known = one(db, &ChannelId::new(id), user)?.filter(|known| known.workspace == *workspace);
        Ok(known.map(|known| known.created_at))
    })?;
    let Some(span) = found else { return Ok(None) };
    let rows: Vec<ChannelColumns> =
        page_of!(db, known_channels!(user).filter(d::workspace_id.eq(workspace.as_str())), d::created_at, d::id, span)?;
    Ok(Some(in_order(rows, span.is_backward()).into_iter().map(channel).collect()))
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelMember {
    pub user: UserId,
    pub name: String,
}

type MemberColumns = (String, String);

fn channel_member((user, name): MemberColumns) -> ChannelMember {
    ChannelMember { user: UserId::new(user), name }
}

/// Who is in a channel, as [`MemberColumns`], beside his or her membership in the workspace.
macro_rules! members {
    ($channel:expr) => {{
        use schema::{channel as d, channel_member, user, workspace_member as member};
        channel_member::table
            .inner_join(d::table)
            .inner_join(user::table)
            .inner_join(member::table.on(
                member::workspace_id.eq(d::workspace_id).and(member::user_id.eq(channel_member::user_id)).and(member::left_at.is_null()),
            ))
            .filter(channel_member::channel_id.eq($channel.as_str()))
            .select((channel_member::user_id, user::name))
    }};
}

/// Who is in a channel, in the order of joining the workspace; cursors are user ids. The outer `None`: there is no such channel that `reader` may
/// know of. The inner one: a cursor names nobody of the workspace.
pub fn members(db: &mut Db, channel: &ChannelId, reader: &UserId, page: Page<String>) -> QueryResult<Option<Option<Vec<ChannelMember>>>> {
    use schema::workspace_member as d;
    db.read(|db| {
        let Some(known) = one(db, channel, reader)? else { return Ok(None) };
        let found = resolved(page, |user| {
            let at: Option<At> = on!(&mut *db, c => d::table
                .filter(d::workspace_id.eq(known.workspace.as_str()).and(d::user_id.eq(user)))
                .select(d::joined_at)
                .first(c)
                .optional())?;
            Ok(at.map(|at| at.0))
        })?;
        let Some(span) = found else { return Ok(Some(None)) };
        let rows: Vec<MemberColumns> = page_of!(db, members!(channel), d::joined_at, d::user_id, span)?;
        Ok(Some(Some(in_order(rows, span.is_backward()).into_iter().map(channel_member).collect())))
    })
}

pub fn member(db: &mut Db, channel: &ChannelId, user: &UserId) -> QueryResult<Option<ChannelMember>> {
    use schema::channel_member as d;
    let row: Option<MemberColumns> = on!(db, c => members!(channel).filter(d::user_id.eq(user.as_str())).first(c).optional())?;
    Ok(row.map(channel_member))
}
