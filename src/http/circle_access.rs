//! What every handler of a circle asks first.

use actix_web::HttpRequest;

use crate::http::Api;
use crate::http::query::path_id;
use crate::http::refusal::Refusal;
use crate::protocol::circle::command::Role;
use crate::protocol::ids::{CircleId, UserId};
use crate::store::circles;

pub fn no_such_circle() -> Refusal {
    Refusal::not_found("circle")
}

/// The circle that the path names.
pub fn circle_of(request: &HttpRequest) -> Result<CircleId, Refusal> {
    path_id(request, "id", "circle").map(CircleId::new)
}

/// The caller's role in a circle. To whoever is not in it there is no such circle.
pub async fn role(api: &Api, circle: &CircleId, user: &UserId) -> Result<Role, Refusal> {
    let (circle, user) = (circle.clone(), user.clone());
    api.db.read(move |db| circles::role(db, &circle, &user)).await?.ok_or_else(no_such_circle)
}

/// For what only the owner may do.
pub async fn require_owner(api: &Api, circle: &CircleId, user: &UserId) -> Result<(), Refusal> {
    match role(api, circle, user).await? {
        Role::Owner => Ok(()),
        Role::Member => Err(Refusal::forbidden("Only the owner of the circle may do this")),
    }
}
