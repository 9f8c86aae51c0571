//! Scenario `rooms`: what a room costs that only is there. The same commands are sent to the same few rooms twice: while they are alone, and while
//! there are all the others.

use std::time::Duration;

use super::LoadError;
use super::args::Rate;
use super::commands::check;
use super::meter::Meter;
use super::orders::{Orders, Until};
use super::process::Process;
use super::report::{Report, milliseconds};
use super::server::Server;
use super::swarm::Swarm;

/// The same in both stretches, so that equally many commands share a transaction.
const COMMANDS_PER_S: f64 = 500.0;

const SETTLE: Duration = Duration::from_secs(2);

pub fn run(server: &Server, sample: usize, commands: usize, report: &mut Report) -> Result<(), LoadError> {
    let calls = server.all_calls();
    let rooms = server.campaigns.len();
    let members = calls.len() / rooms;
    let (first, others) = calls.split_at(sample * members);
    let dms: Vec<usize> = (0..first.len()).step_by(members).collect();
    let rss = || server.process.and_then(Process::rss_kb).map(|kb| kb as f64);

    let mut swarm = Swarm::new()?;
    let empty = rss();
    swarm.join(first)?;
    let mut orders = Orders::prepare(&mut swarm, &dms, 1)?;
    let mut command_cost = |swarm: &mut Swarm, label: &str, report: &mut Report| {
        let meter = Meter::start(server.process);
        let phase = orders.drive(swarm, Rate::PerSecond(COMMANDS_PER_S), 1, Until::Sent(commands as u64))?;
        let spent = meter.read();
        let each = spent.server.map(|cpu| milliseconds(cpu.total()) * 1e3 / phase.acks.len() as f64);
        report.measure(format!("server CPU per command, {label}"), "µs", each);
        report.latency(&format!("ack, {label}"), &phase.acks);
        check(&phase, report);
        Ok::<_, LoadError>(())
    };
    // The first commands fill caches: they are not counted, but their problems are.
    command_cost(&mut swarm, "warming up", &mut Report::new("rooms"))?;
    command_cost(&mut swarm, "few rooms", report)?;
    let few = rss();
    let joined = swarm.join(others)?;
    swarm.rest(SETTLE)?;
    let all = rss();
    let meter = Meter::start(server.process);
    swarm.rest(SETTLE)?;
    let idle = meter.read();
    command_cost(&mut swarm, "all rooms", report)?;

    report.measure("rooms", "", rooms as f64);
    report.measure("connections", "", swarm.len() as f64);
    report.measure("joins", "/s", joined.count as f64 / joined.took.as_secs_f64());
    report.measure("server RSS without a room", "kB", empty);
    report.measure("server RSS with all rooms", "kB", all);
    let per_room = few.zip(all).map(|(few, all)| (all - few) / (rooms - sample) as f64);
    report.measure("server RSS per room with its connections", "kB", per_room);
    report.measure("idle server CPU of one core", "%", idle.server.map(|cpu| idle.of_one_core(cpu)));
    swarm.check(report);
    Ok(())
}
