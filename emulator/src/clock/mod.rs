//! What time it is, what is due when, and where random bytes come from.
//!
//! Everything that depends on time or chance asks here, so that a test or a developer can hold both still. Must not
//! know: any product, any socket, any file.

mod agenda;
mod entropy;

pub use agenda::{Agenda, Job, Work};
pub use entropy::Entropy;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch.
pub type Millis = u64;

/// Where a manual clock starts unless told otherwise: 2030-01-01T00:00:00Z.
///
/// A fixed instant, so that two runs answer with the same bytes; in the future, so that SDKs which compare a token's
/// expiry with the machine's own clock take it as valid.
pub const MANUAL_START: Millis = 1_893_456_000_000;

/// The one source of "now".
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    System,
    Manual(Arc<AtomicU64>),
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self(Kind::System)
    }

    /// A clock that stands at `start` until [`Agenda::set`] moves it.
    pub fn manual(start: Millis) -> Self {
        Self(Kind::Manual(Arc::new(AtomicU64::new(start))))
    }

    /// The time, in milliseconds since the Unix epoch.
    pub fn now(&self) -> Millis {
        match &self.0 {
            Kind::System => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX)),
            Kind::Manual(now) => now.load(Ordering::SeqCst),
        }
    }

    /// Whether this clock only moves when told to.
    pub fn is_manual(&self) -> bool {
        matches!(self.0, Kind::Manual(_))
    }

    /// Moves a manual clock; the machine's clock stays as it is.
    fn set(&self, now: Millis) {
        if let Kind::Manual(current) = &self.0 {
            current.store(now, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_stands_still() {
        let clock = Clock::manual(5);
        assert_eq!((clock.now(), clock.now(), clock.is_manual()), (5, 5, true));
        clock.set(9);
        assert_eq!(clock.now(), 9);
    }

    #[test]
    fn the_system_clock_does_not_obey() {
        let clock = Clock::system();
        clock.set(9);
        assert!(clock.now() > 1_600_000_000_000 && !clock.is_manual());
    }
}
