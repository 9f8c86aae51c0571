//! Random histories, checked after every step against clients that fold what they are told and a database that holds the rows.
//!
//! Every terrain and every label that is written has a name of its own, so that one found in a text that a player got can be traced: it must
//! belong to a hex or token that he sees.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::protocol::campaign::command::{GridSize, Targets, TerrainAt, TokenUpdates};
use crate::protocol::campaign::token::{Token, TokenType};
use crate::protocol::hex::{HexKey, Terrain};
use crate::protocol::ids::{ChangeId, InvitationId, TokenId};
use crate::rooms::campaign::board::Board;
use crate::rooms::campaign::gate::map_view;
use crate::rooms::campaign::log::log_view;

const STEPS: u32 = 1_000;
const USERS: [&str; 6] = ["dm", "u1", "u2", "u3", "u4", "u5"];

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

    fn once_in(&mut self, n: usize) -> bool {
        self.roll(n) == 0
    }

    fn pick<T: Clone>(&mut self, things: &[T]) -> T {
        things[self.roll(things.len())].clone()
    }
}

/// What an honest client knows: it starts from the state and the map, and folds every frame.
#[derive(Clone, Debug, Default, PartialEq)]
struct Client {
    leads: bool,
    status: Value,
    session: (Value, Value),
    mode: Value,
    /// For a player: the hexes that he sees.
    revealed: BTreeSet<String>,
    /// For a DM: everyone (`true`) but these, or just these.
    visibility: BTreeMap<String, (bool, BTreeSet<String>)>,
    ground: BTreeMap<String, (String, u64)>,
    size: (i64, i64),
    tokens: BTreeMap<String, Value>,
    staged: Value,
}

fn texts(list: &Value) -> impl Iterator<Item = String> {
    list.as_array().into_iter().flatten().filter_map(|text| text.as_str().map(str::to_owned))
}

impl Client {
    fn connect(table: &Table, member: &Member) -> Self {
        let mut client = Client { leads: member.leads, ..Client::default() };
        for frame in table.campaign.view_for(member, &|_| true) {
            client.fold(&json!(frame), table, member);
        }
        client.fetch_map(table, member);
        client
    }

    fn fetch_map(&mut self, table: &Table, member: &Member) {
        let map = map_view(table.campaign.board(), member);
        self.ground.clear();
        for hex in map.hexes {
            self.grow(&json!(hex));
        }
        self.size = (map.grid_width.into(), map.grid_height.into());
    }

    /// A hex of unknown terrain and one without terrain are the same to look at.
    fn grow(&mut self, hex: &Value) {
        let key = hex["key"].as_str().expect("key").to_owned();
        let ground = (hex["terrain"].as_str().expect("terrain").to_owned(), hex["terrainVariant"].as_u64().unwrap_or(0));
        match ground == (Terrain::UNKNOWN.to_owned(), 0) {
            true => self.ground.remove(&key),
            false => self.ground.insert(key, ground),
        };
    }

