//! The limit of open files: every connection takes one, so it bounds how many there can be.

/// Descriptors that the database, the log and the listener may take.
const RESERVED: u64 = 100;
/// What an unlimited process may open: Linux's own default of `fs.nr_open`.
const UNLIMITED: u64 = 1 << 20;

/// Half of what the process may open, less [`RESERVED`]: a connection that is being refused or closed takes one, too.
pub fn connections_max_default() -> usize {
    default_for(raise_limit())
}

fn default_for(limit: u64) -> usize {
    let limit = if limit == libc::RLIM_INFINITY { UNLIMITED } else { limit };
    usize::try_from((limit / 2).saturating_sub(RESERVED).max(1)).unwrap_or(usize::MAX)
}

/// Raises the soft limit to the hard one and returns the limit that holds then. The soft one is low (1,024) for programs that use `select`.
pub fn raise_limit() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls get a pointer to a whole `rlimit` that outlives them.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) != 0 {
            return 1024;
        }
        let raised = libc::rlimit { rlim_cur: limit.rlim_max, rlim_max: limit.rlim_max };
        if libc::setrlimit(libc::RLIMIT_NOFILE, &raised) == 0 { raised.rlim_cur } else { limit.rlim_cur }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_descriptors_less_a_hundred_are_for_connections() {
        assert_eq!(default_for(4096), 1948);
        assert_eq!(default_for(64), 1);
        assert_eq!(default_for(libc::RLIM_INFINITY), (1 << 19) - 100);
    }
}
