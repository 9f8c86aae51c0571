//! Circles: making, listing, renaming and deleting them.

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::web::{Data, Payload};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::actors::clock;
use crate::auth::session::SignedIn;
use crate::http::Api;
use crate::http::access::{Answer, created, no_content, ok};
use crate::http::body;
use crate::http::circle_access::{circle_of, no_such_circle, require_owner};
use crate::http::name::Name;
use crate::http::query::{Params, unknown_cursor};
use crate::http::refusal::Refusal;
use crate::http::routes::Routes;
use crate::protocol::circle::Command;
use crate::protocol::circle::command::Role;
use crate::protocol::ids::{CircleId, UserId};
use crate::protocol::time::Timestamp;
use crate::store::circles::{self, NewCircle, Summary};

const NAME_CHARS_MAX: usize = 100;

pub fn routes(routes: &mut Routes) {
    let tag = "circles";
    routes.call(tag, Method::POST, "/api/circles", create, "Make a circle; the caller becomes its owner", |call| {
        call.takes::<Named>().gives::<NewlyMade>(201, "It was made")
    });
    routes.call(tag, Method::GET, "/api/circles", list, "The caller's circles", |call| call.pages().gives::<List>(200, "A page of them"));
    routes.call(tag, Method::GET, "/api/circles/{id}", get, "A circle", |call| call.gives::<Circle>(200, "The circle").refuses(&[404]));
    routes.call(tag, Method::PATCH, "/api/circles/{id}", rename, "Rename a circle; by its owner", |call| {
        call.takes::<Named>().gives::<Circle>(200, "The circle as it is called").refuses(&[403, 404, 503])
    });
    routes.call(tag, Method::DELETE, "/api/circles/{id}", delete, "Delete a circle and all that belongs to it; by its owner", |call| {
        call.gives_nothing(204, "It is gone").refuses(&[403, 404, 503])
    });
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "CircleName")]
struct Named {
    name: Name<NAME_CHARS_MAX>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "NewCircle")]
struct NewlyMade {
    id: CircleId,
    name: String,
    owner_id: UserId,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Circle {
    id: CircleId,
    name: String,
    owner_id: UserId,
    /// The caller's.
    role: Role,
    created_at: Timestamp,
}

impl From<Summary> for Circle {
    fn from(Summary { id, name, owner, role, created_at }: Summary) -> Self {
        Self { id, name, owner_id: owner, role, created_at }
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Circles")]
struct List {
    circles: Vec<Circle>,
}

async fn create(api: Data<Api>, me: SignedIn, payload: Payload) -> Answer {
    let Named { name: Name(name) } = body::json(payload).await?;
    let made = NewlyMade { id: CircleId::new(clock::fresh_id()), name: name.clone(), owner_id: me.user.clone() };
    let new = NewCircle { id: made.id.clone(), name, owner: me.user, membership: clock::fresh_id(), at: clock::now() };
    api.db.write(move |db| circles::create(db, &new)).await?;
    api.circles.welcome(&made.id, &made.owner_id);
    created(made)
}

async fn list(api: Data<Api>, me: SignedIn, request: HttpRequest) -> Answer {
    let page = Params::of(&request)?.page_by_id()?;
    let found = api.db.read(move |db| circles::list(db, &me.user, page)).await?.ok_or_else(unknown_cursor)?;
    ok(List { circles: found.into_iter().map(Circle::from).collect() })
}

async fn get(api: Data<Api>, me: SignedIn, request: HttpRequest) -> Answer {
    ok(read(&api, circle_of(&request)?, me.user).await?)
}

async fn rename(api: Data<Api>, me: SignedIn, request: HttpRequest, payload: Payload) -> Answer {
    let circle = circle_of(&request)?;
    require_owner(&api, &circle, &me.user).await?;
    let Named { name: Name(name) } = body::json(payload).await?;
    api.circles.command(&circle, Some(&me.user), Command::Rename { name }).await?;
    ok(read(&api, circle, me.user).await?)
}

async fn delete(api: Data<Api>, me: SignedIn, request: HttpRequest) -> Answer {
    let circle = circle_of(&request)?;
    require_owner(&api, &circle, &me.user).await?;
    api.circles.command(&circle, Some(&me.user), Command::DeleteCircle).await?;
    no_content()
}

async fn read(api: &Api, circle: CircleId, user: UserId) -> Result<Circle, Refusal> {
    let found = api.db.read(move |db| circles::one(db, &circle, &user)).await?;
    found.map(Circle::from).ok_or_else(no_such_circle)
}
