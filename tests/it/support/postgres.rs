//! PostgreSQL for the tests: one server for the whole run, a fresh database for each test, private servers for tests that stop theirs.
//!
//! Nothing is left behind however the run ends: a shell waits on a pipe that only this process holds, and when it closes (also after a
//! panic, ctrl-c or kill -9) the shell stops PostgreSQL at once and deletes its folder.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use diesel::{Connection, PgConnection, RunQueryDsl};
use tempfile::TempDir;

/// How long a start may take on a busy machine before the test gives up.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// Ports that another process took between the choice and the start: how often another one is tried.
const PORT_TRIES: u32 = 5;

/// A database of one test, on either kind. The data are gone when it is dropped (SQLite) or when the run ends (PostgreSQL).
pub enum TestDatabase {
    Sqlite(TempDir),
    Postgres(String),
}

impl TestDatabase {
    /// An SQLite file that does not exist yet, in a folder of its own.
    pub fn sqlite() -> Self {
        Self::Sqlite(TempDir::with_prefix("moothall-sqlite-").expect("the temporary folder can be written"))
    }

    /// A fresh, empty database on the run's own PostgreSQL.
    pub fn postgres() -> Self {
        Self::Postgres(database())
    }

    /// What to put into `DATABASE_URL`.
    pub fn url(&self) -> String {
        match self {
            Self::Sqlite(folder) => format!("sqlite://{}", folder.path().join("moothall.db").display()),
            Self::Postgres(url) => url.clone(),
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "SQLite",
            Self::Postgres(_) => "PostgreSQL",
        }
    }

    pub fn is_postgres(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }
}

/// Runs one contract on both databases, a fresh one each. The database's name is printed first, so that a failure tells where it was.
pub fn both(contract: impl Fn(&TestDatabase)) {
    for database in [TestDatabase::sqlite(), TestDatabase::postgres()] {
        eprintln!("on {}:", database.name());
        contract(&database);
    }
}

/// Makes a fresh, empty database on the run's own PostgreSQL and gives its URL. The first call starts the server.
pub fn database() -> String {
    static SHARED: OnceLock<Postgres> = OnceLock::new();
    SHARED.get_or_init(|| Postgres::start(Sync::Off)).database()
}

/// Whether commits reach the disk. `Off` is several times faster and loses nothing unless the machine itself stops.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    On,
    Off,
}

/// One PostgreSQL server on 127.0.0.1, in a folder of its own.
pub struct Postgres {
    binaries: PathBuf,
    data: PathBuf,
    port: u16,
    sync: Sync,
    process: Mutex<Option<Child>>,
    /// Its standard input is the pipe whose end tells that this process is gone.
    watchdog: Child,
}

impl Postgres {
    /// Makes a new cluster and starts it.
    pub fn start(sync: Sync) -> Self {
        let binaries = find_binaries();
        let folder = TempDir::with_prefix("moothall-postgres-").expect("the temporary folder can be written").keep();
        let data = folder.join("data");
        let watchdog = watch_over(&folder);
        if let Some((uid, gid)) = unprivileged_user() {
            chown(&folder, Some(uid), Some(gid)).expect("root may give a folder away");
        }
        init(&binaries, &data);
        let mut server = Self { binaries, data, port: 0, sync, process: Mutex::new(None), watchdog };
        for _ in 0..PORT_TRIES {
            server.port = free_port();
            match server.launch() {
                Ok(()) => return server,
                Err(log) if log.contains("could not bind") => continue,
                Err(log) => panic!("PostgreSQL did not start:\n{log}"),
            }
        }
        panic!("PostgreSQL found no free port on 127.0.0.1 in {PORT_TRIES} tries");
    }

    /// Makes a fresh, empty database and gives its URL.
    pub fn database(&self) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let mut admin = PgConnection::establish(&self.url("postgres")).expect("PostgreSQL is up");
        diesel::sql_query(format!("CREATE DATABASE {name} TEMPLATE template0")).execute(&mut admin).expect("a new name can be created");
        self.url(&name)
    }

    fn url(&self, name: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{name}", self.port)
    }

    /// Stops it at once, as a crash of the machine would: connections break, nothing is said to them. Returns when the process is gone.
    pub fn stop(&self) {
        let mut process = self.process.lock().expect("no test panics while it holds the process");
        if let Some(mut child) = process.take() {
            signal(child.id(), libc::SIGQUIT);
            child.wait().expect("a child of ours can be waited for");
        }
    }

    /// Starts it again after [`Postgres::stop`], on the same port with the same data.
    pub fn start_again(&self) {
        if let Err(log) = self.launch() {
            panic!("PostgreSQL did not start again:\n{log}");
        }
    }

    /// Gives what the server said when it ends before it accepts connections.
    fn launch(&self) -> Result<(), String> {
        let on_off = if self.sync == Sync::On { "on" } else { "off" };
        let mut command = Command::new(self.binaries.join("postgres"));
        command.arg("-D").arg(&self.data).args(["-p", &self.port.to_string()]);
        for setting in [
            "listen_addresses=127.0.0.1".to_owned(),
            "unix_socket_directories=".to_owned(),
            "max_connections=300".to_owned(),
            "shared_buffers=32MB".to_owned(),
            "lc_messages=C".to_owned(),
            "logging_collector=off".to_owned(),
            format!("fsync={on_off}"),
            format!("full_page_writes={on_off}"),
        ] {
            command.args(["-c", &setting]);
        }
        let mut child = as_unprivileged(&mut command)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("the postgres binary runs");
        let said = lines_of(child.stderr.take().expect("standard error is a pipe"));
        let outcome = await_ready(&said);
        if outcome.is_err() {
            signal(child.id(), libc::SIGQUIT);
            child.wait().expect("a child of ours can be waited for");
            return outcome;
        }
        *self.process.lock().expect("no test panics while it holds the process") = Some(child);
        Ok(())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
        drop(self.watchdog.stdin.take());
        // The shell has only a folder left to delete; it is reaped so that a long run collects no zombies.
        let _ = self.watchdog.wait();
    }
}

