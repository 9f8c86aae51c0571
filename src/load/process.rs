//! What the kernel tells of a process: CPU time and memory. From `/proc`, so on Linux alone; elsewhere these figures are missing.

use std::fs;
use std::time::Duration;

/// Ticks of `/proc/PID/stat` a second: `USER_HZ`, which is 100 on every architecture.
const TICKS_PER_S: u64 = 100;

#[derive(Clone, Copy, Debug)]
pub struct Process {
    pid: u32,
}

/// CPU time that a process took, to 10 ms.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cpu {
    pub user: Duration,
    pub system: Duration,
}

impl Cpu {
    pub fn total(self) -> Duration {
        self.user + self.system
    }

    pub fn since(self, earlier: Cpu) -> Cpu {
        Cpu { user: self.user.saturating_sub(earlier.user), system: self.system.saturating_sub(earlier.system) }
    }
}

impl Process {
    pub fn new(pid: u32) -> Self {
        Self { pid }
    }

    pub fn this() -> Self {
        Self::new(std::process::id())
    }

    pub fn cpu(self) -> Option<Cpu> {
        cpu_of(&fs::read_to_string(format!("/proc/{}/stat", self.pid)).ok()?)
    }

    /// Resident memory, in kB.
    pub fn rss_kb(self) -> Option<u64> {
        status_kb(&fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?, "VmRSS:")
    }
}

fn cpu_of(stat: &str) -> Option<Cpu> {
    // The name of the program, in parentheses, may hold anything; the state is the first field behind it.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse().ok().map(|ticks: u64| Duration::from_millis(ticks * 1_000 / TICKS_PER_S));
    Some(Cpu { user: ticks(11)?, system: ticks(12)? })
}

fn status_kb(status: &str, name: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

/// Lets this process, and the server that it starts, open as many files as the system allows; how many these are.
pub fn raise_open_files() -> usize {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls only read or write the struct that they are given.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        let raised = libc::rlimit { rlim_cur: limit.rlim_max, ..limit };
        if libc::setrlimit(libc::RLIMIT_NOFILE, &raised) == 0 {
            limit = raised;
        }
    }
    usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX)
}

/// The name of the processor, and of the kernel with its version.
pub fn machine() -> (String, String) {
    let cpu = fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    });
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").map(|release| format!("Linux {}", release.trim()));
    (cpu.unwrap_or_else(|| "unknown".into()), kernel.unwrap_or_else(|_| std::env::consts::OS.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_read_behind_a_name_with_parentheses_and_spaces() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194304 1 0 0 0 150 25 0 0 20 0 3 0 1 1 1";
        let expected = Cpu { user: Duration::from_millis(1_500), system: Duration::from_millis(250) };
        assert_eq!(cpu_of(stat), Some(expected));
        assert_eq!(cpu_of("7 (cut"), None);
    }

    #[test]
    fn memory_is_read_by_its_name() {
        assert_eq!(status_kb("VmHWM:\t  9 kB\nVmRSS:\t 1234 kB\n", "VmRSS:"), Some(1_234));
        assert_eq!(status_kb("State: S\n", "VmRSS:"), None);
    }
}
