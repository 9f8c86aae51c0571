//! Reading a campaign.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::result::Error;

use crate::protocol::campaign::command::{GridSize, TerrainAt};
use crate::protocol::campaign::token::Token;
use crate::protocol::hex::Terrain;
use crate::protocol::ids::{CampaignId, ChangeId, InvitationId, SessionId, TokenId, UserId};
use crate::rooms::campaign::fog::Visibility;
use crate::rooms::campaign::rows::{InviteLink, PendingInvitation, StagedChange, StoredBoard, StoredCampaign, StoredMember, StoredSession};
use crate::rooms::kernel::MemberNo;
use crate::store::campaign::values::{hex_key, invalid, mode, role, token_type, visibility};
use crate::store::db::{Db, on};
use crate::store::schema;
use crate::store::types::{At, StatusColumn};

/// All of a campaign, of one moment. `None` when there is no such campaign.
pub fn load_campaign(db: &mut Db, id: &CampaignId) -> QueryResult<Option<StoredCampaign>> {
    db.read(|db| {
        use schema::campaign::dsl as d;
        let found: Option<(String, String)> =
            on!(db, c => d::campaign.filter(d::id.eq(id.as_str())).select((d::owner_id, d::broadcast_mode)).first(c).optional())?;
        let Some((owner, broadcast_mode)) = found else { return Ok(None) };
        Ok(Some(StoredCampaign {
            id: id.clone(),
            owner: UserId::new(owner),
            mode: mode(&broadcast_mode)?,
            session: latest_session(db, id)?,
            members: members(db, id)?,
            board: load_board(db, id)?,
            staged: staged(db, id)?,
            invitations: pending_invitations(db, id)?,
            links: usable_links(db, id)?,
        }))
    })
}

/// The board alone: hexes and fog in the order of their keys, tokens in that of their ids. Empty when there is no such campaign. Whoever reads
/// something else with it does both within [`Db::read`].
pub fn load_board(db: &mut Db, id: &CampaignId) -> QueryResult<StoredBoard> {
    db.read(|db| Ok(StoredBoard { size: size(db, id)?, hexes: hexes(db, id)?, fog: fog(db, id)?, tokens: tokens(db, id)? }))
}

fn size(db: &mut Db, id: &CampaignId) -> QueryResult<GridSize> {
    use schema::campaign::dsl as d;
    let size: Option<(i32, i32)> =
        on!(db, c => d::campaign.filter(d::id.eq(id.as_str())).select((d::grid_width, d::grid_height)).first(c).optional())?;
    Ok(size.map_or_else(GridSize::default, |(grid_width, grid_height)| GridSize { grid_width, grid_height }))
}

fn hexes(db: &mut Db, id: &CampaignId) -> QueryResult<Vec<TerrainAt>> {
    use schema::campaign_hex::dsl as d;
    let rows: Vec<(i32, i32, String, i32)> = on!(db, c => d::campaign_hex
        .filter(d::campaign_id.eq(id.as_str()))
        .select((d::hex_q, d::hex_r, d::terrain, d::variant))
        .load(c))?;
    // A map has few terrains and many hexes: those of one terrain share its name.
    let mut terrains: HashMap<String, Terrain> = HashMap::new();
    let mut shared = |name: String| match terrains.get(&name) {
        Some(terrain) => Ok(terrain.clone()),
        None => {
            let terrain = Terrain::parse(&name).ok_or_else(|| invalid("campaign_hex.terrain"))?;
            terrains.insert(name, terrain.clone());
            Ok::<_, Error>(terrain)
        }
    };
    let mut hexes = rows
        .into_iter()
        .map(|(q, r, terrain, variant)| {
            let terrain_variant = variant.try_into().map_err(|_| invalid("campaign_hex.variant"))?;
            Ok(TerrainAt { key: hex_key(q, r)?, terrain: shared(terrain)?, terrain_variant })
        })
        .collect::<QueryResult<Vec<_>>>()?;
    hexes.sort_unstable_by_key(|hex| hex.key);
    Ok(hexes)
}

fn fog(db: &mut Db, id: &CampaignId) -> QueryResult<Vec<(crate::protocol::hex::HexKey, Visibility)>> {
    use schema::hex_visibility::dsl as d;
    let rows: Vec<(i32, i32, bool, Vec<u8>)> = on!(db, c => d::hex_visibility
        .filter(d::campaign_id.eq(id.as_str()))
        .select((d::hex_q, d::hex_r, d::everyone, d::members))
        .load(c))?;
    let mut fog = rows
        .into_iter()
        .map(|(q, r, everyone, members)| Ok((hex_key(q, r)?, visibility(everyone, &members))))
        .collect::<QueryResult<Vec<_>>>()?;
    fog.sort_unstable_by_key(|(key, _)| *key);
    Ok(fog)
}

type TokenColumns = (String, i32, i32, Option<String>, String, String, String, String, bool);

