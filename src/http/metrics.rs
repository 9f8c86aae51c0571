//! `/metrics`: the process's counts in the text format of Prometheus (version 0.0.4).
//!
//! On the main port it is for this machine only: a request that came over a proxy has a forwarding header and is not answered.

use std::fmt::{Display, Write};
use std::net::IpAddr;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, ResponseError};

use crate::actors::counts::{Counts, Histogram};
use crate::http::Api;
use crate::http::refusal::Refusal;

const FORWARDING_HEADERS: [&str; 4] = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip"];

/// For the listener of `METRICS_ADDR`: answers everybody who reaches it. The application holds a `web::Data<Counts>`.
pub fn configure(config: &mut ServiceConfig) {
    config.route("/metrics", web::get().to(|counts: Data<Counts>| async move { text(&counts) }));
}

/// For the main port.
pub(super) fn configure_for_loopback(config: &mut ServiceConfig) {
    config.route("/metrics", web::get().to(for_loopback));
}

async fn for_loopback(api: Data<Api>, request: HttpRequest) -> HttpResponse {
    let is_near = request.peer_addr().is_some_and(|peer| is_loopback(peer.ip()));
    let is_forwarded = FORWARDING_HEADERS.iter().any(|name| request.headers().contains_key(*name));
    match is_near && !is_forwarded && !api.metrics_elsewhere {
        true => text(&api.counts),
        false => Refusal::not_found("page").error_response(),
    }
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

fn text(counts: &Counts) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(render(counts))
}

/// Every count, with its name, unit and meaning.
pub fn render(counts: &Counts) -> String {
    let reading = counts.read();
    let mut page = Page(String::with_capacity(8 * 1024));
    page.family("moothall_build_info", "gauge", "The version that runs");
    page.sample("moothall_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    page.one("moothall_uptime_seconds", "gauge", "Time since the process started", reading.uptime.as_secs());
    page.one("moothall_connections", "gauge", "Sockets that are open", reading.connections);
    page.one("moothall_connects_total", "counter", "Sockets that were opened", reading.connects);
    page.family("moothall_disconnects_total", "counter", "Sockets that ended, by close code; 0: without a close frame");
    reading.disconnects.iter().for_each(|(code, n)| page.sample("moothall_disconnects_total", &[("code", &code.to_string())], n));
    page.one("moothall_rooms", "gauge", "Rooms that are loaded", reading.rooms);
    page.family("moothall_commands_total", "counter", "Commands that were answered, by outcome");
    for (outcome, n) in &reading.commands {
        page.sample("moothall_commands_total", &[("outcome", outcome.map_or("OK", |code| code.as_str()))], n);
    }
    page.one("moothall_commits_total", "counter", "Changes of rooms that became durable", reading.commits);
    page.histogram("moothall_batch_commits", "Commits of one transaction", &counts.batch_sizes, 1.0);
    page.histogram("moothall_commit_seconds", "From a room's decision to its durable commit", &counts.commit_us, 1e6);
    page.one("moothall_deliveries_total", "counter", "Frames that were handed to sockets", reading.deliveries);
    page.one("moothall_delivery_bytes_total", "counter", "Bytes of these frames", reading.delivery_bytes);
    page.one("moothall_evictions_total", "counter", "Clients that were dropped because they did not read", reading.evictions);
    page.one("moothall_rate_limited_total", "counter", "Frames and requests that were refused for their rate", reading.rate_limited);
    page.one("moothall_database_jobs_total", "counter", "Jobs of the database's threads", reading.database_jobs);
    page.one("moothall_database_failures_total", "counter", "Jobs that failed for want of a database", reading.database_failures);
    page.one("moothall_locations_expired_total", "counter", "Positions that were deleted for their age", reading.locations_expired);
    page.0
}

struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: u64) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }

    /// `unit`: how many of the histogram's units make one of the page's.
    fn histogram<const N: usize>(&mut self, name: &str, help: &str, histogram: &Histogram<N>, unit: f64) {
        self.family(name, "histogram", help);
        let buckets = histogram.cumulative();
        for (bound, n) in &buckets {
            let bound = bound.map_or("+Inf".to_owned(), |bound| (bound as f64 / unit).to_string());
            self.sample(&format!("{name}_bucket"), &[("le", &bound)], n);
        }
        self.sample(&format!("{name}_sum"), &[], histogram.sum() as f64 / unit);
        self.sample(&format!("{name}_count"), &[], buckets.last().map_or(0, |(_, n)| *n));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::close::Close;
    use std::collections::HashSet;
    use std::time::Duration;

    #[test]
    fn every_sample_belongs_to_a_family_and_stands_once() {
        let counts = Counts::default();
        counts.connected();
        counts.disconnected(Some(Close::TooSlow));
        counts.batch(3);
        counts.commit_took(Duration::from_micros(700));
        let page = render(&counts);
        assert!(page.contains("moothall_disconnects_total{code=\"4008\"} 1\n"), "{page}");
        assert!(page.contains("moothall_commit_seconds_bucket{le=\"0.001\"} 1\n"), "{page}");
        assert!(page.contains("moothall_batch_commits_sum 3\n"), "{page}");
        let families: HashSet<&str> = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
        let mut seen = HashSet::new();
        for line in page.lines().filter(|line| !line.starts_with('#')) {
            let (series, value) = line.rsplit_once(' ').expect("a sample has a value");
            assert!(value.parse::<f64>().is_ok() && seen.insert(series), "{line}");
            let name = series.split('{').next().unwrap_or(series);
            let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
            assert!(families.contains(family) || families.contains(name), "{line}");
        }
    }

    #[test]
    fn loopback_is_also_an_ipv4_address_written_as_ipv6() {
        let is = |text: &str| is_loopback(text.parse().expect("is an address"));
        assert!(is("127.0.0.1") && is("::1") && is("::ffff:127.0.0.1"));
        assert!(!is("10.0.0.1") && !is("::ffff:10.0.0.1"));
    }
}
