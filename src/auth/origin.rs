//! Origins: which sites may send requests that carry a session.

use actix_web::http::header::{HOST, HeaderMap, ORIGIN, REFERER};

/// `scheme://host[:port]` in lower case without the scheme's own port, as browsers send it: comparing texts is enough.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin(String);

impl Origin {
    /// The origin of a URL, or of a text that is one. Schemes of apps (`capacitor://localhost`) have origins, too.
    pub fn of(url: &str) -> Option<Self> {
        let (scheme, rest) = url.trim().split_once("://")?;
        let authority = rest.split(['/', '?', '#', '\\']).next()?;
        let host = authority.rsplit('@').next()?;
        let (scheme, host) = (scheme.to_ascii_lowercase(), host.to_ascii_lowercase());
        if scheme.is_empty() || host.is_empty() || host.contains(char::is_whitespace) {
            return None;
        }
        let own_port = match scheme.as_str() {
            "http" => ":80",
            "https" => ":443",
            _ => "",
        };
        let host = host.strip_suffix(own_port).unwrap_or(&host);
        Some(Self(format!("{scheme}://{host}")))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn is_https(&self) -> bool {
        self.0.starts_with("https://")
    }
}

/// Why a request is refused for where it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OriginFault {
    MissingOrNull,
    Untrusted,
}

impl OriginFault {
    pub fn code(self) -> &'static str {
        match self {
            OriginFault::MissingOrNull => "MISSING_OR_NULL_ORIGIN",
            OriginFault::Untrusted => "INVALID_ORIGIN",
        }
    }

    pub fn message(self) -> &'static str {
        match self {
            OriginFault::MissingOrNull => "Missing or null Origin",
            OriginFault::Untrusted => "Invalid origin",
        }
    }
}

/// The origins that are trusted: the server's own, and those of the settings.
#[derive(Clone, Debug, Default)]
pub struct OriginRules {
    base_url: Option<Origin>,
    allowed: Vec<Origin>,
}

impl OriginRules {
    /// Without a `base_url` the server's own origin is the one that a request was sent to.
    pub fn new(base_url: Option<Origin>, allowed: Vec<Origin>) -> Self {
        Self { base_url, allowed }
    }

    /// Sites besides the server's own: those that get CORS headers.
    pub fn allows(&self, origin: &str) -> bool {
        Origin::of(origin).is_some_and(|origin| self.allowed.contains(&origin))
    }

    pub fn allows_any(&self) -> bool {
        !self.allowed.is_empty()
    }

    /// The rule for requests that may change something: `Origin`, or else `Referer`, must name a trusted site. `https` tells how the client
    /// reached the server.
    pub fn check(&self, headers: &HeaderMap, https: bool) -> Result<(), OriginFault> {
        let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?")).filter(|text| !text.is_empty());
        match text(ORIGIN).or_else(|| text(REFERER)) {
            None | Some("null") => Err(OriginFault::MissingOrNull),
            Some(from) if self.trusts(from, headers, https) => Ok(()),
            Some(_) => Err(OriginFault::Untrusted),
        }
    }

    /// The rule for the upgrade to a WebSocket: no `Origin`, as programs send it, or a trusted one.
    pub fn may_open_socket(&self, headers: &HeaderMap, https: bool) -> bool {
        match headers.get(ORIGIN).map(|value| value.to_str()) {
            None => true,
            Some(Ok(from)) => self.trusts(from, headers, https),
            Some(Err(_)) => false,
        }
    }

    fn trusts(&self, from: &str, headers: &HeaderMap, https: bool) -> bool {
        let Some(from) = Origin::of(from) else { return false };
        self.allowed.contains(&from) || self.own(headers, https).is_some_and(|own| own == from)
    }

    fn own(&self, headers: &HeaderMap, https: bool) -> Option<Origin> {
        self.base_url.clone().or_else(|| {
            let host = headers.get(HOST)?.to_str().ok()?;
            let scheme = if https { "https" } else { "http" };
            Origin::of(&format!("{scheme}://{host}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    fn rules(base_url: Option<&str>, allowed: &[&str]) -> OriginRules {
        OriginRules::new(base_url.and_then(Origin::of), allowed.iter().filter_map(|text| Origin::of(text)).collect())
    }

    #[test]
    fn an_origin_is_scheme_host_and_port_in_one_spelling() {
        let spelled = |text| Origin::of(text).map(|origin| origin.0);
        assert_eq!(spelled("HTTPS://Play.Example.org:443/path?q#f").as_deref(), Some("https://play.example.org"));
        assert_eq!(spelled("http://[::1]:80/").as_deref(), Some("http://[::1]"));
        assert_eq!(spelled("http://localhost:3000").as_deref(), Some("http://localhost:3000"));
        assert_eq!(spelled("http://good.org@evil.org/").as_deref(), Some("http://evil.org"));
        assert_eq!(spelled("capacitor://localhost").as_deref(), Some("capacitor://localhost"));
        for bad in ["", "null", "play.example.org", "://x", "http://", "https:///path"] {
            assert_eq!(spelled(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_own_origin_is_the_host_that_was_asked_unless_the_base_url_says_otherwise() {
        let open = rules(None, &[]);
        let same = headers(&[(HOST, "localhost:3000"), (ORIGIN, "http://localhost:3000")]);
        assert_eq!(open.check(&same, false), Ok(()));
        assert_eq!(open.check(&same, true), Err(OriginFault::Untrusted));
        let https = headers(&[(HOST, "play.example.org"), (ORIGIN, "https://play.example.org")]);
        assert_eq!(open.check(&https, true), Ok(()));

        let fixed = rules(Some("https://play.example.org/api/auth"), &[]);
        assert_eq!(fixed.check(&same, false), Err(OriginFault::Untrusted));
        assert_eq!(fixed.check(&https, false), Ok(()));
    }

    #[test]
    fn a_referer_speaks_when_there_is_no_origin() {
        let rules = rules(None, &["https://app.example.org"]);
        let check = |pairs: &[(HeaderName, &'static str)]| rules.check(&headers(pairs), false);
        assert_eq!(check(&[(REFERER, "https://app.example.org/deep/page?x=1")]), Ok(()));
        assert_eq!(check(&[(REFERER, "https://app.example.org.evil.org/")]), Err(OriginFault::Untrusted));
        assert_eq!(check(&[(ORIGIN, "https://evil.org"), (REFERER, "https://app.example.org/")]), Err(OriginFault::Untrusted));
        assert_eq!(check(&[(ORIGIN, "null"), (REFERER, "https://app.example.org/")]), Err(OriginFault::MissingOrNull));
        assert_eq!(check(&[]), Err(OriginFault::MissingOrNull));
    }

    #[test]
    fn a_socket_may_come_from_a_program_or_a_trusted_site() {
        let rules = rules(None, &["https://app.example.org"]);
        let may = |pairs: &[(HeaderName, &'static str)]| rules.may_open_socket(&headers(pairs), false);
        assert!(may(&[(HOST, "h:1")]));
        assert!(may(&[(HOST, "h:1"), (ORIGIN, "http://h:1")]));
        assert!(may(&[(ORIGIN, "https://app.example.org")]));
        for bad in ["null", "", "https://evil.org", "http://app.example.org", "http://h"] {
            assert!(!may(&[(HOST, "h:1"), (ORIGIN, bad)]), "{bad}");
        }
    }
}
