//! Scenario `fanout`: what a delivery costs, and how long it takes.

use std::time::Duration;

use super::LoadError;
use super::args::{Fanout, Rate};
use super::meter::Meter;
use super::report::Report;
use super::server::Server;
use super::swarm::Swarm;
use super::updates::{Phase, Updates};

/// Updates that fill caches and buffers and are not counted.
const WARM_UP: Duration = Duration::from_secs(1);

/// Presence of a large room is told once a second: the last joins are told before anything is measured.
pub const SETTLE: Duration = Duration::from_millis(1_500);

pub fn run(server: &Server, fanout: &Fanout, base: u64, report: &mut Report) -> Result<(), LoadError> {
    let mut swarm = Swarm::new()?;
    swarm.join(&server.all_calls())?;
    swarm.rest(SETTLE)?;
    let mut updates = Updates::prepare(swarm, fanout.groups, fanout.size, base)?;
    measure(server, &mut updates, (fanout.rate, fanout.window), Duration::from_secs(fanout.seconds), report)
}

/// Sends updates for so long, and reports what came of them and what they cost.
pub fn measure(
    server: &Server,
    updates: &mut Updates,
    (rate, window): (Rate, usize),
    duration: Duration,
    report: &mut Report,
) -> Result<(), LoadError> {
    check(&updates.drive(rate, window, WARM_UP)?, report);
    let meter = Meter::start(server.process);
    let phase = updates.drive(rate, window, duration)?;
    let spent = meter.read();

    report.measure("members", "", updates.swarm().len() as f64);
    report.measure("updates", "/s", phase.sent as f64 / phase.wall.as_secs_f64());
    report.measure("deliveries", "/s", phase.deliveries as f64 / phase.wall.as_secs_f64());
    report.measure("deliveries", "", phase.deliveries as f64);
    report.measure("bytes of a frame", "", phase.bytes as f64 / phase.deliveries as f64);
    spent.report(report, "1,000 deliveries", phase.deliveries as f64 / 1e3);
    report.latency("delivery", &phase.latency);
    report.latency("ack", &phase.acks);
    report.measure("sent late p99", "ms", phase.lag.quantile(0.99).map(super::report::milliseconds));
    check(&phase, report);
    updates.swarm().check(report);
    Ok(())
}

/// What a phase must not show.
pub fn check(phase: &Phase, report: &mut Report) {
    if phase.lost > 0 {
        report.problem(format!("{} frames were lost", phase.lost));
    }
    if phase.disordered > 0 {
        report.problem(format!("{} frames came twice or out of order", phase.disordered));
    }
    if let Some(first) = phase.refusals.first() {
        report.problem(format!("{} commands were refused, first with {first}", phase.refusals.len()));
    }
}
