//! The settings of a process, read once at its start from the environment.
//!
//! Everything is parsed here: past this module a duration is a `Duration` and an address is an address. A value that cannot be read names its
//! variable and ends the start; the value of a secret is never part of what is said. Variables that this module does not name are left alone.
//!
//! | module | what it does |
//! |---|---|
//! | [`source`] | where a value comes from: the environment, `.env`, `NAME_FILE` |
//! | [`value`] | how a text becomes a value |
//! | [`secret`] | the secret that signs cookies, and texts that must not be shown |
//! | [`show`] | the effective settings as text |
//! | [`data_dir`] | the data directory, and the lock on it |
//! | [`descriptors`] | the limit of open files, from which the limit of connections follows |

pub mod data_dir;
pub mod descriptors;
pub mod secret;
pub mod show;
pub mod source;
pub mod value;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use crate::store::pool::DatabaseUrl;
use secret::{Secret, SecretText};
use source::Source;
pub use value::{Host, LogFormat, Migrate, Origin, SignUp};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
const MINUTE: Duration = Duration::from_secs(60);

/// The longest of the durations: what is longer is a slip of the keyboard.
const DURATION_MAX: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

#[derive(Clone)]
pub struct Settings {
    pub host: Host,
    /// 0 takes a free one.
    pub port: u16,
    pub data_dir: PathBuf,
    pub database_url: DatabaseUrl,
    /// Connections to the database, and threads that use them.
    pub database_pool: u32,
    pub migrate: Migrate,
    /// Use [`Settings::session_secret`] for the text.
    pub secret: Secret,
    /// The origin of `BETTER_AUTH_URL`, `https://play.example.org`: without path, default port and final slash.
    pub base_url: Option<Origin>,
    pub allowed_origins: Vec<Origin>,
    pub trusted_proxies: Vec<IpNet>,
    pub sign_up: SignUp,
    pub auth_rate_limit: bool,
    pub rate_limits: bool,
    pub workers: usize,
    pub metrics_addr: Option<SocketAddr>,
    pub max_connections: usize,
    pub connection_state_recovery: bool,
    pub protocol_test: bool,
    pub map_tile_url: Option<String>,
    pub max_upload_bytes: usize,
    /// Never shorter than `resume_window`.
    pub journal_retention: Duration,
    pub log_format: LogFormat,
    /// The filter of `RUST_LOG`.
    pub log_filter: String,
    pub shutdown_timeout: Duration,
    pub ping_interval: Duration,
    pub ping_timeout: Duration,
    pub room_idle: Duration,
    pub resume_window: Duration,
    pub location_retention_days: u32,
    pub max_message_bytes: usize,
    /// Bytes that may wait for one client behind the frame being written.
    pub send_queue_bytes: usize,
    pub connections_per_user: usize,
    /// The bus between nodes: read, so that it can be said that it is not used.
    redis_url: Option<SecretText>,
}

/// Without secrets.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.effective())
    }
}

/// A setting that cannot be used, with the variable's name. It never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsError {
    pub name: String,
    pub problem: String,
}

impl SettingsError {
    pub fn new(name: &str, problem: impl Into<String>) -> Self {
        Self { name: name.to_owned(), problem: problem.into() }
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.problem)
    }
}

impl std::error::Error for SettingsError {}

impl Settings {
    /// Reads the environment, and `.env` in the working directory for what the environment leaves open.
    pub fn from_env() -> Result<Self, SettingsError> {
        Self::from_source(&Source::process()?)
    }

