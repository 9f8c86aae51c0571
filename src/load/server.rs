//! The server under load: one that is started for the run, on its own database, or one that runs already.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::LoadError;
use super::args::{Cast, ServerChoice};
use super::process::Process;
use super::report::{Report, milliseconds};
use super::seed::{self, Campaign, Circle, Team};
use super::socket::Call;
use super::wire::Form;
use crate::protocol::time::Timestamp;

const START_PATIENCE: Duration = Duration::from_secs(30);
const STATUS_PATIENCE: Duration = Duration::from_secs(2);

/// Connections from one loopback address; it has 28,000 ports.
const CALLS_PER_ADDRESS: usize = 20_000;

const SOCKET_IO_PATH: &str = "/socket.io/?EIO=4&transport=websocket";

/// Who was written into the database.
enum People {
    Campaigns(Vec<Campaign>),
    Team(Team),
    Circles(Vec<Circle>),
}

pub struct Server {
    pub addr: SocketAddr,
    pub process: Option<Process>,
    pub campaigns: Vec<Campaign>,
    /// In place of campaigns.
    pub team: Option<Team>,
    /// In place of campaigns.
    pub circles: Vec<Circle>,
    /// Dropped last of all: what it started ends with it.
    started: Option<Started>,
}

impl Server {
    /// A server with the people that the scenario needs.
    pub fn open(choice: &ServerChoice, cast: Cast, report: &mut Report) -> Result<Self, LoadError> {
        match choice {
            ServerChoice::Start { database_url, map_hexes, env } => {
                let started = Started::prepare(database_url.clone(), env)?;
                let now = Timestamp::from_ms(chrono::Utc::now().timestamp_millis());
                let mut db = seed::connect(&started.database_url)?;
                let kind = started.database_url.split(':').next().unwrap_or_default();
                let people = match cast {
                    Cast::Campaigns { campaigns, members } => {
                        report.fact("server", format!("started on {kind}, {map_hexes} hexes a campaign"));
                        People::Campaigns(seed::seed(&mut db, campaigns, members, *map_hexes, now)?)
                    }
                    Cast::Team { channels, members } => {
                        report.fact("server", format!("started on {kind}"));
                        People::Team(seed::seed_team(&mut db, channels, members, now)?)
                    }
                    Cast::Circles { circles, members } => {
                        report.fact("server", format!("started on {kind}"));
                        People::Circles(seed::seed_circles(&mut db, circles, members, now)?)
                    }
                };
                if !env.is_empty() {
                    report.fact("server settings", env.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" "));
                }
                started.serve(people, report)
            }
            ServerChoice::Given { url, tokens, campaigns: ids, pid } => {
                let Cast::Campaigns { campaigns, members } = cast else {
                    return Err(LoadError::Usage(
                        "team messaging and circles are measured on a server that is started for it, without --url".into(),
                    ));
                };
                report.fact("server", url);
                let tokens = fs::read_to_string(tokens).map_err(|error| LoadError::Failed(format!("{}: {error}", tokens.display())))?;
                let tokens: Vec<&str> = tokens.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
                Ok(Self {
                    addr: address(url)?,
                    process: pid.map(Process::new),
                    campaigns: deal(ids, &tokens, campaigns, members)?,
                    team: None,
                    circles: Vec::new(),
                    started: None,
                })
            }
        }
    }

    /// How the members of a campaign call, its DM first. `callers` counts them, over all campaigns.
    pub fn calls(&self, campaign: &Campaign, callers: &mut usize) -> Vec<Call> {
        let path = format!("/ws?campaignId={}", campaign.id);
        let call = |token: &String| {
            let from = loopback(self.addr, *callers);
            *callers += 1;
            Call { addr: self.addr, from, path: path.clone(), form: Form::Raw, session_token: token.clone(), receive_buffer: None }
        };
        campaign.tokens.iter().map(call).collect()
    }

    /// How the members of the team call.
    pub fn team_calls(&self, form: Form) -> (Vec<Call>, &Team) {
        let team = self.team.as_ref().expect("a scenario of messages has a team for its cast");
        let path = match form {
            Form::Raw => format!("/ws?workspaceId={}", team.workspace),
            Form::SocketIo => SOCKET_IO_PATH.into(),
        };
        let call = |(caller, token): (usize, &String)| {
            let from = loopback(self.addr, caller);
            Call { addr: self.addr, from, path: path.clone(), form, session_token: token.clone(), receive_buffer: None }
        };
        (team.tokens.iter().enumerate().map(call).collect(), team)
    }

    /// How the members of the circles call, circle after circle.
    pub fn circle_calls(&self, form: Form) -> Vec<Call> {
        let everybody = self.circles.iter().flat_map(|circle| circle.tokens.iter().map(move |token| (circle, token)));
        let call = |(caller, (circle, token)): (usize, (&Circle, &String))| {
            let path = match form {
                Form::Raw => format!("/ws?circleId={}", circle.id),
                Form::SocketIo => SOCKET_IO_PATH.into(),
            };
            Call { addr: self.addr, from: loopback(self.addr, caller), path, form, session_token: token.clone(), receive_buffer: None }
        };
        everybody.enumerate().map(call).collect()
    }

    /// Positions that the database of the server holds.
    pub fn stored_positions(&self) -> Result<i64, LoadError> {
        let started = self.started.as_ref().expect("circles are measured on a server that was started for it");
        seed::count_positions(&mut seed::connect(&started.database_url)?)
    }

    /// The calls of everybody, campaign after campaign.
    pub fn all_calls(&self) -> Vec<Call> {
        let mut callers = 0;
        self.campaigns.iter().flat_map(|campaign| self.calls(campaign, &mut callers)).collect()
    }
}

