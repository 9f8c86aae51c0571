//! Writing the rows of many commits at once.
//!
//! What is written all the time, the points, is kept back: those of all circles of a batch go in together. A rare row first writes out what was kept
//! back of its circle, so that the rows of one circle take effect in their order.
//!
//! PostgreSQL gets many rows with one statement of a fixed text, its columns as arrays; SQLite, which has no round trips, gets prepared
//! statements of one row.

use std::collections::BTreeMap;

use diesel::prelude::*;
use diesel::result::Error;
use diesel::sql_query;
use diesel::sql_types::{Array, Double, Nullable, Text};

use crate::protocol::circle::command::{Point, Position};
use crate::protocol::ids::CircleId;
use crate::rooms::circle::rows::{Row, StoredPoint};
use crate::store::circle::rare;
use crate::store::circle::values::invalid;
use crate::store::db::Db;
use crate::store::prepared::Prepare;
use crate::store::types::{At, Instant};

/// Rows that one statement of PostgreSQL gets: enough to make the round trip cheap; points of the largest size stay below 8 MiB.
const ROWS_PER_STATEMENT: usize = 1_024;

/// Takes the rows of a batch's commits, in order, and writes them.
#[derive(Default)]
pub(crate) struct Writer<'a> {
    kept_back: BTreeMap<&'a CircleId, Vec<&'a StoredPoint>>,
}

impl<'a> Writer<'a> {
    pub(crate) fn add(&mut self, db: &mut Db, circle: &'a CircleId, rows: &'a [Row]) -> QueryResult<()> {
        for row in rows {
            let points = self.kept_back.entry(circle).or_default();
            match row {
                Row::Point(point) => points.push(point),
                rare => {
                    let before = std::mem::take(points);
                    write(db, &[(circle, before)])?;
                    write_rare(db, circle, rare)?;
                }
            }
        }
        Ok(())
    }

    pub(crate) fn finish(self, db: &mut Db) -> QueryResult<()> {
        write(db, &self.kept_back.into_iter().collect::<Vec<_>>())
    }
}

fn write_rare(db: &mut Db, circle: &CircleId, row: &Row) -> QueryResult<()> {
    match row {
        Row::Point(_) => unreachable!("points are kept back"),
        Row::Renamed(name) => rare::rename(db, circle, name),
        Row::Deleted => rare::delete(db, circle),
        Row::Member(member) => rare::put_member(db, circle, member),
        Row::Invite(invite, by, at) => rare::put_invite(db, circle, invite, by, *at),
        Row::InviteUsed(code, by, at) => rare::use_invite(db, circle, code, by, *at),
        Row::HistoryDeleted(user) => rare::delete_history(db, circle, user),
        Row::Expired(before) => rare::expire(db, circle, *before),
    }
}

/// A row of `location` to be: what it holds besides its key is either a position or a text.
struct Put<'a> {
    circle: &'a CircleId,
    stored: &'a StoredPoint,
    plain: Option<&'a Position>,
    sealed: Option<String>,
}

impl<'a> Put<'a> {
    fn new(circle: &'a CircleId, stored: &'a StoredPoint) -> QueryResult<Self> {
        let (plain, sealed) = match &stored.point {
            Point::Plain(position) => (Some(position), None),
            Point::Sealed(sealed) => (None, Some(serde_json::to_string(sealed).map_err(|_| invalid("location.sealed"))?)),
        };
        Ok(Self { circle, stored, plain, sealed })
    }

    fn plain(&self, value: impl Fn(&Position) -> Option<f64>) -> Option<f64> {
        self.plain.and_then(value)
    }
}

fn write(db: &mut Db, circles: &[(&CircleId, Vec<&StoredPoint>)]) -> QueryResult<()> {
    let points = circles.iter().flat_map(|(circle, points)| points.iter().map(|point| Put::new(circle, point)));
    let puts = points.collect::<Result<Vec<Put<'_>>, Error>>()?;
    match db {
        Db::Pg(c) => puts.chunks(ROWS_PER_STATEMENT).try_for_each(|puts| {
            let text = |value: fn(&Put<'_>) -> String| puts.iter().map(value).collect::<Vec<_>>();
            let at = |value: fn(&Put<'_>) -> At| puts.iter().map(value).collect::<Vec<_>>();
            let number = |value: fn(&Position) -> Option<f64>| puts.iter().map(|put| put.plain(value)).collect::<Vec<_>>();
            sql_query(
                "INSERT INTO location (circle_id, user_id, measured_at, device, received_at, latitude, longitude, accuracy, altitude, speed, \
                 heading, battery, sealed) SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING",
            )
            .bind::<Array<Text>, _>(text(|put| put.circle.to_string()))
            .bind::<Array<Text>, _>(text(|put| put.stored.user.to_string()))
            .bind::<Array<Instant>, _>(at(|put| At(put.stored.measured_at)))
            .bind::<Array<Text>, _>(text(|put| put.stored.device.clone()))
            .bind::<Array<Instant>, _>(at(|put| At(put.stored.received_at)))
            .bind::<Array<Nullable<Double>>, _>(number(|position| Some(position.latitude)))
            .bind::<Array<Nullable<Double>>, _>(number(|position| Some(position.longitude)))
            .bind::<Array<Nullable<Double>>, _>(number(|position| Some(position.accuracy)))
            .bind::<Array<Nullable<Double>>, _>(number(|position| position.altitude))
            .bind::<Array<Nullable<Double>>, _>(number(|position| position.speed))
            .bind::<Array<Nullable<Double>>, _>(number(|position| position.heading))
            .bind::<Array<Nullable<Double>>, _>(number(|position| position.battery))
            .bind::<Array<Nullable<Text>>, _>(puts.iter().map(|put| put.sealed.as_deref()).collect::<Vec<_>>())
            .prepared()
            .execute(c)
            .map(drop)
        }),
        Db::Sqlite(c) => puts.iter().try_for_each(|put| {
            sql_query(
                "INSERT INTO location (circle_id, user_id, measured_at, device, received_at, latitude, longitude, accuracy, altitude, speed, \
                 heading, battery, sealed) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING",
            )
            .bind::<Text, _>(put.circle.as_str())
            .bind::<Text, _>(put.stored.user.as_str())
            .bind::<Instant, _>(At(put.stored.measured_at))
            .bind::<Text, _>(put.stored.device.as_str())
            .bind::<Instant, _>(At(put.stored.received_at))
            .bind::<Nullable<Double>, _>(put.plain(|position| Some(position.latitude)))
            .bind::<Nullable<Double>, _>(put.plain(|position| Some(position.longitude)))
            .bind::<Nullable<Double>, _>(put.plain(|position| Some(position.accuracy)))
            .bind::<Nullable<Double>, _>(put.plain(|position| position.altitude))
            .bind::<Nullable<Double>, _>(put.plain(|position| position.speed))
            .bind::<Nullable<Double>, _>(put.plain(|position| position.heading))
            .bind::<Nullable<Double>, _>(put.plain(|position| position.battery))
            .bind::<Nullable<Text>, _>(put.sealed.as_deref())
            .prepared()
            .execute(c)
            .map(drop)
        }),
    }
}
