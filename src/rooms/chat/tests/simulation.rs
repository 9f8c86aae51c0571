//! Random histories, checked after every step against clients that know only what they are told and a database that holds the rows.
//!
//! Every content that is written has a name of its own, and so has every emoji: one found in a text that somebody got must be of a place that he
//! is in.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::protocol::chat::command::ResultMap;
use crate::protocol::ids::InvitationId;
use crate::rooms::kernel::{Arrival, ConnectionKey};

const STEPS: u32 = 2_000;
const USERS: [&str; 6] = ["olga", "adam", "u2", "u3", "u4", "u5"];

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

/// What an honest client knows: which places it is in, how many messages it has not read, what it was told of each.
#[derive(Clone, Debug, Default, PartialEq)]
struct Client {
    places: BTreeSet<String>,
    unread: BTreeMap<String, i64>,
    /// By place, the last `sequence` that was told.
    heads: BTreeMap<String, i64>,
}

fn place_of(frame: &Value) -> Option<String> {
    ["channelId", "conversationId", "roomId", "targetId"].iter().find_map(|name| frame[*name].as_str().map(str::to_owned))
}

impl Client {
    fn fold(&mut self, frame: &Value, user: &str) {
        let kind = frame["type"].as_str().expect("type");
        let place = place_of(frame);
        if let Some(place) = place.as_ref().filter(|_| kind != "room:joined") {
            assert!(self.places.contains(place), "{user} is told of a place that he is not in: {frame}");
        }
        match (kind, place) {
            ("room:joined", Some(place)) => {
                assert!(self.places.insert(place.clone()), "{user} joined twice: {frame}");
                self.unread.insert(place.clone(), 0);
                self.heads.remove(&place);
            }
            ("room:left", Some(place)) => {
                self.places.remove(&place);
                self.unread.remove(&place);
            }
            ("message:new", Some(place)) => {
                let unread = self.unread.entry(place.clone()).or_default();
                *unread += 1;
                let sequence = frame["sequence"].as_i64().expect("a number");
                let head = self.heads.insert(place, sequence);
                assert!(head.is_none_or(|head| head + 1 == sequence), "W2: {frame}");
                // an author has read his own; what he had not read before is told beside it
                if frame["authorId"] == user {
                    *unread -= 1;
                }
            }
            ("unread:update", Some(place)) => {
                self.unread.insert(place, frame["unreadCount"].as_i64().expect("a number"));
            }
            _ => {}
        }
    }
}

/// The words of a text that begin with `x` and go on with digits: traces of secrets.
fn traces(text: &str) -> BTreeSet<String> {
    let is_trace = |word: &&str| word.strip_prefix('x').is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()));
    text.split(|c: char| !c.is_alphanumeric()).filter(is_trace).map(str::to_owned).collect()
}

fn name_of(target: &Target) -> String {
    match target {
        Target::Channel(id) => id.to_string(),
        Target::Dm(id) => id.to_string(),
    }
}

struct World {
    dice: Dice,
    team: Team,
    clients: BTreeMap<String, Client>,
    /// In which place each secret was said.
    said_in: BTreeMap<String, Target>,
    names: u32,
    done: u32,
}

impl World {
    fn new(seed: u64) -> Self {
        let roles = [Role::Owner, Role::Admin, Role::Member, Role::Member];
        let team = Team::of(&USERS.into_iter().zip(roles).collect::<Vec<_>>());
        let clients = USERS[..4].iter().map(|user| ((*user).to_owned(), Client::default())).collect();
        World { dice: Dice(seed), team, clients, said_in: BTreeMap::new(), names: 0, done: 0 }
    }

    fn secret(&mut self, target: &Target) -> String {
        self.names += 1;
        let secret = format!("x{}", self.names);
        self.said_in.insert(secret.clone(), target.clone());
        secret
    }