    fn fold(&mut self, frame: &Value, table: &Table, member: &Member) {
        match frame["type"].as_str().expect("type") {
            "session:state" => {
                self.status = frame["status"].clone();
                self.session = (frame["sessionId"].clone(), frame["startedAt"].clone());
                self.mode = frame["broadcastMode"].clone();
                self.revealed = texts(&frame["revealedHexes"]).collect();
                for (key, seen) in frame["visibility"].as_object().into_iter().flatten() {
                    let everyone = seen == "all" || seen.is_object();
                    let named = if seen.is_object() { texts(&seen["except"]).collect() } else { texts(seen).collect() };
                    self.visibility.insert(key.clone(), (everyone, named));
                }
                if self.leads {
                    assert_eq!(self.revealed, self.visibility.keys().cloned().collect());
                    self.revealed.clear();
                }
            }
            "session:statusChanged" => {
                self.status = frame["status"].clone();
                self.session = (frame["sessionId"].clone(), frame["startedAt"].clone());
            }
            "dm:preparing" => self.mode = json!(if frame["preparing"] == true { "staged" } else { "immediate" }),
            "staged:changes" => self.staged = frame["changes"].clone(),
            "map:replaced" => {
                self.fetch_map(table, member);
                assert_eq!(self.size, (frame["gridWidth"].as_i64().expect("width"), frame["gridHeight"].as_i64().expect("height")));
            }
            "hex:revealed" | "hex:hidden" if self.leads => self.fold_fog(frame),
            "hex:revealed" => {
                for key in texts(&frame["hexKeys"]) {
                    assert!(self.revealed.insert(key), "revealed twice: {frame}");
                }
                frame["terrain"].as_array().expect("terrain").iter().for_each(|hex| self.grow(hex));
            }
            "hex:hidden" => {
                for key in texts(&frame["hexKeys"]) {
                    assert!(self.revealed.remove(&key), "hidden, but not seen: {frame}");
                    self.ground.remove(&key);
                }
            }
            "hex:updated" => {
                for hex in frame["changes"].as_array().expect("changes") {
                    let key = hex["key"].as_str().expect("key");
                    assert!(self.leads || self.revealed.contains(key), "updated, but not seen: {frame}");
                    self.grow(hex);
                }
            }
            "token:state" => {
                for token in frame["tokens"].as_array().expect("tokens") {
                    self.tokens.insert(token["id"].as_str().expect("id").to_owned(), token.clone());
                }
            }
            "token:created" => {
                let token = &frame["token"];
                let old = self.tokens.insert(token["id"].as_str().expect("id").to_owned(), token.clone());
                assert_eq!(old, None, "created twice: {frame}");
            }
            "token:moved" => {
                let token = self.tokens.get_mut(frame["tokenId"].as_str().expect("id")).expect("a token that is seen");
                assert_eq!(token["hexKey"], frame["fromHexKey"]);
                token["hexKey"] = frame["toHexKey"].clone();
            }
            "token:updated" => {
                let token = self.tokens.get_mut(frame["tokenId"].as_str().expect("id")).expect("a token that is seen");
                for (field, value) in frame["updates"].as_object().expect("updates") {
                    token[field] = value.clone();
                }
            }
            "token:deleted" => assert!(self.tokens.remove(frame["tokenId"].as_str().expect("id")).is_some(), "{frame}"),
            other => panic!("unexpected {other}"),
        }
    }

    /// The rule of reveals and hides, as a DM's client has it.
    fn fold_fog(&mut self, frame: &Value) {
        let shows = frame["type"] == "hex:revealed";
        let players = frame["targets"].is_object().then(|| texts(&frame["targets"]["playerIds"]).collect::<BTreeSet<_>>());
        for key in texts(&frame["hexKeys"]) {
            let (everyone, mut named) = self.visibility.remove(&key).unwrap_or_default();
            match (&players, shows) {
                (None, true) => {
                    self.visibility.insert(key, (true, BTreeSet::new()));
                }
                (None, false) => {}
                (Some(players), shows) => {
                    match everyone == shows {
                        true => named.retain(|player| !players.contains(player)),
                        false => named.extend(players.iter().cloned()),
                    }
                    if everyone || !named.is_empty() {
                        self.visibility.insert(key, (everyone, named));
                    }
                }
            }
        }
    }
}

/// The words of a JSON text that begin with `mark` and go on with digits: traces of secrets.
fn traces(text: &str, mark: char) -> BTreeSet<String> {
    let is_trace = |word: &&str| word.strip_prefix(mark).is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()));
    text.split(|c: char| !c.is_alphanumeric()).filter(is_trace).map(str::to_owned).collect()
}

struct World {
    dice: Dice,
    table: Table,
    clients: BTreeMap<String, Client>,
    /// All terrain names and labels that a person could ever read.
    known: BTreeMap<String, BTreeSet<String>>,
    names: u32,
}

