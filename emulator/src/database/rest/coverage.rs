//! The coverage of rules as a page: their text, in which each part is coloured by what it came to.
//!
//! A page of its own, without scripts. Must not know: how coverage is counted.

use hearth_database::rules::{Counts, CoverageReport, CoveredPart};
use std::fmt::Write;

const STYLE: &str = "\
body{font:14px/1.5 system-ui,sans-serif;margin:2em auto;max-width:70em;padding:0 1em;color:#1b1b1b;background:#fff}\
pre{padding:1em;overflow-x:auto;background:#f6f6f4;border:1px solid #ddd;line-height:1.9}\
pre span{border-radius:3px;padding:2px 0}\
span:hover{outline:1px solid #444}\
.both{background:#c5ecc5}.one{background:#fbe8a6}.never{background:#f7c4c0}\
.error{text-decoration:underline wavy #c00}\
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.2em .8em .2em 0;vertical-align:top;border-bottom:1px solid #ddd}\
code{white-space:pre-wrap}\
.number{text-align:right}";

/// The page of one database's rules.
pub(super) fn page(database: &str, report: &CoverageReport) -> String {
    let mut page = String::new();
    // Writing to a string does not fail.
    let _ = write_page(&mut page, database, report);
    page
}

fn write_page(page: &mut String, database: &str, report: &CoverageReport) -> std::fmt::Result {
    let all = || report.rules.iter().flat_map(|rule| std::iter::once(&rule.whole).chain(&rule.parts));
    let (parts, asked) = (all().count(), all().filter(|part| part.counts.sum() > 0).count());
    let name = escaped(database);
    write!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Rules coverage: {name}</title>\
         <style>{STYLE}</style></head><body>\n<h1>Rules coverage: {name}</h1>\n\
         <p>{asked} of {parts} expressions have been evaluated since these rules were set. \
         <span class=\"both\">Came to more than one value</span>, <span class=\"one\">always to the same</span>, \
         <span class=\"never\">never evaluated</span>; <span class=\"error\">underlined</span>: there were errors. \
         Point at an expression to see its values. The same as JSON: <code>/.inspect/coverage.json?ns={name}</code></p>\n\
         <pre>",
    )?;
    write_text(page, report)?;
    page.push_str(
        "</pre>\n<table><tr><th>Rule</th><th>Line</th><th class=\"number\">Evaluated</th><th>Values</th></tr>\n",
    );
    for rule in &report.rules {
        let path = if rule.rule_path.is_empty() { "/" } else { &rule.rule_path };
        let (path, counts) = (escaped(path), rule.whole.counts);
        let class = class(counts);
        writeln!(
            page,
            "<tr><td><span class=\"{class}\">{}</span> <code>{path}</code></td><td>{}</td>\
             <td class=\"number\">{}</td><td>{}</td></tr>",
            rule.kind,
            rule.whole.position.line,
            counts.sum(),
            values(counts),
        )?;
    }
    page.push_str("</table>\n</body></html>\n");
    Ok(())
}

/// The text of the rules, with a span for each part.
fn write_text(page: &mut String, report: &CoverageReport) -> std::fmt::Result {
    let mut open: Vec<usize> = Vec::new();
    let mut at = 0;
    let mut go_to = |page: &mut String, end: usize| {
        page.push_str(&escaped(report.text.get(at..end).unwrap_or_default()));
        at = at.max(end);
    };
    for part in report.rules.iter().flat_map(|rule| std::iter::once(&rule.whole).chain(&rule.parts)) {
        while let Some(end) = open.pop_if(|end| *end <= part.begin) {
            go_to(page, end);
            page.push_str("</span>");
        }
        go_to(page, part.begin);
        write!(page, "<span class=\"{}\" title=\"{}\">", class(part.counts), title(part))?;
        open.push(part.end);
    }
    while let Some(end) = open.pop() {
        go_to(page, end);
        page.push_str("</span>");
    }
    go_to(page, report.text.len());
    Ok(())
}

fn class(counts: Counts) -> &'static str {
    match (counts.values().count(), counts.error) {
        (0, _) => "never",
        (1, 0) => "one",
        (1, _) => "one error",
        (_, 0) => "both",
        (_, _) => "both error",
    }
}

fn title(part: &CoveredPart) -> String {
    let values = if part.counts.sum() == 0 { "never evaluated".to_owned() } else { values(part.counts) };
    format!("{}: {values}", escaped(&part.text))
}

fn values(counts: Counts) -> String {
    counts.values().map(|(value, count)| format!("{value} ×{count}")).collect::<Vec<_>>().join(", ")
}

/// As part of a page, in text or in quotes.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for next in text.chars() {
        match next {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            plain => escaped.push(plain),
        }
    }
    escaped
}
