//! What the benchmarks share.
//!
//! A number from a busy machine says little; a ratio says more. So every benchmark is a [`Race`]:
//! a floor (what any such program must do, such as the raw cipher) and entrants, each of which is
//! timed in turns with the floor in the same run. [`Report`] prints the ratios and says which of
//! our aims they meet.
//!
//! Peers are dependencies of the benchmarks alone. kms-aead 0.31 is not among them: it needs a
//! newer compiler than the one this project names.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on stops here")]

mod load;
mod race;
mod raw;
mod report;

pub use load::FixedKey;
pub use load::cipher;
pub use load::drain;
pub use load::human;
pub use load::noise;
pub use load::now;
pub use load::plain_len;
pub use load::sized;
pub use race::Entrant;
pub use race::Race;
pub use race::Work;
pub use raw::BACKEND;
pub use raw::Raw;
pub use raw::hkdf_expand;
pub use report::Aim;
pub use report::Report;
pub use report::is_test;
