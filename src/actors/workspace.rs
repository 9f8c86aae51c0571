//! Workspaces as a kind of room: where their rows are.

use diesel::dsl::exists;
use diesel::{QueryDsl, QueryResult, RunQueryDsl, select};

use crate::actors::room::StoredRoom;
use crate::protocol::ids::{RoomId, WorkspaceId};
use crate::rooms::chat::Workspace;
use crate::rooms::chat::rows::{Found, Lookup, Row};
use crate::store::chat;
use crate::store::db::{Db, on};
use crate::store::journal::DomainRows;
use crate::store::schema::workspace;

impl StoredRoom for Workspace {
    fn exists(db: &mut Db, room: &RoomId) -> QueryResult<bool> {
        on!(db, c => select(exists(workspace::table.find(room.local()))).get_result(c))
    }

    fn read(db: &mut Db, room: &RoomId) -> QueryResult<Option<Self>> {
        Ok(chat::load_workspace(db, &WorkspaceId::new(room.local()))?.map(Workspace::from_stored))
    }

    fn look_up(db: &mut Db, room: &RoomId, lookup: Lookup) -> QueryResult<Found> {
        chat::look_up(db, &WorkspaceId::new(room.local()), lookup)
    }

    fn domain_rows(room: &RoomId, rows: Vec<Row>) -> DomainRows {
        if rows.is_empty() { DomainRows::None } else { DomainRows::Workspace(WorkspaceId::new(room.local()), rows) }
    }
}