    pub fn from_source(source: &Source) -> Result<Self, SettingsError> {
        let data_dir = source.text("DATA_DIR")?.map_or_else(|| PathBuf::from("./data"), PathBuf::from);
        let database_url = match source.secret("DATABASE_URL")? {
            Some(url) => value::database_url(&url).map_err(|problem| SettingsError::new("DATABASE_URL", problem))?,
            None => DatabaseUrl::Sqlite(data_dir.join("moothall.db")),
        };
        let pool_default = if matches!(database_url, DatabaseUrl::Postgres(_)) { 8 } else { 4 };
        let resume_window = source.read("RESUME_WINDOW", 2 * MINUTE, |t| value::duration(t, Duration::ZERO, DURATION_MAX))?;
        let journal_retention =
            source.read("JOURNAL_RETENTION", Duration::from_secs(24 * 3600), |t| value::duration(t, Duration::ZERO, DURATION_MAX))?;
        let a_while = |text: &str| value::duration(text, Duration::ZERO, DURATION_MAX);
        let a_beat = |text: &str| value::duration(text, Duration::from_millis(10), DURATION_MAX);

        let settings = Self {
            host: source.read("HOST", Host::LOOPBACK, Host::parse)?,
            port: source.read("PORT", 3000, |t| value::number(t, 0, 65_535))?,
            database_pool: source.read("DATABASE_POOL", pool_default, |t| value::number(t, 1, 256))?,
            migrate: source.read("MIGRATE", Migrate::Auto, Migrate::parse)?,
            secret: Secret::given(source)?,
            base_url: source.read("BETTER_AUTH_URL", None, |t| Origin::of_base_url(t).map(Some))?,
            allowed_origins: source.read("ALLOWED_ORIGINS", Vec::new(), |t| value::list(t, Origin::parse))?,
            trusted_proxies: source.read("TRUSTED_PROXIES", Vec::new(), |t| value::list(t, value::network))?,
            sign_up: source.read("SIGN_UP", SignUp::Open, SignUp::parse)?,
            auth_rate_limit: source.read("AUTH_RATE_LIMIT", true, value::switch)?,
            rate_limits: source.read("RATE_LIMITS", true, value::switch)?,
            workers: source.read("WORKERS", cores(), |t| value::number(t, 1, 1024))?,
            metrics_addr: source.read("METRICS_ADDR", None, |t| value::socket_address(t).map(Some))?,
            max_connections: source.read("MAX_CONNECTIONS", descriptors::connections_max_default(), |t| value::number(t, 1, 10_000_000))?,
            connection_state_recovery: source.read("CONNECTION_STATE_RECOVERY", true, value::switch)?,
            protocol_test: source.read("PROTOCOL_TEST", false, value::switch)?,
            map_tile_url: source.read("MAP_TILE_URL", None, |t| value::web_address(t).map(Some))?,
            max_upload_bytes: source.read("MAX_UPLOAD_BYTES", 16 * MIB, |t| value::size(t, 1, 1024 * MIB))?,
            journal_retention: journal_retention.max(resume_window),
            log_format: source.read("LOG_FORMAT", LogFormat::Text, LogFormat::parse)?,
            log_filter: source.read("RUST_LOG", "info".to_owned(), value::log_filter)?,
            shutdown_timeout: source.read("SHUTDOWN_TIMEOUT", Duration::from_secs(10), a_while)?,
            ping_interval: source.read("PING_INTERVAL", Duration::from_secs(25), a_beat)?,
            ping_timeout: source.read("PING_TIMEOUT", Duration::from_secs(20), a_beat)?,
            room_idle: source.read("ROOM_IDLE", MINUTE, a_while)?,
            location_retention_days: source.read("LOCATION_RETENTION_DAYS", 30, |t| value::number(t, 1, 36_500))?,
            max_message_bytes: source.read("MAX_MESSAGE_BYTES", 256 * KIB, |t| value::size(t, KIB, 64 * MIB))?,
            send_queue_bytes: source.read("SEND_QUEUE_BYTES", MIB, |t| value::size(t, 4 * KIB, 1024 * MIB))?,
            connections_per_user: source.read("CONNECTIONS_PER_USER", 20, |t| value::number(t, 1, 1_000_000))?,
            redis_url: source.secret("REDIS_URL")?.map(SecretText::new),
            data_dir,
            database_url,
            resume_window,
        };
        settings.check(source)?;
        Ok(settings)
    }

    /// The rules that concern more than one setting.
    fn check(&self, source: &Source) -> Result<(), SettingsError> {
        if self.protocol_test && !self.host.is_loopback() {
            return Err(SettingsError::new("PROTOCOL_TEST", "is for tests on this machine: it needs a loopback HOST, such as 127.0.0.1"));
        }
        if source.read("CLUSTER", false, value::cluster_is_required)? {
            return Err(SettingsError::new("CLUSTER", "`required` cannot be met: this version runs as one node"));
        }
        Ok(())
    }

    /// The text that signs cookies: the given one, or the one in the data directory, which is made when it is missing.
    pub fn session_secret(&self) -> Result<String, SettingsError> {
        self.secret.text(&self.data_dir)
    }

    /// What the operator should know although it hinders nothing, a line each.
    pub fn warnings(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.redis_url.is_some() {
            lines.push("REDIS_URL is set but not used: this version runs as one node".to_owned());
        }
        if self.secret.is_short() {
            lines.push(format!("BETTER_AUTH_SECRET is shorter than {} characters: sessions could be forged", secret::CHARS_ADVISED));
        }
        lines
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        Settings::from_source(&Source::of(variables))
    }

    fn problem(variables: &[(&str, &str)]) -> String {
        read(variables).expect_err("the setting is refused").to_string()
    }

