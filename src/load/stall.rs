//! Scenario `stall`: some members stop reading. The server must get rid of them soon, without holding their frames, and the others notice nothing.

use std::net::SocketAddr;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::args::Rate;
use super::process::Process;
use super::report::{Report, milliseconds};
use super::server::{self, Server};
use super::swarm::Swarm;
use super::updates::Updates;
use super::{LoadError, fanout};

/// What the kernel holds for a stalled client, so that its frames soon wait at the server.
const RECEIVE_BUFFER: usize = 16 * 1024;

/// The server has this long to drop whoever does not read.
const GONE_WITHIN: Duration = Duration::from_secs(12);

const SAMPLE_EVERY: Duration = Duration::from_millis(100);
const SETTLE: Duration = Duration::from_millis(1_500);

pub struct Stall {
    pub stalled: usize,
    pub rate: f64,
    pub size: usize,
    pub before: Duration,
    pub during: Duration,
}

pub fn run(server: &Server, stall: &Stall, base: u64, report: &mut Report) -> Result<(), LoadError> {
    let mut calls = server.all_calls();
    let members = calls.len();
    calls[members - stall.stalled..].iter_mut().for_each(|call| call.receive_buffer = Some(RECEIVE_BUFFER));
    let mut swarm = Swarm::new()?;
    swarm.join(&calls)?;
    swarm.rest(SETTLE)?;
    let mut updates = Updates::prepare(swarm, 1, stall.size, base)?;
    let rate = Rate::PerSecond(stall.rate);
    let before = updates.drive(rate, 1, stall.before)?;
    let connected = server::connections(server.addr);
    let sampler = Sampler::start(server.addr, server.process);
    updates.stall(stall.stalled);
    let during = updates.drive(rate, 1, stall.during)?;
    // Nothing more is sent: whoever is still there is found out by the server's clock alone.
    while sampler.start.elapsed() < GONE_WITHIN {
        updates.swarm().rest(SAMPLE_EVERY)?;
    }
    let samples = sampler.finish();

    let rss = |samples: &[Sample]| samples.iter().filter_map(|sample| sample.rss_kb).max().map(|kb| kb as f64);
    let first = samples.first().and_then(|sample| sample.rss_kb).map(|kb| kb as f64);
    let left = connected.map(|connected| connected.saturating_sub(stall.stalled as u64));
    let gone = samples.iter().find(|sample| left.is_some() && sample.connections.is_some_and(|now| Some(now) <= left));
    report.measure("members", "", members as f64);
    report.measure("stalled", "", stall.stalled as f64);
    report.measure("updates before", "/s", before.sent as f64 / before.wall.as_secs_f64());
    report.measure("updates during", "/s", during.sent as f64 / during.wall.as_secs_f64());
    report.measure("server RSS before", "kB", first);
    report.measure("server RSS at most", "kB", rss(&samples));
    report.measure("server RSS growth", "kB", rss(&samples).zip(first).map(|(most, first)| most - first));
    report.measure("stalled gone after", "ms", gone.map(|sample| milliseconds(sample.at)));
    report.latency("delivery before", &before.latency);
    report.latency("delivery during", &during.latency);
    fanout::check(&before, report);
    fanout::check(&during, report);
    updates.swarm().check(report);
    match (left, gone) {
        (None, _) => report.problem("/api/ws-status did not answer: whether the stalled are gone is not known"),
        (Some(_), None) => report.problem(format!("not all stalled clients were gone after {} s", GONE_WITHIN.as_secs())),
        _ => {}
    }
    Ok(())
}

/// The server, at a moment since the stall began.
struct Sample {
    at: Duration,
    rss_kb: Option<u64>,
    connections: Option<u64>,
}

/// A thread of its own: a slow answer must not hold the updates up.
struct Sampler {
    start: Instant,
    stop: Sender<()>,
    thread: JoinHandle<Vec<Sample>>,
}

impl Sampler {
    fn start(addr: SocketAddr, process: Option<Process>) -> Self {
        let (start, (stop, stopped)) = (Instant::now(), mpsc::channel());
        let thread = thread::spawn(move || {
            let mut samples = Vec::new();
            loop {
                let (rss_kb, connections) = (process.and_then(Process::rss_kb), server::connections(addr));
                samples.push(Sample { at: start.elapsed(), rss_kb, connections });
                if stopped.recv_timeout(SAMPLE_EVERY) != Err(RecvTimeoutError::Timeout) {
                    return samples;
                }
            }
        });
        Self { start, stop, thread }
    }

    fn finish(self) -> Vec<Sample> {
        drop(self.stop);
        self.thread.join().unwrap_or_default()
    }
}
