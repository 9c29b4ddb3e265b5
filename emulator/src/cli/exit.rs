//! Every way the process can end, and its exit code.

use std::process::ExitCode;

/// Why the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It was asked to, and nothing is left undone.
    Done,
    /// A port is taken, or cannot be listened on.
    Port,
    /// Cases of rules came out otherwise than expected.
    Unexpected,
    /// The configuration is wrong, or lacks something, or a file of cases is wrong. (Wrong flags end with 2 as well, as
    /// is the custom.)
    Config,
    /// The data cannot be opened: in use, written by a later version, unreadable.
    Data,
    /// The system refused something else that is needed.
    System,
    /// The script of `emulators:exec` ended with this code.
    Script(u8),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Port | Exit::Unexpected => 1,
            Exit::Config => 2,
            Exit::Data => 3,
            Exit::System => 4,
            Exit::Script(code) => code,
        })
    }
}
