//! A small HTTP client, and people who signed up through it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use ureq::http::{HeaderMap, Method, Request, Response};
use ureq::{Agent, Body};

use super::server::Server;

/// Longer than anything that the server promises, so that only a hang runs into it.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// What the server answered.
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    /// The body as JSON; null when it is not.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The `name=value` part of each cookie that the answer sets.
    pub fn cookies(&self) -> Vec<String> {
        let set = self.headers.get_all("set-cookie").iter().filter_map(|value| value.to_str().ok());
        set.filter_map(|cookie| cookie.split(';').next()).map(str::to_owned).collect()
    }
}

/// Speaks to one server with headers that go along with every request. Sends no cookie of its own accord.
#[derive(Clone)]
pub struct Client {
    agent: Agent,
    base: String,
    headers: Vec<(String, String)>,
}

impl Client {
    pub fn new(server: &Server) -> Self {
        let config = Agent::config_builder().http_status_as_error(false).max_redirects(0).timeout_global(Some(ANSWER_TIMEOUT)).build();
        Self { agent: config.into(), base: server.base(), headers: Vec::new() }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// With the cookie and with the server's own origin, as a browser sends them.
    pub fn cookie(self, cookie: &str) -> Self {
        let origin = self.base.clone();
        self.header("cookie", cookie).header("origin", &origin)
    }

    pub fn get(&self, path: &str) -> (u16, Value) {
        let answer = self.send("GET", path, None, &[]);
        (answer.status, answer.json())
    }

    pub fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.with_json("POST", path, body)
    }

    pub fn patch(&self, path: &str, body: &Value) -> (u16, Value) {
        self.with_json("PATCH", path, body)
    }

    pub fn delete(&self, path: &str) -> (u16, Value) {
        let answer = self.send("DELETE", path, None, &[]);
        (answer.status, answer.json())
    }

    fn with_json(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let answer = self.send(method, path, Some(body.to_string().as_bytes()), &[("content-type", "application/json")]);
        (answer.status, answer.json())
    }

    /// Any request at all; panics only when no answer came.
    pub fn send(&self, method: &str, path: &str, body: Option<&[u8]>, headers: &[(&str, &str)]) -> Answer {
        self.try_send(method, path, body, headers).unwrap_or_else(|error| panic!("awaited an answer to {method} {path}: {error}"))
    }

    /// The same, for a server that may be gone.
    pub fn try_send(&self, method: &str, path: &str, body: Option<&[u8]>, headers: &[(&str, &str)]) -> Result<Answer, ureq::Error> {
        let method = Method::from_bytes(method.as_bytes()).expect("a method of a test is one");
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        let own = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in own.chain(headers.iter().copied()) {
            request = request.header(name, value);
        }
        let response = match body {
            Some(body) => self.agent.run(request.body(body).expect("a request of a test is one"))?,
            None => self.agent.run(request.body(()).expect("a request of a test is one"))?,
        };
        answer(response)
    }
}

fn answer(response: Response<Body>) -> Result<Answer, ureq::Error> {
    let (parts, mut body) = response.into_parts();
    let text = body.with_config().limit(64 << 20).lossy_utf8(true).read_to_string()?;
    Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, text })
}

/// Somebody who signed up: with the session's token, and the cookie that says the same.
#[derive(Clone)]
pub struct Person {
    pub id: String,
    pub name: String,
    pub email: String,
    pub token: String,
    /// `better-auth.session_token=…`
    pub cookie: String,
    pub http: Client,
}

pub const PASSWORD: &str = "correct horse battery";

impl Person {
    /// Signs up under an e-mail address that nobody else has.
    pub fn sign_up(server: &Server, name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let email = format!("{}-{}@example.org", name.to_lowercase(), COUNT.fetch_add(1, Ordering::Relaxed));
        Self::entered(server, "sign-up", name, json!({"name": name, "email": email, "password": PASSWORD}))
    }

    /// The same person with a second session.
    pub fn sign_in_again(&self, server: &Server) -> Self {
        Self::entered(server, "sign-in", &self.name, json!({"email": self.email, "password": PASSWORD}))
    }

    fn entered(server: &Server, how: &str, name: &str, body: Value) -> Self {
        let client = Client::new(server);
        let path = format!("/api/auth/{how}/email");
        let answer = client.send("POST", &path, Some(body.to_string().as_bytes()), &[("content-type", "application/json")]);
        let said = answer.json();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let (Some(token), Some(id)) = (text(&said["token"]), text(&said["user"]["id"])) else {
            panic!("awaited a token and a user from {path}; {} came: {}", answer.status, answer.text);
        };
        let cookie = answer.cookies().into_iter().find(|cookie| cookie.contains("better-auth.session_token="));
        let cookie = cookie.unwrap_or_else(|| panic!("awaited a session cookie from {path}; the headers were {:?}", answer.headers));
        let email = text(&body["email"]).expect("the body has an e-mail");
        Self { id, name: name.to_owned(), email, http: client.bearer(&token), token, cookie }
    }
}

/// The JSON of an answer that must have this status.
pub fn expect_status(status: u16, (came, body): (u16, Value)) -> Value {
    assert_eq!(came, status, "awaited status {status}; {came} came with {body}");
    body
}
