//! From tokens to the form of an expression, by the precedence of JavaScript's operators.
//!
//! Recursion is bounded: what is nested deeper than [`MOST_DEPTH`] is refused. Must not know: which names, methods and
//! types there are.

use super::Wrong;
use super::ast::{Binary, Expr, Kind, Span, Unary};
use super::lexer::{Lexer, Token, TokenKind};

/// Expressions nest at most so deep. `a && b && c` and `a || b || c` count once, however long they are.
pub(super) const MOST_DEPTH: usize = 64;

/// The form of the expression that `text` is.
pub(super) fn parse(text: &str) -> Result<Expr, Wrong> {
    let mut lexer = Lexer::new(text);
    let token = lexer.next(true)?;
    let mut parser = Parser { lexer, token, depth: 0 };
    if parser.token.kind == TokenKind::End {
        return Err(Wrong::new(0..1, "the expression is empty: write true, false or a condition"));
    }
    let expr = parser.expression()?;
    let found = &parser.token.kind;
    if *found == TokenKind::End {
        return Ok(expr);
    }
    let problem = match found {
        TokenKind::Symbol("=" | "=>") => "nothing can be assigned in rules: compare with ==".to_owned(),
        TokenKind::Symbol(";") => "a rule is one expression, without ;".to_owned(),
        TokenKind::Symbol("**") => "there is no operator **".to_owned(),
        TokenKind::Number(_)
        | TokenKind::Text(_)
        | TokenKind::Regex { .. }
        | TokenKind::Word(_)
        | TokenKind::Wildcard(_)
        | TokenKind::Symbol(_)
        | TokenKind::End => format!("expected an operator or the expression's end, found {}", name(found)),
    };
    Err(parser.wrong(&problem))
}

fn name(found: &TokenKind) -> String {
    match found {
        TokenKind::Number(number) => number.to_string(),
        TokenKind::Text(_) => "a string".to_owned(),
        TokenKind::Regex { .. } => "a pattern".to_owned(),
        TokenKind::Word(name) | TokenKind::Wildcard(name) => format!("\"{name}\""),
        TokenKind::Symbol(symbol) => format!("\"{symbol}\""),
        TokenKind::End => "the end".to_owned(),
    }
}

/// How tightly an operator binds what is beside it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Any,
    All,
    Equality,
    Relation,
    Sum,
    Product,
}

#[derive(Clone, Copy)]
enum Operator {
    Any,
    All,
    Binary(Binary),
}

fn operator(kind: &TokenKind) -> Option<(Level, Operator)> {
    let TokenKind::Symbol(symbol) = kind else { return None };
    let binary = |level, binary| Some((level, Operator::Binary(binary)));
    match *symbol {
        "||" => Some((Level::Any, Operator::Any)),
        "&&" => Some((Level::All, Operator::All)),
        "==" | "===" => binary(Level::Equality, Binary::Equal),
        "!=" | "!==" => binary(Level::Equality, Binary::Unequal),
        "<" => binary(Level::Relation, Binary::Less),
        "<=" => binary(Level::Relation, Binary::LessOrEqual),
        ">" => binary(Level::Relation, Binary::Greater),
        ">=" => binary(Level::Relation, Binary::GreaterOrEqual),
        "+" => binary(Level::Sum, Binary::Add),
        "-" => binary(Level::Sum, Binary::Subtract),
        "*" => binary(Level::Product, Binary::Multiply),
        "/" => binary(Level::Product, Binary::Divide),
        "%" => binary(Level::Product, Binary::Remainder),
        _ => None,
    }
}

struct Parser<'t> {
    lexer: Lexer<'t>,
    token: Token,
    depth: usize,
}

