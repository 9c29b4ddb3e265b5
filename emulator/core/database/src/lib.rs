//! The Realtime Database without I/O: tree, engine, rules, wire.
