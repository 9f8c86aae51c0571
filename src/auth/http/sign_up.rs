//! `POST /sign-up/email`: a new user with a password, and a first session.

use actix_web::http::header::{SET_COOKIE, USER_AGENT};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use super::body::Fields;
use super::email::is_email;
use super::refusal::Refusal;
use super::view::UserView;
use crate::actors::clock;
use crate::actors::executor::StoreError;
use crate::auth::state::{AuthState, SignUp};
use crate::auth::{password, random, session};
use crate::store::accounts::{self, UserRow};
use crate::store::fault::Fault;
use crate::store::types::At;

/// Characters of a name: it is shown to everybody in a room.
const NAME_CHARS_MAX: usize = 200;

struct Form {
    name: String,
    /// In lower case.
    email: String,
    password: String,
    image: Option<String>,
    remember: bool,
    invite_code: Option<String>,
}

impl Form {
    async fn read(request: &HttpRequest, payload: Payload) -> Result<Self, Refusal> {
        let mut fields = Fields::read(request, payload).await?;
        let form = Self {
            name: fields.text("name"),
            email: fields.text("email"),
            password: fields.text("password"),
            image: fields.optional_text("image"),
            remember: fields.optional_flag("rememberMe") != Some(false),
            invite_code: fields.optional_text("inviteCode"),
        };
        // The page goes there by itself; the server only checks the type.
        fields.optional_text("callbackURL");
        if form.name.chars().nth(NAME_CHARS_MAX).is_some() {
            fields.complain("name", &format!("Too big: expected string to have <={NAME_CHARS_MAX} characters"));
        }
        if !is_email(&form.email) {
            fields.complain("email", "Invalid email address");
        }
        if form.password.is_empty() {
            fields.complain("password", "Too small: expected string to have >=1 characters");
        }
        fields.check()?;
        Ok(Self { email: form.email.to_lowercase(), ..form })
    }
}

pub async fn sign_up(state: Data<AuthState>, request: HttpRequest, payload: Payload) -> Result<HttpResponse, Refusal> {
    let form = Form::read(&request, payload).await?;
    if !is_admitted(&state, &form).await? {
        return Err(Refusal::sign_up_closed());
    }
    password::check_length(&form.password)?;
    let email = form.email.clone();
    if state.database().read(move |db| accounts::user_by_email(db, &email)).await?.is_some() {
        return Err(Refusal::email_taken());
    }
    let (password, salt) = (form.password, random::salt());
    let hash = state.hasher().run(move || password::hash(&password, salt)).await?;

    let now = clock::now();
    let user = UserRow {
        id: random::token(),
        name: form.name,
        email: form.email,
        email_verified: false,
        image: form.image,
        created_at: At(now),
        updated_at: At(now),
    };
    let user_agent = request.headers().get(USER_AGENT).and_then(|value| value.to_str().ok());
    let first = session::begin(&user.id, form.remember, state.sites().client_address(&request).to_string(), user_agent, now);
    let answer = json!({"token": first.token, "user": UserView::of_row(&user)});
    let cookies = state.authenticator().cookies().set(&first.token, form.remember);
    let written = state.database().write(move |db| accounts::create_user(db, &user, &random::token(), &hash, &first)).await;
    match written {
        Ok(()) => Ok(signed_in(cookies, answer)),
        // Somebody took the address since it was looked up.
        Err(StoreError::Failed(error)) if Fault::of(&error) == Fault::Unique => Err(Refusal::email_taken()),
        Err(error) => Err(error.into()),
    }
}

/// The answer that begins a session.
pub fn signed_in(cookies: Vec<String>, body: serde_json::Value) -> HttpResponse {
    let mut answer = HttpResponse::Ok();
    for cookie in cookies {
        answer.append_header((SET_COOKIE, cookie));
    }
    answer.json(body)
}

async fn is_admitted(state: &AuthState, form: &Form) -> Result<bool, Refusal> {
    match state.sign_up() {
        SignUp::Open => Ok(true),
        SignUp::Closed => Ok(false),
        SignUp::Invited => {
            let (email, code, now) = (form.email.clone(), form.invite_code.clone(), clock::now());
            Ok(state.database().read(move |db| accounts::is_invited(db, &email, code.as_deref(), now)).await?)
        }
    }
}
