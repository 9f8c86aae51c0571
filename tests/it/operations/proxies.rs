//! Who is near, who is behind a proxy, and which sites may use the server.

use std::net::TcpListener;

use crate::support::campaign::Campaign;
use crate::support::http::{Answer, Client, expect_status};
use crate::support::server::Server;
use crate::support::ws::Connect;

#[test]
fn metrics_are_for_this_machine_and_not_for_who_comes_over_a_proxy() {
    let server = Server::start(&[]);
    let http = Client::new(&server);
    let page = http.send("GET", "/metrics", None, &[]);
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/plain; version=0.0.4; charset=utf-8")));
    assert!(page.text.contains("\nmoothall_connections 0\n"), "{}", page.text);
    for header in ["x-forwarded-for", "forwarded", "x-real-ip"] {
        assert_eq!(http.send("GET", "/metrics", None, &[(header, "198.51.100.1")]).status, 404, "{header}");
    }
}

#[test]
fn with_an_address_of_their_own_metrics_are_nowhere_else() {
    let free = TcpListener::bind("127.0.0.1:0").expect("127.0.0.1 has a free port").local_addr().expect("is bound").to_string();
    let server = Server::start(&[("METRICS_ADDR", &free)]);
    assert_eq!(Client::new(&server).get("/metrics").0, 404);
    let mut page = ureq::get(format!("http://{free}/metrics")).header("x-forwarded-for", "198.51.100.1").call().expect("answers 200");
    assert!(page.body_mut().read_to_string().expect("is text").contains("moothall_rooms"));
}

#[test]
fn forwarding_headers_of_a_stranger_are_warned_of_once() {
    for header in [("x-forwarded-for", "198.51.100.1"), ("x-forwarded-proto", "https")] {
        let server = Server::start(&[]);
        let http = Client::new(&server);
        for path in ["/api/health", "/api/campaigns", "/nothing"] {
            http.send("GET", path, None, &[header]);
        }
        Connect::to(&server).header(header.0, header.1).refused();
        let log = server.log();
        let warnings: Vec<_> = log.lines().filter(|line| line.contains("TRUSTED_PROXIES")).collect();
        assert!(warnings.len() == 1 && warnings[0].contains(" WARN "), "{header:?}: {warnings:?}\n{log}");
    }
    let trusting = Server::start(&[("TRUSTED_PROXIES", "127.0.0.1")]);
    Client::new(&trusting).send("GET", "/api/campaigns", None, &[("x-forwarded-for", "198.51.100.1")]);
    assert!(!trusting.log().contains("TRUSTED_PROXIES"), "{}", trusting.log());
}

fn cors_headers(answer: &Answer) -> Vec<String> {
    let names = answer.headers.keys().map(|name| name.as_str().to_owned());
    names.filter(|name| name.starts_with("access-control")).collect()
}

#[test]
fn allowed_sites_read_answers_and_refusals_and_others_get_no_word() {
    let server = Server::start(&[("ALLOWED_ORIGINS", "https://app.example.org, capacitor://localhost")]);
    let campaign = Campaign::new(&server, "Dana", []);
    let path = format!("/api/campaigns/{}", campaign.id);
    for origin in ["https://app.example.org", "capacitor://localhost"] {
        let preflight =
            Client::new(&server).send("OPTIONS", &path, None, &[("origin", origin), ("access-control-request-method", "DELETE")]);
        assert_eq!((preflight.status, preflight.text.as_str()), (204, ""));
        assert_eq!(preflight.header("access-control-allow-methods"), Some("GET, POST, PATCH, DELETE"));
        assert_eq!(preflight.header("access-control-allow-headers"), Some("authorization, content-type"));
        let granted = campaign.dm.http.send("GET", &path, None, &[("origin", origin)]);
        let refused = Client::new(&server).send("GET", &path, None, &[("origin", origin)]);
        let unknown = Client::new(&server).send("GET", "/api/nothing", None, &[("origin", origin)]);
        assert_eq!((granted.status, refused.status, unknown.status), (200, 401, 404));
        for answer in [preflight, granted, refused, unknown] {
            assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
            assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
            assert_eq!(answer.header("vary"), Some("Origin"));
        }
    }
    for origin in ["https://evil.example", "https://app.example.org.evil.example", "null", &server.base()] {
        let preflight =
            Client::new(&server).send("OPTIONS", &path, None, &[("origin", origin), ("access-control-request-method", "DELETE")]);
        let answer = campaign.dm.http.send("GET", &path, None, &[("origin", origin)]);
        assert_eq!((cors_headers(&preflight), cors_headers(&answer)), (vec![], vec![]), "{origin}");
    }
    // What changes something and carries a cookie is refused for other sites.
    let with_cookie = |origin: &str| {
        let headers = [("cookie", campaign.dm.cookie.as_str()), ("origin", origin), ("content-type", "application/json")];
        Client::new(&server).send("POST", "/api/campaigns", Some(br#"{"name":"x"}"#), &headers).status
    };
    assert_eq!((with_cookie("https://app.example.org"), with_cookie("https://evil.example")), (201, 403));
}

#[test]
fn a_page_opens_a_socket_from_the_servers_own_site_as_its_proxy_names_it() {
    let own = |server: &Server| format!("://127.0.0.1:{}", server.port());
    let enter = |server: &Server, campaign: &Campaign, headers: &[(&str, &str)]| {
        let connect = Connect::to(server).campaign(&campaign.id).person(&campaign.dm);
        let mut socket = headers.iter().fold(connect, |connect, (name, value)| connect.header(name, value)).open();
        socket.next()["type"] == "connected"
    };
    let https = ("x-forwarded-proto", "https");
    for (settings, spoken) in [(vec![], false), (vec![("TRUSTED_PROXIES", "127.0.0.0/8")], true)] {
        let server = Server::start(&settings);
        let campaign = Campaign::new(&server, "Dana", []);
        let (plain, secure) = (format!("http{}", own(&server)), format!("https{}", own(&server)));
        assert!(enter(&server, &campaign, &[]), "a program sends no origin");
        assert!(enter(&server, &campaign, &[("origin", &plain)]));
        assert!(!enter(&server, &campaign, &[("origin", &secure)]));
        assert_eq!(enter(&server, &campaign, &[("origin", &secure), https]), spoken, "{settings:?}");
        assert_eq!(enter(&server, &campaign, &[("origin", &plain), https]), !spoken, "{settings:?}");
        assert!(!enter(&server, &campaign, &[("origin", "null")]));
    }
    let server = Server::start(&[("BETTER_AUTH_URL", "https://play.example.org/"), ("ALLOWED_ORIGINS", "https://app.example.org")]);
    let campaign = Campaign::new(&server, "Dana", []);
    assert!(enter(&server, &campaign, &[("origin", "https://play.example.org")]));
    assert!(enter(&server, &campaign, &[("origin", "https://app.example.org")]));
    assert!(!enter(&server, &campaign, &[("origin", &format!("http{}", own(&server)))]), "the setting alone says what the own site is");
    let link = expect_status(201, campaign.dm.http.post(&format!("/api/campaigns/{}/invite-links", campaign.id), &serde_json::json!({})));
    assert!(link["url"].as_str().is_some_and(|url| url.starts_with("https://play.example.org/")), "{link}");
}
