//! How the text of a setting becomes a value. Each function's error says what is wrong with the text and what would be right.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;

use crate::store::pool::DatabaseUrl;

/// An enum of which each value has one word.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            pub(super) fn parse(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(format!("`{text}` is not one of {}", [$($word),+].join(", "))),
                }
            }

            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
    };
}

words!(/// Who may make an account.
SignUp {
    Open = "open",
    /// An e-mail with a pending invitation, or a code of an invite link.
    Invited = "invited",
    Closed = "closed",
});
words!(/// What a start does with an old schema.
    Migrate { Auto = "auto", Check = "check" });
words!(LogFormat { Text = "text", Json = "json" });
words!(Cluster { Auto = "auto", Required = "required" });

pub(super) fn cluster_is_required(text: &str) -> Result<bool, String> {
    Ok(Cluster::parse(text)? == Cluster::Required)
}

/// An address or a name to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    Ip(IpAddr),
    Name(String),
}

impl Host {
    pub(super) const LOOPBACK: Self = Self::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST));

    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        if let Ok(ip) = bare.parse() {
            return Ok(Self::Ip(ip));
        }
        match host_name(text) {
            true => Ok(Self::Name(text.to_ascii_lowercase())),
            false => Err(format!("`{text}` is not an address or a host name")),
        }
    }

    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Ip(ip) => ip.is_loopback(),
            Self::Name(name) => name == "localhost",
        }
    }

    /// As it stands in a URL: an IPv6 address in brackets.
    pub fn in_url(&self) -> String {
        match self {
            Self::Ip(IpAddr::V6(ip)) => format!("[{ip}]"),
            other => other.to_string(),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => ip.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

fn host_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= 253 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
}

/// The error does not repeat the text, which may hold a password. What libpq would refuse with a message that quotes a part of the URL is
/// refused here: a password whose special characters were not escaped would be that part.
pub(super) fn database_url(text: &str) -> Result<DatabaseUrl, String> {
    let url = DatabaseUrl::parse(text.trim()).map_err(|problem| problem.to_string())?;
    if let DatabaseUrl::Postgres(text) = &url {
        let hint = "special characters of a password are written %2F for /, %3A for :, %40 for @, %25 for %";
        let rest = text.split_once("://").map_or("", |(_, rest)| rest);
        let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
        let hosts = authority.rsplit_once('@').map_or(authority, |(_, hosts)| hosts);
        if !hosts.split(',').all(has_plain_port) {
            return Err(format!("has a port that is not a number ({hint})"));
        }
        if !text.split('%').skip(1).all(|rest| rest.get(..2).is_some_and(|hex| hex != "00" && hex.bytes().all(|b| b.is_ascii_hexdigit()))) {
            return Err(format!("has a % without two hexadecimal digits ({hint})"));
        }
    }
    Ok(url)
}

fn has_plain_port(host: &str) -> bool {
    let after_host = host.rsplit_once(']').map_or(host, |(_, rest)| rest);
    after_host.split_once(':').is_none_or(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()))
}

/// `scheme://host[:port]` in lower case without the scheme's default port: as browsers send it, so that comparing texts is enough.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin(String);

impl Origin {
    /// An origin, with or without a final slash. Schemes of apps (`capacitor://localhost`) are origins, too.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (origin, path) = Self::split(text)?;
        match path {
            "" | "/" => Ok(origin),
            _ => Err(format!("`{text}` has a path: an origin is only scheme://host:port")),
        }
    }

    /// The origin of a URL of http or https.
    pub(super) fn of_base_url(text: &str) -> Result<Self, String> {
        let (origin, _) = Self::split(text)?;
        let is_web = origin.0.starts_with("http://") || origin.0.starts_with("https://");
        is_web.then_some(origin).ok_or_else(|| format!("`{text}` starts with neither http:// nor https://"))
    }

    fn split(text: &str) -> Result<(Self, &str), String> {
        let wrong = || format!("`{text}` is not an origin such as https://play.example.org");
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port.parse::<u16>().map_err(|_| wrong())?)),
            _ => (authority, None),
        };
        let is_ipv6 = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).is_some_and(|h| h.parse::<std::net::Ipv6Addr>().is_ok());
        let scheme_fits = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
        if !scheme_fits || !(is_ipv6 || host_name(host)) {
            return Err(wrong());
        }
        let (scheme, host) = (scheme.to_ascii_lowercase(), host.to_ascii_lowercase());
        let port = port.filter(|&port| !matches!((scheme.as_str(), port), ("http", 80) | ("https", 443)));
        let port = port.map_or_else(String::new, |port| format!(":{port}"));
        Ok((Self(format!("{scheme}://{host}{port}")), path))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn is_https(&self) -> bool {
        self.0.starts_with("https://")
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

pub(super) fn switch(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "on" | "true" | "yes" | "1" => Ok(true),
        "off" | "false" | "no" | "0" => Ok(false),
        _ => Err(format!("`{text}` is neither on nor off")),
    }
}

