//! The engine against a plain tree, under random histories: writes of all kinds, transactions, queries, listeners,
//! sessions that end, rules that change, journals that fail, databases that are opened again.
//!
//! After every batch the tree is the reference's, what every listener has made of what it was told is what it would
//! be shown, and nobody has heard of what did not happen. `HEARTH_HISTORIES=10000 cargo test -p hearth-database --test
//! model` runs as many, `HEARTH_SEED=7` the one of that seed.

#[cfg(test)]
mod history;
#[cfg(test)]
mod plain;
#[cfg(test)]
mod random;
#[cfg(test)]
mod view;

#[cfg(test)]
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn every_history_is_the_plain_tree_s() {
    if let Some(seed) = number("HEARTH_SEED") {
        return history::run(seed);
    }
    (0..number("HEARTH_HISTORIES").unwrap_or(200)).for_each(history::run);
}
