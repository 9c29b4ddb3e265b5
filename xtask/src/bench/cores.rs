//! Who runs on which processor: the server on one, what loads it on another, so that neither takes the other's time.
//!
//! A process or a thread keeps to the processors of the thread that started it.

use crate::process::Failure;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// The processor of the server, and that of the load. The same one if there is no other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cores {
    pub(super) server: usize,
    pub(super) load: usize,
}

impl Cores {
    /// The first two that this process may use.
    pub(super) fn find() -> Result<Self, Failure> {
        let allowed = sched_getaffinity(Pid::from_raw(0))?;
        let mut free = (0..CpuSet::count()).filter(|core| allowed.is_set(*core).unwrap_or(false));
        let server = free.next().ok_or("no processor")?;
        Ok(Self { server, load: free.next().unwrap_or(server) })
    }

    /// Both on one, or not.
    pub(super) fn apart(self) -> bool {
        self.server != self.load
    }
}

/// Keeps the calling thread to a processor until dropped.
#[derive(Debug)]
pub(super) struct Kept(CpuSet);

impl Kept {
    pub(super) fn on(core: usize) -> Result<Self, Failure> {
        let before = sched_getaffinity(Pid::from_raw(0))?;
        sched_setaffinity(Pid::from_raw(0), &only(core)?)?;
        Ok(Self(before))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = sched_setaffinity(Pid::from_raw(0), &self.0);
    }
}

/// Moves all threads of a process that runs already.
pub(super) fn move_process(process: u32, core: usize) -> Result<(), Failure> {
    for thread in std::fs::read_dir(format!("/proc/{process}/task"))? {
        let thread: i32 = thread?.file_name().to_string_lossy().parse()?;
        sched_setaffinity(Pid::from_raw(thread), &only(core)?)?;
    }
    Ok(())
}

fn only(core: usize) -> Result<CpuSet, Failure> {
    let mut set = CpuSet::new();
    set.set(core)?;
    Ok(set)
}
