//! What is the caller's own: who he or she is, all that is kept of where he or she was, and its end.

use std::collections::VecDeque;

use actix_web::HttpRequest;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::http::{Method, StatusCode};
use actix_web::web::{Bytes, Data};
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::actors::clock;
use crate::auth::session::SignedIn;
use crate::http::Api;
use crate::http::access::{Answer, answer, no_content, ok};
use crate::http::locations::Reading;
use crate::http::query::Params;
use crate::http::refusal::Refusal;
use crate::http::routes::Routes;
use crate::http::tracks::{Format, Scribe};
use crate::protocol::circle::Command;
use crate::protocol::error::ErrorCode;
use crate::protocol::ids::UserId;
use crate::store::circles::{self, Past, points};
use crate::store::db::Db;

pub fn routes(routes: &mut Routes) {
    let tag = "me";
    routes.call(tag, Method::GET, "/api/auth/me", me, "Who the caller is", |call| call.gives::<Me>(200, "The caller"));
    routes.call(tag, Method::GET, "/api/me/export", export, "The caller's account, circles and points", |call| {
        call.asks("format", "json when absent; the others have the points alone, and not those that are sealed", &Format::LABELS)
            .gives_file("application/json", "The file, in the format that was asked for")
            .refuses(&[400])
    });
    routes.call(tag, Method::DELETE, "/api/me/locations", delete, "Delete all of the caller's points, in every circle", |call| {
        call.gives_nothing(204, "They are gone").refuses(&[503])
    });
}

#[derive(Serialize, JsonSchema)]
struct Me {
    id: UserId,
    name: String,
}

async fn me(me: SignedIn) -> Answer {
    ok(Me { id: me.user, name: me.name })
}

/// Every circle that the caller is in, and those that he or she left.
async fn circles_of(api: &Api, user: &UserId) -> Result<Vec<Past>, Refusal> {
    let user = user.clone();
    Ok(api.db.read(move |db| circles::ever_of(db, &user)).await?)
}

async fn delete(api: Data<Api>, me: SignedIn) -> Answer {
    let (member_of, left): (Vec<Past>, Vec<Past>) = circles_of(&api, &me.user).await?.into_iter().partition(|circle| circle.is_member);
    let commands = member_of.iter().map(|circle| api.circles.command(&circle.id, Some(&me.user), Command::DeleteHistory));
    let mut of_no_member: Vec<Past> = left;
    for (circle, done) in member_of.iter().zip(join_all(commands).await) {
        match done {
            Ok(_) => {}
            // He or she was taken out of it meanwhile, or it is gone.
            Err(rejection) if matches!(rejection.code, ErrorCode::Forbidden | ErrorCode::NotFound) => of_no_member.push(circle.clone()),
            Err(rejection) => return Err(rejection.into()),
        }
    }
    let user = me.user;
    let job = move |db: &mut Db| of_no_member.iter().try_for_each(|circle| points::delete_of_former_member(db, &circle.id, &user));
    api.db.write(job).await?;
    no_content()
}

/// How far the export has come.
struct Progress {
    scribe: Scribe,
    user: UserId,
    /// Circles whose points are still to be written.
    circles: VecDeque<Past>,
    reading: Option<Reading>,
    is_done: bool,
}

impl Progress {
    /// The next piece of the file: of a circle that is begun, of the next one, or the end.
    async fn next(mut self, api: &Api) -> Result<Option<(Bytes, Self)>, Refusal> {
        if self.is_done {
            return Ok(None);
        }
        if let Some(reading) = self.reading.take() {
            let (points, next) = api.db.read(move |db| db.read(|db| reading.next(db, clock::now()))).await?;
            self.reading = next;
            return Ok(Some((self.scribe.points(&points)?, self)));
        }
        let piece = match self.circles.pop_front() {
            Some(circle) => {
                self.reading = Some(Reading::new(circle.id, self.user.clone(), self.user.clone(), None, None));
                self.scribe.track(&circle.name)?
            }
            None => {
                self.is_done = true;
                self.scribe.end()?
            }
        };
        Ok(Some((piece.into(), self)))
    }
}

async fn export(api: Data<Api>, me: SignedIn, request: HttpRequest) -> Answer {
    let format = Params::of(&request)?.choice("format", &Format::CHOICES)?.unwrap_or(Format::Json);
    let circles = circles_of(&api, &me.user).await?;
    let listed: Vec<Value> =
        circles.iter().map(|circle| json!({"id": circle.id, "name": circle.name, "isMember": circle.is_member})).collect();
    let head = json!({"user": {"id": me.user, "name": me.name, "email": me.email}, "circles": listed});
    let scribe = Scribe::new(format);
    let begin = scribe.begin(&head)?;
    let progress = Progress { scribe, user: me.user, circles: circles.into(), reading: None, is_done: false };
    let rest = stream::try_unfold(progress, move |progress| {
        let api = api.clone();
        async move { progress.next(&api).await }
    });
    let file = stream::once(async move { Ok::<_, Refusal>(Bytes::from(begin)) }).chain(rest);
    Ok(answer(StatusCode::OK).insert_header((CONTENT_TYPE, format.content_type())).streaming(file))
}
