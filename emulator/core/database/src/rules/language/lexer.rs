//! From the text of an expression to its tokens.
//!
//! A slash begins a pattern where an operand may stand, and divides where an operator may. Must not know: grammar
//! beyond that.

use super::Wrong;
use super::ast::Span;

/// A token and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) span: Span,
    pub(super) kind: TokenKind,
}

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum TokenKind {
    Number(f64),
    Text(String),
    Regex {
        pattern: String,
        flags: String,
    },
    /// A name or a literal word.
    Word(String),
    /// With the `$`.
    Wildcard(String),
    /// An operator, a bracket, a comma, a dot.
    Symbol(&'static str),
    End,
}

/// The longer ones before those they begin with.
const SYMBOLS: [&str; 28] = [
    "===", "!==", "==", "!=", "<=", ">=", "&&", "||", "**", "=>", "<", ">", "!", "+", "-", "*", "/", "%", "?", ":",
    "(", ")", "[", "]", ",", ".", "=", ";",
];

/// Where an expression ends, `TokenKind::End` is found again and again.
#[derive(Clone, Debug)]
pub(super) struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The next token. `operand` says whether an operand may stand here.
    pub(super) fn next(&mut self, operand: bool) -> Result<Token, Wrong> {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r', '\u{a0}', '\u{feff}']).len();
        let start = self.at;
        let kind = self.token(operand)?;
        Ok(Token { span: start..self.at, kind })
    }

    fn token(&mut self, operand: bool) -> Result<TokenKind, Wrong> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Ok(TokenKind::End) };
        let digit_follows = rest.chars().nth(1).is_some_and(|next| next.is_ascii_digit());
        match first {
            '0'..='9' => self.number(),
            '.' if operand && digit_follows => self.number(),
            '\'' | '"' => self.string(first),
            '/' if rest.starts_with("//") || rest.starts_with("/*") => {
                let start = self.at;
                self.at += 2;
                Err(self.wrong(start, "no comment may stand inside an expression: put it outside of the string"))
            }
            '/' if operand => self.regex(),
            '$' => {
                self.at += 1;
                let name = self.word();
                let wildcard = format!("${name}");
                if name.is_empty() {
                    return Err(self.wrong(self.at - 1, "a wildcard's name follows $: letters, digits and _"));
                }
                Ok(TokenKind::Wildcard(wildcard))
            }
            'a'..='z' | 'A'..='Z' | '_' => Ok(TokenKind::Word(self.word().to_owned())),
            _ => {
                let begins = |symbol: &&&str| symbol.starts_with(first) && rest.starts_with(**symbol);
                let Some(symbol) = SYMBOLS.iter().find(begins) else {
                    let start = self.at;
                    self.at += first.len_utf8();
                    return Err(self.wrong(start, &format!("{first:?} means nothing in an expression")));
                };
                self.at += symbol.len();
                Ok(TokenKind::Symbol(symbol))
            }
        }
    }

    fn wrong(&self, start: usize, problem: &str) -> Wrong {
        Wrong::new(start..self.at.max(start + 1), problem)
    }

    fn word(&mut self) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|next: char| !next.is_ascii_alphanumeric() && next != '_').unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default()
    }

    fn digits(&mut self) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|next: char| !next.is_ascii_digit()).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default()
    }

    fn takes(&mut self, expected: &[char]) -> bool {
        let comes = self.rest().starts_with(expected);
        self.at += usize::from(comes);
        comes
    }

    fn number(&mut self) -> Result<TokenKind, Wrong> {
        let start = self.at;
        let whole = self.digits();
        if self.takes(&['.']) {
            self.digits();
        }
        let mut exponent = true;
        if self.takes(&['e', 'E']) {
            self.takes(&['+', '-']);
            exponent = !self.digits().is_empty();
        }
        let glued = !self.word().is_empty();
        let text = self.text.get(start..self.at).unwrap_or_default();
        let octal = whole.len() > 1 && whole.starts_with('0');
        match text.parse::<f64>() {
            Ok(number) if !glued && !octal && exponent && number.is_finite() => Ok(TokenKind::Number(number)),
            Ok(_) | Err(_) => Err(self.wrong(start, &format!("\"{text}\" is no number: write 1, 0.5 or 1e3"))),
        }
    }

    fn string(&mut self, quote: char) -> Result<TokenKind, Wrong> {
        let start = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            let rest = self.rest();
            let Some(stop) = rest.find([quote, '\\', '\n', '\r']) else {
                self.at = start + 1;
                return Err(self.wrong(start, &format!("the string does not end: close it with {quote}")));
            };
            text.push_str(rest.get(..stop).unwrap_or_default());
            self.at += stop;
            if self.takes(&[quote]) {
                return Ok(TokenKind::Text(text));
            }
            if !self.takes(&['\\']) {
                self.at = start + 1;
                return Err(self.wrong(start, &format!("the string does not end in its line: close it with {quote}")));
            }
            self.escape(&mut text)?;
        }
    }

    fn escape(&mut self, text: &mut String) -> Result<(), Wrong> {
        let start = self.at - 1;
        let Some(escaped) = self.rest().chars().next() else {
            return Err(self.wrong(start, "the string ends in the middle of an escape"));
        };
        self.at += escaped.len_utf8();
        text.push(match escaped {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'v' => '\u{b}',
            '0' => '\0',
            'x' => self
                .hexadecimal(2)
                .and_then(char::from_u32)
                .ok_or_else(|| self.wrong(start, "\\x takes 2 hex digits"))?,
            'u' => {
                let wrong = || Wrong::new(start..start + 2, "\\u takes 4 hex digits, and of a pair of surrogates both");
                let first = self.hexadecimal(4).ok_or_else(wrong)?;
                if (0xd800..0xdc00).contains(&first) && self.rest().starts_with("\\u") {
                    self.at += 2;
                    let second =
                        self.hexadecimal(4).filter(|unit| (0xdc00..0xe000).contains(unit)).ok_or_else(wrong)?;
                    char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)).ok_or_else(wrong)?
                } else {
                    char::from_u32(first).ok_or_else(wrong)?
                }
            }
            itself => itself,
        });
        Ok(())
    }

    fn hexadecimal(&mut self, digits: usize) -> Option<u32> {
        let text = self.rest().get(..digits).filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        self.at += digits;
        u32::from_str_radix(text, 16).ok()
    }

    fn regex(&mut self) -> Result<TokenKind, Wrong> {
        let start = self.at;
        let body = self.rest().get(1..).unwrap_or_default();
        let (mut escaped, mut in_class) = (false, false);
        for (at, next) in body.char_indices() {
            match next {
                '\n' | '\r' => break,
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '[' => in_class = true,
                ']' => in_class = false,
                '/' if !in_class => {
                    self.at = start + 1 + at + 1;
                    let flags = self.word().to_owned();
                    return Ok(TokenKind::Regex { pattern: body.get(..at).unwrap_or_default().to_owned(), flags });
                }
                _ => {}
            }
        }
        self.at = start + 1;
        Err(self.wrong(start, "the pattern does not end: close it with /"))
    }
}
