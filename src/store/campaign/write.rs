//! Writing the rows of many commits at once.
//!
//! Rows that hold a whole value (hexes, fog, tokens) are kept back and the last value of each key is written; the log is kept back too. A rare
//! row first writes out what was kept back of its campaign, so that the rows of one campaign take effect in their order.
//!
//! PostgreSQL gets many rows with one statement of a fixed text, its columns as arrays; SQLite, which has no round trips, gets prepared
//! statements of one row.

use std::collections::BTreeMap;

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Array, BigInt, Binary, Bool, Integer, Nullable, Text};
use uuid::Uuid;

use crate::protocol::campaign::token::Token;
use crate::protocol::hex::{HexKey, Terrain};
use crate::protocol::ids::{CampaignId, TokenId};
use crate::rooms::campaign::fog::Visibility;
use crate::rooms::campaign::rows::{LogRow, Row};
use crate::store::campaign::rare;
use crate::store::campaign::shown::encode_shown;
use crate::store::campaign::values::{token_type_label, visibility_columns};
use crate::store::db::Db;
use crate::store::prepared::Prepare;
use crate::store::types::{At, Document, Instant, Json, LogTypeColumn, SessionEventType};

/// Rows that one statement of PostgreSQL gets: enough to make the round trip cheap, few enough to keep a map of 100,000 hexes in pieces.
const ROWS_PER_STATEMENT: usize = 8_192;

/// Takes the rows of a batch's commits, in order, and writes them.
#[derive(Default)]
pub(crate) struct Writer<'a> {
    kept_back: BTreeMap<&'a CampaignId, Pending<'a>>,
}

/// What of one campaign is still to be written, by key: `None` deletes.
#[derive(Default)]
struct Pending<'a> {
    hexes: BTreeMap<HexKey, Option<(&'a Terrain, u8)>>,
    fog: BTreeMap<HexKey, Option<&'a Visibility>>,
    tokens: BTreeMap<&'a TokenId, Option<&'a Token>>,
    log: Vec<&'a LogRow>,
}

impl<'a> Writer<'a> {
    pub(crate) fn add(&mut self, db: &mut Db, campaign: &'a CampaignId, rows: &'a [Row]) -> QueryResult<()> {
        for row in rows {
            let pending = self.kept_back.entry(campaign).or_default();
            match row {
                Row::Hex(key, value) => drop(pending.hexes.insert(*key, value.as_ref().map(|(terrain, variant)| (terrain, *variant)))),
                Row::Fog(key, value) => drop(pending.fog.insert(*key, value.as_ref())),
                Row::Token(id, value) => drop(pending.tokens.insert(id, value.as_ref())),
                Row::Log(row) => pending.log.push(row),
                rare => {
                    let before = std::mem::take(pending);
                    write(db, &[(campaign, before)])?;
                    write_rare(db, campaign, rare)?;
                }
            }
        }
        Ok(())
    }

    pub(crate) fn finish(self, db: &mut Db) -> QueryResult<()> {
        write(db, &self.kept_back.into_iter().collect::<Vec<_>>())
    }
}

fn write_rare(db: &mut Db, campaign: &CampaignId, row: &Row) -> QueryResult<()> {
    match row {
        Row::Hex(..) | Row::Fog(..) | Row::Token(..) | Row::Log(_) => unreachable!("these are kept back"),
        Row::Session(session) => rare::put_session(db, campaign, session),
        Row::Mode(mode) => rare::set_mode(db, campaign, *mode),
        Row::Size(size) => rare::set_size(db, campaign, *size),
        Row::ReplaceHexes(hexes) => {
            rare::delete_hexes(db, campaign)?;
            let rows: Vec<HexPut<'_>> = hexes.iter().map(|hex| (campaign, hex.key, &hex.terrain, hex.terrain_variant)).collect();
            put_hexes(db, &rows)
        }
        Row::Stage(change) => rare::stage(db, campaign, change),
        Row::Unstage(change) => rare::unstage(db, campaign, change),
        Row::UnstageAll => rare::unstage_all(db, campaign),
        Row::Member(member) => rare::put_member(db, campaign, member),
        Row::Invitation { id, email, by, at } => rare::invite(db, campaign, id.as_str(), email, by, *at),
        Row::InvitationAnswered { id, accepted } => rare::answer_invitation(db, campaign, id.as_str(), *accepted),
        Row::Link { link, by, at } => rare::put_link(db, campaign, link, by, *at),
        Row::LinkUses { code, uses } => rare::set_link_uses(db, campaign, code, *uses),
        Row::Deleted => rare::delete(db, campaign),
    }
}

