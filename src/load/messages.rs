//! Scenario `messages`: how many durable messages a second, in one channel or many of one workspace.

use std::time::Duration;

use super::LoadError;
use super::args::Rate;
use super::commands;
use super::orders::{Messages, Orders};
use super::report::Report;
use super::server::Server;
use super::swarm::Swarm;
use super::wire::Form;

pub struct Writing {
    pub form: Form,
    pub inflight: usize,
    pub rate: Rate,
    /// Characters of a message.
    pub size: usize,
    pub duration: Duration,
}

/// Everybody writes to the channel that he or she is in.
pub fn run(server: &Server, writing: &Writing, report: &mut Report) -> Result<(), LoadError> {
    let Writing { form, inflight, rate, size, duration } = *writing;
    let mut swarm = Swarm::new()?;
    let (calls, team) = server.team_calls(form);
    swarm.join(&calls)?;
    let channel = |at: usize| team.channels[at % team.channels.len()].clone();
    let writers = (0..swarm.len()).map(|at| (at, Messages { form, channel: channel(at), len: size }));
    let mut orders = Orders::of_messages(swarm.len(), writers);
    report.measure("channels", "", team.channels.len() as f64);
    commands::measure(server, &mut swarm, &mut orders, (rate, inflight), duration, "messages", report)
}