impl World {
    fn new(seed: u64) -> Self {
        let table = Table::of(&USERS[..4]);
        let mut world = World { dice: Dice(seed), table, clients: BTreeMap::new(), known: BTreeMap::new(), names: 0 };
        world.connect_newcomers();
        world
    }

    fn connect_newcomers(&mut self) {
        for member in self.table.campaign.members() {
            let table = &self.table;
            self.clients.entry(member.user.to_string()).or_insert_with(|| Client::connect(table, &member));
        }
        let campaign = &self.table.campaign;
        self.clients.retain(|user, _| campaign.member(&UserId::new(user.as_str())).is_some());
    }

    fn name(&mut self, mark: char) -> String {
        self.names += 1;
        format!("{mark}{}", self.names)
    }

    fn key(&mut self) -> HexKey {
        HexKey::new(self.dice.roll(4) as i32 - 1, self.dice.roll(4) as i32 - 1).expect("a small coordinate")
    }

    fn keys(&mut self) -> Vec<HexKey> {
        (0..1 + self.dice.roll(4)).map(|_| self.key()).collect()
    }

    fn targets(&mut self) -> Targets {
        if self.dice.once_in(3) {
            return Targets::All;
        }
        let mut players = vec![UserId::new(self.dice.pick(&USERS[1..]))];
        if self.dice.once_in(2) {
            players.push(UserId::new(self.dice.pick(&USERS[1..])));
            players.dedup();
        }
        Targets::Players(players)
    }

    /// A published token, a staged one, or none that exists.
    fn token(&mut self) -> TokenId {
        let mut ids: Vec<TokenId> = self.table.stored.board.tokens.iter().map(|token| token.id.clone()).collect();
        ids.extend(self.table.stored.staged.iter().map(|change| TokenId::new(change.fresh.as_str())));
        ids.push("none".into());
        self.dice.pick(&ids)
    }

    fn owner(&mut self) -> Option<UserId> {
        (!self.dice.once_in(3)).then(|| UserId::new(self.dice.pick(&USERS)))
    }

    fn hexes(&mut self) -> Vec<TerrainAt> {
        let keys = self.keys();
        let hex = |key| {
            let terrain = Terrain::parse(&self.name('t')).expect("a terrain");
            TerrainAt { key, terrain, terrain_variant: self.dice.roll(2) as u8 }
        };
        keys.into_iter().map(hex).collect()
    }

    fn command(&mut self) -> Command {
        match self.dice.roll(40) {
            0 => Command::StartSession {},
            1 => Command::PauseSession {},
            2 => Command::ResumeSession {},
            3 if self.dice.once_in(3) => Command::EndSession {},
            4 => Command::SetMode { mode: self.dice.pick(&[BroadcastMode::Immediate, BroadcastMode::Staged]) },
            5 => Command::Publish {},
            6 => Command::Undo { index: Some(self.dice.roll(4) as u32), change_id: None },
            7 => Command::Undo { index: None, change_id: Some(ChangeId::new(self.token().as_str())) },
            8 if self.dice.once_in(3) => {
                let size = self.dice.once_in(2).then(|| GridSize { grid_width: self.dice.roll(9) as i32, grid_height: 3 });
                let mut hexes = self.hexes();
                hexes.extend(self.hexes());
                Command::ReplaceMap { hexes, size }
            }
            9..=15 => Command::Reveal { hex_keys: self.keys(), targets: self.targets() },
            16..=20 => Command::Hide { hex_keys: self.keys(), targets: self.targets() },
            21..=23 => Command::UpdateTerrain { changes: self.hexes() },
            24..=26 => Command::CreateToken {
                hex_key: self.key(),
                label: self.name('L'),
                icon: "i".into(),
                color: "#a0b1c2".into(),
                token_type: TokenType::Npc,
                owner_id: self.owner(),
                visible: !self.dice.once_in(3),
            },
            27..=30 => {
                let updates = TokenUpdates {
                    label: self.dice.once_in(2).then(|| self.name('L')),
                    visible: self.dice.once_in(3).then(|| self.dice.once_in(2)),
                    owner_id: self.dice.once_in(3).then(|| self.owner()),
                    ..TokenUpdates::default()
                };
                Command::UpdateToken { token_id: self.token(), updates }
            }
            31 => Command::DeleteToken { token_id: self.token() },
            32..=36 => Command::MoveToken { token_id: self.token(), to_hex_key: self.key() },
            37 => Command::RemoveMember { user: UserId::new(self.dice.pick(&USERS)) },
            38 => Command::Invite { email: format!("{}@x", self.dice.pick(&USERS[1..])) },
            _ => self.acceptance(),
        }
    }

