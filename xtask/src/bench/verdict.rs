//! Whether a figure is what it should be. Must not know: what is measured.

use super::Samples;

/// What is wanted of a figure, by itself or against what it is measured against.
#[derive(Clone, Copy, Debug)]
pub(super) enum Limit {
    /// At least so much.
    AtLeast(f64),
    /// At most so much.
    AtMost(f64),
    /// At least this share of the other.
    Share(f64),
    /// At most so many times the other.
    Times(f64),
}

impl Limit {
    /// The same of a figure that stands by itself.
    pub(super) fn alone(self, figure: &Samples) -> String {
        self.verdict(figure, figure)
    }

    /// The limit in words, and whether the figure keeps it.
    pub(super) fn verdict(self, figure: &Samples, other: &Samples) -> String {
        let (figure, times) = (figure.median(), figure.median() / other.median());
        let (kept, words) = match self {
            Self::AtLeast(least) => (figure >= least, format!("≥ {least}")),
            Self::AtMost(most) => (figure <= most, format!("≤ {most}")),
            Self::Share(least) => (times >= least, format!("≥ {least}×")),
            Self::Times(most) => (times <= most, format!("≤ {most}×")),
        };
        format!("{words}, {}", if kept { "kept" } else { "missed" })
    }
}

/// How many times the other the figure is.
pub(super) fn ratio(figure: &Samples, other: &Samples) -> String {
    format!("{:.2}×", figure.median() / other.median())
}

/// Nothing, if nothing was measured.
pub(super) fn shown(samples: &Samples, decimals: usize) -> String {
    if samples.0.is_empty() { String::new() } else { samples.show(decimals) }
}
