//! `moothall user`: accounts, for an operator who cannot be reached by e-mail.

use chrono::Utc;

use super::{connect, new_password};
use crate::auth::{password, random};
use crate::exit::Exit;
use crate::protocol::time::Timestamp;
use crate::settings::Settings;
use crate::store::accounts;

/// A line for each account: e-mail, name, when it was made, id; with a tab between.
pub fn list(settings: &Settings) -> Result<String, Exit> {
    let users = accounts::list_users(&mut connect(settings)?)?;
    // A name can hold anything but is to stay in its column.
    let clean = |text: &str| text.replace(char::is_control, " ");
    Ok(users.iter().map(|user| format!("{}\t{}\t{}\t{}\n", clean(&user.email), clean(&user.name), user.created_at.0, user.id)).collect())
}

/// Sets a password and ends the account's sessions. The password is returned only if it was made here.
pub fn password(settings: &Settings, email: &str, generate: bool) -> Result<String, Exit> {
    let email = email.to_lowercase();
    let mut db = connect(settings)?;
    // Nobody should have to type a password twice to learn that.
    accounts::user_by_email(&mut db, &email)?.ok_or_else(|| no_account(&email))?;
    let text = if generate { new_password::generate()? } else { new_password::ask(&email)? };
    check_length(&text)?;
    let hash = password::hash(&text, random::salt());
    let now = Timestamp::from_ms(Utc::now().timestamp_millis());
    match accounts::set_password(&mut db, &email, &random::token(), &hash, now)? {
        None => Err(no_account(&email)),
        Some(_) if generate => Ok(format!("{text}\n")),
        Some(sessions) => Ok(format!("the password is set; sessions ended: {}\n", sessions.len())),
    }
}

fn no_account(email: &str) -> Exit {
    Exit::Failed(format!("there is no account with the e-mail `{}`", email.escape_debug()))
}

fn check_length(text: &str) -> Result<(), Exit> {
    password::check_length(text).map_err(|_| {
        Exit::Failed(format!("a password has {} to {} characters: nothing was changed", password::UNITS_MIN, password::UNITS_MAX))
    })
}
