//! Circles as a kind of room: where their rows are.

use std::convert::Infallible;

use diesel::dsl::exists;
use diesel::{QueryDsl, QueryResult, RunQueryDsl, select};

use crate::actors::room::StoredRoom;
use crate::protocol::ids::{CircleId, RoomId};
use crate::rooms::circle::Circle;
use crate::rooms::circle::rows::Row;
use crate::store::circle as store;
use crate::store::db::{Db, on};
use crate::store::journal::DomainRows;
use crate::store::schema::circle;

impl StoredRoom for Circle {
    fn exists(db: &mut Db, room: &RoomId) -> QueryResult<bool> {
        on!(db, c => select(exists(circle::table.find(room.local()))).get_result(c))
    }

    fn read(db: &mut Db, room: &RoomId) -> QueryResult<Option<Self>> {
        Ok(store::load_circle(db, &CircleId::new(room.local()))?.map(Circle::from_stored))
    }

    fn look_up(_: &mut Db, _: &RoomId, lookup: Infallible) -> QueryResult<Infallible> {
        match lookup {}
    }

    fn domain_rows(room: &RoomId, rows: Vec<Row>) -> DomainRows {
        if rows.is_empty() { DomainRows::None } else { DomainRows::Circle(CircleId::new(room.local()), rows) }
    }
}
