//! The map of a campaign: read through the gate, replaced as a whole, taken from files and written to one.

use std::collections::HashSet;

use actix_web::HttpRequest;
use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::http::{Method, StatusCode};
use actix_web::web::{self, Data, Payload};
use diesel::QueryResult;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::auth::session::SignedIn;
use crate::http::access::{Answer, answer, campaign_of, no_such_campaign, ok, require_dm, viewer};
use crate::http::query::Params;
use crate::http::refusal::Refusal;
use crate::http::routes::Routes;
use crate::http::{Api, body};
use crate::maps::{self, Format, Imported};
use crate::protocol::campaign::MapHex;
use crate::protocol::campaign::command::{Command, GridSize, TerrainAt};
use crate::protocol::campaign::token::Token;
use crate::protocol::error::{ErrorCode, Rejection};
use crate::protocol::ids::{CampaignId, UserId};
use crate::protocol::limits::HEXES_MAX;
use crate::rooms::campaign::board::Board;
use crate::rooms::campaign::gate::map_view;
use crate::rooms::campaign::rows::StoredBoard;
use crate::rooms::kernel::Member;
use crate::store::campaign::load_board;
use crate::store::campaigns;
use crate::store::db::Db;

const EXPORT_FORMATS: [(&str, ()); 1] = [("hexjson", ())];

