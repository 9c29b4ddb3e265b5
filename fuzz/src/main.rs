//! The entry for libFuzzer, which brings `main`. `HEARTH_FUZZ_TARGET` names the target.

#![no_main]

use std::sync::OnceLock;

static TARGET: OnceLock<hearth_fuzz::Target> = OnceLock::new();

libfuzzer_sys::fuzz_target!(
    init: {
        let name = std::env::var("HEARTH_FUZZ_TARGET").unwrap_or_default();
        let Some(target) = hearth_fuzz::target(&name) else {
            eprintln!("HEARTH_FUZZ_TARGET names no target: {name:?}");
            std::process::exit(2);
        };
        TARGET.get_or_init(|| target);
    },
    |bytes: &[u8]| {
        if let Some(target) = TARGET.get() {
            target(bytes);
        }
    }
);
