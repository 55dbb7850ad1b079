//! The clock of a host, set wrong.

use super::Host;

impl Host {
    /// Sets the host's clock wrong, or right again: from now on its wall clock is `ahead_ns` nanoseconds ahead of the true time (behind, if that is
    /// negative), and all its clocks run faster by `drift_ppm` millionths (slower, if that is negative).
    ///
    /// As on Linux the monotonic clock is not set, neither here nor by `clock_settime(2)`, and never goes back; it only runs at another rate, as by
    /// `adjtimex(2)`. Everything on the host goes by these clocks: [`Clock::now`](twinsock::Clock::now), sleeps, timeouts of calls, the kernel's own
    /// timers. The true time is the one of [`Sim::now`](crate::Sim::now). A host that boots begins its monotonic clock at zero, and its wall clock has
    /// gone on as it was.
    ///
    /// ```
    /// use std::time::Duration;
    /// use twinsock::{Clock, Instant};
    /// use twinsock_sim::Sim;
    ///
    /// let report = Sim::builder().run(|sim| {
    ///     let host = sim.host("fast");
    ///     // An hour is over 360 ms too early: 100 ppm.
    ///     host.set_clock(0, 100);
    ///     host.spawn("p", |net| net.sleep(Duration::from_secs(3600)));
    /// });
    /// assert_eq!(report.unwrap().elapsed.as_millis(), 3_599_640);
    /// ```
    ///
    /// # Panics
    /// If `drift_ppm` is -1 000 000 or less: such a clock would stand still or go back.
    pub fn set_clock(&self, ahead_ns: i64, drift_ppm: i32) {
        assert!(drift_ppm > -1_000_000, "a clock that runs {drift_ppm} ppm faster does not run");
        self.act(|scheduler| scheduler.set_clock(self.id, ahead_ns, drift_ppm));
    }
}
