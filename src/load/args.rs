//! The command line of `moothall load`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::LoadError;
use super::wire::Form;
use crate::protocol::limits::{CHANNELS_MAX, CIRCLE_MEMBERS_MAX, CONTENT_CHARS_MAX};

pub const HELP: &str = "\
moothall load: measures a server, one that it starts itself or one that runs

USAGE: moothall load SCENARIO [options]

SCENARIOS (what they measure; their options with the defaults)
  idle      memory and CPU per connection that only stays
              --clients 10000  --campaigns CLIENTS/10  --hold 2 (seconds)
  connect   connect, authenticate, join and get the state, all in one campaign
              --members 1000
  fanout    a DM changes terrain that everybody sees; a frame to each member
              --members 1000  --groups 4 (players with the same view)  --rate 20 | max
              --window 64 (max: updates that not everybody has)  --size 200 (bytes of a frame)  --seconds 10
  commands  durable commands: DMs reveal, change, hide and move, each command acknowledged
              --campaigns 100  --clients 2 (players in each)  --inflight 4 (per DM)  --hexes 1 (per command)
              --rate max | N (all DMs together)  --seconds 10
  stall     some of a campaign stop reading while the others go on
              --members 50  --stalled 10  --rate 1000  --size 1000  --seconds 9  --before 3
  messages  durable messages of a team: everybody writes to a channel, each message acknowledged
              --channels 32 (all in one workspace)  --senders 32 (dealt out to them)  --inflight 16 (per sender)
              --over ws | socket.io  --size 100 (characters of a message)  --rate max | N (all together)  --seconds 10
  channel   somebody writes to a channel; a frame to each member
              --members 1000  --over ws | socket.io  --rate 20 | max
              --window 64 (max: messages that not everybody has)  --size 100 (characters)  --seconds 10
  --messaging  both of these, over both transports and with recovery off, in one table; each with a server of its own
              --members 1000  --size 100  --seconds 10
  circles   everybody in many circles tells now and then where he or she is, and hears the others
              --rooms 1000 (circles)  --members 5 (of each)  --interval 5 (seconds from one position of somebody to the next)
              --over ws | socket.io  --seconds 20
  --circles    the same over both transports, in one table; each with a server of its own
              --rooms 1000  --members 5  --interval 5  --seconds 20
  rooms     memory of a room, and whether a command costs more when there are many rooms
              --rooms 10000  --members 3  --sample 100 (rooms that are sent commands)  --commands 2000

SERVER
  (nothing)               starts one on a new SQLite database in a temporary directory
  --database-url URL      starts one on this database: postgres://…; its new users and campaigns stay there
  --map N                 hexes of each campaign's map, a half of them revealed (64)
  --env NAME=VALUE        a setting of the server that is started; may be repeated
  --url URL               measures the server at http://host:port, with
    --tokens FILE           one session token a line: equal runs of them for the campaigns, the first of a run its DM's
    --campaign ID           may be repeated; the owners of the tokens are its members
    --pid PID               the server's process, for its CPU and memory

OUTPUT
  --json FILE | -         the same figures as JSON; with - in place of the table

It exits with 1 when a frame was lost, came out of order, a command was refused or a client was dropped that read.
";

