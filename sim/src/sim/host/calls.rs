//! Faults of system calls on a host, as choices of the run.

use super::Host;
use twinsock::faulty::Plan;

impl Host {
    /// From now on system calls of the host's processes have faults: those of `plan`, as often as it says, and whether one happens is a choice of
    /// the run. So the run's seed decides (the plan's has no meaning here), its tape replays them, and the shrinker takes away those that do not matter. A
    /// rate of 1 in 1 is no choice: it happens always.
    ///
    /// What can happen, and what the kernel holds afterwards, is what [`Fault`](twinsock::faulty::Fault) says, as with
    /// [`Faulty`](twinsock::faulty::Faulty). A restart of the host changes nothing of it. A plan takes the place of the one before; one without rates
    /// ends it.
    ///
    /// ```
    /// use std::io::Read;
    /// use twinsock::faulty::{Call, Fault, Plan};
    /// use twinsock::net::{TcpListener, TcpStream};
    /// use twinsock_sim::Sim;
    ///
    /// let report = Sim::builder().seed(7).keep_story(true).run(|sim| {
    ///     let host = sim.host("db");
    ///     host.call_faults(Plan::new(0).with(Fault::Eintr.rate(1, 3).on(&[Call::Connect])));
    ///     host.spawn("client", |net| {
    ///         let _listener = TcpListener::bind(&net, "0.0.0.0:80").unwrap();
    ///         (0..20).for_each(|_| drop(TcpStream::connect(&net, "127.0.0.1:80")));
    ///     });
    /// });
    /// let story = report.unwrap().story;
    /// assert!(story.iter().any(|told| told.to_string().contains("connect of fd 1 in db/client: EINTR")), "{story:?}");
    /// ```
    pub fn call_faults(&self, plan: Plan) {
        self.shared.disturb();
        self.act(|scheduler| scheduler.set_call_faults(self.id, plan.has_rates().then_some(plan)));
    }

    /// Whether calls have faults.
    pub(in crate::sim) fn has_call_faults(&self) -> bool {
        self.shared.scheduler.borrow().has_call_faults(self.id)
    }
}