pub(super) fn number<T: TryFrom<u64>>(text: &str, least: u64, most: u64) -> Result<T, String> {
    let wrong = || format!("`{text}` is not a whole number from {least} to {most}");
    let value = digits(text).filter(|value| (least..=most).contains(value)).ok_or_else(wrong)?;
    T::try_from(value).map_err(|_| wrong())
}

/// Digits only: `parse` alone would take a sign.
fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

/// A filter of `env_logger`: levels, or `target=level`, between commas. The logger itself would skip what it cannot read.
pub(super) fn log_filter(text: &str) -> Result<String, String> {
    let (levels, _pattern) = text.split_once('/').unwrap_or((text, ""));
    for part in levels.split(',') {
        if let Some((_, level)) = part.split_once('=')
            && level.trim().parse::<log::LevelFilter>().is_err()
        {
            return Err(format!("`{part}` does not end in one of error, warn, info, debug, trace, off"));
        }
    }
    Ok(text.to_owned())
}

/// A whole number with its unit: `300ms`, `10s`, `5m`, `24h`.
pub(super) fn duration(text: &str, least: Duration, most: Duration) -> Result<Duration, String> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (count, unit) = text.split_at(unit_at);
    let unit_ms = match unit {
        "ms" => Some(1),
        "s" => Some(1_000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    };
    let ms = unit_ms.and_then(|unit_ms: u64| digits(count)?.checked_mul(unit_ms));
    let value = ms.map(Duration::from_millis).ok_or_else(|| format!("`{text}` is not a duration such as 300ms, 10s, 5m or 24h"))?;
    match value {
        value if value < least => Err(format!("`{text}` is shorter than {}ms", least.as_millis())),
        value if value > most => Err(format!("`{text}` is longer than ten years")),
        value => Ok(value),
    }
}

/// Bytes, plain or in KiB, MiB or GiB.
pub(super) fn size(text: &str, least: usize, most: usize) -> Result<usize, String> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (count, unit) = text.split_at(unit_at);
    let unit_bytes = match unit.trim_start() {
        "" | "B" => Some(1),
        "KiB" => Some(1 << 10),
        "MiB" => Some(1 << 20),
        "GiB" => Some(1 << 30),
        _ => None,
    };
    let bytes = unit_bytes.and_then(|unit_bytes: u64| digits(count)?.checked_mul(unit_bytes));
    let bytes = bytes.ok_or_else(|| format!("`{text}` is not a size such as 65536, 256KiB or 16MiB"))?;
    let wrong = || format!("`{text}` is not between {least} and {most} bytes");
    usize::try_from(bytes).ok().filter(|bytes| (least..=most).contains(bytes)).ok_or_else(wrong)
}

/// Values between commas; empty ones between two commas do not count.
pub(super) fn list<T>(text: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(parse).collect()
}

/// A network, or one address as a network of its own.
pub(super) fn network(text: &str) -> Result<IpNet, String> {
    let network = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    network.map(|network| network.trunc()).ok_or_else(|| format!("`{text}` is not an address or a network such as 10.0.0.0/8"))
}

pub(super) fn socket_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("`{text}` is not an address with a port, such as 127.0.0.1:9100"))
}