fn await_ready(said: &Receiver<String>) -> Result<(), String> {
    let deadline = Instant::now() + START_TIMEOUT;
    let mut log = String::new();
    loop {
        match said.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) if line.contains("database system is ready to accept connections") => return Ok(()),
            Ok(line) => log += &(line + "\n"),
            Err(RecvTimeoutError::Disconnected) => return Err(log),
            Err(RecvTimeoutError::Timeout) => return Err(format!("{log}(not ready after {START_TIMEOUT:?})")),
        }
    }
}

/// Reads to the end on a thread of its own, so that the writer never blocks on a full pipe.
fn lines_of(pipe: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (to, from) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            // Nobody listens after the start; the pipe is read all the same.
            let _ = to.send(line);
        }
    });
    from
}

fn init(binaries: &Path, data: &Path) {
    let mut command = Command::new(binaries.join("initdb"));
    command.args(["--auth=trust", "-E", "UTF8", "--locale=C", "--no-sync", "-U", "postgres", "-D"]).arg(data);
    let output = as_unprivileged(&mut command).stdin(Stdio::null()).output().expect("the initdb binary runs");
    assert!(output.status.success(), "initdb failed:\n{}", String::from_utf8_lossy(&output.stderr));
}

/// The shell that outlives this process for a moment. It is in a process group of its own, out of reach of a ctrl-c.
fn watch_over(folder: &Path) -> Child {
    let script = r#"cat >/dev/null
        read pid < "$0/data/postmaster.pid" && kill -QUIT "$pid" && while kill -0 "$pid"; do sleep 0.05; done
        rm -rf "$0""#;
    Command::new("sh")
        .args(["-c", script])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("every machine has sh")
}

fn find_binaries() -> PathBuf {
    let from_setting = std::env::var_os("PG_BIN").map(PathBuf::from);
    let mut from_debian: Vec<PathBuf> =
        fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path().join("bin")).collect();
    let version = |bin: &PathBuf| -> Option<u32> { bin.parent()?.file_name()?.to_str()?.parse().ok() };
    from_debian.sort_by_key(|bin| std::cmp::Reverse(version(bin)));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let holds_postgres = |bin: &PathBuf| bin.join("initdb").exists() && bin.join("postgres").exists();
    from_setting.into_iter().chain(from_debian).chain(std::env::split_paths(&path)).find(holds_postgres).unwrap_or_else(|| {
        panic!(
            "These tests need the PostgreSQL server and found no initdb in $PG_BIN, /usr/lib/postgresql/*/bin or PATH. \
             On Debian: apt-get install postgresql"
        )
    })
}

/// PostgreSQL refuses to run as root; root runs it as `postgres`, or as `nobody` where there is no such user.
fn unprivileged_user() -> Option<(u32, u32)> {
    // SAFETY: geteuid has no preconditions.
    if unsafe { libc::geteuid() } != 0 {
        return None;
    }
    let passwd = fs::read_to_string("/etc/passwd").expect("a Unix machine has /etc/passwd");
    let find = |name: &str| {
        let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut ids = line.split(':').skip(2).map_while(|id| id.parse().ok());
        ids.next().zip(ids.next())
    };
    Some(find("postgres").or_else(|| find("nobody")).expect("root needs a user `postgres` or `nobody` to run PostgreSQL as"))
}

fn as_unprivileged(command: &mut Command) -> &mut Command {
    match unprivileged_user() {
        Some((uid, gid)) => command.current_dir("/").uid(uid).gid(gid),
        None => command,
    }
}

fn signal(pid: u32, signal: i32) {
    // SAFETY: the process is a child that was not waited for, so its id is still its own.
    unsafe { libc::kill(pid.try_into().expect("process ids fit"), signal) };
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("127.0.0.1 has a free port").port()
}

mod tests {
    use super::*;

    #[derive(diesel::QueryableByName)]
    struct One {
        #[diesel(sql_type = diesel::sql_types::Integer)]
        one: i32,
    }

    fn ask(url: &str) -> Option<i32> {
        let mut connection = PgConnection::establish(url).ok()?;
        diesel::sql_query("SELECT 1 AS one").get_result::<One>(&mut connection).ok().map(|row| row.one)
    }

    #[test]
    fn each_test_gets_a_database_of_its_own() {
        let (first, second) = (database(), database());
        assert_ne!(first, second);
        assert_eq!((ask(&first), ask(&second)), (Some(1), Some(1)));
    }

    #[test]
    fn a_private_server_can_be_stopped_and_started_again() {
        let server = Postgres::start(Sync::On);
        let url = server.database();
        server.stop();
        assert_eq!(ask(&url), None);
        server.start_again();
        assert_eq!(ask(&url), Some(1));
    }
}