fn tokens(db: &mut Db, id: &CampaignId) -> QueryResult<Vec<Token>> {
    use schema::campaign_token::dsl as d;
    let rows: Vec<TokenColumns> = on!(db, c => d::campaign_token
        .filter(d::campaign_id.eq(id.as_str()))
        .select((d::id, d::hex_q, d::hex_r, d::owner_id, d::label, d::icon, d::color, d::token_type, d::visible))
        .load(c))?;
    let mut tokens = rows
        .into_iter()
        .map(|(id, q, r, owner_id, label, icon, color, kind, visible)| {
            let (hex_key, token_type) = (hex_key(q, r)?, token_type(&kind)?);
            Ok(Token { id: TokenId::new(id), hex_key, owner_id: owner_id.map(UserId::new), label, icon, color, token_type, visible })
        })
        .collect::<QueryResult<Vec<_>>>()?;
    tokens.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    Ok(tokens)
}

/// Of two sessions that started in one millisecond, the one that has not ended is the later one.
fn latest_session(db: &mut Db, id: &CampaignId) -> QueryResult<Option<StoredSession>> {
    use schema::game_session::dsl as d;
    let row: Option<(String, StatusColumn, String, At, Option<At>)> = on!(db, c => d::game_session
        .filter(d::campaign_id.eq(id.as_str()))
        .order((d::started_at.desc(), d::ended_at.is_null().desc()))
        .select((d::id, d::status, d::started_by, d::started_at, d::ended_at))
        .first(c)
        .optional())?;
    Ok(row.map(|(id, status, started_by, started_at, ended_at)| StoredSession {
        id: SessionId::new(id),
        status: status.0,
        started_by: UserId::new(started_by),
        started_at: started_at.0,
        ended_at: ended_at.map(|at| at.0),
    }))
}

type MemberColumns = (i32, String, String, String, At, i64, Option<At>);

fn members(db: &mut Db, id: &CampaignId) -> QueryResult<Vec<StoredMember>> {
    use schema::{campaign_member::dsl as d, user};
    let rows: Vec<MemberColumns> = on!(db, c => d::campaign_member
        .inner_join(user::table)
        .filter(d::campaign_id.eq(id.as_str()))
        .order(d::member_no)
        .select((d::member_no, d::user_id, user::name, d::role, d::joined_at, d::joined_seq, d::left_at))
        .load(c))?;
    let member = |(no, user, name, role_label, joined_at, joined_seq, left_at): MemberColumns| {
        Ok(StoredMember {
            no: MemberNo(no.try_into().map_err(|_| invalid("campaign_member.member_no"))?),
            user: UserId::new(user),
            name,
            role: role(&role_label)?,
            joined_at: joined_at.0,
            joined_seq,
            left_at: left_at.map(|at| at.0),
        })
    };
    rows.into_iter().map(member).collect()
}

fn staged(db: &mut Db, id: &CampaignId) -> QueryResult<Vec<StagedChange>> {
    use schema::staged_change::dsl as d;
    let rows: Vec<(String, String, String, String)> = on!(db, c => d::staged_change
        .filter(d::campaign_id.eq(id.as_str()))
        .order(d::position)
        .select((d::id, d::user_id, d::command, d::fresh))
        .load(c))?;
    let change = |(id, by, command, fresh): (String, String, String, String)| {
        let command = serde_json::from_str(&command).map_err(|_| invalid("staged_change.command"))?;
        Ok(StagedChange { id: ChangeId::new(id), by: UserId::new(by), command, fresh })
    };
    rows.into_iter().map(change).collect()
}

fn pending_invitations(db: &mut Db, id: &CampaignId) -> QueryResult<Vec<PendingInvitation>> {
    use schema::invitation::dsl as d;
    let rows: Vec<(String, String)> = on!(db, c => d::invitation
        .filter(d::campaign_id.eq(id.as_str()).and(d::status.eq("pending")))
        .order((d::created_at, d::id))
        .select((d::id, d::email))
        .load(c))?;
    Ok(rows.into_iter().map(|(id, email)| PendingInvitation { id: InvitationId::new(id), email }).collect())
}

fn usable_links(db: &mut Db, id: &CampaignId) -> QueryResult<Vec<InviteLink>> {
    use schema::invite_link::dsl as d;
    let rows: Vec<(String, At, Option<i32>, i32)> = on!(db, c => d::invite_link
        .filter(d::campaign_id.eq(id.as_str()).and(d::max_uses.is_null().or(d::max_uses.gt(d::uses.nullable()))))
        .order((d::created_at, d::code))
        .select((d::code, d::expires_at, d::max_uses, d::uses))
        .load(c))?;
    let count = |n: i32| u32::try_from(n).map_err(|_| invalid("invite_link.uses"));
    let link = |(code, expires_at, max_uses, uses): (String, At, Option<i32>, i32)| {
        Ok(InviteLink { code, expires_at: expires_at.0, max_uses: max_uses.map(count).transpose()?, uses: count(uses)? })
    };
    rows.into_iter().map(link).collect()
}
