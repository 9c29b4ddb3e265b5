//! docs/compatibility.md is data: every test it names exists, and every row that claims something names one or says
//! that none does.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// What a row may claim.
const CLAIMS: [&str; 3] = ["supported", "partly", "departs"];
/// What a row says that has nothing to prove.
const ABSENT: [&str; 2] = ["not yet", "out of scope"];
const UNPROVEN: &str = "not proven";

#[test]
fn every_row_names_a_test_that_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = fs::read_to_string(root.join("docs/compatibility.md")).unwrap();
    let mut files = BTreeMap::new();
    let mut proven = 0;
    for line in text.lines() {
        let tests: Vec<_> = line.split('`').skip(1).step_by(2).filter_map(|span| span.split_once(" :: ")).collect();
        for (file, name) in &tests {
            let source = files.entry(*file).or_insert_with(|| fs::read_to_string(root.join(file)).unwrap_or_default());
            let found = [format!("fn {name}("), format!("test('{name}'"), format!("test(\"{name}\"")];
            assert!(found.iter().any(|found| source.contains(found)), "there is no {file} :: {name}: {line}");
        }
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [_, status, proof] = cells[..] else { continue };
        if !line.starts_with('|') || status.starts_with("---") || status == "status" {
            continue;
        }
        if CLAIMS.iter().any(|claim| status.starts_with(claim)) {
            assert!(!tests.is_empty() || proof.contains(UNPROVEN), "nothing proves this: {line}");
            proven += usize::from(!tests.is_empty());
        } else {
            assert!(ABSENT.iter().any(|absent| status.starts_with(absent)), "an unknown status: {line}");
        }
    }
    assert!(proven > 200, "{proven} rows");
}
