//! Random histories, checked after every step against clients that know only what they are told, a database that holds the rows, and a simple
//! model of who may be seen.
//!
//! Every point has a latitude (or a ciphertext) of its own, as it is and as it is rounded: found in a frame, it tells whose point it is, when it came
//! and whether it is exact.

use std::collections::{BTreeMap, HashMap};

use super::*;
use crate::protocol::time::Timestamp;
use crate::rooms::kernel::{Arrival, ConnectionKey};

const STEPS: u32 = 1_500;
const USERS: [&str; 5] = ["olga", "anna", "ben", "cleo", "dora"];

/// splitmix64: enough to wander, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % sides as u64) as usize
    }

    fn pick<T: Clone>(&mut self, things: &[T]) -> T {
        things[self.roll(things.len())].clone()
    }
}

/// Where a text in a frame comes from.
#[derive(Clone, Debug)]
struct Trace {
    user: &'static str,
    number: u32,
    is_exact: bool,
}

/// What the model knows of somebody.
#[derive(Clone, Copy, Default)]
struct Person {
    enabled: bool,
    until: Option<i64>,
    is_rough: bool,
    /// Points up to this number may never be shown to others again.
    tainted: u32,
}

struct World {
    dice: Dice,
    family: Family,
    people: BTreeMap<&'static str, Person>,
    traces: HashMap<String, Trace>,
    points: u32,
    codes: u32,
    /// What each subscriber shows on his map: the last frame of each person.
    maps: BTreeMap<&'static str, BTreeMap<String, Value>>,
    shown: u32,
}

fn trace_of(frame: &Value) -> Option<String> {
    let place = frame.get("latitude").or_else(|| frame.get("payload").map(|payload| &payload["ciphertext"]))?;
    Some(place.to_string())
}

impl World {
    fn new(seed: u64) -> Self {
        let family = Family::of(&USERS[..4]);
        let person = Person { enabled: true, ..Person::default() };
        let people = USERS[..4].iter().map(|user| (*user, person)).collect();
        let mut world = Self {
            dice: Dice(seed),
            family,
            people,
            traces: HashMap::new(),
            points: 0,
            codes: 0,
            maps: USERS[..4].iter().map(|user| (*user, BTreeMap::new())).collect(),
            shown: 0,
        };
        world.somebody_comes();
        world
    }

    fn point(&mut self, user: &'static str) -> Command {
        self.points += 1;
        let number = self.points;
        if self.dice.roll(6) == 0 {
            let text = format!("x{number}");
            self.traces.insert(json!(text).to_string(), Trace { user, number, is_exact: false });
            return seal(&text);
        }
        let hundredths = i64::from(number) - 8_500;
        let exact: f64 = format!("{}", hundredths as f64 / 100.0 + 0.0037).parse().expect("a number");
        let rough: f64 = format!("{exact:.2}").parse().expect("a number");
        self.traces.insert(json!(exact).to_string(), Trace { user, number, is_exact: true });
        self.traces.insert(json!(rough + 0.0).to_string(), Trace { user, number, is_exact: false });
        let ahead = self.dice.pick(&[-200, -30, -5, 0, 0, 0, 0, 1, 90]);
        at(exact, self.family.after(ahead))
    }

    fn command(&mut self, user: &'static str) -> Command {
        let precision = self.dice.pick(&[None, None, Some(Precision::Exact), Some(Precision::Approximate)]);
        match self.dice.roll(24) {
            0..=12 => self.point(user),
            13 | 14 => Command::SetSharing { enabled: false, until: None, precision },
            15..=17 => Command::SetSharing { enabled: true, until: None, precision },
            18 => Command::SetSharing { enabled: true, until: Some(self.family.after(1 + self.dice.roll(60) as i64)), precision },
            19 => remove(self.dice.pick(&USERS)),
            20 if self.dice.roll(3) == 0 => Command::DeleteHistory,
            21 => {
                self.codes += 1;
                Command::CreateInvite { code: format!("code{}", self.codes), expires_at: self.family.after(300) }
            }
            _ => accept(&format!("code{}", self.dice.roll(self.codes as usize + 2)), self.dice.pick(&USERS)),
        }
    }

    /// The room is told by a first connection which ends of sharing it owes.
    fn somebody_comes(&mut self) {
        let Family { circle, here, now, .. } = &mut self.family;
        if let Some(member) = USERS.iter().find_map(|user| circle.member(&(*user).into())) {
            here.connect(circle, &member, ConnectionKey(1), Arrival::Fresh, Timestamp::from_ms(*now));
        }
    }

    fn step(&mut self) {
        if self.dice.roll(3) == 0 {
            let seconds = self.dice.roll(20) as i64;
            self.family.pass(seconds);
        }
        if self.dice.roll(40) == 0 {
            self.family.reload();
            self.somebody_comes();
        }
        self.let_time_pass();
        let (by, expires) = (self.dice.pick(&USERS), self.dice.roll(60) == 0);
        let command = if expires { Command::Expire { before: self.family.after(-120) } } else { self.command(by) };
        let by = if expires { "" } else { by };
        let before: Vec<&str> = self.members();
        let done = self.family.ask(by, command.clone());
        // A second passed.
        self.let_time_pass();
        let Ok(done) = done else { return };
        assert!(!done.effects.closed || before.len() == 1);
        if done.effects.closed {
            *self = World { dice: Dice(self.dice.0), ..World::new(0) };
            return;
        }
        self.learn(by, &command, &before);
        for parts in [&done.effects.parts, &done.said] {
            self.hear(parts, Some(by));
        }
        if matches!(command, Command::DeleteHistory | Command::Expire { .. }) {
            self.maps.clear();
        }
        self.look();
        assert_eq!(tables::of(&self.family.circle), tables::of(&Circle::from_stored(self.family.tables.load())), "C5");
    }

