//! The functions from outside, over in-memory doubles of their ports.

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