    #[test]
    fn with_nothing_set_the_defaults_hold() {
        let settings = read(&[]).unwrap();
        assert_eq!((settings.host.to_string().as_str(), settings.port), ("127.0.0.1", 3000));
        assert_eq!(settings.database_url, DatabaseUrl::Sqlite(PathBuf::from("./data/moothall.db")));
        assert_eq!((settings.database_pool, settings.migrate, settings.sign_up), (4, Migrate::Auto, SignUp::Open));
        assert_eq!((settings.ping_interval, settings.ping_timeout), (Duration::from_secs(25), Duration::from_secs(20)));
        assert_eq!((settings.room_idle, settings.resume_window), (MINUTE, 2 * MINUTE));
        assert_eq!(settings.journal_retention, Duration::from_secs(86_400));
        assert_eq!((settings.max_message_bytes, settings.max_upload_bytes, settings.send_queue_bytes), (262_144, 16_777_216, 1_048_576));
        assert_eq!((settings.connections_per_user, settings.location_retention_days), (20, 30));
        assert!(settings.auth_rate_limit && settings.rate_limits && settings.connection_state_recovery && !settings.protocol_test);
        assert!(settings.metrics_addr.is_none() && settings.base_url.is_none() && settings.map_tile_url.is_none());
        assert!(settings.warnings().is_empty());
    }

    #[test]
    fn an_empty_value_counts_as_unset() {
        assert_eq!(read(&[("PORT", ""), ("BETTER_AUTH_URL", "")]).unwrap().port, 3000);
    }

    #[test]
    fn the_pool_follows_the_kind_of_database() {
        assert_eq!(read(&[("DATABASE_URL", "postgres://localhost/moothall")]).unwrap().database_pool, 8);
        assert_eq!(read(&[("DATABASE_URL", "postgres://localhost/moothall"), ("DATABASE_POOL", "3")]).unwrap().database_pool, 3);
        assert!(read(&[("DATABASE_POOL", "0")]).is_err());
    }

    #[test]
    fn an_unreadable_value_names_its_variable_and_its_problem() {
        assert_eq!(problem(&[("PORT", "70000")]), "PORT: `70000` is not a whole number from 0 to 65535");
        assert_eq!(problem(&[("ROOM_IDLE", "60")]), "ROOM_IDLE: `60` is not a duration such as 300ms, 10s, 5m or 24h");
        assert_eq!(problem(&[("SIGN_UP", "maybe")]), "SIGN_UP: `maybe` is not one of open, invited, closed");
        assert_eq!(
            problem(&[("TRUSTED_PROXIES", "10.0.0.1, proxy")]),
            "TRUSTED_PROXIES: `proxy` is not an address or a network such as 10.0.0.0/8"
        );
    }

    #[test]
    fn the_value_of_a_secret_is_in_no_error_and_in_no_debug_output() {
        assert!(!problem(&[("DATABASE_URL", "mysql://u:hunter2@h/db")]).contains("hunter2"));
        let settings = read(&[
            ("DATABASE_URL", "postgres://u:hunter2@h/db"),
            ("BETTER_AUTH_SECRET", "hunter2-hunter2-hunter2-hunter2-hunter2"),
            ("REDIS_URL", "redis://:hunter2@h"),
        ])
        .unwrap();
        assert!(!format!("{settings:?}").contains("hunter2"), "{settings:?}");
        assert!(!settings.effective().contains("hunter2"), "{}", settings.effective());
    }

    #[test]
    fn the_protocol_test_runs_on_a_loopback_address_only() {
        assert!(read(&[("PROTOCOL_TEST", "1")]).unwrap().protocol_test);
        assert!(read(&[("PROTOCOL_TEST", "1"), ("HOST", "::1")]).is_ok());
        assert!(problem(&[("PROTOCOL_TEST", "1"), ("HOST", "0.0.0.0")]).starts_with("PROTOCOL_TEST: "));
    }

    #[test]
    fn one_node_refuses_a_required_cluster_and_warns_of_a_bus() {
        assert!(problem(&[("CLUSTER", "required")]).contains("one node"));
        assert_eq!(read(&[("CLUSTER", "auto"), ("REDIS_URL", "redis://h")]).unwrap().warnings().len(), 1);
    }

    #[test]
    fn the_journal_is_kept_at_least_as_long_as_clients_may_resume() {
        let settings = read(&[("JOURNAL_RETENTION", "1s"), ("RESUME_WINDOW", "5m")]).unwrap();
        assert_eq!(settings.journal_retention, 5 * MINUTE);
    }
}
