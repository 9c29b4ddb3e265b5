//! Firebase Auth without I/O: accounts, operations, tokens.
