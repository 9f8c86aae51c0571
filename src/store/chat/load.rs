//! Reading a workspace, without what is said in it: of that only how far each channel and conversation has come.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text};

use crate::protocol::ids::{ChannelId, ConversationId, InvitationId, UserId, WorkspaceId};
use crate::rooms::chat::rows::{
    InviteLink, PendingInvitation, StoredChannel, StoredConversation, StoredMember, StoredRead, StoredWorkspace,
};
use crate::rooms::kernel::MemberNo;
use crate::rooms::members::MemberSet;
use crate::store::chat::values::{invalid, member_no, role, target};
use crate::store::db::{Db, on};
use crate::store::schema;
use crate::store::types::At;

/// All of a workspace, of one moment. `None` when there is no such workspace.
pub fn load_workspace(db: &mut Db, id: &WorkspaceId) -> QueryResult<Option<StoredWorkspace>> {
    db.read(|db| {
        use schema::workspace::dsl as d;
        let found: Option<String> = on!(db, c => d::workspace.find(id.as_str()).select(d::name).first(c).optional())?;
        let Some(name) = found else { return Ok(None) };
        let members = members(db, id)?;
        let numbers = members.iter().map(|member| (member.user.clone(), member.no)).collect();
        Ok(Some(StoredWorkspace {
            id: id.clone(),
            name,
            channels: channels(db, id, &numbers)?,
            conversations: conversations(db, id, &numbers)?,
            reads: reads(db, id)?,
            invitations: pending_invitations(db, id)?,
            links: usable_links(db, id)?,
            members,
        }))
    })
}

type Numbers = HashMap<UserId, MemberNo>;

type MemberColumns = (i32, String, String, String, At, i64, Option<At>);

fn members(db: &mut Db, id: &WorkspaceId) -> QueryResult<Vec<StoredMember>> {
    use schema::{user, workspace_member::dsl as d};
    let rows: Vec<MemberColumns> = on!(db, c => d::workspace_member
        .inner_join(user::table)
        .filter(d::workspace_id.eq(id.as_str()))
        .order(d::member_no)
        .select((d::member_no, d::user_id, user::name, d::role, d::joined_at, d::joined_seq, d::left_at))
        .load(c))?;
    let member = |(no, user, name, role_label, joined_at, joined_seq, left_at): MemberColumns| {
        Ok(StoredMember {
            no: member_no(no)?,
            user: UserId::new(user),
            name: name.into(),
            role: role(&role_label)?,
            joined_at: joined_at.0,
            joined_seq,
            left_at: left_at.map(|at| at.0),
        })
    };
    rows.into_iter().map(member).collect()
}

type ChannelColumns = (String, i32, String, bool, String, At, Option<At>);

/// In the order of their numbers.
fn channels(db: &mut Db, id: &WorkspaceId, numbers: &Numbers) -> QueryResult<Vec<StoredChannel>> {
    use schema::{channel::dsl as d, channel_member as member};
    let rows: Vec<ChannelColumns> = on!(db, c => d::channel
        .filter(d::workspace_id.eq(id.as_str()))
        .order(d::no)
        .select((d::id, d::no, d::name, d::private, d::created_by, d::created_at, d::archived_at))
        .load(c))?;
    let people: Vec<(String, String)> = on!(db, c => member::table
        .inner_join(d::channel)
        .filter(d::workspace_id.eq(id.as_str()))
        .select((member::channel_id, member::user_id))
        .load(c))?;
    let (mut members, last) = (sets(people, numbers)?, last_sequences(db, id, LAST_OF_CHANNELS)?);
    let channel = |(id, no, name, private, created_by, created_at, archived_at): ChannelColumns| {
        Ok(StoredChannel {
            no: no.try_into().map_err(|_| invalid("channel.no"))?,
            name,
            private,
            created_by: UserId::new(created_by),
            created_at: created_at.0,
            archived_at: archived_at.map(|at| at.0),
            members: members.remove(&id).unwrap_or_default(),
            last_sequence: last.get(&id).copied().unwrap_or(0),
            id: ChannelId::new(id),
        })
    };
    rows.into_iter().map(channel).collect()
}