    fn members(&self) -> Vec<&'static str> {
        USERS.into_iter().filter(|user| self.family.circle.member(&(*user).into()).is_some()).collect()
    }

    fn let_time_pass(&mut self) {
        let (now, points) = (self.family.now, self.points);
        for person in self.people.values_mut().filter(|person| person.enabled && person.until.is_some_and(|until| until <= now)) {
            (person.enabled, person.until, person.tainted) = (false, None, points);
        }
        while self.family.here.deadline().is_some_and(|deadline| deadline.ms() <= now) {
            let said = self.family.here.due(&self.family.circle, self.family.now());
            self.hear(&said, None);
        }
    }

    /// What the model makes of a command that was done.
    fn learn(&mut self, by: &str, command: &Command, before: &[&str]) {
        let points = self.points;
        if let (Command::SetSharing { enabled, until, precision }, Some(person)) = (command, self.people.get_mut(by)) {
            if !enabled {
                person.tainted = points;
            }
            (person.enabled, person.until) = (*enabled, until.map(Timestamp::ms));
            person.is_rough = precision.map_or(person.is_rough, |precision| precision == Precision::Approximate);
        }
        let after = self.members();
        for user in USERS {
            match (before.contains(&user), after.contains(&user)) {
                (true, false) => {
                    self.people.insert(user, Person { tainted: points, ..Person::default() });
                    self.maps.remove(user);
                }
                (false, true) => {
                    let tainted = self.people.get(user).map_or(0, |person| person.tainted);
                    self.people.insert(user, Person { enabled: true, tainted, ..Person::default() });
                }
                _ => {}
            }
        }
    }

    /// Everybody who ever was a member looks at what is said, as if a connection of his were left, with positions and without.
    fn hear(&mut self, parts: &[Part<ServerMessage>], by: Option<&str>) {
        for person in self.family.tables.stored.members.clone() {
            let leads = person.role == Role::Owner;
            let member = Member { no: person.no, user: person.user.clone(), name: person.name.clone(), leads };
            let user = USERS.into_iter().find(|user| person.user == (*user).into()).expect("one of them");
            let without = told(parts, &self.family.circle, &member, false);
            assert!(without.iter().all(|frame| trace_of(frame).is_none()), "C3: {without:?}");
            for frame in told(parts, &self.family.circle, &member, true) {
                assert!(person.left_at.is_none(), "{user} is no member any more: {frame}");
                self.check_frame(user, &frame);
                let whose = frame["userId"].as_str().expect("a text").to_owned();
                // Whoever has just joined has not asked yet.
                let Some(map) = self.maps.get_mut(user) else { continue };
                match frame["type"].as_str() {
                    Some("location:broadcast") => {
                        assert_ne!(by, Some(user), "C3: an echo");
                        map.insert(whose, frame);
                    }
                    Some("sharing:changed") if frame["enabled"] == false => {
                        map.remove(&whose);
                    }
                    _ => {}
                }
            }
        }
    }

    fn check_frame(&mut self, viewer: &str, frame: &Value) {
        let Some(trace) = trace_of(frame).map(|place| self.traces[&place].clone()) else { return };
        let person = self.people[trace.user];
        assert!(frame["userId"] == trace.user && viewer != trace.user, "C3: {viewer} {frame}");
        assert!(person.enabled && trace.number > person.tainted, "C1: {viewer} {frame}");
        if person.is_rough && frame.get("payload").is_none() {
            let tells_little = ["speed", "heading", "altitude"].iter().all(|field| frame.get(*field).is_none());
            assert!(!trace.is_exact && tells_little && frame["accuracy"] == 1_000.0, "C2: {frame}");
        }
        let history = &self.family.tables.points;
        let latest = history.iter().filter(|point| point.user == trace.user.into()).map(|point| point.measured_at).max().expect("is kept");
        if let Some(shown) = frame["timestamp"].as_str().and_then(Timestamp::parse) {
            assert_eq!(shown, latest, "C4: {frame}");
        }
        self.shown += 1;
    }

    /// Whoever subscribes is told what whoever listened knows: I5.
    fn look(&mut self) {
        for user in self.members() {
            let frames = self.family.subscribe(user);
            frames.iter().for_each(|frame| self.check_frame(user, frame));
            let fresh: BTreeMap<String, Value> =
                frames.into_iter().map(|frame| (frame["userId"].as_str().expect("a text").to_owned(), frame)).collect();
            let known = self.maps.entry(user).or_insert_with(|| fresh.clone());
            assert_eq!(*known, fresh, "{user}");
        }
    }
}

fn run(seed: u64) {
    println!("seed {seed}");
    let mut world = World::new(seed);
    (0..STEPS).for_each(|_| world.step());
    assert!(world.shown > 100, "the world is alive");
}

#[test]
fn random_histories_keep_the_rules() {
    (0..8).for_each(run);
}
