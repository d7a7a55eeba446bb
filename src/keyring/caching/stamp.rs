//! Whether this is still the process that filled the cache, going on without a break.

use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;

/// The process, the boot, and two clocks, one of which stops while a machine sleeps or is a
/// snapshot.
#[derive(Debug)]
pub(super) struct Stamp {
    process: u32,
    boot: Option<String>,
    boot_read: Instant,
    running: Instant,
    wall: SystemTime,
}

impl Stamp {
    pub(super) fn now() -> Self {
        let running = Instant::now();
        Self {
            process: std::process::id(),
            boot: boot_id(),
            boot_read: running,
            running,
            wall: SystemTime::now(),
        }
    }

    /// Whether nothing broke since the last look: no fork, no move to another machine, no sleep.
    ///
    /// A clock that was set is taken for a break too, which costs a call.
    pub(super) fn is_unbroken(&mut self) -> bool {
        let (running, wall) = (Instant::now(), SystemTime::now());
        let ran = running.saturating_duration_since(self.running);
        // A wall clock set back by less than the break hid nothing: the other clock counts it.
        let passed = wall.duration_since(self.wall).unwrap_or_default();
        (self.running, self.wall) = (running, wall);
        let same_boot = if running.saturating_duration_since(self.boot_read) < BOOT_CHECK_EVERY {
            true
        } else {
            self.boot_read = running;
            boot_id() == self.boot
        };
        same_boot && self.process == std::process::id() && passed.abs_diff(ran) < LONGEST_BREAK
    }

    #[cfg(test)]
    pub(super) fn pretend_a_break(&mut self) {
        self.process += 1;
    }
}

/// Where Linux says which boot this is. A process restored elsewhere finds another one; a virtual
/// machine that was cloned does not.
fn boot_id() -> Option<String> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()
}

/// Reading it takes longer than sealing a small object.
const BOOT_CHECK_EVERY: Duration = Duration::from_secs(1);
/// Clocks drift and are set in small steps. A shorter sleep goes unnoticed.
const LONGEST_BREAK: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_break_is_noticed_once() {
        let unbroken = |change: fn(&mut Stamp)| {
            let mut stamp = Stamp::now();
            assert!(stamp.is_unbroken());
            change(&mut stamp);
            stamp.is_unbroken()
        };
        let second = Duration::from_secs(1);
        assert!(unbroken(|_| ()));
        assert!(unbroken(|stamp| stamp.wall -= Duration::from_secs(2)), "a clock set a little");
        assert!(!unbroken(|stamp| stamp.process += 1), "fork");
        assert!(!unbroken(|stamp| stamp.wall -= Duration::from_secs(60)), "sleep");
        assert!(unbroken(|stamp| stamp.boot_read -= Duration::from_secs(2)));
        assert!(!unbroken(|stamp| {
            stamp.boot = Some("another boot".into());
            stamp.boot_read -= Duration::from_secs(2);
        }));
        let mut stamp = Stamp::now();
        stamp.wall -= 60 * second;
        assert!(!stamp.is_unbroken());
        assert!(stamp.is_unbroken());
    }
}