/// A URL of http or https for browsers to load, with placeholders such as `{z}` left as they are.
pub(super) fn web_address(text: &str) -> Result<String, String> {
    Origin::of_base_url(text)?;
    match text.contains(|c: char| c.is_whitespace() || c.is_control() || "\"'<>;,".contains(c)) {
        true => Err(format!("`{text}` is not a URL")),
        false => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_a_unit_and_no_sign() {
        let read = |text| duration(text, Duration::ZERO, Duration::from_secs(86_400)).ok();
        assert_eq!(read("300ms"), Some(Duration::from_millis(300)));
        assert_eq!(read("10s"), Some(Duration::from_secs(10)));
        assert_eq!(read("5m"), Some(Duration::from_secs(300)));
        assert_eq!(read("24h"), Some(Duration::from_secs(86_400)));
        for wrong in ["", "s", "10", "-1s", "+1s", "1.5s", "1 s", "1d", "10S", "25h", "99999999999999999999h"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_size_is_in_bytes_or_has_a_binary_unit() {
        let read = |text| size(text, 1, 1 << 30).ok();
        assert_eq!(
            (read("65536"), read("256KiB"), read("16 MiB"), read("1GiB")),
            (Some(65_536), Some(262_144), Some(16_777_216), Some(1 << 30))
        );
        for wrong in ["", "0", "-1", "1KB", "1.5MiB", "2GiB", "99999999999999999999"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_origin_is_kept_as_a_browser_sends_it() {
        let read = |text| Origin::parse(text).ok().map(|origin| origin.to_string());
        assert_eq!(read("HTTPS://Play.Example.org:443/").as_deref(), Some("https://play.example.org"));
        assert_eq!(read("http://localhost:5173").as_deref(), Some("http://localhost:5173"));
        assert_eq!(read("http://[::1]:80").as_deref(), Some("http://[::1]"));
        assert_eq!(read("capacitor://localhost").as_deref(), Some("capacitor://localhost"));
        for wrong in
            ["*", "null", "example.org", "https://", "https://a b", "https://u:p@h", "https://h/path", "https://h:99999", "https://*.h"]
        {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        assert_eq!(Origin::of_base_url("https://h/api/auth").unwrap().as_str(), "https://h");
        assert!(Origin::of_base_url("capacitor://localhost").is_err());
    }

    #[test]
    fn a_host_is_an_address_or_a_name() {
        assert_eq!(Host::parse("[::1]").unwrap().in_url(), "[::1]");
        assert!(Host::parse("localhost").unwrap().is_loopback() && Host::parse("127.0.0.9").unwrap().is_loopback());
        assert!(!Host::parse("0.0.0.0").unwrap().is_loopback());
        assert!(Host::parse("http://here").is_err());
    }

    #[test]
    fn a_password_that_is_not_escaped_is_refused_without_being_quoted() {
        for right in [
            "postgres://u:p%2Fw@h:5432/db",
            "postgres:///db?host=/run",
            "postgres://[::1]:5432/db",
            "postgres://a:1,b:2/db",
            "postgres://h:/db",
        ] {
            assert!(database_url(right).is_ok(), "{right}");
        }
        for wrong in ["postgres://u:sesame/w@h/db", "postgres://u:se%same@h/db", "postgres://u:sesame?@h/db", "postgres://u@h:sesame/db"] {
            assert!(!database_url(wrong).expect_err(wrong).contains("same"), "{wrong}");
        }
    }

    #[test]
    fn a_log_filter_has_known_levels() {
        for right in ["info", "moothall::rooms=debug,warn", "off", "debug/campaign"] {
            assert_eq!(log_filter(right).as_deref(), Ok(right));
        }
        assert!(log_filter("moothall=loud").is_err());
    }

    #[test]
    fn a_proxy_is_an_address_or_a_network() {
        assert_eq!(network("10.1.2.3/8").unwrap().to_string(), "10.0.0.0/8");
        assert_eq!(network("::1").unwrap().to_string(), "::1/128");
        assert_eq!(list("127.0.0.1, ,10.0.0.0/8,", network).unwrap().len(), 2);
        assert!(network("10.0.0.0/33").is_err());
    }
}
