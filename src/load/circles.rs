//! Scenario `circles`: many small rooms in which everybody tells where he or she is, and what that costs with its history.

use std::time::Duration;

use super::LoadError;
use super::args::Circles;
use super::fanout::SETTLE;
use super::meter::Meter;
use super::positions::{Phase, Positions};
use super::process::Process;
use super::report::{Report, milliseconds};
use super::server::Server;
use super::swarm::Swarm;

pub fn run(server: &Server, circles: &Circles, report: &mut Report) -> Result<(), LoadError> {
    let Circles { members, form, interval, seconds, .. } = *circles;
    let rss = || server.process.and_then(Process::rss_kb).map(|kb| kb as f64);
    let mut swarm = Swarm::new()?;
    let empty = rss();
    let joined = swarm.join(&server.circle_calls(form))?;
    swarm.rest(SETTLE)?;
    let (full, connections) = (rss(), joined.count as f64);
    let mut positions = Positions::prepare(swarm, form, members)?;
    // Everybody once, so that caches are filled; it is not counted, but its problems are.
    let interval = Duration::from_secs_f64(interval);
    check(&positions.drive(interval, interval)?, report);
    let stored = server.stored_positions()?;
    let meter = Meter::start(server.process);
    let phase = positions.drive(interval, Duration::from_secs(seconds))?;
    let (spent, after) = (meter.read(), rss());
    let stored = server.stored_positions()? - stored;

    let wall = phase.wall.as_secs_f64();
    report.measure("connections", "", connections);
    report.measure("joins", "/s", connections / joined.took.as_secs_f64());
    report.measure("positions", "/s", phase.sent as f64 / wall);
    report.measure("history writes", "/s", stored as f64 / wall);
    report.measure("deliveries", "/s", phase.deliveries as f64 / wall);
    report.measure("deliveries", "", phase.deliveries as f64);
    report.measure("replaced by newer ones", "", phase.replaced as f64);
    report.measure("bytes of a frame", "", phase.bytes as f64 / phase.deliveries as f64);
    spent.report(report, "1,000 deliveries", phase.deliveries as f64 / 1e3);
    report.measure("server CPU per position", "µs", spent.server.map(|cpu| milliseconds(cpu.total()) * 1e3 / phase.sent as f64));
    report.latency("delivery", &phase.latency);
    report.measure("sent late p99", "ms", phase.lag.quantile(0.99).map(milliseconds));
    report.measure("server RSS per connection", "kB", empty.zip(full).map(|(empty, full)| (full - empty) / connections));
    report.measure("server RSS after all", "kB", after);
    check(&phase, report);
    if stored != phase.sent as i64 {
        report.problem(format!("{} positions were sent, and {stored} are in the history", phase.sent));
    }
    positions.swarm().check(report);
    Ok(())
}

/// What a phase must not show.
fn check(phase: &Phase, report: &mut Report) {
    if phase.lost > 0 {
        report.problem(format!("{} positions did not come", phase.lost));
    }
    if phase.wrong > 0 {
        report.problem(format!("{} positions came twice, late or to somebody whom they do not concern", phase.wrong));
    }
    if let Some(first) = phase.refusals.first() {
        report.problem(format!("{} positions were refused, first with {first}", phase.refusals.len()));
    }
}
