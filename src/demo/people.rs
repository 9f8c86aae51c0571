//! The four people of the demo.

use diesel::RunQueryDsl;

use crate::auth::{password, random};
use crate::cli::new_password;
use crate::exit::Exit;
use crate::protocol::ids::UserId;
use crate::protocol::time::Timestamp;
use crate::store::accounts::{self, UserRow};
use crate::store::db::{Db, on};
use crate::store::schema::user;
use crate::store::types::At;

pub struct Person {
    pub id: UserId,
    pub name: &'static str,
    /// Of a domain that nobody can have.
    pub email: &'static str,
    pub role: &'static str,
    /// `None` for an account that was there already: it keeps its password.
    pub password: Option<String>,
}

const CAST: [(&str, &str, &str); 4] = [
    ("Dana", "dm@demo.example", "DM"),
    ("Ada", "ada@demo.example", "player"),
    ("Bo", "bo@demo.example", "player"),
    ("Cleo", "cleo@demo.example", "player"),
];

/// The DM first: each as the account that is there, or with a fresh id and password for one that is not.
pub fn find(db: &mut Db) -> Result<Vec<Person>, Exit> {
    let mut people = Vec::with_capacity(CAST.len());
    for (name, email, role) in CAST {
        let (id, password) = match accounts::user_by_email(db, email)? {
            Some((user, _)) => (UserId::new(user.id), None),
            None => (UserId::new(random::token()), Some(new_password::generate()?)),
        };
        people.push(Person { id, name, email, role, password });
    }
    Ok(people)
}

/// Makes the account of a person who has none.
pub fn make(db: &mut Db, person: &Person, now: Timestamp) -> Result<(), Exit> {
    let Some(text) = &person.password else { return Ok(()) };
    let row = UserRow {
        id: person.id.to_string(),
        name: person.name.to_owned(),
        email: person.email.to_owned(),
        email_verified: false,
        image: None,
        created_at: At(now),
        updated_at: At(now),
    };
    on!(db, c => diesel::insert_into(user::table).values(&row).execute(c))?;
    let hash = password::hash(text, random::salt());
    accounts::set_password(db, person.email, &random::token(), &hash, now)?;
    Ok(())
}