pub fn routes(routes: &mut Routes) {
    let tag = "map";
    routes.call(tag, Method::GET, "/api/campaigns/{id}/map", get, "The map as the caller may see it", |call| {
        call.asks("as", "For DMs: what this member gets, exactly", &[]).gives::<Map>(200, "The map").refuses(&[403, 404])
    });
    routes.call(tag, Method::POST, "/api/campaigns/{id}/map", post, "Replace the terrain; fog and tokens stay; by a DM", |call| {
        call.takes::<NewMap>().gives::<Done>(200, "It is replaced, or staged").refuses(&[403, 404, 503])
    });
    routes.call(tag, Method::POST, "/api/campaigns/{id}/map/import", import, "Replace the terrain with that of a file; by a DM", |call| {
        call.takes_file()
            .requires("format", "How the file is written", &["hexjson", "text-mapper", "tiled"])
            .gives::<Import>(200, "It is replaced, or staged")
            .refuses(&[403, 404, 503])
    });
    routes.call(tag, Method::GET, "/api/campaigns/{id}/map/export", export, "The map as a file, as the caller may see it", |call| {
        call.asks("format", "hexjson when absent", &["hexjson"]).gives_file("application/json", "The file").refuses(&[400, 404])
    });
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Map {
    /// The room's number that this is the state of: frames with a higher one come on top.
    seq: i64,
    /// Which history the number counts in.
    epoch: String,
    hexes: Vec<MapHex>,
    grid_width: i32,
    grid_height: i32,
    tokens: Vec<Token>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewMap {
    /// At most 100,000, each place once.
    hexes: Vec<TerrainAt>,
}

#[derive(Serialize, JsonSchema)]
struct Done {
    ok: bool,
}

#[derive(Serialize, JsonSchema)]
struct Import {
    /// How many hexes the map has.
    hexes: usize,
    skipped: Vec<SkippedLine>,
}

/// Something in the file that became no hex.
#[derive(Serialize, JsonSchema)]
struct SkippedLine {
    /// From 1; 0 when it is of no one line.
    line: u32,
    reason: String,
}

/// Everything about the map, of one moment.
struct Reading {
    seq: i64,
    epoch: i64,
    name: String,
    board: StoredBoard,
    viewer: Member,
}

async fn get(api: Data<Api>, me: SignedIn, request: HttpRequest) -> Answer {
    let campaign = campaign_of(&request)?;
    let params = Params::of(&request)?;
    let found = match params.one("as")? {
        None => read(&api, campaign, me.user).await?.ok_or_else(no_such_campaign),
        Some(member) => {
            require_dm(&api, &campaign, &me.user).await?;
            read(&api, campaign, UserId::from(member)).await?.ok_or_else(|| Refusal::not_found("member"))
        }
    };
    let reading = found?;
    let json = aside(move || {
        let view = map_view(&Board::from_stored(reading.board), &reading.viewer);
        let (hexes, tokens) = (view.hexes, view.tokens);
        let (grid_width, grid_height) = (view.grid_width, view.grid_height);
        serde_json::to_vec(&Map { seq: reading.seq, epoch: reading.epoch.to_string(), hexes, grid_width, grid_height, tokens })
    })
    .await?
    .map_err(|_| Rejection::internal())?;
    Ok(answer(StatusCode::OK).insert_header((CONTENT_TYPE, "application/json")).body(json))
}

async fn export(api: Data<Api>, me: SignedIn, request: HttpRequest) -> Answer {
    let campaign = campaign_of(&request)?;
    let reading = read(&api, campaign, me.user).await?.ok_or_else(no_such_campaign)?;
    Params::of(&request)?.choice("format", &EXPORT_FORMATS)?;
    let file = aside(move || {
        let view = map_view(&Board::from_stored(reading.board), &reading.viewer);
        let size = GridSize { grid_width: view.grid_width, grid_height: view.grid_height };
        let hex = |MapHex { key, terrain, terrain_variant }| TerrainAt { key, terrain, terrain_variant };
        let hexes: Vec<TerrainAt> = view.hexes.into_iter().map(hex).collect();
        maps::export_hexjson(&reading.name, &hexes, size)
    })
    .await?;
    Ok(answer(StatusCode::OK)
        .insert_header((CONTENT_TYPE, "application/json"))
        .insert_header((CONTENT_DISPOSITION, "attachment; filename=\"map.hexjson\""))
        .body(file))
}

/// `None` when there is no such campaign, or the user is not in it.
async fn read(api: &Api, campaign: CampaignId, user: UserId) -> Result<Option<Reading>, Refusal> {
    Ok(api.db.read(move |db| db.read(|db| reading(db, &campaign, &user))).await?)
}

fn reading(db: &mut Db, campaign: &CampaignId, user: &UserId) -> QueryResult<Option<Reading>> {
    let found = viewer(db, campaign, user)?.zip(campaigns::one(db, campaign, user)?);
    let Some((viewer, summary)) = found else { return Ok(None) };
    let (seq, epoch) = campaigns::head(db, campaign)?;
    Ok(Some(Reading { seq, epoch, name: summary.name, board: load_board(db, campaign)?, viewer }))
}

async fn post(api: Data<Api>, me: SignedIn, request: HttpRequest, payload: Payload) -> Answer {
    let campaign = campaign_of(&request)?;
    require_dm(&api, &campaign, &me.user).await?;
    let body = body::bytes(payload, body::JSON_BYTES_MAX).await?;
    let hexes = aside(move || new_hexes(&body)).await??;
    api.rooms.command(&campaign, Some(&me.user), Command::ReplaceMap { hexes, size: None }).await?;
    ok(Done { ok: true })
}

fn new_hexes(body: &[u8]) -> Result<Vec<TerrainAt>, Refusal> {
    let NewMap { hexes } = body::parse(body)?;
    if hexes.len() > HEXES_MAX {
        return Err(Refusal::new(ErrorCode::TooLarge, format!("hexes: are more than {HEXES_MAX}")));
    }
    let mut keys = HashSet::with_capacity(hexes.len());
    match hexes.iter().find(|hex| !keys.insert(hex.key)) {
        Some(repeated) => Err(Refusal::bad_field("hexes", format_args!("{} stands more than once", repeated.key))),
        None => Ok(hexes),
    }
}

async fn import(api: Data<Api>, me: SignedIn, request: HttpRequest, payload: Payload) -> Answer {
    let campaign = campaign_of(&request)?;
    require_dm(&api, &campaign, &me.user).await?;
    let formats = Format::ALL.map(|format| (format.as_str(), format));
    let format = Params::of(&request)?.choice("format", &formats)?.ok_or_else(|| Refusal::bad_field("format", "is missing"))?;
    let file = body::bytes(payload, api.upload_bytes_max).await?;
    let turn = api.imports.acquire().await.map_err(|_| Rejection::busy())?;
    let Imported { hexes, size, skipped } = aside(move || maps::import(format, &file)).await?.map_err(Rejection::from)?;
    let count = hexes.len();
    api.rooms.command(&campaign, Some(&me.user), Command::ReplaceMap { hexes, size }).await?;
    drop(turn);
    let skipped = skipped.into_iter().map(|maps::Skipped { line, reason }| SkippedLine { line, reason }).collect();
    ok(Import { hexes: count, skipped })
}

/// Runs what takes long on a thread where it holds up nobody.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Refusal> {
    web::block(work).await.map_err(|_| Refusal(Rejection::busy()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(body: &str) -> (ErrorCode, String) {
        let Refusal(rejection) = new_hexes(body.as_bytes()).expect_err(body);
        (rejection.code, rejection.message)
    }

    #[test]
    fn a_posted_map_names_each_place_once() {
        let (code, message) = refused(r#"{"hexes":[{"key":"1,2","terrain":"a"},{"key":"1,2","terrain":"b"}]}"#);
        assert_eq!(code, ErrorCode::BadMessage);
        assert!(message.contains("1,2"), "{message}");
        let (code, message) = refused(r#"{"hexes":[{"key":"1,2","terrain":"a"},{"key":"01,2","terrain":"b"}]}"#);
        assert_eq!(code, ErrorCode::BadMessage);
        assert!(message.starts_with("hexes[1].key"), "{message}");
    }

    #[test]
    fn a_posted_map_has_at_most_100_000_hexes() {
        let hexes =
            |n: i32| (0..n).map(|n| format!(r#"{{"key":"{},{}","terrain":"a"}}"#, n / 1000, n % 1000)).collect::<Vec<_>>().join(",");
        assert!(new_hexes(format!(r#"{{"hexes":[{}]}}"#, hexes(100_000)).as_bytes()).is_ok());
        assert_eq!(refused(&format!(r#"{{"hexes":[{}]}}"#, hexes(100_001))).0, ErrorCode::TooLarge);
    }
}
