//! Processes that a script left behind.
//!
//! On Linux they become our children when their parents end, wherever they hide, and are found through `/proc`.
//! Elsewhere only the script's process group is ended (see `exec`).

/// Asks to inherit the orphans of our descendants.
pub(super) fn adopt() {
    #[cfg(target_os = "linux")]
    if let Err(error) = nix::sys::prctl::set_child_subreaper(true) {
        tracing::debug!(%error, "cannot adopt orphans");
    }
}

/// Ends every descendant: politely, then for good.
pub(super) async fn end() {
    #[cfg(target_os = "linux")]
    linux::end().await;
}

#[cfg(target_os = "linux")]
mod linux {
    use nix::sys::signal::{Signal, kill};
    use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
    use nix::unistd::Pid;
    use std::time::Duration;

    /// How often to look whether they have ended, and how many times before they are killed.
    const LOOK: Duration = Duration::from_millis(20);
    const LOOKS: usize = 50;

    pub(super) async fn end() {
        for look in 0..2 * LOOKS {
            reap();
            let children = children();
            if children.is_empty() {
                return;
            }
            let signal = match look {
                0 => Some(Signal::SIGTERM),
                look if look >= LOOKS => Some(Signal::SIGKILL),
                _ => None,
            };
            if let Some(signal) = signal {
                for child in children {
                    let _ = kill(child, signal);
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Collects those that have ended.
    fn reap() {
        while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            if status == WaitStatus::StillAlive {
                return;
            }
        }
    }

    /// Our children, adopted ones included.
    fn children() -> Vec<Pid> {
        let own = std::process::id().to_string();
        let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
        entries
            .filter_map(|entry| {
                let id: i32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
                let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
                // "id (name) state parent …", and the name may hold anything, so it is skipped from its end.
                let (_, after_name) = stat.rsplit_once(')')?;
                (after_name.split_ascii_whitespace().nth(1)? == own).then(|| Pid::from_raw(id))
            })
            .collect()
    }
}