impl Parser<'_> {
    fn wrong(&self, problem: &str) -> Wrong {
        let Span { start, end } = self.token.span;
        Wrong::new(start..end.max(start + 1), problem)
    }

    /// Goes on to the next token, and says which one that was.
    fn advance(&mut self, operand: bool) -> Result<Token, Wrong> {
        let next = self.lexer.next(operand)?;
        Ok(std::mem::replace(&mut self.token, next))
    }

    fn is(&self, symbol: &str) -> bool {
        matches!(&self.token.kind, TokenKind::Symbol(found) if *found == symbol)
    }

    /// Takes `symbol`, after which an operand may stand or not.
    fn expect(&mut self, symbol: &str, operand: bool, problem: &str) -> Result<Token, Wrong> {
        if self.is(symbol) {
            return self.advance(operand);
        }
        Err(self.wrong(&format!("{problem}, found {}", name(&self.token.kind))))
    }

    fn made(&self, span: Span, kind: Kind) -> Result<Expr, Wrong> {
        let expr = Expr::new(span, kind);
        if expr.depth > MOST_DEPTH { Err(Wrong::new(expr.span, TOO_DEEP)) } else { Ok(expr) }
    }

    /// Goes one deeper for the time of `parse`.
    fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T, Wrong>) -> Result<T, Wrong> {
        if self.depth == MOST_DEPTH {
            return Err(self.wrong(TOO_DEEP));
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    fn expression(&mut self) -> Result<Expr, Wrong> {
        self.deeper(|parser| {
            let condition = parser.operation(Level::Any)?;
            if !parser.is("?") {
                return Ok(condition);
            }
            parser.advance(true)?;
            let yes = parser.expression()?;
            parser.expect(":", true, "expected : and the other choice")?;
            let no = parser.expression()?;
            parser.made(condition.span.start..no.span.end, Kind::Choice(Box::new([condition, yes, no])))
        })
    }

    /// Operands of operators that bind at least as tightly as `lowest`.
    fn operation(&mut self, lowest: Level) -> Result<Expr, Wrong> {
        let mut left = self.operand()?;
        // Whether `left` is a chain that was begun here, so that it may grow.
        let mut grows = false;
        while let Some((level, operator)) = operator(&self.token.kind).filter(|(level, _)| *level >= lowest) {
            self.advance(true)?;
            let right = match level {
                Level::Any => self.deeper(|parser| parser.operation(Level::All))?,
                Level::All => self.deeper(|parser| parser.operation(Level::Equality))?,
                Level::Equality => self.deeper(|parser| parser.operation(Level::Relation))?,
                Level::Relation => self.deeper(|parser| parser.operation(Level::Sum))?,
                Level::Sum => self.deeper(|parser| parser.operation(Level::Product))?,
                Level::Product => self.operand()?,
            };
            let span = left.span.start..right.span.end;
            let depth = left.depth.max(right.depth + 1);
            match (operator, &mut left.kind) {
                (Operator::Any, Kind::Any(parts)) | (Operator::All, Kind::All(parts)) if grows => {
                    parts.push(right);
                    (left.span, left.depth) = (span, depth);
                    continue;
                }
                (Operator::Any | Operator::All | Operator::Binary(_), _) => {}
            }
            let kind = match operator {
                Operator::Any => Kind::Any(vec![left, right]),
                Operator::All => Kind::All(vec![left, right]),
                Operator::Binary(binary) => Kind::Binary(binary, Box::new([left, right])),
            };
            left = self.made(span, kind)?;
            grows = true;
        }
        Ok(left)
    }

    fn operand(&mut self) -> Result<Expr, Wrong> {
        let unary = if self.is("!") {
            Unary::Not
        } else if self.is("-") {
            Unary::Negate
        } else if self.is("+") {
            return Err(self.wrong("there is no operator + before an operand: leave it out"));
        } else {
            return self.postfix();
        };
        let start = self.advance(true)?.span.start;
        let of = self.deeper(Self::operand)?;
        self.made(start..of.span.end, Kind::Unary(unary, Box::new(of)))
    }

    fn postfix(&mut self) -> Result<Expr, Wrong> {
        let mut expr = self.primary()?;
        loop {
            let start = expr.span.start;
            if self.is(".") {
                self.advance(false)?;
                let TokenKind::Word(name) = self.token.kind.clone() else {
                    return Err(self.wrong("expected a name after the dot"));
                };
                let at = self.advance(false)?.span;
                expr = self.made(start..at.end, Kind::Member { of: Box::new(expr), name, at })?;
            } else if self.is("[") {
                self.advance(true)?;
                let key = self.expression()?;
                let end = self.expect("]", false, "expected ]")?.span.end;
                expr = self.made(start..end, Kind::Element { of: Box::new(expr), key: Box::new(key) })?;
            } else if self.is("(") {
                self.advance(true)?;
                let (arguments, end) = self.list(")", "expected a comma or ) after an argument")?;
                expr = self.made(start..end, Kind::Call { callee: Box::new(expr), arguments })?;
            } else {
                return Ok(expr);
            }
        }
    }

    /// Expressions with commas between them up to `close`, and where that ends.
    fn list(&mut self, close: &str, problem: &str) -> Result<(Vec<Expr>, usize), Wrong> {
        let mut list = Vec::new();
        if !self.is(close) {
            list.push(self.expression()?);
            while self.is(",") {
                self.advance(true)?;
                list.push(self.expression()?);
            }
        }
        let end = self.expect(close, false, problem)?.span.end;
        Ok((list, end))
    }

    fn primary(&mut self) -> Result<Expr, Wrong> {
        let start = self.token.span.start;
        if self.is("(") {
            self.advance(true)?;
            let inside = self.expression()?;
            let end = self.expect(")", false, "expected ) or an operator")?.span.end;
            return Ok(Expr { span: start..end, ..inside });
        }
        if self.is("[") {
            self.advance(true)?;
            let (parts, end) = self.list("]", "expected a comma or ] after an element")?;
            return self.made(start..end, Kind::Array(parts));
        }
        let kind = match self.token.kind.clone() {
            TokenKind::Number(number) => Kind::Number(number),
            TokenKind::Text(text) => Kind::Text(text),
            TokenKind::Regex { pattern, flags } => Kind::Regex { pattern, flags },
            TokenKind::Word(word) => match word.as_str() {
                "null" => Kind::Null,
                "true" => Kind::Bool(true),
                "false" => Kind::Bool(false),
                "var" | "let" | "const" | "function" | "return" | "new" | "this" | "if" | "typeof" | "in"
                | "instanceof" => {
                    return Err(self.wrong(&format!("there is no \"{word}\" in rules: a rule is one expression")));
                }
                _ => Kind::Name(word),
            },
            TokenKind::Wildcard(name) => Kind::Wildcard(name),
            TokenKind::Symbol("{") => return Err(self.wrong("there are no objects in expressions")),
            found @ (TokenKind::Symbol(_) | TokenKind::End) => {
                return Err(self.wrong(&format!("expected a value, found {}", name(&found))));
            }
        };
        let span = self.advance(false)?.span;
        Ok(Expr::new(span, kind))
    }
}

const TOO_DEEP: &str = "the expression nests too deep: at most 64 levels; split it over rules";
