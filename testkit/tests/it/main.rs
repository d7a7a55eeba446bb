//! The testkit as its users see it: through clients of the real SDK, over both transports.

mod faults;
mod kms;
mod record;
mod s3;
mod transport;