    /// What a player may do, if he has a token.
    fn own_token(&mut self, player: &str) -> Command {
        let own = |token: &&Token| token.owner_id.as_ref().is_some_and(|owner| owner.as_str() == player);
        let ids: Vec<TokenId> = self.table.stored.board.tokens.iter().filter(own).map(|token| token.id.clone()).collect();
        if ids.is_empty() {
            return self.command();
        }
        let token_id = self.dice.pick(&ids);
        match self.dice.once_in(3) {
            true => Command::UpdateToken { token_id, updates: TokenUpdates { label: Some(self.name('L')), ..TokenUpdates::default() } },
            false => Command::MoveToken { token_id, to_hex_key: self.key() },
        }
    }

    fn acceptance(&mut self) -> Command {
        let user = self.dice.pick(&USERS[1..]);
        let (name, code) = (user.to_uppercase(), format!("code{}", self.dice.roll(3)));
        let pending = self.table.stored.invitations.iter().find(|pending| pending.email == format!("{user}@x"));
        match (pending.map(|pending| pending.id.clone()), self.dice.roll(6)) {
            (_, 0) => Command::CreateInviteLink { code, expires_at: Timestamp::from_ms(i64::MAX), max_uses: Some(2) },
            (_, 1 | 2) => Command::AcceptInviteLink { code, user: user.into(), name },
            (Some(invitation_id), 3) => Command::DeclineInvitation { invitation_id, user: user.into(), email: format!("{user}@x") },
            (Some(invitation_id), _) => Command::AcceptInvitation { invitation_id, user: user.into(), name, email: format!("{user}@x") },
            (None, _) => Command::DeclineInvitation { invitation_id: InvitationId::new("?"), user: user.into(), email: "x@x".into() },
        }
    }

    fn step(&mut self) {
        let by = if self.dice.once_in(4) { self.dice.pick(&USERS) } else { "dm" };
        let command = if by != "dm" && self.dice.once_in(2) { self.own_token(by) } else { self.command() };
        self.check_decode(&command);
        if self.dice.once_in(50) {
            self.table.campaign = Campaign::from_stored(self.table.stored.clone());
        }
        if self.dice.once_in(3) {
            self.check_decision(by, &command);
        }
        let board = Board::from_stored(self.table.stored.board.clone());
        let mode = self.table.stored.mode;
        let Ok(done) = self.table.ask(by, command.clone()) else { return };
        if !done.changed {
            return assert_eq!(done.effects, Effects::default());
        }
        self.check_frames(&command, mode, &board, &done);
        self.connect_newcomers();
        self.check_views();
        self.check_tables();
        self.check_logs();
    }

    /// What a client can send means what it says, and what it cannot send is not understood.
    fn check_decode(&self, command: &Command) {
        let text = serde_json::to_string(command).expect("a command is JSON");
        let rest_only = !command_is_wire(command);
        match decode(&text) {
            Ok(decoded) => assert_eq!(decoded.body, Body::Command(command.clone())),
            Err(refused) => assert!(rest_only, "{text}: {:?}", refused.rejection),
        }
    }

