//! What the store promises of circles and where their members were, on both databases.

use std::time::Duration;

use diesel::prelude::*;
use moothall::protocol::circle::command::{KeyVersion, Point, Position, Precision, Role, Sealed};
use moothall::protocol::ids::{CircleId, RoomId};
use moothall::protocol::time::Timestamp;
use moothall::rooms::circle::rows::{Invite, Row, Sharing, StoredCircle, StoredMember, StoredPoint};
use moothall::rooms::kernel::MemberNo;
use moothall::store::circle::{EXPIRED_PER_ROW, circles_of, load_circle};
use moothall::store::circles::points::{self, Wanted};
use moothall::store::db::{Db, on};
use moothall::store::journal::{Commit, DomainRows, Outcome, acquire, write_batch};
use moothall::store::schema;
use moothall::store::types::At;

use super::{Database, NOW, count, epoch_and_head, heads};

on_both!(
    a_circle_is_loaded_as_it_was_written,
    a_point_is_kept_once_as_it_came_first,
    the_last_point_is_the_one_that_was_measured_last_and_of_several_the_one_that_came_first,
    rows_of_a_circle_take_effect_in_their_order,
    old_points_go_some_at_a_time_and_the_oldest_first,
    points_are_read_in_their_order_from_where_the_last_reading_ended,
    a_deleted_circle_leaves_nothing_behind,
);

/// A circle of `ann`, who owns it, and `bob`; its room is owned by the node `me`.
struct Room {
    circle: CircleId,
    room: RoomId,
    epoch: i64,
    head: i64,
}

impl Room {
    fn new(db: &mut Db, id: &str) -> Self {
        use schema::circle as d;
        let row = (d::id.eq(id), d::name.eq("Family"), d::created_by.eq("ann"), d::created_at.eq(At(NOW)));
        on!(db, c => diesel::insert_into(d::table).values(row).execute(c)).expect("a new circle");
        let room = RoomId::circle(&id.into());
        let (epoch, head) = epoch_and_head(acquire(db, &room, "me").expect("the database answers"));
        let this = Self { circle: id.into(), room, epoch, head };
        this.write(db, vec![Row::Member(member(0, "ann", Role::Owner)), Row::Member(member(1, "bob", Role::Member))]);
        this
    }

    /// A change without a number, as most of a circle are.
    fn commit(&self, rows: Vec<Row>) -> Commit {
        Commit {
            room: self.room.clone(),
            epoch: self.epoch,
            expected_head: self.head,
            seq: self.head,
            event: None,
            command: None,
            rows: DomainRows::Circle(self.circle.clone(), rows),
            at: NOW,
        }
    }

    fn write(&self, db: &mut Db, rows: Vec<Row>) {
        assert_eq!(write_batch(db, "me", &[self.commit(rows)]), [Outcome::Done]);
    }

    fn stored(&self, db: &mut Db) -> StoredCircle {
        load_circle(db, &self.circle).expect("can be loaded").expect("exists")
    }

    fn wanted(&self, user: &str) -> Wanted {
        Wanted { circle: self.circle.clone(), user: user.into(), from: None, to: None, after: None, limit: 10_000 }
    }

    fn points(&self, db: &mut Db, user: &str) -> Vec<StoredPoint> {
        points::read(db, &self.wanted(user)).expect("can be read")
    }
}

fn member(no: u32, user: &str, role: Role) -> StoredMember {
    let name = user.to_uppercase().into();
    StoredMember {
        no: MemberNo(no),
        user: user.into(),
        name,
        role,
        joined_at: NOW,
        joined_seq: 0,
        left_at: None,
        sharing: Sharing::AT_FIRST,
    }
}

