//! The rows of a workspace that change seldom, and are written one by one in their order.

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Integer, Text};
use diesel::upsert::excluded;
use uuid::Uuid;

use crate::protocol::ids::{ChannelId, InvitationId, MessageId, RoomId, UserId, WorkspaceId};
use crate::protocol::time::Timestamp;
use crate::rooms::chat::rows::{Answered, InviteLink, PendingInvitation, StoredChannel, StoredConversation, StoredMember};
use crate::rooms::kernel::MemberNo;
use crate::store::chat::values::{number, role_label};
use crate::store::db::{Db, on};
use crate::store::journal::forget;
use crate::store::prepared::Prepare;
use crate::store::schema;
use crate::store::types::At;

pub(super) fn rename(db: &mut Db, workspace: &WorkspaceId, name: &str) -> QueryResult<()> {
    use schema::workspace::dsl as d;
    on!(db, c => diesel::update(d::workspace.find(workspace.as_str())).set(d::name.eq(name)).execute(c))?;
    Ok(())
}

/// The workspace with all that hangs on it, and the journal of its room.
pub(super) fn delete(db: &mut Db, workspace: &WorkspaceId) -> QueryResult<()> {
    use schema::workspace::dsl as d;
    on!(db, c => diesel::delete(d::workspace.find(workspace.as_str())).execute(c))?;
    forget(db, &RoomId::workspace(workspace))
}

pub(super) fn put_member(db: &mut Db, workspace: &WorkspaceId, member: &StoredMember) -> QueryResult<()> {
    use schema::workspace_member::dsl as d;
    let row = (
        d::id.eq(Uuid::new_v4().to_string()),
        d::workspace_id.eq(workspace.as_str()),
        d::user_id.eq(member.user.as_str()),
        d::role.eq(role_label(member.role)),
        d::member_no.eq(number(member.no)),
        d::joined_at.eq(At(member.joined_at)),
        d::joined_seq.eq(member.joined_seq),
        d::left_at.eq(member.left_at.map(At)),
    );
    on!(db, c => diesel::insert_into(d::workspace_member)
        .values(row)
        .on_conflict((d::workspace_id, d::user_id))
        .do_update()
        .set((
            d::role.eq(excluded(d::role)),
            d::member_no.eq(excluded(d::member_no)),
            d::joined_at.eq(excluded(d::joined_at)),
            d::joined_seq.eq(excluded(d::joined_seq)),
            d::left_at.eq(excluded(d::left_at)),
        ))
        .execute(c))?;
    Ok(())
}

/// Its number, its maker and when it was made stay as they were.
pub(super) fn put_channel(db: &mut Db, workspace: &WorkspaceId, channel: &StoredChannel) -> QueryResult<()> {
    use schema::channel::dsl as d;
    let row = (
        d::id.eq(channel.id.as_str()),
        d::workspace_id.eq(workspace.as_str()),
        d::no.eq(number_within(channel.no)),
        d::name.eq(&channel.name),
        d::private.eq(channel.private),
        d::created_by.eq(channel.created_by.as_str()),
        d::created_at.eq(At(channel.created_at)),
        d::archived_at.eq(channel.archived_at.map(At)),
    );
    on!(db, c => diesel::insert_into(d::channel)
        .values(row)
        .on_conflict(d::id)
        .do_update()
        .set((
            d::name.eq(excluded(d::name)),
            d::private.eq(excluded(d::private)),
            d::archived_at.eq(excluded(d::archived_at)),
        ))
        .execute(c))?;
    Ok(())
}

pub(super) fn set_channel_member(db: &mut Db, channel: &ChannelId, user: &UserId, is_in_it: bool) -> QueryResult<()> {
    use schema::channel_member::dsl as d;
    let row = (d::channel_id.eq(channel.as_str()), d::user_id.eq(user.as_str()));
    if is_in_it {
        on!(db, c => diesel::insert_into(d::channel_member).values(row).on_conflict_do_nothing().execute(c))?;
    } else {
        on!(db, c => diesel::delete(d::channel_member.filter(row.0.and(row.1))).execute(c))?;
    }
    Ok(())
}

