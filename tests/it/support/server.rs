//! The real binary as a child process: started on a free port, killed, stopped, started again on the same data.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::postgres::TestDatabase;

/// How long a start or an end may take on a busy machine before the test gives up.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A running server with a data folder of its own.
pub struct Server {
    folder: TempDir,
    settings: Vec<(String, String)>,
    process: Option<Child>,
    port: u16,
    ready_line: String,
}

impl Server {
    /// A server on this database with boring settings.
    pub fn on(database: &TestDatabase) -> Self {
        Self::with(database, &[])
    }

    /// A server on this database; `settings` come on top of the boring ones.
    pub fn with(database: &TestDatabase, settings: &[(&str, &str)]) -> Self {
        let url = database.url();
        let mut all = vec![("DATABASE_URL", url.as_str())];
        all.extend(settings);
        Self::start(&all)
    }

    /// A server that has nothing but these settings and a data folder: with no `DATABASE_URL` it makes its own SQLite file there.
    pub fn start(settings: &[(&str, &str)]) -> Self {
        let folder = TempDir::with_prefix("moothall-server-").expect("the temporary folder can be written");
        let boring = [("AUTH_RATE_LIMIT", "off"), ("RUST_LOG", "info"), ("WORKERS", "2")];
        let settings = boring.iter().chain(settings).map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let mut server = Self { folder, settings, process: None, port: 0, ready_line: String::new() };
        server.launch();
        server
    }

    fn launch(&mut self) {
        let log = OpenOptions::new().create(true).append(true).open(self.log_path()).expect("the log can be written");
        let mut child = command(&self.data_dir())
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .env("PORT", self.port.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::from(log))
            .spawn()
            .expect("the binary runs");
        let said = lines_of(child.stdout.take().expect("standard output is a pipe"));
        self.process = Some(child);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let Ok(line) = said.recv_timeout(deadline.saturating_duration_since(Instant::now())) else {
                panic!("awaited `moothall ready on http://…` on standard output; it did not come. The log:\n{}", self.log());
            };
            if let Some(port) = port_of(&line) {
                (self.port, self.ready_line) = (port, line);
                return;
            }
        }
    }

    /// `http://127.0.0.1:PORT`
    pub fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("the server runs").id()
    }

    /// Memory that the process holds, in bytes.
    #[cfg(target_os = "linux")]
    pub fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("a child of ours has a status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a process has a resident size");
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("the resident size is a number of kB");
        kib * 1024
    }

    /// What it printed to standard output when it could be connected to.
    pub fn ready_line(&self) -> &str {
        &self.ready_line
    }

    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// All that its processes wrote to standard error so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// `kill -9`; returns when the process is gone.
    pub fn kill9(&mut self) {
        if let Some(mut child) = self.process.take() {
            child.kill().expect("a child of ours can be killed");
            child.wait().expect("a child of ours can be waited for");
        }
    }

    /// Sends SIGTERM without waiting.
    pub fn ask_to_stop(&self) {
        let pid = self.pid().try_into().expect("process ids fit");
        // SAFETY: the process is a child that was not waited for, so its id is still its own.
        unsafe { libc::kill(pid, libc::SIGTERM) };
    }

    /// SIGTERM; returns the exit code, `None` when a signal ended it.
    pub fn terminate(&mut self) -> Option<i32> {
        self.ask_to_stop();
        self.await_end()
    }

    /// Waits for the process to end by itself; returns the exit code.
    pub fn await_end(&mut self) -> Option<i32> {
        let child = self.process.take().expect("the server runs");
        await_end(child).unwrap_or_else(|| panic!("the server did not end within {PATIENCE:?}. The log:\n{}", self.log())).status.code()
    }

    /// Starts it again, on the same data and port. If it runs, it is killed first.
    pub fn restart(&mut self) {
        self.kill9();
        self.launch();
    }

    /// Starts it again with these settings on top.
    pub fn restart_with(&mut self, settings: &[(&str, &str)]) {
        self.settings.extend(settings.iter().map(|(name, value)| (name.to_string(), value.to_string())));
        self.restart();
    }

    /// Limits the size of every file that the running process writes from here on: a disk that is full. `None` lifts it.
    #[cfg(target_os = "linux")]
    pub fn limit_file_size(&self, bytes: Option<u64>) {
        let limit = libc::rlimit { rlim_cur: bytes.unwrap_or(libc::RLIM_INFINITY), rlim_max: libc::RLIM_INFINITY };
        let pid = self.pid().try_into().expect("process ids fit");
        // SAFETY: both pointers are valid or null, the process is our child.
        let outcome = unsafe { libc::prlimit(pid, libc::RLIMIT_FSIZE, &limit, std::ptr::null_mut()) };
        assert_eq!(outcome, 0, "the limits of a child can be set");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill9();
        if std::thread::panicking() {
            eprintln!("--- the server's log ---\n{}------------------------", self.log());
        }
    }
}

/// Runs the binary with these arguments and settings to its end. A folder of its own is its data folder unless `DATA_DIR` is among the settings.
pub fn run(arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    let folder = TempDir::with_prefix("moothall-run-").expect("the temporary folder can be written");
    let child = command(&folder.path().join("data"))
        .args(arguments)
        .env("PORT", "0")
        .envs(settings.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    await_end(child).unwrap_or_else(|| panic!("moothall {arguments:?} did not end within {PATIENCE:?}"))
}

/// Standard error as text.
pub fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The binary with nothing of this process's environment that could change what it does.
fn command(data_dir: &Path) -> Command {
    let parent = data_dir.parent().expect("a data folder lies in a folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_moothall"));
    command.env_clear().env("DATA_DIR", data_dir).env("RUST_BACKTRACE", "1").current_dir(parent);
    for kept in ["PATH", "HOME", "TMPDIR"] {
        command.envs(std::env::var_os(kept).map(|value| (kept, value)));
    }
    command
}

/// Waits with an overall deadline; after it the process is killed and there is no answer.
fn await_end(child: Child) -> Option<Output> {
    let pid = child.id().try_into().expect("process ids fit");
    let (done, outcome) = channel();
    std::thread::spawn(move || done.send(child.wait_with_output()));
    match outcome.recv_timeout(PATIENCE) {
        Ok(output) => Some(output.expect("a child of ours can be waited for")),
        Err(_) => {
            // SAFETY: the waiting thread has not reaped it yet, so the id is still its own.
            unsafe { libc::kill(pid, libc::SIGKILL) };
            None
        }
    }
}

fn port_of(line: &str) -> Option<u16> {
    let rest = line.strip_prefix("moothall ready on http://")?;
    let digits = rest.split_once(':')?.1;
    digits.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Reads to the end on a thread of its own, so that the server never blocks on a full pipe.
fn lines_of(pipe: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (to, from) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            // Nobody listens after the ready line; the pipe is read all the same.
            let _ = to.send(line);
        }
    });
    from
}

#[test]
fn the_ready_line_tells_the_port_whatever_follows_it() {
    assert_eq!(port_of("moothall ready on http://127.0.0.1:3000"), Some(3000));
    assert_eq!(port_of("moothall ready on http://127.0.0.1:41234 (reachable from this machine only)"), Some(41234));
    assert_eq!(port_of("something else"), None);
}
