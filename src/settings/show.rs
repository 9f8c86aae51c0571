//! The effective settings as text, a `NAME=value` line each, without secrets: what an operator may paste into a report.

use std::fmt::Display;
use std::time::Duration;

use super::Settings;
use super::secret::Secret;
use crate::store::pool::DatabaseUrl;

impl Settings {
    pub fn effective(&self) -> String {
        let lines: [(&str, String); 34] = [
            ("HOST", self.host.to_string()),
            ("PORT", self.port.to_string()),
            ("DATA_DIR", self.data_dir.display().to_string()),
            ("DATABASE_URL", database_url(&self.database_url)),
            ("DATABASE_POOL", self.database_pool.to_string()),
            ("MIGRATE", self.migrate.as_str().to_owned()),
            ("REDIS_URL", self.redis_url.as_ref().map_or("", |_| "(set)").to_owned()),
            ("CLUSTER", "auto".to_owned()),
            ("BETTER_AUTH_SECRET", if matches!(self.secret, Secret::Made) { "(made)" } else { "(set)" }.to_owned()),
            ("BETTER_AUTH_URL", optional(&self.base_url)),
            ("ALLOWED_ORIGINS", joined(&self.allowed_origins)),
            ("TRUSTED_PROXIES", joined(&self.trusted_proxies)),
            ("SIGN_UP", self.sign_up.as_str().to_owned()),
            ("AUTH_RATE_LIMIT", switch(self.auth_rate_limit)),
            ("RATE_LIMITS", switch(self.rate_limits)),
            ("WORKERS", self.workers.to_string()),
            ("METRICS_ADDR", optional(&self.metrics_addr)),
            ("MAX_CONNECTIONS", self.max_connections.to_string()),
            ("CONNECTION_STATE_RECOVERY", switch(self.connection_state_recovery)),
            ("PROTOCOL_TEST", switch(self.protocol_test)),
            ("MAP_TILE_URL", optional(&self.map_tile_url)),
            ("MAX_UPLOAD_BYTES", self.max_upload_bytes.to_string()),
            ("JOURNAL_RETENTION", duration(self.journal_retention)),
            ("LOG_FORMAT", self.log_format.as_str().to_owned()),
            ("RUST_LOG", self.log_filter.clone()),
            ("SHUTDOWN_TIMEOUT", duration(self.shutdown_timeout)),
            ("PING_INTERVAL", duration(self.ping_interval)),
            ("PING_TIMEOUT", duration(self.ping_timeout)),
            ("ROOM_IDLE", duration(self.room_idle)),
            ("RESUME_WINDOW", duration(self.resume_window)),
            ("LOCATION_RETENTION_DAYS", self.location_retention_days.to_string()),
            ("MAX_MESSAGE_BYTES", self.max_message_bytes.to_string()),
            ("SEND_QUEUE_BYTES", self.send_queue_bytes.to_string()),
            ("CONNECTIONS_PER_USER", self.connections_per_user.to_string()),
        ];
        lines.iter().map(|(name, value)| format!("{name}={value}\n")).collect()
    }
}

fn switch(on: bool) -> String {
    if on { "on" } else { "off" }.to_owned()
}

fn optional(value: &Option<impl Display>) -> String {
    value.as_ref().map(ToString::to_string).unwrap_or_default()
}

fn joined(values: &[impl Display]) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// In the largest unit that leaves a whole number.
fn duration(value: Duration) -> String {
    match value.as_millis() {
        ms if ms % 1_000 != 0 || ms == 0 => format!("{ms}ms"),
        ms if ms % 60_000 != 0 => format!("{}s", ms / 1_000),
        ms if ms % 3_600_000 != 0 => format!("{}m", ms / 60_000),
        ms => format!("{}h", ms / 3_600_000),
    }
}

/// The URL with `***` where a password is or might be.
pub(crate) fn database_url(url: &DatabaseUrl) -> String {
    match url {
        DatabaseUrl::Sqlite(path) => format!("sqlite://{}", path.display()),
        DatabaseUrl::Postgres(url) => mask(url),
    }
}

/// Takes the last `@` as the end of the user's part: a password with an unescaped `@` or `/` is hidden whole.
fn mask(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("postgres", url));
    let (user, rest) = match rest.rsplit_once('@') {
        None => (String::new(), rest),
        Some((user, rest)) => match user.split_once(':') {
            None => (format!("{user}@"), rest),
            Some((name, _)) => (format!("{name}:***@"), rest),
        },
    };
    let (place, parameters) = rest.split_once('?').map_or((rest, None), |(place, parameters)| (place, Some(parameters)));
    let parameters =
        parameters.map_or_else(String::new, |text| format!("?{}", text.split('&').map(mask_parameter).collect::<Vec<_>>().join("&")));
    format!("{scheme}://{user}{place}{parameters}")
}

fn mask_parameter(parameter: &str) -> String {
    match parameter.split_once('=') {
        Some((name, _)) if name.to_ascii_lowercase().contains("password") => format!("{name}=***"),
        _ => parameter.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::source::Source;

    #[test]
    fn what_is_shown_can_be_read_again() {
        let given = [
            ("ROOM_IDLE", "90s"),
            ("RESUME_WINDOW", "1h"),
            ("PING_TIMEOUT", "250ms"),
            ("TRUSTED_PROXIES", "::1,10.0.0.0/8"),
            ("MAX_UPLOAD_BYTES", "1MiB"),
        ];
        let first = Settings::from_source(&Source::of(&given)).unwrap().effective();
        let shown: Vec<_> = first.lines().filter_map(|line| line.split_once('=')).filter(|(_, value)| !value.starts_with('(')).collect();
        assert_eq!(Settings::from_source(&Source::of(&shown)).unwrap().effective(), first);
        assert!(first.contains("ROOM_IDLE=90s\n") && first.contains("RESUME_WINDOW=1h\n") && first.contains("PING_TIMEOUT=250ms\n"));
    }

    #[test]
    fn the_password_of_a_database_is_masked_wherever_it_stands() {
        assert_eq!(mask("postgres://ann:pw@db:5432/m?sslmode=require"), "postgres://ann:***@db:5432/m?sslmode=require");
        assert_eq!(mask("postgres://ann:p@s/w:d@db/m"), "postgres://ann:***@db/m");
        assert_eq!(mask("postgresql://db/m?user=ann&password=pw"), "postgresql://db/m?user=ann&password=***");
        assert_eq!(mask("postgres://ann@db/m"), "postgres://ann@db/m");
    }
}
