//! Game sessions and what happened in them, each reader through the gate.

use actix_web::HttpRequest;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::http::{Method, StatusCode};
use actix_web::web::{Bytes, Data};
use diesel::QueryResult;
use diesel::result::Error;
use futures_util::stream;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::auth::session::SignedIn;
use crate::http::Api;
use crate::http::access::{Answer, answer, campaign_of, no_such_campaign, ok, viewer};
use crate::http::query::{Params, path_id, unknown_cursor};
use crate::http::refusal::Refusal;
use crate::http::routes::Routes;
use crate::protocol::error::Rejection;
use crate::protocol::ids::{CampaignId, SessionId, UserId};
use crate::protocol::time::Timestamp;
use crate::rooms::campaign::log::log_view;
use crate::store::campaigns::page::Page;
use crate::store::campaigns::sessions::{self, LogRows, LoggedRow};
use crate::store::db::Db;
use crate::store::types::status_label;

/// Rows of the log that are read at a time.
const ROWS_AT_A_TIME: u32 = 500;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Ndjson,
}

pub fn routes(routes: &mut Routes) {
    let tag = "sessions";
    routes.call(tag, Method::GET, "/api/campaigns/{id}/sessions", list, "The sessions of a campaign", |call| {
        call.pages().gives::<List>(200, "A page of them").refuses(&[404])
    });
    routes.call(tag, Method::GET, "/api/sessions/{id}/events", events, "What happened in a session, as the caller may see it", |call| {
        call.pages()
            .asks("format", "json when absent: a page; ndjson: all that there is, one event a line", &["json", "ndjson"])
            .gives::<Events>(200, "A page of them; it never ends inside a seq")
            .refuses(&[404])
    });
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Session {
    id: SessionId,
    /// `active`, `paused` or `ended`.
    status: &'static str,
    started_by: UserId,
    started_at: Timestamp,
    ended_at: Option<Timestamp>,
    /// Events that the caller may see.
    events: u64,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Sessions")]
struct List {
    sessions: Vec<Session>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Event {
    id: String,
    /// The room's number when it happened.
    seq: i64,
    event_type: &'static str,
    user_id: Option<UserId>,
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    payload: Box<RawValue>,
    created_at: Timestamp,
}

#[derive(Serialize, JsonSchema)]
struct Events {
    events: Vec<Event>,
}

/// Who reads which log.
#[derive(Clone)]
struct Reader {
    campaign: CampaignId,
    session: SessionId,
    user: UserId,
}

/// What of some rows the reader may see.
struct Seen {
    events: Vec<Event>,
    more_from: Option<i64>,
}

async fn list(api: Data<Api>, me: SignedIn, request: HttpRequest) -> Answer {
    let campaign = campaign_of(&request)?;
    let (of, who) = (campaign.clone(), me.user.clone());
    let me_there = api.db.read(move |db| viewer(db, &of, &who)).await?.ok_or_else(no_such_campaign)?;
    let page = Params::of(&request)?.page_by_id()?;
    let of = campaign.clone();
    let found = api.db.read(move |db| sessions::of_campaign(db, &of, page)).await?.ok_or_else(unknown_cursor)?;
    let mut listed = Vec::with_capacity(found.len());
    for session in found {
        let reader = Reader { campaign: campaign.clone(), session: session.id.clone(), user: me.user.clone() };
        listed.push(Session {
            events: if me_there.leads { count_all(&api, &session.id).await? } else { count_seen(&api, reader).await? },
            id: session.id,
            status: status_label(session.status),
            started_by: session.started_by,
            started_at: session.started_at,
            ended_at: session.ended_at,
        });
    }
    ok(List { sessions: listed })
}

async fn count_all(api: &Api, session: &SessionId) -> Result<u64, Refusal> {
    let session = session.clone();
    let count = api.db.read(move |db| sessions::count_events(db, &session)).await?;
    Ok(count.try_into().unwrap_or(0))
}

/// Counts what the gate lets through: there is no other way to know.
async fn count_seen(api: &Api, reader: Reader) -> Result<u64, Refusal> {
    let mut count = 0;
    let mut page = Page { limit: ROWS_AT_A_TIME, after: None, before: None };
    loop {
        let seen = seen(api, &reader, page.clone()).await?;
        count += seen.events.len() as u64;
        match seen.more_from {
            Some(seq) => page.after = Some(seq),
            None => return Ok(count),
        }
    }
}

async fn events(api: Data<Api>, me: SignedIn, request: HttpRequest) -> Answer {
    let session = SessionId::new(path_id(&request, "id", "session")?);
    let (which, who) = (session.clone(), me.user.clone());
    let campaign = api.db.read(move |db| may_read(db, &which, &who)).await?.ok_or_else(|| Refusal::not_found("session"))?;
    let reader = Reader { campaign, session, user: me.user };
    let params = Params::of(&request)?;
    let page = params.page_by_seq()?;
    match params.choice("format", &[("json", Form::Json), ("ndjson", Form::Ndjson)])? {
        None | Some(Form::Json) => ok(Events { events: page_of_events(&api, &reader, page).await? }),
        Some(Form::Ndjson) => stream_events(api, reader, page),
    }
}

/// The campaign of a session, when the user is in it.
fn may_read(db: &mut Db, session: &SessionId, user: &UserId) -> QueryResult<Option<CampaignId>> {
    let Some(campaign) = sessions::campaign_of(db, session)? else { return Ok(None) };
    Ok(viewer(db, &campaign, user)?.map(|_| campaign))
}

/// Whole numbers only: a number whose events do not fit any more is left for the next page, unless the page would be empty without it.
async fn page_of_events(api: &Api, reader: &Reader, page: Page<i64>) -> Result<Vec<Event>, Refusal> {
    let (limit, is_backward) = (page.limit as usize, page.is_backward());
    let mut page = Page { limit: ROWS_AT_A_TIME, ..page };
    let mut events: Vec<Event> = Vec::new();
    'filled: loop {
        let seen = seen(api, reader, page.clone()).await?;
        let mut rest = seen.events.into_iter().peekable();
        while let Some(first) = rest.next() {
            let mut of_one_seq = vec![first];
            while let Some(next) = rest.next_if(|next| next.seq == of_one_seq[0].seq) {
                of_one_seq.push(next);
            }
            if !events.is_empty() && events.len() + of_one_seq.len() > limit {
                break 'filled;
            }
            events.append(&mut of_one_seq);
        }
        match seen.more_from.filter(|_| events.len() < limit) {
            None => break,
            Some(seq) if is_backward => page.before = Some(seq),
            Some(seq) => page.after = Some(seq),
        }
    }
    if is_backward {
        events.reverse();
    }
    Ok(events)
}

/// Everything between the cursors, read as fast as the client takes it.
fn stream_events(api: Data<Api>, reader: Reader, page: Page<i64>) -> Answer {
    let first = Page { limit: ROWS_AT_A_TIME, after: Some(page.after.unwrap_or(i64::MIN)), before: page.before };
    let lines = stream::try_unfold(Some(first), move |next| {
        let (api, reader) = (api.clone(), reader.clone());
        async move {
            let Some(page) = next else { return Ok::<_, Refusal>(None) };
            let seen = seen(&api, &reader, page.clone()).await?;
            let mut text = Vec::new();
            for event in &seen.events {
                serde_json::to_writer(&mut text, event).map_err(|_| Rejection::internal())?;
                text.push(b'\n');
            }
            let next = seen.more_from.map(|seq| Page { after: Some(seq), ..page });
            Ok(Some((Bytes::from(text), next)))
        }
    });
    Ok(answer(StatusCode::OK).insert_header((CONTENT_TYPE, "application/x-ndjson")).streaming(lines))
}

/// Some rows through the gate, in one read transaction: membership, fog and log are of one moment.
async fn seen(api: &Api, reader: &Reader, page: Page<i64>) -> Result<Seen, Refusal> {
    let reader = reader.clone();
    api.db.read(move |db| db.read(|db| see(db, &reader, &page))).await?.ok_or_else(|| Refusal::not_found("session"))
}

fn see(db: &mut Db, reader: &Reader, page: &Page<i64>) -> QueryResult<Option<Seen>> {
    let Some(viewer) = viewer(db, &reader.campaign, &reader.user)? else { return Ok(None) };
    let LogRows { rows, more_from } = sessions::log_rows(db, &reader.session, page)?;
    let fog = if viewer.leads { Default::default() } else { sessions::hexes_seen_by(db, &reader.campaign, viewer.no)? };
    let sees = |key| fog.contains(&key);
    let event = |LoggedRow { id, row }| {
        let payload = log_view(&row, &viewer, &sees)?;
        Some(RawValue::from_string(payload).map_err(|error| Error::DeserializationError(error.into())).map(|payload| Event {
            id,
            seq: row.seq,
            event_type: row.kind.label(),
            user_id: row.user,
            payload,
            created_at: row.at,
        }))
    };
    let events = rows.into_iter().filter_map(event).collect::<QueryResult<_>>()?;
    Ok(Some(Seen { events, more_from }))
}
