//! Scenario `commands`: how many durable commands a second, in one room or many.

use std::time::Duration;

use super::LoadError;
use super::args::Rate;
use super::meter::Meter;
use super::orders::{Orders, Phase, Until};
use super::report::Report;
use super::server::Server;
use super::swarm::Swarm;

/// Commands that fill caches and are not counted.
const WARM_UP: Duration = Duration::from_secs(1);

pub struct Commands {
    pub inflight: usize,
    pub hexes: usize,
    pub rate: Rate,
    pub duration: Duration,
}

pub fn run(server: &Server, commands: &Commands, report: &mut Report) -> Result<(), LoadError> {
    let Commands { inflight, hexes, rate, duration } = *commands;
    let mut swarm = Swarm::new()?;
    swarm.join(&server.all_calls())?;
    let members = swarm.len() / server.campaigns.len();
    let dms: Vec<usize> = (0..swarm.len()).step_by(members).collect();
    let mut orders = Orders::prepare(&mut swarm, &dms, hexes)?;
    report.measure("rooms", "", dms.len() as f64);
    measure(server, &mut swarm, &mut orders, (rate, inflight), duration, "commands", report)
}

/// Has orders given for so long, and reports how many were carried out and what they cost.
pub fn measure(
    server: &Server,
    swarm: &mut Swarm,
    orders: &mut Orders,
    (rate, inflight): (Rate, usize),
    duration: Duration,
    what: &str,
    report: &mut Report,
) -> Result<(), LoadError> {
    check(&orders.drive(swarm, rate, inflight, Until::Elapsed(WARM_UP))?, report);
    let meter = Meter::start(server.process);
    let phase = orders.drive(swarm, rate, inflight, Until::Elapsed(duration))?;
    let spent = meter.read();

    let (count, wall) = (phase.acks.len() as f64, phase.wall.as_secs_f64());
    report.measure("connections", "", swarm.len() as f64);
    report.measure(format!("durable {what}"), "/s", count / wall);
    report.measure(format!("durable {what}"), "", count);
    report.measure("deliveries", "/s", phase.deliveries as f64 / wall);
    spent.report(report, &format!("1,000 {what}"), count / 1e3);
    report.latency("ack", &phase.acks);
    check(&phase, report);
    swarm.check(report);
    Ok(())
}

/// What a phase must not show.
pub fn check(phase: &Phase, report: &mut Report) {
    if let Some(first) = phase.refusals.first() {
        report.problem(format!("{} commands were refused, first with {first}", phase.refusals.len()));
    }
    if phase.unanswered > 0 {
        report.problem(format!("{} commands were not answered", phase.unanswered));
    }
}
