//! Scenarios `idle` and `connect`: connections that join and then only stay.

use std::time::Duration;

use super::LoadError;
use super::meter::Meter;
use super::process::Process;
use super::report::Report;
use super::server::Server;
use super::swarm::Swarm;

/// Connects `clients` of the server's people, waits `hold`, and looks at what the server holds then.
pub fn run(server: &Server, clients: usize, hold: Duration, report: &mut Report) -> Result<(), LoadError> {
    let mut calls = server.all_calls();
    calls.truncate(clients);
    let mut swarm = Swarm::new()?;
    let before = server.process.and_then(Process::rss_kb);
    let meter = Meter::start(server.process);
    let joined = swarm.join(&calls)?;
    let spent = meter.read();
    let peak = server.process.and_then(Process::rss_kb);
    swarm.rest(hold)?;
    let after = server.process.and_then(Process::rss_kb);
    let meter = Meter::start(server.process);
    swarm.rest(Duration::from_secs(1))?;
    let idle = meter.read();

    report.measure("connections", "", joined.count as f64);
    report.measure("joins", "/s", joined.count as f64 / joined.took.as_secs_f64());
    report.latency("join", &joined.latency);
    spent.report(report, "join", joined.count as f64);
    report.measure("server RSS before", "kB", before.map(|kb| kb as f64));
    report.measure("server RSS when all had joined", "kB", peak.map(|kb| kb as f64));
    report.measure("server RSS after the hold", "kB", after.map(|kb| kb as f64));
    let per_connection = before.zip(after).map(|(before, after)| (after as f64 - before as f64) / joined.count as f64);
    report.measure("server RSS per connection", "kB", per_connection);
    report.measure("idle server CPU of one core", "%", idle.server.map(|cpu| idle.of_one_core(cpu)));
    swarm.check(report);
    Ok(())
}
