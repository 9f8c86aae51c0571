//! Where the members of a circle are and were, as the gate shows it to the caller at the moment of reading.

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::http::{Method, StatusCode};
use actix_web::web::{Bytes, Data};
use diesel::QueryResult;
use futures_util::stream::{self, StreamExt};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::actors::clock;
use crate::auth::session::SignedIn;
use crate::http::Api;
use crate::http::access::{Answer, answer, ok};
use crate::http::circle_access::{circle_of, no_such_circle, role};
use crate::http::query::Params;
use crate::http::refusal::Refusal;
use crate::http::routes::Routes;
use crate::http::tracks::{Format, Placed, Scribe};
use crate::protocol::circle::messages::Broadcast;
use crate::protocol::ids::{CircleId, ID_BYTES_MAX, UserId};
use crate::protocol::time::Timestamp;
use crate::rooms::circle::gate;
use crate::rooms::circle::rows::{StoredCircle, StoredMember, StoredPoint};
use crate::store::circle::{load_circle, load_member};
use crate::store::circles::points::{self, Wanted};
use crate::store::db::Db;

/// Points that are read at a time.
const POINTS_AT_A_TIME: i64 = 1_000;

pub fn routes(routes: &mut Routes) {
    let tag = "circles";
    routes.call(tag, Method::GET, "/api/circles/{id}/locations", now, "Where every member is who shares that", |call| {
        call.gives::<Locations>(200, "The last known locations").refuses(&[404])
    });
    routes.call(tag, Method::GET, "/api/circles/{id}/history", history, "Where a member was", |call| {
        call.asks("userId", "The member; the caller when absent", &[])
            .asks("from", "The first moment, in RFC 3339", &[])
            .asks("to", "The first moment beyond, in RFC 3339", &[])
            .asks("format", "json when absent; what is sealed is only there", &Format::LABELS)
            .gives_file("application/json", "The points in the order of their times, in the format that was asked for")
            .refuses(&[400, 404])
    });
}

#[derive(Serialize, JsonSchema)]
struct Locations {
    locations: Vec<Location>,
}

/// What a `location:broadcast` tells, and when the server heard of it.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Location {
    #[serde(flatten)]
    broadcast: Broadcast,
    received_at: Timestamp,
}

/// Where each member is, of those whom the viewer may see: the others through the gate, himself exactly.
pub(super) fn seen_by<'a>(
    viewer: &UserId,
    circle: &'a StoredCircle,
    now: Timestamp,
) -> impl Iterator<Item = (&'a StoredMember, &'a StoredPoint, Broadcast)> {
    circle.latest.iter().filter_map(move |last| {
        let member = circle.members.iter().find(|member| member.user == last.user)?;
        let is_own = member.user == *viewer && gate::visible(member, now) && gate::is_current(member, last);
        let point = if is_own { last.point.clone() } else { gate::last_seen(member, last, now)? };
        let broadcast = Broadcast {
            user_id: member.user.clone(),
            sender_id: member.user.clone(),
            sender_name: member.name.clone(),
            circle_id: circle.id.clone(),
            point: Placed::point_of(point),
        };
        Some((member, last, broadcast))
    })
}

async fn now(api: Data<Api>, me: SignedIn, request: HttpRequest) -> Answer {
    let id = circle_of(&request)?;
    let circle = api.db.read(move |db| load_circle(db, &id)).await?.ok_or_else(no_such_circle)?;
    if !circle.members.iter().any(|member| member.user == me.user && member.left_at.is_none()) {
        return Err(no_such_circle());
    }
    let seen = seen_by(&me.user, &circle, clock::now());
    ok(Locations { locations: seen.map(|(_, last, broadcast)| Location { broadcast, received_at: last.received_at }).collect() })
}

/// Whose points are read, and by whom.
#[derive(Clone)]
pub(super) struct Reading {
    pub viewer: UserId,
    pub wanted: Wanted,
}

impl Reading {
    pub(super) fn new(circle: CircleId, viewer: UserId, of: UserId, from: Option<Timestamp>, to: Option<Timestamp>) -> Self {
        Self { viewer, wanted: Wanted { circle, user: of, from, to, after: None, limit: POINTS_AT_A_TIME } }
    }