/// In the order of their numbers.
fn conversations(db: &mut Db, id: &WorkspaceId, numbers: &Numbers) -> QueryResult<Vec<StoredConversation>> {
    use schema::{conversation::dsl as d, conversation_participant as participant};
    let rows: Vec<(String, i32, At)> = on!(db, c => d::conversation
        .filter(d::workspace_id.eq(id.as_str()))
        .order(d::no)
        .select((d::id, d::no, d::created_at))
        .load(c))?;
    let people: Vec<(String, String)> = on!(db, c => participant::table
        .inner_join(d::conversation)
        .filter(d::workspace_id.eq(id.as_str()))
        .select((participant::conversation_id, participant::user_id))
        .load(c))?;
    let (mut participants, last) = (sets(people, numbers)?, last_sequences(db, id, LAST_OF_CONVERSATIONS)?);
    let conversation = |(id, no, created_at): (String, i32, At)| {
        Ok(StoredConversation {
            no: no.try_into().map_err(|_| invalid("conversation.no"))?,
            created_at: created_at.0,
            participants: participants.remove(&id).unwrap_or_default(),
            last_sequence: last.get(&id).copied().unwrap_or(0),
            id: ConversationId::new(id),
        })
    };
    rows.into_iter().map(conversation).collect()
}

/// Who is in what, from pairs of an id and a user.
fn sets(people: Vec<(String, String)>, numbers: &Numbers) -> QueryResult<HashMap<String, MemberSet>> {
    let mut sets: HashMap<String, MemberSet> = HashMap::new();
    for (id, user) in people {
        let &no = numbers.get(user.as_str()).ok_or_else(|| invalid("user_id"))?;
        sets.entry(id).or_default().insert(no);
    }
    Ok(sets)
}

// For each, one look at the end of the index that keeps its sequence unique, however much has been said.
const LAST_OF_CHANNELS: &str = "SELECT t.id, coalesce((SELECT m.sequence FROM message m WHERE m.channel_id = t.id ORDER BY m.sequence DESC LIMIT 1), 0) AS last \
     FROM channel t WHERE t.workspace_id = $1";
const LAST_OF_CONVERSATIONS: &str = "SELECT t.id, coalesce((SELECT m.sequence FROM message m WHERE m.conversation_id = t.id ORDER BY m.sequence DESC LIMIT 1), 0) AS last \
     FROM conversation t WHERE t.workspace_id = $1";

#[derive(QueryableByName)]
struct Last {
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = BigInt)]
    last: i64,
}

fn last_sequences(db: &mut Db, id: &WorkspaceId, query: &'static str) -> QueryResult<HashMap<String, i64>> {
    let rows: Vec<Last> = on!(db, c => sql_query(query).bind::<Text, _>(id.as_str()).load(c))?;
    Ok(rows.into_iter().map(|row| (row.id, row.last)).collect())
}

/// In the order of their targets and users.
fn reads(db: &mut Db, id: &WorkspaceId) -> QueryResult<Vec<StoredRead>> {
    use schema::read_state::dsl as d;
    let rows: Vec<(String, String, String, i64)> = on!(db, c => d::read_state
        .filter(d::workspace_id.eq(id.as_str()))
        .order((d::target_id, d::user_id))
        .select((d::target_type, d::target_id, d::user_id, d::sequence))
        .load(c))?;
    let read = |(kind, id, user, sequence): (String, String, String, i64)| {
        Ok(StoredRead { target: target(&kind, id)?, user: UserId::new(user), sequence })
    };
    rows.into_iter().map(read).collect()
}

fn pending_invitations(db: &mut Db, id: &WorkspaceId) -> QueryResult<Vec<PendingInvitation>> {
    use schema::workspace_invitation::dsl as d;
    let rows: Vec<(String, String)> = on!(db, c => d::workspace_invitation
        .filter(d::workspace_id.eq(id.as_str()).and(d::status.eq("pending")))
        .order((d::created_at, d::id))
        .select((d::id, d::email))
        .load(c))?;
    Ok(rows.into_iter().map(|(id, email)| PendingInvitation { id: InvitationId::new(id), email }).collect())
}

fn usable_links(db: &mut Db, id: &WorkspaceId) -> QueryResult<Vec<InviteLink>> {
    use schema::workspace_invite_link::dsl as d;
    let rows: Vec<(String, At, Option<i32>, i32)> = on!(db, c => d::workspace_invite_link
        .filter(d::workspace_id.eq(id.as_str()).and(d::max_uses.is_null().or(d::max_uses.gt(d::uses.nullable()))))
        .order((d::created_at, d::code))
        .select((d::code, d::expires_at, d::max_uses, d::uses))
        .load(c))?;
    let count = |n: i32| u32::try_from(n).map_err(|_| invalid("workspace_invite_link.uses"));
    let link = |(code, expires_at, max_uses, uses): (String, At, Option<i32>, i32)| {
        Ok(InviteLink { code, expires_at: expires_at.0, max_uses: max_uses.map(count).transpose()?, uses: count(uses)? })
    };
    rows.into_iter().map(link).collect()
}
