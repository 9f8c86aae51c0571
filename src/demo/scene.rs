//! What happened in the demo so far, as commands.

use std::collections::BTreeSet;
use std::time::Duration;

use uuid::Uuid;

use super::map::Map;
use super::people::Person;
use crate::protocol::campaign::command::{Command, Targets};
use crate::protocol::campaign::token::TokenType;
use crate::protocol::hex::HexKey;
use crate::protocol::ids::UserId;
use crate::protocol::time::Timestamp;

/// How far everybody sees around the start, and how far the scout sees around the place where she went.
const SIGHT: u32 = 2;
const AN_HOUR: Duration = Duration::from_secs(3600);

/// A command and who sends it; nobody for what the server does for people who are not members yet.
pub type Line = (Option<UserId>, Command);

/// `people`: the DM and three players.
pub fn of(map: &Map, people: &[Person], now: Timestamp) -> Vec<Line> {
    let dm = Some(people[0].id.clone());
    let players = &people[1..];
    let places = Places::choose(map);

    let code = Uuid::new_v4().simple().to_string();
    let link = Command::CreateInviteLink { code: code.clone(), expires_at: now.plus(AN_HOUR), max_uses: Some(players.len() as u32) };
    let mut lines: Vec<Line> = vec![(dm.clone(), link)];
    for player in players {
        let accept = Command::AcceptInviteLink { code: code.clone(), user: player.id.clone(), name: player.name.to_owned() };
        lines.push((None, accept));
    }

    let mut by_dm = |command| lines.push((dm.clone(), command));
    by_dm(Command::ReplaceMap { hexes: map.hexes.clone(), size: map.size });
    by_dm(Command::StartSession {});
    by_dm(Command::Reveal { hex_keys: places.around(places.start), targets: Targets::All });
    let scout = &players[0];
    by_dm(Command::Reveal { hex_keys: places.around(places.ahead), targets: Targets::Players(vec![scout.id.clone()]) });
    for (at, (player, color)) in players.iter().zip(["#2f6fde", "#c2452d", "#3c8d40"]).enumerate() {
        by_dm(token(places.near(at), player.name, &player.name[..1], color, Some(player.id.clone())));
    }
    // One whom all see, and one of whom only the scout knows.
    by_dm(token(places.near(players.len()), "Innkeeper", "☕", "#8a6d3b", None));
    by_dm(token(places.ahead, "Toll keeper", "☠", "#5b3a75", None));
    lines
}

/// A hex that nobody sees yet, if the map is that large: for the DM to reveal.
pub fn unseen(map: &Map) -> HexKey {
    let places = Places::choose(map);
    let far = |key: HexKey| distance(key, places.start).min(distance(key, places.ahead));
    places.all.iter().copied().max_by_key(|&key| far(key)).unwrap_or(places.start)
}

fn token(hex_key: HexKey, label: &str, icon: &str, color: &str, owner_id: Option<UserId>) -> Command {
    let token_type = if owner_id.is_some() { TokenType::Pc } else { TokenType::Npc };
    Command::CreateToken {
        hex_key,
        label: label.to_owned(),
        icon: icon.to_owned(),
        color: color.to_owned(),
        token_type,
        owner_id,
        visible: true,
    }
}

/// Where things are on a map of any shape.
struct Places {
    all: BTreeSet<HexKey>,
    /// The hex nearest to the middle.
    start: HexKey,
    /// Somewhere that cannot be seen from the start, if the map is that large.
    ahead: HexKey,
}

impl Places {
    fn choose(map: &Map) -> Self {
        let all: BTreeSet<HexKey> = map.hexes.iter().map(|hex| hex.key).collect();
        let count = all.len() as i64;
        let middle = |axis: fn(HexKey) -> i32| (all.iter().map(|&key| i64::from(axis(key))).sum::<i64>() / count.max(1)) as i32;
        let middle = HexKey::new(middle(HexKey::q), middle(HexKey::r)).expect("a mean lies between the least and the most");
        let start = all.iter().copied().min_by_key(|&key| distance(key, middle)).unwrap_or(middle);
        let beyond = |key: HexKey| distance(key, start).abs_diff(2 * SIGHT + 1);
        let ahead = all.iter().copied().min_by_key(|&key| beyond(key)).unwrap_or(middle);
        Self { all, start, ahead }
    }

    /// Up to 19 hexes of the map, at least `center`.
    fn around(&self, center: HexKey) -> Vec<HexKey> {
        self.all.iter().copied().filter(|&key| distance(key, center) <= SIGHT).collect()
    }

    /// The start and the hexes next to it, again and again.
    fn near(&self, at: usize) -> HexKey {
        let near: Vec<HexKey> = self.all.iter().copied().filter(|&key| distance(key, self.start) <= 1).collect();
        near[at % near.len()]
    }
}

/// Steps from one hex to another.
fn distance(a: HexKey, b: HexKey) -> u32 {
    let (dq, dr) = (a.q() - b.q(), a.r() - b.r());
    (dq.unsigned_abs() + dr.unsigned_abs() + (dq + dr).unsigned_abs()) / 2
}