    /// A campaign that was just loaded decides the same (so no cache has a say).
    fn check_decision(&self, by: &str, command: &Command) {
        let loaded = Campaign::from_stored(self.table.stored.clone());
        let at = Moment { now: Timestamp::from_ms(7), fresh: "fresh", seq: 7 };
        let by = self.table.campaign.member(&UserId::new(by));
        let gone = |link: &str| self.table.campaign.links.get(link).is_some_and(|link| link.max_uses == Some(link.uses));
        if matches!(command, Command::AcceptInviteLink { code, .. } | Command::CreateInviteLink { code, .. } if gone(code)) {
            return;
        }
        assert_eq!(self.table.campaign.decide(at, by.as_ref(), command), loaded.decide(at, by.as_ref(), command));
        self.check_draft(&loaded);
    }

    /// The draft that is kept is the one that would be made.
    fn check_draft(&self, loaded: &Campaign) {
        let kept = self.table.campaign.queue.draft(&self.table.campaign.board, &self.table.campaign.roster);
        let made = loaded.queue.draft(&loaded.board, &loaded.roster);
        let lens = |look: &dyn Look| (look.size(), look.ground_len(), look.fog_len(), look.tokens_len());
        assert_eq!(lens(&kept), lens(&made));
        for key in (0..16).filter_map(|n| HexKey::new(n / 4 - 1, n % 4 - 1)) {
            assert_eq!((kept.ground(key), kept.fog(key)), (made.ground(key), made.fog(key)));
        }
        let staged = self.table.stored.staged.iter().map(|change| TokenId::new(change.fresh.as_str()));
        for id in staged.chain(self.table.stored.board.tokens.iter().map(|token| token.id.clone())) {
            assert_eq!(kept.token(&id), made.token(&id));
        }
    }

    fn check_frames(&mut self, command: &Command, mode: BroadcastMode, before: &Board, done: &Done) {
        let after = Board::from_stored(self.table.stored.board.clone());
        for member in self.table.campaign.members() {
            let Some(client) = self.clients.get(member.user.as_str()) else { continue };
            let (old, mut client) = (client.clone(), client.clone());
            let frames = done.told(&member);
            frames.iter().for_each(|frame| client.fold(frame, &self.table, &member));
            if !member.leads {
                let text = json!(frames).to_string();
                self.check_leak(&member, &text, &after);
                let fetched = kinds(&frames).contains(&"map:replaced");
                assert!(frames.is_empty() || fetched || client != old, "{member:?} is told nothing new by {command:?}: {frames:?}");
                let targeted = matches!(command, Command::Reveal { targets: Targets::Players(players), .. } | Command::Hide { targets: Targets::Players(players), .. } if !players.contains(&member.user));
                assert!(!targeted || frames.is_empty(), "{command:?} tells {member:?} {frames:?}");
                let staging = mode == BroadcastMode::Staged && command_is_board(command) && *before == after;
                assert!(!staging || frames.is_empty(), "a staged {command:?} tells {member:?} {frames:?}");
                check_order(&frames);
            }
            self.clients.insert(member.user.to_string(), client);
        }
        for removed in &done.effects.removed {
            assert_eq!(self.table.campaign.member(removed), None);
        }
    }

    /// Names in a text for a player are those of hexes and tokens that he sees.
    fn check_leak(&mut self, player: &Member, text: &str, board: &Board) {
        let (ground, labels) = self.secrets_of(player, board);
        for name in traces(text, 't') {
            assert!(ground.contains(&name), "{player:?} must not know {name}: {text}");
        }
        for name in traces(text, 'L') {
            assert!(labels.contains(&name), "{player:?} must not know {name}: {text}");
        }
    }

    /// The terrain and labels that a player may know, by the letter of the rule.
    fn secrets_of(&self, player: &Member, board: &Board) -> (BTreeSet<String>, BTreeSet<String>) {
        let stored = board.to_stored();
        let sees = |key: &HexKey| stored.fog.iter().any(|(fogged, seen)| fogged == key && seen.shows(player.no));
        let own = |token: &Token| token.owner_id.as_ref() == Some(&player.user);
        let ground = stored.hexes.iter().filter(|hex| sees(&hex.key)).map(|hex| hex.terrain.as_str().to_owned()).collect();
        let seen = |token: &&Token| own(token) || (token.visible && sees(&token.hex_key));
        (ground, stored.tokens.iter().filter(seen).map(|token| token.label.clone()).collect())
    }