    fn user(&mut self) -> &'static str {
        self.dice.pick(&USERS)
    }

    fn targets(&self) -> Vec<Target> {
        let stored = &self.team.tables.stored;
        let channels = stored.channels.iter().map(|channel| Target::Channel(channel.id.clone()));
        channels.chain(stored.conversations.iter().map(|place| Target::Dm(place.id.clone()))).collect()
    }

    /// Often one that this user is in, sometimes none that exists.
    fn target(&mut self, by: &str) -> Target {
        let mut targets = self.targets();
        if !self.dice.once_in(3) {
            let mine: Vec<Target> = targets.iter().filter(|target| self.is_in(&by.into(), target)).cloned().collect();
            if !mine.is_empty() {
                return self.dice.pick(&mine);
            }
        }
        targets.push(Target::Channel("absent".into()));
        self.dice.pick(&targets)
    }

    fn channel_id(&mut self, by: &str) -> ChannelId {
        match self.target(by) {
            Target::Channel(id) => id,
            Target::Dm(id) => ChannelId::new(id.as_str()),
        }
    }

    /// Often one of the latest of a place that this user is in, sometimes any, or none that exists.
    fn message(&mut self, by: &str) -> (MessageId, Target) {
        let target = self.target(by);
        let everywhere = self.dice.once_in(5);
        let messages = self.team.tables.messages.iter().filter(|(message, ..)| everywhere || message.target == target);
        let known: Vec<_> = messages.map(|(message, ..)| (message.id.clone(), message.target.clone())).collect();
        let latest = if self.dice.once_in(4) { &known[..] } else { &known[known.len().saturating_sub(4)..] };
        if latest.is_empty() { ("absent".into(), Target::Channel("absent".into())) } else { self.dice.pick(latest) }
    }

    fn command(&mut self, by: &str) -> Command {
        match self.dice.roll(46) {
            0..=14 => {
                let target = self.target(by);
                let parent_id = self.dice.once_in(4).then(|| self.message(by).0);
                Command::Send { content: self.secret(&target), target, parent_id }
            }
            15..=17 => {
                let (message_id, target) = self.message(by);
                Command::Edit { message_id, content: self.secret(&target) }
            }
            18..=19 => Command::Delete { message_id: self.message(by).0 },
            20..=23 => {
                let (message_id, target) = self.message(by);
                let emoji = if self.dice.once_in(3) { self.secret(&target) } else { "👍".into() };
                Command::ToggleReaction { message_id, emoji }
            }
            24..=26 => Command::JoinRoom { target: self.target(by) },
            27..=29 => Command::MarkRead { target: self.target(by) },
            30 if self.targets().len() < 14 || self.dice.once_in(10) => {
                Command::CreateChannel { name: format!("name{}", self.dice.roll(20)), private: self.dice.once_in(2) }
            }
            31 if self.dice.once_in(10) => Command::ArchiveChannel { channel_id: self.channel_id(by) },
            32 => Command::JoinChannel { channel_id: self.channel_id(by) },
            33 => Command::LeaveChannel { channel_id: self.channel_id(by) },
            34..=36 => Command::AddToChannel { channel_id: self.channel_id(by), user: self.user().into() },
            37 => Command::RemoveFromChannel { channel_id: self.channel_id(by), user: self.user().into() },
            38 => Command::OpenConversation { users: (0..self.dice.roll(3)).map(|_| self.user().into()).collect() },
            39 => Command::Invite { email: format!("{}@x", self.user()) },
            40 if self.dice.once_in(3) => Command::RemoveMember { user: self.user().into() },
            41 => Command::SetRole { user: self.user().into(), role: self.dice.pick(&[Role::Owner, Role::Admin, Role::Member]) },
            42 if self.dice.once_in(4) => Command::Rename { name: self.user().into() },
            _ => self.acceptance(),
        }
    }

    fn acceptance(&mut self) -> Command {
        let user = self.user();
        let (name, code, email) = (user.to_uppercase(), format!("code{}", self.dice.roll(3)), format!("{user}@x"));
        let pending = self.team.tables.stored.invitations.iter().find(|pending| pending.email == email);
        match (pending.map(|pending| pending.id.clone()), self.dice.roll(6)) {
            (_, 0) => Command::CreateInviteLink { code, expires_at: Timestamp::from_ms(i64::MAX), max_uses: Some(2) },
            (_, 1 | 2) => Command::AcceptInviteLink { code, user: user.into(), name },
            (Some(invitation_id), 3) => Command::DeclineInvitation { invitation_id, user: user.into(), email },
            (Some(invitation_id), _) => Command::AcceptInvitation { invitation_id, user: user.into(), name, email },
            (None, _) => Command::DeclineInvitation { invitation_id: InvitationId::new("?"), user: user.into(), email },
        }
    }

    fn step(&mut self) {
        self.signal();
        let by = self.user();
        let command = self.command(by);
        self.check_decode(&command);
        if self.dice.once_in(50) {
            // a room that was unloaded: the company starts anew with it
            self.team.workspace = Workspace::from_stored(self.team.tables.stored.clone());
            self.team.here = Here::default();
        }
        self.check_hidden(by, &command);
        let Ok(done) = self.team.ask(by, command.clone()) else { return };
        if !done.changed {
            return assert_eq!(done.effects, Effects::default());
        }
        self.done += 1;
        for parts in [&done.effects.parts, &done.said] {
            self.check_parts(parts, &done.effects.removed);
        }
        for user in &done.effects.removed {
            self.clients.remove(user.as_str());
        }
        self.connect_newcomers();
        self.check_clients();
        self.check_reads();
        assert_eq!(tables::of(&self.team.workspace), tables::sorted(self.team.tables.stored.clone()), "W4");
    }

    /// Somebody comes, goes, types, or time passes.
    fn signal(&mut self) {
        let user = self.user();
        let (connection, target) = (ConnectionKey(self.dice.roll(8) as u64), self.target(user));
        let Some(member) = self.team.workspace.member(&user.into()) else { return };
        let now = self.team.now();
        let Team { workspace, here, .. } = &mut self.team;
        let parts = match self.dice.roll(8) {
            0 => here.connect(workspace, &member, connection, Arrival::Fresh, now).parts,
            1 => here.disconnect(workspace, member.no, connection, now).parts,
            2 => here.due(workspace, now),
            3..=5 => {
                let signal = Signal::Typing { target, is_typing: self.dice.roll(3) > 0 };
                here.signal(workspace, &member, connection, signal, now).unwrap_or_default()
            }
            6 => here.signal(workspace, &member, connection, Signal::Away, now).expect("may"),
            _ => here.signal(workspace, &member, connection, Signal::Active, now).expect("may"),
        };
        self.check_parts(&parts, &[]);
    }

    /// Everybody who ever was a member looks at what is said, as if a connection of his were left: W1.
    fn check_parts(&mut self, parts: &[Part<ServerMessage>], removed: &[UserId]) {
        for person in self.team.tables.stored.members.clone() {
            let member = Member { no: person.no, user: person.user.clone(), name: person.name, leads: person.role != Role::Member };
            let frames = told(parts, &member);
            let is_member = self.team.workspace.member(&person.user).is_some();
            let is_leaving = removed.contains(&person.user) && frames.iter().all(|frame| frame["type"] == "room:left");
            assert!(is_member || is_leaving || frames.is_empty(), "{:?} is no member: {frames:?}", person.user);
            for secret in traces(&json!(frames).to_string()) {
                assert!(self.is_in(&person.user, &self.said_in[&secret]), "{:?} must not know {secret}: {frames:?}", person.user);
            }
            if let Some(client) = self.clients.get_mut(person.user.as_str()) {
                frames.iter().for_each(|frame| client.fold(frame, person.user.as_str()));
            }
        }
    }

    /// By the letter of the tables.
    fn is_in(&self, user: &UserId, target: &Target) -> bool {
        let stored = &self.team.tables.stored;
        let Some(member) = stored.members.iter().find(|member| member.user == *user && member.left_at.is_none()) else { return false };
        match target {
            Target::Channel(id) => stored.channels.iter().any(|channel| channel.id == *id && channel.members.contains(member.no)),
            Target::Dm(id) => stored.conversations.iter().any(|place| place.id == *id && place.participants.contains(member.no)),
        }
    }

    fn connect_newcomers(&mut self) {
        for user in USERS {
            if self.team.workspace.member(&user.into()).is_some() && !self.clients.contains_key(user) {
                let client = self.connect(user);
                self.clients.insert(user.to_owned(), client);
            }
        }
    }

    /// What a client that connects asks for: where it is, and what it has not read.
    fn connect(&self, user: &str) -> Client {
        let unread = match self.team.query(user, &Query::Unread { channels: None, conversations: None }).expect("an answer").result {
            Some(ResultMap::Unread { channels, conversations }) => {
                let channels = channels.into_iter().map(|(id, n)| (id.to_string(), n));
                channels.chain(conversations.into_iter().map(|(id, n)| (id.to_string(), n))).collect::<BTreeMap<_, _>>()
            }
            other => panic!("{other:?}"),
        };
        Client { places: unread.keys().cloned().collect(), unread, heads: BTreeMap::new() }
    }

    /// What everybody folded is what he would be told if he came anew, and unread is what it is from scratch: I5.
    fn check_clients(&self) {
        for (user, client) in &self.clients {
            let fresh = self.connect(user);
            assert_eq!((&client.places, &client.unread), (&fresh.places, &fresh.unread), "{user}");
            let stored = &self.team.tables.stored;
            for target in self.targets().iter().filter(|target| self.is_in(&user.as_str().into(), target)) {
                let messages = self.team.tables.messages.iter().filter(|(message, ..)| message.target == *target);
                let read =
                    stored.reads.iter().find(|read| read.target == *target && read.user.as_str() == user).map_or(0, |read| read.sequence);
                let unread = messages.filter(|(message, ..)| message.sequence > read).count() as i64;
                assert_eq!(fresh.unread[&name_of(target)], unread, "{user} in {target:?}");
            }
        }
    }

    /// Who is in a place reads it, and nobody else does; what was deleted is empty.
    fn check_reads(&mut self) {
        let user = self.user();
        let target = self.target(user);
        if self.team.workspace.member(&user.into()).is_none() {
            return;
        }
        let answer = self.team.query(user, &Query::Older { target: target.clone(), before: None, limit: 200 });
        match self.is_in(&user.into(), &target) {
            false => assert!(answer.is_err()),
            true => {
                let messages = answer.expect("may read").messages.expect("messages");
                assert!(messages.iter().all(|message| message.content.is_empty() == message.deleted_at.is_some()));
                assert!(messages.windows(2).all(|pair| pair[0].sequence + 1 == pair[1].sequence), "W2");
            }
        }
    }

    /// What somebody may not know of is refused as what there is not: W3.
    fn check_hidden(&mut self, by: &str, command: &Command) {
        let absent = Target::Channel("absent".into());
        let hidden = |target: &Target| match target {
            Target::Channel(id) => {
                let stored = self.team.tables.stored.channels.iter().find(|channel| channel.id == *id);
                !self.is_in(&by.into(), target) && stored.is_none_or(|channel| channel.private)
            }
            Target::Dm(_) => !self.is_in(&by.into(), target),
        };
        let of_message = |id: &MessageId| {
            let message = self.team.tables.messages.iter().find(|(message, ..)| message.id == *id);
            message.map_or_else(|| absent.clone(), |(message, ..)| message.target.clone())
        };
        let (target, text) = match command {
            Command::Send { target, .. } | Command::JoinRoom { target } | Command::MarkRead { target } => (target.clone(), "place"),
            Command::ArchiveChannel { channel_id }
            | Command::JoinChannel { channel_id }
            | Command::LeaveChannel { channel_id }
            | Command::AddToChannel { channel_id, .. }
            | Command::RemoveFromChannel { channel_id, .. } => (Target::Channel(channel_id.clone()), "place"),
            Command::Edit { message_id, .. } | Command::Delete { message_id } | Command::ToggleReaction { message_id, .. } => {
                (of_message(message_id), "message")
            }
            _ => return,
        };
        if self.team.workspace.member(&by.into()).is_none() || !hidden(&target) {
            return;
        }
        let wanted = match (text, &target) {
            ("message", _) => "No such message",
            (_, Target::Channel(_)) => "No such channel",
            (_, Target::Dm(_)) => "No such conversation",
        };
        refused(self.team.ask(by, command.clone()), ErrorCode::NotFound, wanted);
    }

    /// What a client can send means what it says; what comes through REST cannot be sent.
    fn check_decode(&self, command: &Command) {
        let mut frame = json!(command);
        if let Some(target) = frame.get("target").cloned() {
            let fields = match command {
                Command::JoinRoom { .. } => json!({"roomId": target["targetId"], "roomType": target["targetType"]}),
                Command::MarkRead { target: Target::Channel(id) } => json!({"channelId": id}),
                Command::MarkRead { target: Target::Dm(id) } => json!({"conversationId": id}),
                _ => target,
            };
            let object = frame.as_object_mut().expect("an object");
            object.remove("target");
            object.extend(fields.as_object().expect("an object").clone());
        }
        match decode(&frame.to_string()) {
            Ok(decoded) => assert_eq!(decoded.body, Body::Command(command.clone())),
            Err(refused) => {
                let rest = ["workspace:", "channel:", "conversation:", "member:"];
                assert!(rest.iter().any(|place| command.name().starts_with(place)), "{frame}: {:?}", refused.rejection);
            }
        }
    }
}

fn run(seed: u64) {
    println!("seed {seed}");
    let mut world = World::new(seed);
    for step in 0..STEPS {
        println!("step {step}");
        world.step();
    }
    assert!(world.done > STEPS / 4, "many commands do something: {}", world.done);
    assert!(world.team.tables.messages.len() > 150, "people talk: {}", world.team.tables.messages.len());
}

#[test]
fn whatever_happens_nobody_is_told_of_a_place_that_he_is_not_in() {
    (1..=3).for_each(run);
}

#[test]
fn whatever_happens_nobody_is_told_of_a_place_that_he_is_not_in_either() {
    (4..=6).for_each(run);
}