    /// One's own points, whatever one shares and also when one has left.
    fn is_own(&self) -> bool {
        self.viewer == self.wanted.user
    }

    /// The next points as the viewer may see them at this moment, and the reading of those after. Nothing follows after the last.
    pub(super) fn next(self, db: &mut Db, now: Timestamp) -> QueryResult<(Vec<Placed>, Option<Self>)> {
        let whose = if self.is_own() { None } else { load_member(db, &self.wanted.circle, &self.wanted.user)? };
        let read = points::read(db, &self.wanted)?;
        let last = read.last().filter(|_| read.len() as i64 == POINTS_AT_A_TIME);
        let after = last.map(|last| (last.measured_at, last.device.clone()));
        let seen = |stored: StoredPoint| {
            let point = match (&whose, self.is_own()) {
                (_, true) => stored.point,
                (Some(member), false) => gate::seen(member, &stored.point, now)?,
                (None, false) => return None,
            };
            Some(Placed {
                user_id: stored.user,
                circle_id: self.wanted.circle.clone(),
                device: self.is_own().then_some(stored.device),
                received_at: stored.received_at,
                point: Placed::point_of(point),
            })
        };
        let placed = read.into_iter().filter_map(seen).collect();
        let next = after.map(|after| Self { wanted: Wanted { after: Some(after), ..self.wanted.clone() }, ..self.clone() });
        Ok((placed, next))
    }
}

/// Whether both are members. `None` when the viewer is none; the name is that of the other.
fn name_of(db: &mut Db, reading: &Reading) -> QueryResult<Option<Option<Arc<str>>>> {
    let is_here = |member: &StoredMember| member.left_at.is_none();
    let circle = &reading.wanted.circle;
    if !load_member(db, circle, &reading.viewer)?.is_some_and(|member| is_here(&member)) {
        return Ok(None);
    }
    Ok(Some(load_member(db, circle, &reading.wanted.user)?.filter(is_here).map(|member| member.name)))
}

fn moment(params: &Params, name: &str) -> Result<Option<Timestamp>, Refusal> {
    let text = params.one(name)?;
    text.map(|text| Timestamp::parse(text).ok_or_else(|| Refusal::bad_field(name, "is not an RFC 3339 time"))).transpose()
}

async fn history(api: Data<Api>, me: SignedIn, request: HttpRequest) -> Answer {
    let circle = circle_of(&request)?;
    role(&api, &circle, &me.user).await?;
    let params = Params::of(&request)?;
    let of = params.one("userId")?.filter(|id| !id.is_empty() && id.len() <= ID_BYTES_MAX).map_or(me.user.clone(), UserId::from);
    let format = params.choice("format", &Format::CHOICES)?.unwrap_or(Format::Json);
    let reading = Reading::new(circle, me.user, of.clone(), moment(&params, "from")?, moment(&params, "to")?);
    let whose = reading.clone();
    let name = api.db.read(move |db| name_of(db, &whose)).await?.ok_or_else(no_such_circle)?;
    let name = name.ok_or_else(|| Refusal::not_found("member"))?;

    let mut scribe = Scribe::new(format);
    let head = json!({"circleId": reading.wanted.circle, "userId": of, "userName": name});
    let begin = scribe.begin(&head)? + &scribe.track(&name)?;
    let points = stream::try_unfold((scribe, Some(reading)), move |(mut scribe, next)| {
        let api = api.clone();
        async move {
            let Some(reading) = next else { return Ok::<_, Refusal>(None) };
            let job = move |db: &mut Db| {
                db.read(|db| match name_of(db, &reading)? {
                    Some(Some(_)) => reading.next(db, clock::now()).map(Some),
                    _ => Ok(None),
                })
            };
            // Whoever left in the middle gets a file that breaks off.
            let (points, next) = api.db.read(job).await?.ok_or_else(no_such_circle)?;
            let mut text = scribe.points(&points)?.to_vec();
            if next.is_none() {
                text.extend(scribe.end()?.bytes());
            }
            Ok(Some((Bytes::from(text), (scribe, next))))
        }
    });
    let file = stream::once(async move { Ok(Bytes::from(begin)) }).chain(points);
    Ok(answer(StatusCode::OK).insert_header((CONTENT_TYPE, format.content_type())).streaming(file))
}
