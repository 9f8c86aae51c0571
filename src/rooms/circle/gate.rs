//! The gate: what others may see of somebody's positions. Every way out (a frame, the answer to a subscription, REST, OwnTracks) goes through it.
//!
//! It is judged at the moment of looking and never stored: who stops sharing is gone from whatever is read afterwards, whatever it was made of.

use crate::protocol::circle::command::{Point, Position, Precision};
use crate::protocol::time::Timestamp;
use crate::rooms::circle::rows::{Sharing, StoredMember, StoredPoint};

/// Metres: nobody who is seen approximately is known better than this.
pub const APPROXIMATE_ACCURACY: f64 = 1_000.0;
/// Parts of a degree that are seen approximately: a hundredth is about 1 km.
const APPROXIMATE_PARTS: f64 = 100.0;

/// Whether the others may see where this member is or was.
pub fn visible(member: &StoredMember, now: Timestamp) -> bool {
    member.left_at.is_none() && member.sharing.is_on(now)
}

/// A point as the others see it. What is sealed cannot be rounded: whoever seals rounds for himself.
pub fn as_seen(point: &Point, precision: Precision) -> Point {
    match (point, precision) {
        (Point::Plain(position), Precision::Approximate) => Point::Plain(rounded(position)),
        _ => point.clone(),
    }
}

/// What the others may see of a point of this member, in the history too.
pub fn seen(member: &StoredMember, point: &Point, now: Timestamp) -> Option<Point> {
    visible(member, now).then(|| as_seen(point, member.sharing.precision))
}

/// What the others may see of where this member is. `last` is the point of the tables that was measured last.
pub fn last_seen(member: &StoredMember, last: &StoredPoint, now: Timestamp) -> Option<Point> {
    if is_current(member, last) { seen(member, &last.point, now) } else { None }
}

/// False for a point that came before the member stopped sharing, or left: to the others it is forgotten for good, although he may share again.
pub fn is_current(member: &StoredMember, last: &StoredPoint) -> bool {
    let after_pause = |(_, until): (Timestamp, Option<Timestamp>)| until.is_some_and(|until| last.received_at > until);
    member.left_at.is_none() && member.sharing.paused.is_none_or(after_pause)
}

fn rounded(position: &Position) -> Position {
    // Adding zero makes of −0.0 what people write.
    let coarse = |degrees: f64| (degrees * APPROXIMATE_PARTS).round() / APPROXIMATE_PARTS + 0.0;
    Position {
        latitude: coarse(position.latitude),
        longitude: coarse(position.longitude),
        accuracy: position.accuracy.max(APPROXIMATE_ACCURACY),
        timestamp: position.timestamp,
        altitude: None,
        speed: None,
        heading: None,
        battery: position.battery,
    }
}

impl Sharing {
    /// What somebody shares who has just joined.
    pub const AT_FIRST: Self = Self { enabled: true, until: None, precision: Precision::Exact, paused: None };

    pub fn is_on(&self, now: Timestamp) -> bool {
        self.enabled && self.until.is_none_or(|until| now < until)
    }

    /// Whether a point that was measured then is taken: it is not while nothing is shared, nor later if it was measured before the last such span
    /// ended and after the first began.
    pub fn takes(&self, measured_at: Timestamp, now: Timestamp) -> bool {
        let is_in = |(from, until): (Timestamp, Option<Timestamp>)| from <= measured_at && until.is_none_or(|until| measured_at < until);
        self.is_on(now) && !self.paused.is_some_and(is_in)
    }

    /// What it is after somebody sets it at `now`. Without `precision` that stays; `until` means nothing to who stops.
    pub fn set(&self, enabled: bool, until: Option<Timestamp>, precision: Option<Precision>, now: Timestamp) -> Self {
        let since = |pause: Option<(Timestamp, _)>, begins: Timestamp| pause.map_or(begins, |(from, _)| from);
        let pause = match self.until {
            Some(until) if self.enabled && until <= now => Some((since(self.paused, until), None)),
            _ => self.paused,
        };
        let paused = match (enabled, pause) {
            (true, Some((from, None))) => Some((from, Some(now))),
            (true, ended) => ended,
            (false, pause) => Some((since(pause, now), None)),
        };
        Self { enabled, until: until.filter(|_| enabled), precision: precision.unwrap_or(self.precision), paused }
    }
}
