//! `GET /list-sessions`: a user's sessions, with their tokens; therefore only for a session that is fresh.

use std::time::Duration;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::refusal::Refusal;
use super::view::SessionView;
use crate::actors::clock;
use crate::auth::session;
use crate::auth::state::AuthState;
use crate::store::accounts;

/// The age from which a session is not fresh.
const FRESH_BELOW: Duration = Duration::from_secs(24 * 3600);

pub async fn list_sessions(state: Data<AuthState>, request: HttpRequest) -> Result<HttpResponse, Refusal> {
    let session = session::of_request(&state, &request).await?.ok_or_else(Refusal::unauthorized)?;
    let now = clock::now();
    if now.since(session.created_at) >= FRESH_BELOW {
        return Err(Refusal::session_not_fresh());
    }
    let user = session.user.clone();
    let rows = state.database().read(move |db| accounts::sessions_of(db, user.as_str(), now)).await?;
    let views: Vec<_> = rows.iter().filter_map(SessionView::of_row).collect();
    Ok(HttpResponse::Ok().json(views))
}