/// Connections that the server at `addr` counts.
pub fn connections(addr: SocketAddr) -> Option<u64> {
    let mut stream = TcpStream::connect_timeout(&addr, STATUS_PATIENCE).ok()?;
    stream.set_read_timeout(Some(STATUS_PATIENCE)).ok()?;
    write!(stream, "GET /api/ws-status HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.take(64 * 1024).read_to_string(&mut answer).ok()?;
    let body = answer.split_once("\r\n\r\n")?.1;
    serde_json::from_str::<serde_json::Value>(body).ok()?["connections"].as_u64()
}

/// Where to call from when the usual address has no ports left. The kernel finds a port much sooner when it is not told an address.
fn loopback(to: SocketAddr, caller: usize) -> Option<IpAddr> {
    let address = u8::try_from(caller / CALLS_PER_ADDRESS).ok().filter(|&further| further > 0)?;
    (to.is_ipv4() && to.ip().is_loopback()).then_some(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 1 + address)))
}

fn address(url: &str) -> Result<SocketAddr, LoadError> {
    let wrong = || LoadError::Usage(format!("--url {url}: http://host:port is expected"));
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("ws://")).ok_or_else(wrong)?;
    let host = rest.split('/').next().unwrap_or_default();
    host.to_socket_addrs().ok().and_then(|mut found| found.next()).ok_or_else(wrong)
}

/// Deals the tokens out to the campaigns in equal runs.
fn deal(ids: &[String], tokens: &[&str], campaigns: usize, members: usize) -> Result<Vec<Campaign>, LoadError> {
    if ids.len() != campaigns || tokens.len() < campaigns * members {
        return Err(LoadError::Usage(format!(
            "{campaigns} campaigns with {members} members are asked for; given are {} campaigns and {} tokens",
            ids.len(),
            tokens.len()
        )));
    }
    let run = tokens.len() / ids.len();
    let campaign =
        |(id, run): (&String, &[&str])| Campaign { id: id.clone(), tokens: run[..members].iter().map(|&token| token.into()).collect() };
    Ok(ids.iter().zip(tokens.chunks(run)).map(campaign).collect())
}

/// A data directory, and the process that uses it. Both are gone when this is.
struct Started {
    directory: PathBuf,
    database_url: String,
    env: Vec<(String, String)>,
    child: Option<Child>,
}

impl Started {
    /// A directory, and the tables in the database.
    fn prepare(database_url: Option<String>, env: &[(String, String)]) -> Result<Self, LoadError> {
        let directory = std::env::temp_dir().join(format!("moothall-load-{}", Uuid::new_v4().simple()));
        fs::create_dir(&directory)?;
        let database_url = database_url.unwrap_or_else(|| format!("sqlite://{}", directory.join("moothall.db").display()));
        let started = Self { directory, database_url, env: env.to_vec(), child: None };
        let migrated = started.command(&["migrate", "up"])?.stdin(Stdio::null()).output()?;
        if !migrated.status.success() {
            let reason = String::from_utf8_lossy(&migrated.stderr);
            return Err(LoadError::Failed(format!("`moothall migrate up` failed: {}", reason.trim())));
        }
        Ok(started)
    }

