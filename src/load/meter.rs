//! What a stretch of a run cost: time, and CPU of the server and of this program apart, since they share the machine.

use std::time::{Duration, Instant};

use super::process::{Cpu, Process};
use super::report::{Report, milliseconds};

pub struct Meter {
    server: Option<Process>,
    start: Instant,
    server_before: Option<Cpu>,
    own_before: Option<Cpu>,
}

pub struct Spent {
    pub wall: Duration,
    pub server: Option<Cpu>,
    pub own: Option<Cpu>,
}

impl Meter {
    pub fn start(server: Option<Process>) -> Self {
        let server_before = server.and_then(Process::cpu);
        Self { server, start: Instant::now(), server_before, own_before: Process::this().cpu() }
    }

    pub fn read(&self) -> Spent {
        let since = |before: Option<Cpu>, process: Process| Some(process.cpu()?.since(before?));
        Spent {
            wall: self.start.elapsed(),
            server: self.server.and_then(|server| since(self.server_before, server)),
            own: since(self.own_before, Process::this()),
        }
    }
}

impl Spent {
    /// CPU of both, `per` of what there were `count` of.
    pub fn report(&self, report: &mut Report, per: &str, count: f64) {
        let each = |cpu: Option<Cpu>| cpu.map(|cpu| milliseconds(cpu.total()) / count);
        report.measure(format!("server CPU per {per}"), "ms", each(self.server));
        report.measure(format!("load CPU per {per}"), "ms", each(self.own));
        report.measure(
            "server CPU in the kernel",
            "%",
            self.server.map(|cpu| 100.0 * cpu.system.as_secs_f64() / cpu.total().as_secs_f64()),
        );
        report.measure("server CPU of one core", "%", self.server.map(|cpu| self.of_one_core(cpu)));
        report.measure("load CPU of one core", "%", self.own.map(|cpu| self.of_one_core(cpu)));
    }

    pub fn of_one_core(&self, cpu: Cpu) -> f64 {
        100.0 * cpu.total().as_secs_f64() / self.wall.as_secs_f64()
    }
}
