//! Signals, `signal(7)`: a handler that does nothing but return runs in a thread, and the call in which that thread waits ends or
//! begins again.

use crate::host::{Call, Op};
use crate::process::names::name_of;
use crate::process::scheduler::{ProcId, Scheduler, ThreadId};
use crate::trace::What;

/// A signal, by what its handler was installed with: all that the interrupted call can tell, `sigaction(2)`.
///
/// ```
/// use std::time::Duration;
/// use twinsock_sim::{Signal, Sim};
/// let report = Sim::builder().run(|sim| {
///     let process = sim.host("a").spawn("p", |net| {
///         twinsock::net::UdpSocket::bind(&net, "0.0.0.0:7").unwrap().recv(&mut [0]).is_err()
///     });
///     sim.run_for(Duration::from_secs(1));
///     process.signal(Signal::Restarting); // recv(2) begins again
///     sim.run_for(Duration::from_secs(1));
///     assert!(process.is_alive());
///     process.signal(Signal::Interrupting); // recv(2) ends with EINTR
///     sim.run_to_end().unwrap();
///     assert_eq!(process.take(), Some(true));
/// });
/// report.unwrap();
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signal {
    /// No flags: the call ends with `EINTR`, or with what it has done so far.
    Interrupting,
    /// `SA_RESTART`: a call that has done nothing yet begins again, unless its socket has a timeout; `poll`, `select` and `epoll_wait`
    /// end with `EINTR` all the same.
    Restarting,
}

impl Scheduler {
    /// Whether a thread belongs to this process and has not ended.
    pub fn has_thread(&self, process: ProcId, thread: ThreadId) -> bool {
        self.process(process).threads().any(|own| own == thread) && !self.has_ended(thread)
    }

    /// Sends a thread a signal. It concerns a thread that waits in a system call, and no other.
    pub fn signal(&mut self, thread: ThreadId, signal: Signal) {
        let how = match signal {
            Signal::Interrupting => "interrupting",
            Signal::Restarting => "SA_RESTART",
        };
        self.record(thread, What::Signal { how });
        let slot = self.thread_mut(thread);
        if slot.op.is_some() || slot.quiet.is_some() {
            slot.signal = Some(signal);
            self.tell_of_signal(thread);
            // It looks once more whether it has to wait: what it waits for may come at this moment.
            self.wake(thread);
        }
    }

    /// A signalled thread has looked once more and would go on waiting: its call takes the signal.
    #[cold]
    pub(super) fn take_signal(&mut self, thread: ThreadId, call: &mut Call<'_, '_>, op: Op) -> Option<twinsock::Result<usize>> {
        let restarts = op.restarts() && self.thread_mut(thread).signal == Some(Signal::Restarting);
        let host = self.process(self.process_of(thread)).host;
        let ended = self.world_mut().interrupt(host, op);
        if restarts { self.begin(thread, call) } else { Some(self.end_waited(thread, call, name_of(call), ended)) }
    }
}
