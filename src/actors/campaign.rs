//! Campaigns as a kind of room: where their rows are.

use std::convert::Infallible;

use diesel::dsl::exists;
use diesel::{QueryDsl, QueryResult, RunQueryDsl, select};

use crate::actors::room::StoredRoom;
use crate::protocol::ids::{CampaignId, RoomId};
use crate::rooms::campaign::Campaign;
use crate::rooms::campaign::rows::Row;
use crate::store::campaign::load_campaign;
use crate::store::db::{Db, on};
use crate::store::journal::DomainRows;
use crate::store::schema::campaign;

impl StoredRoom for Campaign {
    fn exists(db: &mut Db, room: &RoomId) -> QueryResult<bool> {
        on!(db, c => select(exists(campaign::table.find(room.local()))).get_result(c))
    }

    fn read(db: &mut Db, room: &RoomId) -> QueryResult<Option<Self>> {
        Ok(load_campaign(db, &CampaignId::new(room.local()))?.map(Campaign::from_stored))
    }

    fn look_up(_: &mut Db, _: &RoomId, lookup: Infallible) -> QueryResult<Infallible> {
        match lookup {}
    }

    fn domain_rows(room: &RoomId, rows: Vec<Row>) -> DomainRows {
        if rows.is_empty() { DomainRows::None } else { DomainRows::Campaign(CampaignId::new(room.local()), rows) }
    }
}
