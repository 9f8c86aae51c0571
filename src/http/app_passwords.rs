//! App passwords: what a phone that reports where it is signs in with. Each is shown once, and can be revoked by itself.

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::web::{Data, Payload};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::actors::clock;
use crate::auth::random;
use crate::auth::session::SignedIn;
use crate::http::Api;
use crate::http::access::{Answer, created, no_content, ok};
use crate::http::body;
use crate::http::name::Name;
use crate::http::query::path_id;
use crate::http::refusal::Refusal;
use crate::http::routes::Routes;
use crate::protocol::error::ErrorCode;
use crate::protocol::time::Timestamp;
use crate::store::app_passwords::{self, AppPasswordRow};
use crate::store::types::At;

const NAME_CHARS_MAX: usize = 100;
/// App passwords that a user may have.
const COUNT_MAX: i64 = 50;

pub fn routes(routes: &mut Routes) {
    let (tag, path) = ("me", "/api/me/app-passwords");
    routes.call(tag, Method::POST, path, create, "Make an app password", |call| {
        call.takes::<NewAppPassword>().gives::<Made>(201, "The app password; it is not shown again")
    });
    routes.call(tag, Method::GET, path, list, "The caller's app passwords", |call| call.gives::<List>(200, "All of them, oldest first"));
    routes.call(tag, Method::DELETE, "/api/me/app-passwords/{id}", delete, "Revoke an app password", |call| {
        call.gives_nothing(204, "It is not taken any more").refuses(&[404])
    });
}

/// What is kept of an app password. It is random and long, so a fast hash hides it as well as a slow one.
pub(super) fn hash(password: &str) -> String {
    Sha256::digest(password).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewAppPassword {
    /// What it is for.
    #[serde(default)]
    name: Option<Name<NAME_CHARS_MAX>>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "AppPasswordOnce")]
struct Made {
    id: String,
    name: Option<String>,
    /// What the phone asks for beside the password.
    username: String,
    /// 32 characters.
    password: String,
    created_at: Timestamp,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct AppPassword {
    id: String,
    name: Option<String>,
    created_at: Timestamp,
    /// To the hour.
    last_used_at: Option<Timestamp>,
}

impl From<AppPasswordRow> for AppPassword {
    fn from(row: AppPasswordRow) -> Self {
        Self { id: row.id, name: row.name, created_at: row.created_at.0, last_used_at: row.last_used_at.map(|at| at.0) }
    }
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "AppPasswords")]
struct List {
    app_passwords: Vec<AppPassword>,
}

async fn create(api: Data<Api>, me: SignedIn, payload: Payload) -> Answer {
    let NewAppPassword { name } = body::json(payload).await?;
    let (id, name, password, now) = (clock::fresh_id(), name.map(|Name(name)| name), random::token(), clock::now());
    let row = AppPasswordRow {
        id: id.clone(),
        user_id: me.user.to_string(),
        name: name.clone(),
        hash: hash(&password),
        created_at: At(now),
        last_used_at: None,
    };
    if !api.db.write(move |db| app_passwords::add(db, &row, COUNT_MAX)).await? {
        return Err(Refusal::new(ErrorCode::TooLarge, format!("At most {COUNT_MAX} app passwords can be in use")));
    }
    created(Made { id, name, username: me.email, password, created_at: now })
}

async fn list(api: Data<Api>, me: SignedIn) -> Answer {
    let rows = api.db.read(move |db| app_passwords::of(db, &me.user)).await?;
    ok(List { app_passwords: rows.into_iter().map(AppPassword::from).collect() })
}

async fn delete(api: Data<Api>, me: SignedIn, request: HttpRequest) -> Answer {
    let id = path_id(&request, "id", "app password")?;
    match api.db.write(move |db| app_passwords::delete(db, &me.user, &id)).await? {
        true => no_content(),
        false => Err(Refusal::not_found("app password")),
    }
}
