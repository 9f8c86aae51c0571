//! `POST /sign-in/email`: a session for who knows the password.

use actix_web::http::header::USER_AGENT;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use super::body::Fields;
use super::email::is_email;
use super::refusal::Refusal;
use super::sign_up::signed_in;
use super::view::UserView;
use crate::actors::clock;
use crate::auth::password::{self, BadLength};
use crate::auth::session;
use crate::auth::state::AuthState;
use crate::store::accounts;

pub async fn sign_in(state: Data<AuthState>, request: HttpRequest, payload: Payload) -> Result<HttpResponse, Refusal> {
    let mut fields = Fields::read(&request, payload).await?;
    let (email, password) = (fields.text("email"), fields.text("password"));
    let remember = fields.optional_flag("rememberMe") != Some(false);
    fields.optional_text("callbackURL");
    fields.check()?;
    if !is_email(&email) {
        return Err(Refusal::invalid_email());
    }
    if password::check_length(&password) == Err(BadLength::TooLong) {
        return Err(BadLength::TooLong.into());
    }

    let email = email.to_lowercase();
    let found = state.database().read(move |db| accounts::user_by_email(db, &email)).await?;
    let (user, stored) = found.map_or((None, None), |(user, stored)| (Some(user), stored));
    let knows_it = state.hasher().run(move || match stored {
        Some(stored) => password::verify(&password, &stored),
        None => {
            password::spend(&password);
            false
        }
    });
    let knows_it = knows_it.await?;
    let Some(user) = user.filter(|_| knows_it) else { return Err(Refusal::invalid_email_or_password()) };

    let user_agent = request.headers().get(USER_AGENT).and_then(|value| value.to_str().ok());
    let begun = session::begin(&user.id, remember, state.sites().client_address(&request).to_string(), user_agent, clock::now());
    let answer = json!({"redirect": false, "token": begun.token, "user": UserView::of_row(&user)});
    let cookies = state.authenticator().cookies().set(&begun.token, remember);
    state.database().write(move |db| db.write(|db| accounts::begin_session(db, &begun))).await?;
    Ok(signed_in(cookies, answer))
}
