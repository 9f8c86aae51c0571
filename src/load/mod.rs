//! `moothall load`: a load generator, in the same binary so that whoever runs a server can measure it on the machine that matters.
//!
//! It starts a server of its own, on a new database into which it writes people and campaigns, or is pointed at one that runs. One thread holds all
//! connections: the program shares the machine with the server, and what it takes is reported apart from what the server takes. It is bounded in
//! count and time, and leaves nothing behind but rows in a PostgreSQL database that it was given.
//!
//! | module | holds |
//! |---|---|
//! | `args`, `report`, `histogram` | what was asked for, what was found |
//! | `server`, `seed`, `process`, `meter` | the server under load: its start, its people, what it takes |
//! | `socket`, `swarm`, `wire` | the clients |
//! | `updates`, `orders`, `positions` | what the clients do |
//! | `join`, `fanout`, `commands`, `stall`, `rooms`, `messages`, `channel`, `circles` | the scenarios |

mod args;
mod channel;
mod circles;
mod commands;
mod fanout;
mod histogram;
mod join;
mod messages;
mod meter;
mod orders;
mod positions;
mod process;
mod report;
mod rooms;
mod seed;
mod server;
mod socket;
mod stall;
mod swarm;
mod updates;
mod wire;

use std::fmt;
use std::path::Path;
use std::thread::available_parallelism;
use std::time::Duration;

use crate::protocol::time::Timestamp;
use args::{Args, Run, Scenario, ServerChoice};
use report::Report;
use server::Server;

/// Descriptors that are not connections.
const OTHER_FILES: usize = 200;

#[derive(Debug)]
pub enum LoadError {
    /// The command line is wrong.
    Usage(String),
    /// The run could not be carried out, or showed what must not be.
    Failed(String),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::Usage(text) | LoadError::Failed(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for LoadError {}

impl From<std::io::Error> for LoadError {
    fn from(error: std::io::Error) -> Self {
        LoadError::Failed(error.to_string())
    }
}

/// Runs `moothall load` with the arguments behind that word. To be called on the main thread: a server that it starts dies with the thread.
pub fn main(args: Vec<String>) -> Result<(), LoadError> {
    let files = process::raise_open_files();
    // A server may have two descriptors for a connection, and one that is started has the same limit as we.
    let is_given = args.iter().any(|arg| arg == "--url" || arg.starts_with("--url="));
    let connections_max = (if is_given { files } else { files / 2 }).saturating_sub(OTHER_FILES);
    let Some(args) = Args::parse(&args, connections_max)? else {
        print!("{}", args::HELP);
        return Ok(());
    };
    let report = match &args.scenario.runs()[..] {
        [] => run(&args.scenario, &args.server)?,
        runs => run_all(&args, runs)?,
    };
    publish(&report, args.json.as_deref())?;
    match report.problems() {
        [] => Ok(()),
        [first, ..] => Err(LoadError::Failed(first.clone())),
    }
}

/// One after the other, each with a server of its own; the figures of all in one report.
fn run_all(args: &Args, runs: &[Run]) -> Result<Report, LoadError> {
    let mut whole = begin(&args.scenario);
    // On a given database the next server finds the last one's secret, which is to be its own.
    let secret = ("BETTER_AUTH_SECRET".to_owned(), format!("{0}{0}", uuid::Uuid::new_v4().simple()));
    for (name, scenario, setting) in runs {
        let mut choice = args.server.clone();
        if let ServerChoice::Start { env, .. } = &mut choice {
            env.insert(0, secret.clone());
            env.extend(setting.map(|(name, value)| (name.to_owned(), value.to_owned())));
        }
        whole.put_beside(name, run(scenario, &choice)?);
    }
    Ok(whole)
}

fn begin(scenario: &Scenario) -> Report {
    let mut report = Report::new(scenario.name());
    let now = chrono::Utc::now().timestamp_millis();
    let (processor, kernel) = process::machine();
    report.fact("date", Timestamp::from_ms(now));
    report.fact("machine", format!("{} cores, {processor}, {kernel}", available_parallelism().map_or(1, usize::from)));
    let build = if cfg!(debug_assertions) { "debug: its figures mean little" } else { "release" };
    report.fact("moothall", format!("{} ({build})", env!("CARGO_PKG_VERSION")));
    report.fact("settings", scenario.settings());
    report
}

fn run(scenario: &Scenario, choice: &ServerChoice) -> Result<Report, LoadError> {
    let mut report = begin(scenario);
    let now = chrono::Utc::now().timestamp_millis();
    let server = Server::open(choice, scenario.cast(), &mut report)?;
    // Whole seconds, with room for ten thousand updates in each, within nine digits.
    let base = (now / 1_000 % 90_000) as u64 * 10_000;
    let seconds = Duration::from_secs;
    match *scenario {
        Scenario::Idle { clients, hold_s, .. } => join::run(&server, clients, seconds(hold_s), &mut report),
        Scenario::Connect { members } => join::run(&server, members, seconds(2), &mut report),
        Scenario::Fanout(ref fanout) => fanout::run(&server, fanout, base, &mut report),
        Scenario::Commands { inflight, hexes, rate, seconds: s, .. } => {
            commands::run(&server, &commands::Commands { inflight, hexes, rate, duration: seconds(s) }, &mut report)
        }
        Scenario::Stall { stalled, rate, size, seconds: s, before_s, .. } => {
            let stall = stall::Stall { stalled, rate, size, before: seconds(before_s), during: seconds(s) };
            stall::run(&server, &stall, base, &mut report)
        }
        Scenario::Rooms { sample, commands, .. } => rooms::run(&server, sample, commands, &mut report),
        Scenario::Messages { form, inflight, size, rate, seconds: s, .. } => {
            messages::run(&server, &messages::Writing { form, inflight, rate, size, duration: seconds(s) }, &mut report)
        }
        Scenario::Channel(ref channel) => channel::run(&server, channel, base, &mut report),
        Scenario::Circles(ref circles) => circles::run(&server, circles, &mut report),
        Scenario::Messaging { .. } | Scenario::EveryCircles(_) => unreachable!("it is carried out run by run"),
    }?;
    Ok(report)
}

fn publish(report: &Report, json: Option<&Path>) -> Result<(), LoadError> {
    match json {
        Some(path) if path == "-" => println!("{:#}", report.json()),
        Some(path) => {
            print!("{}", report.table());
            std::fs::write(path, format!("{:#}\n", report.json()))?;
        }
        None => print!("{}", report.table()),
    }
    Ok(())
}
