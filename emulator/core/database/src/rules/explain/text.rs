//! Explanations as people read them: several lines for a log, or one for a header.

use super::super::sources::{RuleKind, cut};
use super::{AskedPart, AskedRule, Explanation, Found, Operation, Outcome, Reason};
use std::fmt::{self, Write};

/// So many characters are shown of a key.
const MOST_KEY_CHARACTERS: usize = 60;
/// In one line so many rules are told of besides the deciding one, and so many parts of that.
const MOST_BRIEF_RULES: usize = 4;
const MOST_BRIEF_PARTS: usize = 8;

impl fmt::Display for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
        })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::True => formatter.write_str("true"),
            Self::False => formatter.write_str("false"),
            Self::Error(why) => write!(formatter, "error ({why})"),
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value) => value.fmt(formatter),
            Self::Error(why) => write!(formatter, "error ({why})"),
            Self::NotEvaluated => formatter.write_str("not evaluated"),
        }
    }
}

impl Explanation {
    /// What the judgement rests on, as half a sentence.
    pub fn because(&self) -> String {
        let rule = match self.operation {
            Operation::Read => ".read",
            Operation::Write => ".write",
        };
        match self.reason {
            Reason::Admin => "admins bypass the rules".to_owned(),
            Reason::Open => "there are no rules, and everyone may do everything".to_owned(),
            Reason::Locked => "there are no rules, and only admins may do anything".to_owned(),
            Reason::Holds => match self.operation {
                Operation::Read => "a .read holds".to_owned(),
                Operation::Write => "a .write holds, and so does every .validate".to_owned(),
            },
            Reason::NothingHolds if self.deciding.is_none() => {
                format!("there is no {rule} from the root down to there")
            }
            Reason::NothingHolds => format!("no {rule} from the root down to there holds"),
            Reason::Invalid => {
                let holds = |rule: &AskedRule| rule.kind == RuleKind::Write && rule.outcome == Outcome::True;
                let nor = if self.rules.iter().any(holds) { "" } else { ", and neither does a .write above it" };
                format!("a .validate does not hold{nor}")
            }
            Reason::Exhausted => "the judgement took too many steps".to_owned(),
        }
    }

    /// All that matters most in one line of printable ASCII of at most `most` bytes: other characters are written as
    /// `\u{…}`.
    pub fn compact(&self, most: usize) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = self.brief(&mut text);
        let mut line = String::new();
        for next in text.chars() {
            match next {
                ' '..='~' => line.push(next),
                other => line.extend(other.escape_unicode()),
            }
            if line.len() > most {
                break;
            }
        }
        if line.len() > most {
            line.truncate(most.saturating_sub(3));
            line.push_str("...");
        }
        line
    }

    fn brief(&self, text: &mut impl Write) -> fmt::Result {
        let verdict = if self.allowed() { "allowed" } else { "denied" };
        write!(text, "{verdict}: {} {}: {}", self.operation, self.path, self.because())?;
        if let Some(rule) = self.deciding_rule() {
            rule.brief(text)?;
            if !rule.is_constant() {
                write!(text, ": {}", rule.source)?;
            }
            // The part that decides, and what it consists of; else all of them.
            let decides = rule.parts.iter().position(|part| part.decides);
            let from = decides.unwrap_or_default();
            let depth = rule.parts.get(from).map_or(0, |part| part.depth);
            let below = rule.parts.iter().skip(from + 1).take_while(|part| decides.is_none() || part.depth > depth);
            for part in rule.parts.iter().skip(from).take(1).chain(below).take(MOST_BRIEF_PARTS) {
                write!(text, "; {} is {}", part.text, part.found)?;
            }
        }
        let others = self.rules.iter().zip(0..).filter(|(_, place)| Some(*place) != self.deciding);
        let failed = others.map(|(rule, _)| rule).filter(|rule| rule.outcome != Outcome::True);
        for rule in failed.take(MOST_BRIEF_RULES) {
            rule.brief(text)?;
        }
        Ok(())
    }
}

impl fmt::Display for Explanation {
    /// Several lines, without one's end at the end.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.allowed() { "Allowed" } else { "Denied" };
        writeln!(formatter, "{verdict}: {} {}", self.operation, self.path)?;
        match &self.auth {
            None => writeln!(formatter, "  as an admin")?,
            Some(auth) => writeln!(formatter, "  auth is {auth}")?,
        }
        write!(formatter, "  {}", self.because())?;
        for (rule, place) in self.rules.iter().zip(0..) {
            writeln!(formatter)?;
            rule.write(formatter, Some(place) == self.deciding)?;
        }
        if self.left_out > 0 {
            write!(formatter, "\n  and {} validations more, which hold", self.left_out)?;
        }
        Ok(())
    }
}

impl AskedRule {
    /// Whether it is written as what it came to.
    fn is_constant(&self) -> bool {
        self.source == self.outcome.to_string()
    }

    fn brief(&self, text: &mut impl Write) -> fmt::Result {
        let Self { kind, rule_path, position, outcome, .. } = self;
        write!(text, "; {kind} at {rule_path} ({position}) is {outcome}")
    }

    fn write(&self, formatter: &mut fmt::Formatter<'_>, decides: bool) -> fmt::Result {
        let Self { kind, rule_path, position, outcome, .. } = self;
        let mark = if decides { '>' } else { ' ' };
        write!(formatter, "{mark} {kind} at {rule_path} ({position}) is {outcome}")?;
        for (number, (name, key)) in self.wildcards.iter().enumerate() {
            let key = serde_json::Value::from(cut(key, MOST_KEY_CHARACTERS));
            write!(formatter, "{} {name} = {key}", if number == 0 { ", where" } else { "," })?;
        }
        if !self.is_constant() {
            write!(formatter, "\n      {}", self.source)?;
        }
        self.parts.iter().try_for_each(|part| {
            writeln!(formatter)?;
            part.write(formatter)
        })
    }
}

impl AskedPart {
    fn write(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.decides { '>' } else { ' ' };
        let position = self.position.to_string();
        let Self { text, found, depth, .. } = self;
        write!(formatter, "    {mark} {position:7}{}{text} is {found}", "  ".repeat(*depth))
    }
}
