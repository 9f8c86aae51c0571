//! What the app is told of the others: for each a `location`, and a `card` with the name. It puts the two together by their `tid`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::http::locations::seen_by;
use crate::protocol::circle::command::Position;
use crate::protocol::circle::messages::BroadcastPoint;
use crate::protocol::ids::UserId;
use crate::protocol::time::Timestamp;
use crate::rooms::circle::rows::StoredCircle;

/// Speed in the app's unit.
const KMH_PER_MS: f64 = 3.6;

/// The others of all these circles who are to be seen, each once, at the latest point. What is sealed the app cannot read.
pub(super) fn answer(viewer: &UserId, circles: &[StoredCircle], now: Timestamp) -> Value {
    let mut friends: BTreeMap<&UserId, (&str, Position)> = BTreeMap::new();
    for circle in circles {
        for (member, _, seen) in seen_by(viewer, circle, now).filter(|(member, ..)| member.user != *viewer) {
            let BroadcastPoint::Plain(position) = seen.point else { continue };
            let friend = friends.entry(&member.user).or_insert((&member.name, position.clone()));
            if friend.1.timestamp < position.timestamp {
                friend.1 = position;
            }
        }
    }
    let mut taken = BTreeSet::new();
    let messages = friends.into_iter().flat_map(|(user, (name, position))| {
        let tid = tid(name, &mut taken);
        let topic = format!("owntracks/{user}/moothall");
        [location(&position, &tid, &topic), json!({"_type": "card", "tid": tid, "topic": topic, "name": name})]
    });
    messages.collect()
}

/// Two characters of the name; when somebody else has them, others.
fn tid(name: &str, taken: &mut BTreeSet<String>) -> String {
    let letters: Vec<char> = name.chars().filter(|c| c.is_alphanumeric()).chain("xx".chars()).collect();
    let first = letters[0];
    let seconds = letters[1..].iter().copied().chain('0'..='9').chain('a'..='z');
    let mut tids = seconds.map(|second| [first, second].iter().collect::<String>());
    let free = tids.find(|tid| !taken.contains(tid)).unwrap_or_else(|| letters[..2].iter().collect());
    taken.insert(free.clone());
    free
}

fn location(position: &Position, tid: &str, topic: &str) -> Value {
    let mut message = Map::new();
    let mut put = |name: &str, value: Value| drop(message.insert(name.to_owned(), value));
    let whole = |value: f64| Value::from(value.round() as i64);
    put("_type", json!("location"));
    put("tid", json!(tid));
    put("topic", json!(topic));
    put("tst", json!(position.timestamp.ms().div_euclid(1_000)));
    put("lat", json!(position.latitude));
    put("lon", json!(position.longitude));
    put("acc", whole(position.accuracy));
    let optional = [
        ("alt", position.altitude),
        ("vel", position.speed.map(|speed| speed * KMH_PER_MS)),
        ("cog", position.heading),
        ("batt", position.battery),
    ];
    optional.into_iter().filter_map(|(name, value)| Some((name, value?))).for_each(|(name, value)| put(name, whole(value)));
    Value::Object(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_two_characters_of_the_name_and_nobody_those_of_another() {
        let mut taken = BTreeSet::new();
        let tids: Vec<String> = ["Anna", "Anton", "An", "Ö", "", ""].iter().map(|name| tid(name, &mut taken)).collect();
        assert_eq!(tids, ["An", "At", "Ax", "Öx", "xx", "x0"]);
    }
}