/// Everything that was asked for.
#[derive(Debug, PartialEq)]
pub struct Args {
    pub scenario: Scenario,
    pub server: ServerChoice,
    pub json: Option<PathBuf>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ServerChoice {
    Start { database_url: Option<String>, map_hexes: u32, env: Vec<(String, String)> },
    Given { url: String, tokens: PathBuf, campaigns: Vec<String>, pid: Option<u32> },
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    PerSecond(f64),
    Max,
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rate::PerSecond(rate) => write!(f, "{rate}/s"),
            Rate::Max => f.write_str("max"),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Scenario {
    Idle {
        clients: usize,
        campaigns: usize,
        hold_s: u64,
    },
    Connect {
        members: usize,
    },
    Fanout(Fanout),
    Commands {
        campaigns: usize,
        clients: usize,
        inflight: usize,
        hexes: usize,
        rate: Rate,
        seconds: u64,
    },
    Stall {
        members: usize,
        stalled: usize,
        rate: f64,
        size: usize,
        seconds: u64,
        before_s: u64,
    },
    Rooms {
        rooms: usize,
        members: usize,
        sample: usize,
        commands: usize,
    },
    Messages {
        channels: usize,
        senders: usize,
        form: Form,
        inflight: usize,
        size: usize,
        rate: Rate,
        seconds: u64,
    },
    Channel(Channel),
    /// Some of [`Scenario::Messages`] and [`Scenario::Channel`], one after the other.
    Messaging {
        members: usize,
        size: usize,
        seconds: u64,
    },
    Circles(Circles),
    /// [`Scenario::Circles`] over every transport.
    EveryCircles(Circles),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Circles {
    pub circles: usize,
    pub members: usize,
    pub form: Form,
    /// Seconds from one position of somebody to the next.
    pub interval: f64,
    pub seconds: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Channel {
    pub members: usize,
    pub form: Form,
    pub rate: Rate,
    pub window: usize,
    pub size: usize,
    pub seconds: u64,
}

/// A run of several: its name, and a setting of its server.
pub type Run = (String, Scenario, Option<(&'static str, &'static str)>);

/// Who has to exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cast {
    /// So many campaigns, each with so many members.
    Campaigns { campaigns: usize, members: usize },
    /// One workspace, whose members are dealt out to its channels.
    Team { channels: usize, members: usize },
    /// So many circles, each with so many members.
    Circles { circles: usize, members: usize },
}

impl Cast {
    fn connections(self) -> usize {
        match self {
            Cast::Campaigns { campaigns, members } => campaigns * members,
            Cast::Team { members, .. } => members,
            Cast::Circles { circles, members } => circles * members,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Fanout {
    pub members: usize,
    pub groups: usize,
    pub rate: Rate,
    pub window: usize,
    pub size: usize,
    pub seconds: u64,
}

impl Scenario {
    pub fn name(&self) -> &'static str {
        match self {
            Scenario::Idle { .. } => "idle",
            Scenario::Connect { .. } => "connect",
            Scenario::Fanout(_) => "fanout",
            Scenario::Commands { .. } => "commands",
            Scenario::Stall { .. } => "stall",
            Scenario::Rooms { .. } => "rooms",
            Scenario::Messages { .. } => "messages",
            Scenario::Channel(_) => "channel",
            Scenario::Messaging { .. } => "--messaging",
            Scenario::Circles(_) => "circles",
            Scenario::EveryCircles(_) => "--circles",
        }
    }

    /// The settings of the run, for people.
    pub fn settings(&self) -> String {
        match self {
            Scenario::Idle { clients, campaigns, hold_s } => format!("{clients} clients in {campaigns} campaigns, hold {hold_s} s"),
            Scenario::Connect { members } => format!("{members} members"),
            Scenario::Fanout(Fanout { members, groups, rate, window, size, seconds }) => {
                format!("{members} members in {groups} groups, rate {rate}, window {window}, size {size}, {seconds} s")
            }
            Scenario::Commands { campaigns, clients, inflight, hexes, rate, seconds } => {
                format!("{campaigns} campaigns, {clients} players each, {inflight} in flight, {hexes} hexes, rate {rate}, {seconds} s")
            }
            Scenario::Stall { members, stalled, rate, size, seconds, before_s } => {
                format!("{stalled} of {members} members stalled, rate {rate}/s, size {size}, {before_s} s before, {seconds} s during")
            }
            Scenario::Rooms { rooms, members, sample, commands } => {
                format!("{rooms} rooms of {members} members, {commands} commands to {sample} of them")
            }
            Scenario::Messages { channels, senders, form, inflight, size, rate, seconds } => format!(
                "{senders} senders in {channels} channels over {form}, {inflight} in flight, {size} characters, rate {rate}, {seconds} s"
            ),
            Scenario::Channel(Channel { members, form, rate, window, size, seconds }) => {
                format!("{members} members over {form}, rate {rate}, window {window}, {size} characters, {seconds} s")
            }
            Scenario::Messaging { members, size, seconds } => format!("{members} members, {size} characters, {seconds} s each"),
            Scenario::Circles(Circles { circles, members, form, interval, seconds }) => {
                format!("{circles} circles of {members} members over {form}, a position each {interval} s, {seconds} s")
            }
            Scenario::EveryCircles(Circles { circles, members, interval, seconds, .. }) => {
                format!("{circles} circles of {members} members, a position each {interval} s, {seconds} s each")
            }
        }
    }

    pub fn cast(&self) -> Cast {
        let campaigns = |campaigns, members| Cast::Campaigns { campaigns, members };
        match *self {
            Scenario::Idle { clients, campaigns: count, .. } => campaigns(count, clients.div_ceil(count)),
            Scenario::Connect { members } | Scenario::Stall { members, .. } => campaigns(1, members),
            Scenario::Fanout(Fanout { members, .. }) => campaigns(1, members),
            Scenario::Commands { campaigns: count, clients, .. } => campaigns(count, clients + 1),
            Scenario::Rooms { rooms, members, .. } => campaigns(rooms, members),
            Scenario::Messages { channels, senders, .. } => Cast::Team { channels, members: senders },
            Scenario::Channel(Channel { members, .. }) | Scenario::Messaging { members, .. } => Cast::Team { channels: 1, members },
            Scenario::Circles(Circles { circles, members, .. }) | Scenario::EveryCircles(Circles { circles, members, .. }) => {
                Cast::Circles { circles, members }
            }
        }
    }

    /// The runs that it is made of, each with a name and settings of the server; none if it is one itself.
    pub fn runs(&self) -> Vec<Run> {
        match *self {
            Scenario::Messaging { members, size, seconds } => Self::messaging(members, size, seconds),
            Scenario::EveryCircles(ref circles) => {
                let over = |form: Form| (form.to_string(), Scenario::Circles(Circles { form, ..circles.clone() }), None);
                [Form::Raw, Form::SocketIo].map(over).into()
            }
            _ => Vec::new(),
        }
    }

    fn messaging(members: usize, size: usize, seconds: u64) -> Vec<Run> {
        let writing = |channels, form| {
            let scenario = Scenario::Messages { channels, senders: SENDERS, form, inflight: INFLIGHT, size, rate: Rate::Max, seconds };
            let place = if channels == 1 { "one channel".to_owned() } else { format!("{channels} channels") };
            (format!("{place}, {form}"), scenario, None)
        };
        let reading = |(rate, form, env): (Rate, Form, Option<_>)| {
            let scenario = Scenario::Channel(Channel { members, form, rate, window: WINDOW, size, seconds });
            (format!("{rate}, {form}{}", if env.is_some() { ", no recovery" } else { "" }), scenario, env)
        };
        let (raw, packets, off) = (Form::Raw, Form::SocketIo, Some(("CONNECTION_STATE_RECOVERY", "off")));
        let each_way = |rate| [(rate, raw, None), (rate, packets, None), (rate, packets, off)].map(reading);
        let mut runs = vec![writing(SENDERS, raw), writing(SENDERS, packets), writing(1, raw), writing(1, packets)];
        runs.extend([Rate::PerSecond(20.0), Rate::Max].into_iter().flat_map(each_way));
        runs
    }
}

/// Of the runs of [`Scenario::Messaging`], and the defaults of the single ones.
const SENDERS: usize = 32;
const INFLIGHT: usize = 16;
const WINDOW: usize = 64;

/// Members that a campaign may have.
const MEMBERS_MAX: usize = 5_000;
const CLIENTS_MAX: usize = 60_000;
/// Characters of a message, with room for its mark.
const MESSAGE_CHARS: std::ops::RangeInclusive<usize> = 12..=CONTENT_CHARS_MAX;
const SECONDS_MAX: u64 = 600;
const RATE_MAX: f64 = 1e6;

impl Args {
    /// `connections_max` is what the limit on descriptors leaves: defaults stay below it, and more is refused. `None` means that help is wanted.
    pub fn parse(args: &[String], connections_max: usize) -> Result<Option<Self>, LoadError> {
        let Some((name, rest)) = args.split_first() else { return Err(usage("which scenario? `moothall load --help` lists them")) };
        if args.iter().any(|arg| arg == "--help" || arg == "-h") || name == "help" {
            return Ok(None);
        }
        let mut options = Options::read(rest)?;
        let scenario = scenario(name, &mut options, connections_max)?;
        let parsed = Self { scenario, server: server(&mut options)?, json: options.text("--json")?.map(PathBuf::from) };
        options.finish(name)?;
        let cast = parsed.scenario.cast();
        let connections = cast.connections();
        let (Cast::Campaigns { members, .. } | Cast::Team { members, .. } | Cast::Circles { members, .. }) = cast;
        if members > MEMBERS_MAX {
            return Err(usage(format!("{members} members in a room: at most {MEMBERS_MAX}")));
        }
        if connections > connections_max {
            return Err(usage(format!(
                "{connections} connections, but the limit on open files leaves {connections_max}: raise it (ulimit -n)"
            )));
        }
        Ok(Some(parsed))
    }
}

fn scenario(name: &str, options: &mut Options, connections_max: usize) -> Result<Scenario, LoadError> {
    Ok(match name {
        "idle" => {
            let clients = options.number("--clients", 10_000.min(connections_max), 1..=CLIENTS_MAX)?;
            let campaigns = options.number("--campaigns", clients.div_ceil(10), 1..=clients)?;
            Scenario::Idle { clients, campaigns, hold_s: options.number("--hold", 2, 0..=SECONDS_MAX)? }
        }
        "connect" => Scenario::Connect { members: options.number("--members", 1_000, 1..=MEMBERS_MAX)? },
        "fanout" => {
            let members = options.number("--members", 1_000, 2..=MEMBERS_MAX)?;
            Scenario::Fanout(Fanout {
                members,
                groups: options.number("--groups", 4.min(members - 1), 1..=50.min(members - 1))?,
                rate: options.rate(Rate::PerSecond(20.0))?,
                window: options.number("--window", 64, 1..=10_000)?,
                size: options.number("--size", 200, 100..=2_000)?,
                seconds: options.number("--seconds", 10, 1..=SECONDS_MAX)?,
            })
        }
        "commands" => Scenario::Commands {
            campaigns: options.number("--campaigns", 100, 1..=CLIENTS_MAX)?,
            clients: options.number("--clients", 2, 0..=MEMBERS_MAX)?,
            inflight: options.number("--inflight", 4, 1..=200)?,
            hexes: options.number("--hexes", 1, 1..=2_000)?,
            rate: options.rate(Rate::Max)?,
            seconds: options.number("--seconds", 10, 1..=SECONDS_MAX)?,
        },
        "stall" => {
            let members = options.number("--members", 50, 2..=MEMBERS_MAX)?;
            Scenario::Stall {
                members,
                stalled: options.number("--stalled", 10.min(members - 1), 1..=members - 1)?,
                rate: options.number("--rate", 1_000.0, 0.1..=RATE_MAX)?,
                size: options.number("--size", 1_000, 100..=16_000)?,
                seconds: options.number("--seconds", 9, 1..=SECONDS_MAX)?,
                before_s: options.number("--before", 3, 1..=SECONDS_MAX)?,
            }
        }
        "rooms" => {
            let members = options.number("--members", 3, 1..=MEMBERS_MAX)?;
            let rooms = options.number("--rooms", 10_000.min(connections_max / members).max(1), 1..=CLIENTS_MAX)?;
            Scenario::Rooms {
                rooms,
                members,
                sample: options.number("--sample", 100.min(rooms), 1..=rooms)?,
                commands: options.number("--commands", 2_000, 1..=1_000_000)?,
            }
        }
        "messages" => {
            let senders = options.number("--senders", SENDERS, 1..=MEMBERS_MAX)?;
            Scenario::Messages {
                channels: options.number("--channels", SENDERS.min(senders), 1..=senders.min(CHANNELS_MAX))?,
                senders,
                form: options.form()?,
                inflight: options.number("--inflight", INFLIGHT, 1..=200)?,
                size: options.number("--size", 100, MESSAGE_CHARS)?,
                rate: options.rate(Rate::Max)?,
                seconds: options.number("--seconds", 10, 1..=SECONDS_MAX)?,
            }
        }
        "channel" => Scenario::Channel(Channel {
            members: options.number("--members", 1_000, 1..=MEMBERS_MAX)?,
            form: options.form()?,
            rate: options.rate(Rate::PerSecond(20.0))?,
            window: options.number("--window", WINDOW, 1..=10_000)?,
            size: options.number("--size", 100, MESSAGE_CHARS)?,
            seconds: options.number("--seconds", 10, 1..=SECONDS_MAX)?,
        }),
        "--messaging" => Scenario::Messaging {
            members: options.number("--members", 1_000, 1..=MEMBERS_MAX)?,
            size: options.number("--size", 100, MESSAGE_CHARS)?,
            seconds: options.number("--seconds", 10, 1..=SECONDS_MAX)?,
        },
        "circles" => {
            let form = options.form()?;
            Scenario::Circles(circles(options, connections_max, form)?)
        }
        "--circles" => Scenario::EveryCircles(circles(options, connections_max, Form::Raw)?),
        other => {
            let known = "idle, connect, fanout, commands, stall, messages, channel, circles, rooms, --messaging, --circles";
            return Err(usage(format!("there is no scenario {other:?}: {known}")));
        }
    })
}

fn circles(options: &mut Options, connections_max: usize, form: Form) -> Result<Circles, LoadError> {
    let members = options.number("--members", 5, 2..=CIRCLE_MEMBERS_MAX)?;
    Ok(Circles {
        circles: options.number("--rooms", 1_000.min(connections_max / members).max(1), 1..=CLIENTS_MAX)?,
        members,
        form,
        interval: options.number("--interval", 5.0, 0.1..=600.0)?,
        seconds: options.number("--seconds", 20, 1..=SECONDS_MAX)?,
    })
}

fn server(options: &mut Options) -> Result<ServerChoice, LoadError> {
    let Some(url) = options.text("--url")? else {
        let env = options.texts("--env").into_iter().map(|pair| match pair.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
            _ => Err(usage(format!("--env {pair}: NAME=VALUE is expected"))),
        });
        return Ok(ServerChoice::Start {
            env: env.collect::<Result<_, _>>()?,
            database_url: options.text("--database-url")?,
            map_hexes: options.number("--map", 64, 0..=10_000)?,
        });
    };
    let tokens = options.text("--tokens")?.ok_or_else(|| usage("--url needs --tokens FILE"))?.into();
    let campaigns = options.texts("--campaign");
    if campaigns.is_empty() {
        return Err(usage("--url needs --campaign ID"));
    }
    let pid = options.text("--pid")?.map(|pid| pid.parse().map_err(|_| usage(format!("--pid {pid}: a number is expected")))).transpose()?;
    Ok(ServerChoice::Given { url, tokens, campaigns, pid })
}

fn usage(text: impl Into<String>) -> LoadError {
    LoadError::Usage(text.into())
}

/// `--name value` pairs. What is taken is gone; what is left at the end nobody knows.
struct Options(BTreeMap<String, Vec<String>>);

impl Options {
    fn read(args: &[String]) -> Result<Self, LoadError> {
        let mut options: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut args = args.iter();
        while let Some(name) = args.next() {
            if !name.starts_with("--") {
                return Err(usage(format!("{name:?} is not an option")));
            }
            let (name, value) = match name.split_once('=') {
                Some((name, value)) => (name, value.to_owned()),
                None => (name.as_str(), args.next().cloned().ok_or_else(|| usage(format!("{name} needs a value")))?),
            };
            options.entry(name.to_owned()).or_default().push(value);
        }
        Ok(Self(options))
    }

    fn texts(&mut self, name: &str) -> Vec<String> {
        self.0.remove(name).unwrap_or_default()
    }

    fn text(&mut self, name: &str) -> Result<Option<String>, LoadError> {
        let mut texts = self.texts(name);
        match texts.len() {
            0 | 1 => Ok(texts.pop()),
            _ => Err(usage(format!("{name} is given twice"))),
        }
    }

    fn number<T>(&mut self, name: &str, default: T, allowed: std::ops::RangeInclusive<T>) -> Result<T, LoadError>
    where
        T: FromStr + PartialOrd + fmt::Display,
    {
        let Some(text) = self.text(name)? else { return Ok(default) };
        text.parse()
            .ok()
            .filter(|number| allowed.contains(number))
            .ok_or_else(|| usage(format!("{name} {text}: a number from {} to {} is expected", allowed.start(), allowed.end())))
    }

    fn rate(&mut self, default: Rate) -> Result<Rate, LoadError> {
        match self.0.get("--rate").map(Vec::as_slice) {
            None => Ok(default),
            Some([max]) if max == "max" => {
                self.texts("--rate");
                Ok(Rate::Max)
            }
            Some(_) => self.number("--rate", 0.0, 0.1..=RATE_MAX).map(Rate::PerSecond),
        }
    }

    /// How the clients are connected.
    fn form(&mut self) -> Result<Form, LoadError> {
        match self.text("--over")?.as_deref() {
            None | Some("ws") => Ok(Form::Raw),
            Some("socket.io") => Ok(Form::SocketIo),
            Some(other) => Err(usage(format!("--over {other}: ws or socket.io is expected"))),
        }
    }

    fn finish(self, scenario: &str) -> Result<(), LoadError> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => Err(usage(format!("{name} does not go with `load {scenario}`"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Option<Args>, LoadError> {
        let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Args::parse(&args, 9_000)
    }

    fn scenario_of(line: &str) -> Scenario {
        parse(line).expect("it is right").expect("it asks for no help").scenario
    }

    fn refusal(line: &str) -> String {
        match parse(line) {
            Err(LoadError::Usage(text)) => text,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn defaults_stay_within_the_limit_on_open_files() {
        assert_eq!(scenario_of("idle"), Scenario::Idle { clients: 9_000, campaigns: 900, hold_s: 2 });
        assert_eq!(scenario_of("rooms"), Scenario::Rooms { rooms: 3_000, members: 3, sample: 100, commands: 2_000 });
        assert!(refusal("idle --clients 9001").contains("ulimit"));
        assert!(refusal("commands --campaigns 3001").contains("9003 connections"));
    }

    #[test]
    fn a_rate_is_a_number_or_max() {
        let rate = |line| match scenario_of(line) {
            Scenario::Fanout(fanout) => fanout.rate,
            other => panic!("{other:?}"),
        };
        assert_eq!(rate("fanout"), Rate::PerSecond(20.0));
        assert_eq!(rate("fanout --rate max"), Rate::Max);
        assert_eq!(rate("fanout --rate=0.5"), Rate::PerSecond(0.5));
        assert!(refusal("fanout --rate 0").contains("--rate 0"));
        assert!(refusal("fanout --rate fast").contains("--rate fast"));
        assert!(refusal("stall --rate max").contains("--rate max"));
    }

    #[test]
    fn an_option_that_nobody_knows_is_refused() {
        assert_eq!(refusal("connect --groups 3"), "--groups does not go with `load connect`");
        assert_eq!(refusal("connect --members"), "--members needs a value");
        assert_eq!(refusal("connect 1000"), "\"1000\" is not an option");
        assert_eq!(refusal("connect --members 10 --members 11"), "--members is given twice");
        assert!(refusal("connect --members 6000").contains("from 1 to 5000"));
        assert!(refusal("race").contains("no scenario"));
        assert!(refusal("").contains("--help"));
    }

    #[test]
    fn a_given_server_needs_tokens_and_campaigns() {
        let args = parse("connect --url http://h:1 --tokens t --campaign a --campaign b --pid 7").expect("it is right").expect("no help");
        let campaigns = vec!["a".to_owned(), "b".to_owned()];
        assert_eq!(args.server, ServerChoice::Given { url: "http://h:1".into(), tokens: "t".into(), campaigns, pid: Some(7) });
        assert!(refusal("connect --url http://h:1 --campaign a").contains("--tokens"));
        assert!(refusal("connect --url http://h:1 --tokens t").contains("--campaign"));
        assert!(refusal("connect --url http://h:1 --tokens t --campaign a --env A=1").contains("--env"));
    }

    #[test]
    fn settings_for_the_server_are_pairs() {
        let args = parse("connect --env WORKERS=1 --env A=b=c --map 5").expect("it is right").expect("no help");
        let env = vec![("WORKERS".to_owned(), "1".to_owned()), ("A".to_owned(), "b=c".to_owned())];
        assert_eq!(args.server, ServerChoice::Start { database_url: None, map_hexes: 5, env });
        assert!(refusal("connect --env WORKERS").contains("NAME=VALUE"));
    }

    #[test]
    fn messages_go_over_the_transport_that_is_named() {
        let form = |line| match scenario_of(line) {
            Scenario::Channel(channel) => channel.form,
            other => panic!("{other:?}"),
        };
        assert_eq!((form("channel"), form("channel --over ws"), form("channel --over socket.io")), (Form::Raw, Form::Raw, Form::SocketIo));
        assert!(refusal("channel --over polling").contains("socket.io"));
        assert!(refusal("messages --senders 3 --channels 4").contains("from 1 to 3"));
    }

    #[test]
    fn messaging_is_measured_on_every_transport_at_every_rate() {
        let runs = scenario_of("--messaging --members 50 --seconds 2").runs();
        let names: Vec<&str> = runs.iter().map(|(name, ..)| name.as_str()).collect();
        let expected = [
            "32 channels, ws",
            "32 channels, socket.io",
            "one channel, ws",
            "one channel, socket.io",
            "20/s, ws",
            "20/s, socket.io",
            "20/s, socket.io, no recovery",
            "max, ws",
            "max, socket.io",
            "max, socket.io, no recovery",
        ];
        assert_eq!(names, expected);
        assert!(runs.iter().all(|(name, _, env)| env.is_some() == name.ends_with("no recovery")));
    }

    #[test]
    fn circles_are_measured_over_one_transport_or_over_both() {
        let scenario = |line| match scenario_of(line) {
            Scenario::Circles(one) => (one.circles, one.members, one.form, one.interval),
            other => panic!("{other:?}"),
        };
        assert_eq!(scenario("circles"), (1_000, 5, Form::Raw, 5.0));
        assert_eq!(scenario("circles --rooms 3 --members 20 --interval 0.5 --over socket.io"), (3, 20, Form::SocketIo, 0.5));
        let runs = scenario_of("--circles --rooms 7").runs();
        assert_eq!(runs.iter().map(|(name, ..)| name.as_str()).collect::<Vec<_>>(), ["ws", "socket.io"]);
        assert!(runs.iter().all(|(.., one, _)| one.cast() == Cast::Circles { circles: 7, members: 5 }));
        assert!(refusal("circles --members 1").contains("from 2 to"));
        assert!(refusal("--circles --over ws").contains("--over"));
    }

    #[test]
    fn help_is_no_error() {
        assert_eq!(parse("--help").ok(), Some(None));
        assert_eq!(parse("fanout -h").ok(), Some(None));
    }
}
