//! Scenario `channel`: what it costs to bring the messages of one channel to all its members, and how long it takes.

use std::time::Duration;

use super::LoadError;
use super::args::Channel;
use super::fanout::{self, SETTLE};
use super::orders::Messages;
use super::process::Process;
use super::report::Report;
use super::server::Server;
use super::swarm::Swarm;
use super::updates::Updates;

pub fn run(server: &Server, channel: &Channel, base: u64, report: &mut Report) -> Result<(), LoadError> {
    let Channel { form, rate, window, size, seconds, .. } = *channel;
    let rss = || server.process.and_then(Process::rss_kb).map(|kb| kb as f64);
    let (calls, team) = server.team_calls(form);
    let mut swarm = Swarm::new()?;
    let empty = rss();
    let joined = swarm.join(&calls)?;
    swarm.rest(SETTLE)?;
    let joins = joined.count as f64;
    report.measure("joins", "/s", joins / joined.took.as_secs_f64());
    report.measure("server RSS per connection", "kB", empty.zip(rss()).map(|(empty, full)| (full - empty) / joins));
    let messages = Messages { form, channel: team.channels[0].clone(), len: size };
    let mut updates = Updates::of_messages(swarm, messages, base);
    fanout::measure(server, &mut updates, (rate, window), Duration::from_secs(seconds), report)
}
