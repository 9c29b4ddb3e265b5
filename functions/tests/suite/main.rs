//! The functions from outside, over in-memory doubles of their ports.
//!
//! The modules say that they are tests so that the lints treat them as such.

#[cfg(test)]
mod doubles;
#[cfg(test)]
mod purges;
#[cfg(test)]
mod push_update;
#[cfg(test)]
mod refresh_token;
#[cfg(test)]
mod start_session;
#[cfg(test)]
mod together;