    /// What everybody folded is what he would be sent if he came anew: I5.
    fn check_views(&mut self) {
        let board = Board::from_stored(self.table.stored.board.clone());
        for member in self.table.campaign.members() {
            let fresh = Client::connect(&self.table, &member);
            assert_eq!(self.clients.get(member.user.as_str()), Some(&fresh), "{member:?}");
            assert_eq!(map_view(&board, &member), map_view(self.table.campaign.board(), &member));
            if member.leads {
                continue;
            }
            self.check_leak(&member, &format!("{fresh:?}"), &board);
            let (ground, labels) = self.secrets_of(&member, &board);
            self.known.entry(member.user.to_string()).or_default().extend(ground.into_iter().chain(labels));
        }
    }

    /// The rows that were written load the campaign as it is: C4.
    fn check_tables(&self) {
        let members = &self.table.stored.members;
        assert_eq!(tables::of(&self.table.campaign, members), tables::sorted(self.table.stored.clone()));
    }

    /// A player reads in the log only of hexes that he sees, and nothing that he could not have read when it happened.
    fn check_logs(&mut self) {
        let rows = self.table.log.len();
        for at in (rows.saturating_sub(6)..rows).chain((0..rows.min(6)).map(|_| self.dice.roll(rows))) {
            let row = &self.table.log[at];
            for member in self.table.campaign.members().into_iter().filter(|member| !member.leads) {
                let sees = |key: HexKey| self.table.campaign.board().fog(key).is_some_and(|seen| seen.shows(member.no));
                let Some(text) = log_view(row, &member, &sees) else { continue };
                let known = &self.known[member.user.as_str()];
                for name in traces(&text, 't').into_iter().chain(traces(&text, 'L')) {
                    assert!(known.contains(&name), "the log tells {member:?} of {name}: {text}");
                }
                if row.kind.label().starts_with("hex_") {
                    let payload: Value = serde_json::from_str(&text).expect("a payload is JSON");
                    let named = payload["terrain"].as_array().into_iter().chain(payload["changes"].as_array()).flatten();
                    let keys = texts(&payload["hexKeys"]).chain(named.filter_map(|hex| hex["key"].as_str().map(str::to_owned)));
                    keys.for_each(|key| assert!(sees(key.parse().expect("a key")), "{text}"));
                    assert_eq!(payload.get("targets"), None);
                }
            }
        }
    }
}

fn check_order(frames: &[Value]) {
    let ranks: Vec<bool> = kinds(frames).iter().map(|kind| kind.starts_with("token:")).collect();
    assert!(ranks.is_sorted(), "hex frames come first: {frames:?}");
}

fn command_is_board(command: &Command) -> bool {
    crate::rooms::campaign::judge::is_stageable(command)
}

fn command_is_wire(command: &Command) -> bool {
    let name = json!(command)["type"].as_str().expect("a name").to_owned();
    !name.starts_with("rest:") && name != "map:replace"
}

fn run(seed: u64) {
    println!("seed {seed}");
    let mut world = World::new(seed);
    for step in 0..STEPS {
        println!("step {step}");
        world.step();
    }
    assert!(world.table.seq > i64::from(STEPS / 4), "most commands do something");
    assert!(world.table.log.len() > 50, "sessions are logged");
}

#[test]
fn whatever_happens_a_view_is_the_fold_of_the_frames_and_nothing_leaks() {
    (1..=2).for_each(run);
}

#[test]
fn whatever_happens_a_view_is_the_fold_of_the_frames_and_nothing_leaks_either() {
    (3..=4).for_each(run);
}
