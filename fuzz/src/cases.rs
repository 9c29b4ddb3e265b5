//! Files of cases of rules, as YAML and as JSON: refused with a place in the text for everything that is wrong, or run.

use hearth_database::rules::cases::{CaseFile, Format, RulesOf};

pub(crate) fn target(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let lines = text.matches('\n').count() + 1;
    for format in [Format::Json, Format::Yaml] {
        match CaseFile::parse(text, format, 5) {
            Ok(CaseFile { rules: RulesOf::Inline(rules), cases }) => {
                for case in &cases {
                    assert!((1..=lines).contains(&case.line), "{} is not in the text", case.line);
                    let found = case.judge(&rules);
                    assert_eq!(found, case.judge(&rules));
                    let why = case.explain(&rules);
                    assert!(why.iter().all(|why| why.allowed()) == (found.to_string() == "allow"), "{why:?}");
                }
            }
            Ok(CaseFile { rules: RulesOf::File(_), .. }) => {}
            Err(errors) => {
                assert!(!errors.0.is_empty(), "refused, and nothing is wrong");
                for error in &errors.0 {
                    assert!((1..=lines).contains(&error.line) && error.column > 0, "{error:#} is not in the text");
                }
            }
        }
    }
}