type HexAt<'a> = (&'a CampaignId, HexKey);
type HexPut<'a> = (&'a CampaignId, HexKey, &'a Terrain, u8);
type FogPut<'a> = (&'a CampaignId, HexKey, bool, Vec<u8>);
type TokenPut<'a> = (&'a CampaignId, &'a Token);
type TokenAt<'a> = (&'a CampaignId, &'a TokenId);
type LogPut<'a> = (String, &'a LogRow, Option<String>);

fn write(db: &mut Db, campaigns: &[(&CampaignId, Pending<'_>)]) -> QueryResult<()> {
    let (mut hexes, mut no_hexes): (Vec<HexPut<'_>>, Vec<HexAt<'_>>) = Default::default();
    let (mut fog, mut no_fog): (Vec<FogPut<'_>>, Vec<HexAt<'_>>) = Default::default();
    let (mut tokens, mut no_tokens): (Vec<TokenPut<'_>>, Vec<TokenAt<'_>>) = Default::default();
    let mut log: Vec<LogPut<'_>> = Vec::new();
    for (campaign, pending) in campaigns {
        for (&key, value) in &pending.hexes {
            match value {
                Some((terrain, variant)) => hexes.push((campaign, key, terrain, *variant)),
                None => no_hexes.push((campaign, key)),
            }
        }
        for (&key, value) in &pending.fog {
            match value.map(visibility_columns) {
                Some((everyone, members)) => fog.push((campaign, key, everyone, members)),
                None => no_fog.push((campaign, key)),
            }
        }
        for (&id, value) in &pending.tokens {
            match value {
                Some(token) => tokens.push((campaign, token)),
                None => no_tokens.push((campaign, id)),
            }
        }
        log.extend(pending.log.iter().map(|&row| (Uuid::new_v4().to_string(), row, row.shown.as_deref().map(encode_shown))));
    }
    delete_at(db, &DELETE_HEXES, &no_hexes)?;
    put_hexes(db, &hexes)?;
    delete_at(db, &DELETE_FOG, &no_fog)?;
    put_fog(db, &fog)?;
    delete_tokens(db, &no_tokens)?;
    put_tokens(db, &tokens)?;
    append_log(db, &log)
}

/// One column of many rows, as PostgreSQL takes it.
fn column<'r, R, V>(rows: &'r [R], value: impl Fn(&'r R) -> V) -> Vec<V> {
    rows.iter().map(value).collect()
}

fn put_hexes(db: &mut Db, rows: &[HexPut<'_>]) -> QueryResult<()> {
    match db {
        Db::Pg(c) => rows.chunks(ROWS_PER_STATEMENT).try_for_each(|rows| {
            sql_query(
                "INSERT INTO campaign_hex (campaign_id, q, r, terrain, variant) SELECT * FROM unnest($1, $2, $3, $4, $5) \
                 ON CONFLICT (campaign_id, q, r) DO UPDATE SET terrain = excluded.terrain, variant = excluded.variant",
            )
            .bind::<Array<Text>, _>(column(rows, |row| row.0.as_str()))
            .bind::<Array<Integer>, _>(column(rows, |row| row.1.q()))
            .bind::<Array<Integer>, _>(column(rows, |row| row.1.r()))
            .bind::<Array<Text>, _>(column(rows, |row| row.2.as_str()))
            .bind::<Array<Integer>, _>(column(rows, |row| i32::from(row.3)))
            .prepared()
            .execute(c)
            .map(drop)
        }),
        Db::Sqlite(c) => rows.iter().try_for_each(|(campaign, key, terrain, variant)| {
            sql_query(
                "INSERT INTO campaign_hex (campaign_id, q, r, terrain, variant) VALUES ($1, $2, $3, $4, $5) \
                 ON CONFLICT (campaign_id, q, r) DO UPDATE SET terrain = excluded.terrain, variant = excluded.variant",
            )
            .bind::<Text, _>(campaign.as_str())
            .bind::<Integer, _>(key.q())
            .bind::<Integer, _>(key.r())
            .bind::<Text, _>(terrain.as_str())
            .bind::<Integer, _>(i32::from(*variant))
            .prepared()
            .execute(c)
            .map(drop)
        }),
    }
}

fn put_fog(db: &mut Db, rows: &[FogPut<'_>]) -> QueryResult<()> {
    match db {
        Db::Pg(c) => rows.chunks(ROWS_PER_STATEMENT).try_for_each(|rows| {
            sql_query(
                "INSERT INTO hex_visibility (campaign_id, q, r, everyone, members) SELECT * FROM unnest($1, $2, $3, $4, $5) \
                 ON CONFLICT (campaign_id, q, r) DO UPDATE SET everyone = excluded.everyone, members = excluded.members",
            )
            .bind::<Array<Text>, _>(column(rows, |row| row.0.as_str()))
            .bind::<Array<Integer>, _>(column(rows, |row| row.1.q()))
            .bind::<Array<Integer>, _>(column(rows, |row| row.1.r()))
            .bind::<Array<Bool>, _>(column(rows, |row| row.2))
            .bind::<Array<Binary>, _>(column(rows, |row| row.3.as_slice()))
            .prepared()
            .execute(c)
            .map(drop)
        }),
        Db::Sqlite(c) => rows.iter().try_for_each(|(campaign, key, everyone, members)| {
            sql_query(
                "INSERT INTO hex_visibility (campaign_id, q, r, everyone, members) VALUES ($1, $2, $3, $4, $5) \
                 ON CONFLICT (campaign_id, q, r) DO UPDATE SET everyone = excluded.everyone, members = excluded.members",
            )
            .bind::<Text, _>(campaign.as_str())
            .bind::<Integer, _>(key.q())
            .bind::<Integer, _>(key.r())
            .bind::<Bool, _>(*everyone)
            .bind::<Binary, _>(members.as_slice())
            .prepared()
            .execute(c)
            .map(drop)
        }),
    }
}

/// The same deletion for both databases.
struct Deletion {
    pg: &'static str,
    sqlite: &'static str,
}

const DELETE_HEXES: Deletion = Deletion {
    pg: "DELETE FROM campaign_hex h USING unnest($1, $2, $3) AS x (campaign_id, q, r) \
         WHERE h.campaign_id = x.campaign_id AND h.q = x.q AND h.r = x.r",
    sqlite: "DELETE FROM campaign_hex WHERE campaign_id = $1 AND q = $2 AND r = $3",
};

const DELETE_FOG: Deletion = Deletion {
    pg: "DELETE FROM hex_visibility h USING unnest($1, $2, $3) AS x (campaign_id, q, r) \
         WHERE h.campaign_id = x.campaign_id AND h.q = x.q AND h.r = x.r",
    sqlite: "DELETE FROM hex_visibility WHERE campaign_id = $1 AND q = $2 AND r = $3",
};

fn delete_at(db: &mut Db, deletion: &Deletion, rows: &[HexAt<'_>]) -> QueryResult<()> {
    match db {
        Db::Pg(c) => rows.chunks(ROWS_PER_STATEMENT).try_for_each(|rows| {
            sql_query(deletion.pg)
                .bind::<Array<Text>, _>(column(rows, |row| row.0.as_str()))
                .bind::<Array<Integer>, _>(column(rows, |row| row.1.q()))
                .bind::<Array<Integer>, _>(column(rows, |row| row.1.r()))
                .prepared()
                .execute(c)
                .map(drop)
        }),
        Db::Sqlite(c) => rows.iter().try_for_each(|(campaign, key)| {
            sql_query(deletion.sqlite)
                .bind::<Text, _>(campaign.as_str())
                .bind::<Integer, _>(key.q())
                .bind::<Integer, _>(key.r())
                .prepared()
                .execute(c)
                .map(drop)
        }),
    }
}

fn put_tokens(db: &mut Db, rows: &[TokenPut<'_>]) -> QueryResult<()> {
    match db {
        Db::Pg(c) => rows.chunks(ROWS_PER_STATEMENT).try_for_each(|rows| {
            sql_query(
                "INSERT INTO campaign_token (id, campaign_id, q, r, owner_id, label, icon, color, token_type, visible) \
                 SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
                 ON CONFLICT (id) DO UPDATE SET q = excluded.q, r = excluded.r, owner_id = excluded.owner_id, label = excluded.label, \
                 icon = excluded.icon, color = excluded.color, token_type = excluded.token_type, visible = excluded.visible",
            )
            .bind::<Array<Text>, _>(column(rows, |row| row.1.id.as_str()))
            .bind::<Array<Text>, _>(column(rows, |row| row.0.as_str()))
            .bind::<Array<Integer>, _>(column(rows, |row| row.1.hex_key.q()))
            .bind::<Array<Integer>, _>(column(rows, |row| row.1.hex_key.r()))
            .bind::<Array<Nullable<Text>>, _>(column(rows, |row| row.1.owner_id.as_ref().map(|owner| owner.as_str())))
            .bind::<Array<Text>, _>(column(rows, |row| row.1.label.as_str()))
            .bind::<Array<Text>, _>(column(rows, |row| row.1.icon.as_str()))
            .bind::<Array<Text>, _>(column(rows, |row| row.1.color.as_str()))
            .bind::<Array<Text>, _>(column(rows, |row| token_type_label(row.1.token_type)))
            .bind::<Array<Bool>, _>(column(rows, |row| row.1.visible))
            .prepared()
            .execute(c)
            .map(drop)
        }),
        Db::Sqlite(c) => rows.iter().try_for_each(|(campaign, token)| {
            sql_query(
                "INSERT INTO campaign_token (id, campaign_id, q, r, owner_id, label, icon, color, token_type, visible) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
                 ON CONFLICT (id) DO UPDATE SET q = excluded.q, r = excluded.r, owner_id = excluded.owner_id, label = excluded.label, \
                 icon = excluded.icon, color = excluded.color, token_type = excluded.token_type, visible = excluded.visible",
            )
            .bind::<Text, _>(token.id.as_str())
            .bind::<Text, _>(campaign.as_str())
            .bind::<Integer, _>(token.hex_key.q())
            .bind::<Integer, _>(token.hex_key.r())
            .bind::<Nullable<Text>, _>(token.owner_id.as_ref().map(|owner| owner.as_str()))
            .bind::<Text, _>(token.label.as_str())
            .bind::<Text, _>(token.icon.as_str())
            .bind::<Text, _>(token.color.as_str())
            .bind::<Text, _>(token_type_label(token.token_type))
            .bind::<Bool, _>(token.visible)
            .prepared()
            .execute(c)
            .map(drop)
        }),
    }
}

fn delete_tokens(db: &mut Db, rows: &[TokenAt<'_>]) -> QueryResult<()> {
    match db {
        Db::Pg(c) if !rows.is_empty() => sql_query(
            "DELETE FROM campaign_token t USING unnest($1, $2) AS x (campaign_id, id) WHERE t.id = x.id AND t.campaign_id = x.campaign_id",
        )
        .bind::<Array<Text>, _>(column(rows, |row| row.0.as_str()))
        .bind::<Array<Text>, _>(column(rows, |row| row.1.as_str()))
        .prepared()
        .execute(c)
        .map(drop),
        Db::Pg(_) => Ok(()),
        Db::Sqlite(c) => rows.iter().try_for_each(|(campaign, id)| {
            sql_query("DELETE FROM campaign_token WHERE id = $1 AND campaign_id = $2")
                .bind::<Text, _>(id.as_str())
                .bind::<Text, _>(campaign.as_str())
                .prepared()
                .execute(c)
                .map(drop)
        }),
    }
}

fn append_log(db: &mut Db, rows: &[LogPut<'_>]) -> QueryResult<()> {
    match db {
        Db::Pg(c) => rows.chunks(ROWS_PER_STATEMENT).try_for_each(|rows| {
            sql_query(
                "INSERT INTO session_event (id, session_id, event_type, user_id, payload, created_at, seq, shown) \
                 SELECT id, session_id, event_type::session_event_type, user_id, payload::jsonb, created_at, seq, shown \
                 FROM unnest($1, $2, $3, $4, $5, $6, $7, $8) AS x (id, session_id, event_type, user_id, payload, created_at, seq, shown)",
            )
            .bind::<Array<Text>, _>(column(rows, |row| row.0.as_str()))
            .bind::<Array<Text>, _>(column(rows, |row| row.1.session.as_str()))
            .bind::<Array<Text>, _>(column(rows, |row| row.1.kind.label()))
            .bind::<Array<Nullable<Text>>, _>(column(rows, |row| row.1.user.as_ref().map(|user| user.as_str())))
            .bind::<Array<Text>, _>(column(rows, |row| row.1.payload.as_str()))
            .bind::<Array<Instant>, _>(column(rows, |row| At(row.1.at)))
            .bind::<Array<BigInt>, _>(column(rows, |row| row.1.seq))
            .bind::<Array<Nullable<Text>>, _>(column(rows, |row| row.2.as_deref()))
            .prepared()
            .execute(c)
            .map(drop)
        }),
        Db::Sqlite(c) => rows.iter().try_for_each(|(id, row, shown)| {
            sql_query(
                "INSERT INTO session_event (id, session_id, event_type, user_id, payload, created_at, seq, shown) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            )
            .bind::<Text, _>(id.as_str())
            .bind::<Text, _>(row.session.as_str())
            .bind::<SessionEventType, _>(LogTypeColumn(row.kind))
            .bind::<Nullable<Text>, _>(row.user.as_ref().map(|user| user.as_str()))
            .bind::<Document, _>(Json(row.payload.clone()))
            .bind::<Instant, _>(At(row.at))
            .bind::<BigInt, _>(row.seq)
            .bind::<Nullable<Text>, _>(shown.as_deref())
            .prepared()
            .execute(c)
            .map(drop)
        }),
    }
}