pub(super) fn add_conversation(db: &mut Db, workspace: &WorkspaceId, conversation: &StoredConversation) -> QueryResult<()> {
    use schema::conversation::dsl as d;
    let row = (
        d::id.eq(conversation.id.as_str()),
        d::workspace_id.eq(workspace.as_str()),
        d::no.eq(number_within(conversation.no)),
        d::created_at.eq(At(conversation.created_at)),
    );
    on!(db, c => diesel::insert_into(d::conversation).values(row).execute(c))?;
    conversation.participants.iter().try_for_each(|member| add_participant(db, workspace, conversation, member))
}

fn add_participant(db: &mut Db, workspace: &WorkspaceId, conversation: &StoredConversation, member: MemberNo) -> QueryResult<()> {
    let added = on!(db, c => sql_query(
            "INSERT INTO conversation_participant (conversation_id, user_id) \
             SELECT $1, user_id FROM workspace_member WHERE workspace_id = $2 AND member_no = $3",
        )
        .bind::<Text, _>(conversation.id.as_str())
        .bind::<Text, _>(workspace.as_str())
        .bind::<Integer, _>(number(member))
        .execute(c))?;
    // A conversation without one of its people would be another one.
    if added == 1 { Ok(()) } else { Err(diesel::result::Error::NotFound) }
}

fn number_within(no: u32) -> i32 {
    no.try_into().expect("a workspace has few channels and conversations")
}

/// It keeps its row, and so its place. With its content its words leave the search.
pub(super) fn delete_message(db: &mut Db, workspace: &WorkspaceId, message: &MessageId, at: Timestamp) -> QueryResult<()> {
    use schema::message::dsl as d;
    use schema::reaction;
    let row = d::message.filter(d::id.eq(message.as_str()).and(d::workspace_id.eq(workspace.as_str())));
    let deleted = on!(db, c => diesel::update(row).set((d::content.eq(""), d::deleted_at.eq(At(at)))).prepared().execute(c))?;
    if deleted == 1 {
        on!(db, c => diesel::delete(reaction::table.filter(reaction::message_id.eq(message.as_str()))).execute(c))?;
    }
    Ok(())
}

pub(super) fn invite(db: &mut Db, workspace: &WorkspaceId, new: &PendingInvitation, by: &UserId, at: Timestamp) -> QueryResult<()> {
    use schema::workspace_invitation::dsl as d;
    let row = (
        d::id.eq(new.id.as_str()),
        d::workspace_id.eq(workspace.as_str()),
        d::email.eq(&new.email),
        d::status.eq("pending"),
        d::invited_by.eq(by.as_str()),
        d::created_at.eq(At(at)),
    );
    on!(db, c => diesel::insert_into(d::workspace_invitation).values(row).execute(c))?;
    Ok(())
}

pub(super) fn answer_invitation(db: &mut Db, workspace: &WorkspaceId, id: &InvitationId, answer: Answered) -> QueryResult<()> {
    use schema::workspace_invitation::dsl as d;
    let row = d::workspace_invitation.filter(d::id.eq(id.as_str()).and(d::workspace_id.eq(workspace.as_str())));
    let status = match answer {
        Answered::Accepted => "accepted",
        Answered::Declined => "declined",
    };
    on!(db, c => diesel::update(row).set(d::status.eq(status)).execute(c))?;
    Ok(())
}

pub(super) fn put_link(db: &mut Db, workspace: &WorkspaceId, link: &InviteLink, by: &UserId, at: Timestamp) -> QueryResult<()> {
    use schema::workspace_invite_link::dsl as d;
    let row = (
        d::code.eq(&link.code),
        d::workspace_id.eq(workspace.as_str()),
        d::created_by.eq(by.as_str()),
        d::created_at.eq(At(at)),
        d::expires_at.eq(At(link.expires_at)),
        d::max_uses.eq(link.max_uses.map(count)),
        d::uses.eq(count(link.uses)),
    );
    on!(db, c => diesel::insert_into(d::workspace_invite_link).values(row).execute(c))?;
    Ok(())
}

pub(super) fn set_link_uses(db: &mut Db, workspace: &WorkspaceId, code: &str, uses: u32) -> QueryResult<()> {
    use schema::workspace_invite_link::dsl as d;
    let row = d::workspace_invite_link.filter(d::code.eq(code).and(d::workspace_id.eq(workspace.as_str())));
    on!(db, c => diesel::update(row).set(d::uses.eq(count(uses))).execute(c))?;
    Ok(())
}

/// The column is an `integer`; more uses than it holds are as good as no limit.
fn count(n: u32) -> i32 {
    n.try_into().unwrap_or(i32::MAX)
}
