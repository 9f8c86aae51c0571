//! What a request presents to say whose it is: the first of several ways that is there, and that one alone.

use actix_web::http::header::{AUTHORIZATION, COOKIE, HeaderMap, SEC_WEBSOCKET_PROTOCOL};

use crate::auth::cookie::{Cookies, Name};

/// The subprotocol that carries a session token: `bearer.<token>`, beside `moothall`.
const BEARER_SUBPROTOCOL: &str = "bearer.";

#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// Nothing was sent.
    Absent,
    /// A cookie whose signature does not hold.
    Unsound,
    /// A token without a cookie: from a header or a subprotocol.
    Token(String),
    /// A session cookie. When it is not `remembered`, the session is not to outlive the browser and is never extended.
    Cookie { token: String, remembered: bool },
}

impl Credentials {
    /// Of an HTTP request: `Authorization: Bearer`, or else the session cookie.
    pub fn of_request(headers: &HeaderMap, cookies: &Cookies) -> Self {
        bearer(headers).map_or_else(|| of_cookie(headers, cookies), Self::Token)
    }

    /// Of the upgrade to a WebSocket: a page of another site can set no header but the list of subprotocols.
    pub fn of_upgrade(headers: &HeaderMap, cookies: &Cookies) -> Self {
        let token = bearer(headers).or_else(|| subprotocol_token(headers));
        token.map_or_else(|| of_cookie(headers, cookies), Self::Token)
    }

    pub fn token(&self) -> Option<&str> {
        match self {
            Credentials::Absent | Credentials::Unsound => None,
            Credentials::Token(token) | Credentials::Cookie { token, .. } => Some(token),
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?.trim();
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

fn subprotocol_token(headers: &HeaderMap) -> Option<String> {
    let lists = headers.get_all(SEC_WEBSOCKET_PROTOCOL).filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).find_map(|name| name.trim().strip_prefix(BEARER_SUBPROTOCOL)).map(str::to_owned)
}

fn of_cookie(headers: &HeaderMap, cookies: &Cookies) -> Credentials {
    let header = headers.get_all(COOKIE).filter_map(|value| value.to_str().ok()).collect::<Vec<_>>().join("; ");
    if !cookies.is_present(&header, Name::SessionToken) {
        return Credentials::Absent;
    }
    match cookies.read(&header, Name::SessionToken) {
        Some(token) => Credentials::Cookie { token, remembered: cookies.read(&header, Name::DontRemember).as_deref() != Some("true") },
        None => Credentials::Unsound,
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn cookies() -> Cookies {
        Cookies::new("secret", false)
    }

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name.clone(), HeaderValue::from_str(value).expect("is a header value"));
        }
        headers
    }

    fn cookie(token: &str) -> String {
        format!("{}={}", cookies().name(Name::SessionToken), cookies().signed(token))
    }

    #[track_caller]
    fn expect(actual: Credentials, expected: Credentials) {
        assert!(actual == expected);
    }

    #[test]
    fn a_bearer_token_comes_before_all_else_and_stands_alone() {
        let cookie = cookie("from-cookie");
        let all =
            headers(&[(COOKIE, &cookie), (SEC_WEBSOCKET_PROTOCOL, "moothall, bearer.from-list"), (AUTHORIZATION, "bearer  from-header ")]);
        expect(Credentials::of_upgrade(&all, &cookies()), Credentials::Token("from-header".into()));
        expect(
            Credentials::of_request(&headers(&[(COOKIE, &cookie), (AUTHORIZATION, "Bearer")]), &cookies()),
            Credentials::Token("".into()),
        );
    }

    #[test]
    fn other_schemes_do_not_count() {
        let headers = headers(&[(COOKIE, &cookie("t")), (AUTHORIZATION, "Basic dTpw")]);
        expect(Credentials::of_request(&headers, &cookies()), Credentials::Cookie { token: "t".into(), remembered: true });
    }

    #[test]
    fn a_subprotocol_counts_on_upgrades_only_and_before_the_cookie() {
        let cookie = cookie("t");
        let both = headers(&[(COOKIE, &cookie), (SEC_WEBSOCKET_PROTOCOL, "moothall,bearer.from-list")]);
        expect(Credentials::of_upgrade(&both, &cookies()), Credentials::Token("from-list".into()));
        expect(Credentials::of_request(&both, &cookies()), Credentials::Cookie { token: "t".into(), remembered: true });
        let plain = headers(&[(COOKIE, &cookie), (SEC_WEBSOCKET_PROTOCOL, "moothall")]);
        expect(Credentials::of_upgrade(&plain, &cookies()), Credentials::Cookie { token: "t".into(), remembered: true });
    }

    #[test]
    fn a_cookie_that_is_not_sound_is_not_nothing() {
        let bad = headers(&[(COOKIE, "better-auth.session_token=t.forged")]);
        expect(Credentials::of_request(&bad, &cookies()), Credentials::Unsound);
        expect(Credentials::of_request(&headers(&[(COOKIE, "theme=dark")]), &cookies()), Credentials::Absent);
        expect(Credentials::of_request(&headers(&[]), &cookies()), Credentials::Absent);
    }

    #[test]
    fn only_a_signed_dont_remember_makes_a_session_short() {
        let session = cookie("t");
        let signed = format!("better-auth.dont_remember={}", cookies().signed("true"));
        let of = |second: &str| Credentials::of_request(&headers(&[(COOKIE, &session), (COOKIE, second)]), &cookies());
        expect(of(&signed), Credentials::Cookie { token: "t".into(), remembered: false });
        expect(of("better-auth.dont_remember=true"), Credentials::Cookie { token: "t".into(), remembered: true });
    }
}