fn later(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

/// Measured so many seconds after [`NOW`].
fn point(user: &str, device: &str, seconds: u64) -> StoredPoint {
    let position = Position {
        latitude: -33.856_784_123_456,
        longitude: 151.215_296_7,
        accuracy: 4.5,
        timestamp: later(seconds),
        altitude: Some(-3.25),
        speed: None,
        heading: Some(359.9),
        battery: None,
    };
    let (measured_at, received_at) = (later(seconds), later(100_000));
    StoredPoint { user: user.into(), device: device.into(), measured_at, received_at, point: Point::Plain(position) }
}

fn sealed(user: &str, seconds: u64) -> StoredPoint {
    let sealed = Sealed { ciphertext: "YQ==".into(), nonce: "Yg==".into(), key_version: KeyVersion::Text("v2".into()) };
    StoredPoint { point: Point::Sealed(sealed), ..point(user, "", seconds) }
}

fn a_circle_is_loaded_as_it_was_written(database: &Database) {
    let mut db = database.writer();
    let room = Room::new(&mut db, "c1");
    let sharing =
        Sharing { enabled: false, until: Some(later(9)), precision: Precision::Approximate, paused: Some((later(1), Some(later(2)))) };
    let ann = StoredMember { joined_seq: 3, sharing, ..member(0, "ann", Role::Owner) };
    let paused = Sharing { paused: Some((later(1), None)), ..Sharing::AT_FIRST };
    let bob = StoredMember { left_at: Some(later(8)), sharing: paused, ..member(1, "bob", Role::Member) };
    let invite = |code: &str| Invite { code: code.into(), expires_at: later(60) };
    room.write(
        &mut db,
        vec![
            Row::Member(ann.clone()),
            Row::Member(bob.clone()),
            Row::Invite(invite("USED"), "ann".into(), NOW),
            Row::Invite(invite("FREE"), "ann".into(), NOW),
            Row::InviteUsed("USED".into(), "bob".into(), NOW),
            Row::Renamed("Home".into()),
            Row::Point(point("ann", "phone", 1)),
            Row::Point(sealed("bob", 1)),
        ],
    );
    let awaited = StoredCircle {
        id: "c1".into(),
        name: "Home".into(),
        members: vec![ann, bob],
        invites: vec![invite("FREE")],
        latest: vec![point("ann", "phone", 1), sealed("bob", 1)],
    };
    assert_eq!(room.stored(&mut db), awaited);
    assert_eq!(circles_of(&mut db, &"ann".into()).expect("answers"), ["c1".into()]);
    assert!(circles_of(&mut db, &"bob".into()).expect("answers").is_empty(), "he left");
    assert!(load_circle(&mut db, &"none".into()).expect("answers").is_none());
}

fn a_point_is_kept_once_as_it_came_first(database: &Database) {
    let mut db = database.writer();
    let (one, other) = (Room::new(&mut db, "c1"), Room::new(&mut db, "c2"));
    let again = StoredPoint { received_at: later(200_000), point: sealed("ann", 5).point, ..point("ann", "phone", 5) };
    let commits = [
        one.commit(vec![Row::Point(point("ann", "phone", 5)), Row::Point(again.clone())]),
        other.commit(vec![Row::Point(point("ann", "phone", 5))]),
        one.commit(vec![Row::Point(point("ann", "tablet", 5)), Row::Point(point("bob", "phone", 5))]),
    ];
    assert_eq!(write_batch(&mut db, "me", &commits), [Outcome::Done, Outcome::Done, Outcome::Done]);
    one.write(&mut db, vec![Row::Point(again)]);
    assert_eq!(one.points(&mut db, "ann"), [point("ann", "phone", 5), point("ann", "tablet", 5)]);
    assert_eq!(count(&mut db, "location"), 4);
}

fn the_last_point_is_the_one_that_was_measured_last_and_of_several_the_one_that_came_first(database: &Database) {
    let mut db = database.writer();
    let room = Room::new(&mut db, "c1");
    let late = StoredPoint { received_at: later(200_000), ..point("ann", "a-watch", 7) };
    let rows = [late, point("ann", "phone", 7), point("ann", "tablet", 6), sealed("bob", 2), point("bob", "phone", 1)];
    room.write(&mut db, rows.into_iter().map(Row::Point).collect());
    assert_eq!(room.stored(&mut db).latest, [point("ann", "phone", 7), sealed("bob", 2)]);
}

fn rows_of_a_circle_take_effect_in_their_order(database: &Database) {
    let mut db = database.writer();
    let (one, other) = (Room::new(&mut db, "c1"), Room::new(&mut db, "c2"));
    let commits = [
        one.commit(vec![Row::Point(point("ann", "", 1)), Row::Point(point("bob", "", 1))]),
        other.commit(vec![Row::Point(point("ann", "", 1))]),
        one.commit(vec![Row::Point(point("ann", "", 2)), Row::HistoryDeleted("ann".into()), Row::Point(point("ann", "", 3))]),
    ];
    assert_eq!(write_batch(&mut db, "me", &commits), [Outcome::Done, Outcome::Done, Outcome::Done]);
    assert_eq!(one.points(&mut db, "ann"), [point("ann", "", 3)]);
    assert_eq!((one.points(&mut db, "bob").len(), other.points(&mut db, "ann").len()), (1, 1), "nobody else's points go");
}

fn old_points_go_some_at_a_time_and_the_oldest_first(database: &Database) {
    let mut db = database.writer();
    let (room, other) = (Room::new(&mut db, "c1"), Room::new(&mut db, "c2"));
    let old = EXPIRED_PER_ROW as u64 + 2;
    room.write(&mut db, (0..old + 5).map(|n| Row::Point(point("ann", "phone", n))).collect());
    other.write(&mut db, vec![Row::Point(point("ann", "phone", 0))]);
    let before = later(old);
    assert_eq!(points::circles_with_older(&mut db, before).expect("answers").len(), 2);
    for left in [2, 0] {
        room.write(&mut db, vec![Row::Expired(before)]);
        assert_eq!(points::count_older(&mut db, &room.circle, before).expect("answers"), left);
        assert_eq!(room.points(&mut db, "ann")[0], point("ann", "phone", old - left as u64));
    }
    assert_eq!(points::circles_with_older(&mut db, before).expect("answers"), ["c2".into()]);
    assert_eq!(count(&mut db, "location"), 6);
}

fn points_are_read_in_their_order_from_where_the_last_reading_ended(database: &Database) {
    let mut db = database.writer();
    let room = Room::new(&mut db, "c1");
    let order: Vec<StoredPoint> = (0..5).flat_map(|n| ["a", "b"].map(|device| point("ann", device, n))).collect();
    room.write(&mut db, order.iter().rev().cloned().map(Row::Point).collect());
    let mut read: Vec<StoredPoint> = Vec::new();
    loop {
        let after = read.last().map(|last| (last.measured_at, last.device.clone()));
        let more = points::read(&mut db, &Wanted { after, limit: 3, ..room.wanted("ann") }).expect("can be read");
        if more.is_empty() {
            break;
        }
        read.extend(more);
    }
    assert_eq!(read, order);
    let span = Wanted { from: Some(later(1)), to: Some(later(3)), ..room.wanted("ann") };
    assert_eq!(points::read(&mut db, &span).expect("can be read"), order[2..6]);
}

fn a_deleted_circle_leaves_nothing_behind(database: &Database) {
    let mut db = database.writer();
    let (room, other) = (Room::new(&mut db, "c1"), Room::new(&mut db, "c2"));
    for (room, code) in [(&room, "ONE"), (&other, "TWO")] {
        let invite = Invite { code: code.into(), expires_at: later(60) };
        room.write(&mut db, vec![Row::Point(point("ann", "", 1)), Row::Invite(invite, "ann".into(), NOW)]);
    }
    room.write(&mut db, vec![Row::Point(point("ann", "", 2)), Row::Deleted]);
    assert!(load_circle(&mut db, &room.circle).expect("answers").is_none());
    assert_eq!(heads(&mut db), [("circle:c2".to_owned(), 0)]);
    assert_eq!(["circle", "circle_invite", "location"].map(|table| count(&mut db, table)), [1; 3]);
    assert_eq!(count(&mut db, "circle_member"), 2);
}