    /// This same program. It runs in the data directory, so that no `.env` file of the caller's changes what is measured.
    fn command(&self, args: &[&str]) -> Result<Command, LoadError> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(args).current_dir(&self.directory);
        command.env("DATA_DIR", &self.directory).env("DATABASE_URL", &self.database_url).env("HOST", "127.0.0.1").env("PORT", "0");
        command.env("RATE_LIMITS", "off").env("AUTH_RATE_LIMIT", "off").env("RUST_LOG", "warn");
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }

    fn serve(mut self, people: People, report: &mut Report) -> Result<Server, LoadError> {
        let mut command = self.command(&["serve"])?;
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        end_with_parent(&mut command);
        let start = Instant::now();
        let child = self.child.insert(command.spawn()?);
        let (process, output) = (Process::new(child.id()), child.stdout.take().expect("it is piped"));
        let (tell, told) = mpsc::channel();
        // The thread reads to the end: a server whose output nobody takes would stop at a full pipe.
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let _ = ready_url(&line).map(|url| tell.send(url.to_owned()));
            }
        });
        let url = told
            .recv_timeout(START_PATIENCE)
            .map_err(|_| LoadError::Failed("the server did not become ready; what it said is above".into()))?;
        report.measure("start to ready", "ms", milliseconds(start.elapsed()));
        let (campaigns, team, circles) = match people {
            People::Campaigns(campaigns) => (campaigns, None, Vec::new()),
            People::Team(team) => (Vec::new(), Some(team), Vec::new()),
            People::Circles(circles) => (Vec::new(), None, circles),
        };
        Ok(Server { addr: address(&url)?, process: Some(process), campaigns, team, circles, started: Some(self) })
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
        remove(&self.directory);
    }
}

fn remove(directory: &Path) {
    if let Err(error) = fs::remove_dir_all(directory) {
        eprintln!("{} could not be removed: {error}", directory.display());
    }
}

fn ready_url(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once("ready on ")?;
    rest.split_whitespace().next()
}

/// A run that is killed must not leave its server behind.
#[cfg(target_os = "linux")]
fn end_with_parent(command: &mut Command) {
    // SAFETY: between fork and exec only this one system call is made, which allocates nothing and takes no lock.
    unsafe {
        command.pre_exec(|| match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        });
    }
}

#[cfg(not(target_os = "linux"))]
fn end_with_parent(_: &mut Command) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ready_line_tells_the_address_whatever_follows_it() {
        let line = "moothall ready on http://127.0.0.1:4711 (reachable from this machine only; HOST=0.0.0.0 for your network)";
        assert_eq!(ready_url(line), Some("http://127.0.0.1:4711"));
        assert_eq!(ready_url("starting"), None);
        assert_eq!(address("http://127.0.0.1:4711").ok(), Some(([127, 0, 0, 1], 4711).into()));
        assert!(address("https://127.0.0.1:4711").is_err());
    }

    #[test]
    fn tokens_are_dealt_out_in_equal_runs() {
        let ids = ["a", "b"].map(str::to_owned);
        let dealt = deal(&ids, &["1", "2", "3", "4", "5", "6"], 2, 2).expect("there are enough");
        assert_eq!(dealt.iter().map(|campaign| campaign.tokens.join("")).collect::<Vec<_>>(), ["12", "45"]);
        assert!(deal(&ids, &["1", "2", "3"], 2, 2).is_err());
        assert!(deal(&ids, &["1", "2", "3"], 1, 2).is_err());
    }

    #[test]
    fn many_callers_call_from_further_addresses_of_this_machine_and_only_there() {
        let here = ([127, 0, 0, 1], 80).into();
        assert_eq!(loopback(here, 19_999), None);
        assert_eq!(loopback(here, 20_000), Some([127, 0, 0, 2].into()));
        assert_eq!(loopback(([10, 0, 0, 1], 80).into(), 20_000), None);
    }
}
