//! The syntax of nginx configurations: words, `;`, blocks, quotes, comments. Must not know: what a directive means.

use std::iter::Peekable;
use std::str::Chars;

/// A directive, with its block if it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Directive {
    /// Where it begins, from 1.
    pub(super) line: usize,
    pub(super) name: String,
    pub(super) arguments: Vec<String>,
    pub(super) block: Option<Vec<Directive>>,
}

/// Blocks lie within each other at most so deep.
const DEEPEST: usize = 32;

enum Token {
    Word(String),
    End,
    Open,
    Close,
}

struct Tokens<'t> {
    letters: Peekable<Chars<'t>>,
    line: usize,
}

/// Reads a configuration.
///
/// # Errors
/// What is wrong, with the line.
pub(super) fn parse(text: &str) -> Result<Vec<Directive>, String> {
    let mut tokens = Tokens { letters: text.chars().peekable(), line: 1 };
    block(&mut tokens, 0)
}

fn block(tokens: &mut Tokens<'_>, depth: usize) -> Result<Vec<Directive>, String> {
    if depth > DEEPEST {
        return Err(format!("line {}: blocks lie too deep", tokens.line));
    }
    let mut directives = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut begun = 0;
    loop {
        let token = tokens.next()?;
        let line = tokens.line;
        match token {
            Some(Token::Word(word)) => {
                if words.is_empty() {
                    begun = line;
                }
                words.push(word);
            }
            Some(mark @ (Token::End | Token::Open)) => {
                let mut all = std::mem::take(&mut words).into_iter();
                let name = all.next().ok_or_else(|| format!("line {line}: a directive without a name"))?;
                let block = match mark {
                    Token::Open => Some(block(tokens, depth + 1)?),
                    Token::End | Token::Close | Token::Word(_) => None,
                };
                directives.push(Directive { line: begun, name, arguments: all.collect(), block });
            }
            Some(Token::Close) if depth > 0 && words.is_empty() => return Ok(directives),
            None if depth == 0 && words.is_empty() => return Ok(directives),
            Some(Token::Close) => {
                return Err(format!("line {line}: a }} that closes nothing, or a ; before it is missing"));
            }
            None => return Err(format!("line {line}: the text ends within a block or directive")),
        }
    }
}

impl Tokens<'_> {
    fn next(&mut self) -> Result<Option<Token>, String> {
        loop {
            let Some(letter) = self.letters.peek().copied() else { return Ok(None) };
            match letter {
                '#' => while self.take().is_some_and(|letter| letter != '\n') {},
                ';' | '{' | '}' => {
                    self.take();
                    return Ok(Some(match letter {
                        ';' => Token::End,
                        '{' => Token::Open,
                        _ => Token::Close,
                    }));
                }
                '"' | '\'' => return self.quoted(letter).map(Some),
                blank if blank.is_whitespace() => {
                    self.take();
                }
                _ => return self.bare().map(Some),
            }
        }
    }

    fn take(&mut self) -> Option<char> {
        let letter = self.letters.next()?;
        self.line += usize::from(letter == '\n');
        Some(letter)
    }

    fn quoted(&mut self, quote: char) -> Result<Token, String> {
        let begun = self.line;
        self.take();
        let mut word = String::new();
        loop {
            match self.take() {
                Some(letter) if letter == quote => return Ok(Token::Word(word)),
                Some('\\') => self.escaped(&mut word),
                Some(letter) => word.push(letter),
                None => return Err(format!("line {begun}: a quote is not closed")),
            }
        }
    }

    fn bare(&mut self) -> Result<Token, String> {
        let begun = self.line;
        let mut word = String::new();
        while let Some(letter) = self.letters.peek().copied() {
            // A variable may be written with braces of its own.
            let in_variable = letter == '{' && word.ends_with('$');
            if letter.is_whitespace() || letter == ';' || (letter == '{' && !in_variable) {
                break;
            }
            self.take();
            match letter {
                '\\' => self.escaped(&mut word),
                _ => word.push(letter),
            }
            if in_variable {
                loop {
                    match self.take() {
                        Some('}') => break word.push('}'),
                        Some(letter) => word.push(letter),
                        None => return Err(format!("line {begun}: a variable is not closed")),
                    }
                }
            }
        }
        Ok(Token::Word(word))
    }

    /// What a backslash does, as nginx has it: quotes and blanks lose it, everything else keeps it.
    fn escaped(&mut self, word: &mut String) {
        match self.take() {
            Some(letter @ ('"' | '\'' | '\\')) => word.push(letter),
            Some('n') => word.push('\n'),
            Some('r') => word.push('\r'),
            Some('t') => word.push('\t'),
            Some(letter) => word.extend(['\\', letter]),
            None => word.push('\\'),
        }
    }
}
