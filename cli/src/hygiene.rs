//! What nobody else shall see of this process: what it freed, its core dumps, its memory.
//!
//! A library must not do this to the process that it is in; a command may.

use std::alloc::System;

#[cfg(target_os = "linux")]
use rustix::process::DumpableBehavior;
#[cfg(unix)]
use rustix::process::Resource;
#[cfg(unix)]
use rustix::process::Rlimit;
use zeroizing_alloc::ZeroAlloc;

/// Overwrites all that is freed: the buffers that a data key came through are the SDK's.
#[global_allocator]
static HEAP: ZeroAlloc<System> = ZeroAlloc(System);

/// No core dumps, and no debugger or other process of this user that reads the memory.
///
/// Where the system refuses, the command does its work all the same. What it starts inherits the
/// limit, but can be read again.
pub(crate) fn begin() {
    #[cfg(unix)]
    let _ =
        rustix::process::setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    // Dumps that go to a program, as on many systems, heed no limit.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
}
