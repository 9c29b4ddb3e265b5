//! How many files and sockets this process may open: as many as the system allows without asking.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// A server that others rely on is warned of if it may open fewer: every connection is one.
pub(super) const SELF_HOSTED: u64 = 65_536;
/// The same of an emulator, which one developer or one suite of tests connects to.
pub(super) const EMULATOR: u64 = 4_096;
/// What is open besides connections: ports, files, timers.
const OTHERS: u64 = 100;

/// Raises the soft limit to the hard one; every listener of the push stream is a socket.
pub(super) fn raise() {
    let raised =
        getrlimit(Resource::RLIMIT_NOFILE).and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    if let Err(error) = raised {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
}

/// Says so if this process may open fewer files than `wanted`.
pub(super) fn check(wanted: u64) {
    if let Ok((soft, _)) = getrlimit(Resource::RLIMIT_NOFILE)
        && let Some(warning) = shortage(soft, wanted)
    {
        tracing::warn!("{warning}");
    }
}

fn shortage(limit: u64, wanted: u64) -> Option<String> {
    (limit < wanted).then(|| {
        let connections = limit.saturating_sub(OTHERS);
        format!(
            "this process may open {limit} files, so it serves {connections} connections at most; for more, raise the \
             hard limit (`ulimit -Hn`, or LimitNOFILE= of a systemd unit) before it starts"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_low_a_limit_is_told_with_what_it_allows() {
        assert_eq!(shortage(SELF_HOSTED, SELF_HOSTED), None);
        let warning = shortage(20_000, SELF_HOSTED).unwrap();
        assert!(warning.contains("open 20000 files") && warning.contains("serves 19900 connections"), "{warning}");
        assert!(shortage(50, EMULATOR).unwrap().contains("serves 0 connections"));
    }
}
