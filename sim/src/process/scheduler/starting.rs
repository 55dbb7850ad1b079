//! Who comes: processes and their threads.

use super::{Life, ProcId, Process, Scheduler, State, Thread, ThreadId};
use crate::host::{Credentials, Pid};
use crate::process::coroutine::{Carrier, StackEnd};
use crate::trace::What;
use crate::world::HostId;
use std::sync::Arc;
use twinsock::Instant;

impl Scheduler {
    /// Makes a process on a host; its main thread is ready at the current moment.
    pub fn spawn_process(
        &mut self,
        host: HostId,
        name: &str,
        credentials: Credentials,
        daemon: bool,
        carrier: Carrier,
    ) -> ProcId {
        let pid = self.world.spawn_process(host, credentials);
        let id = self.next_process();
        // Most have the name of the one before.
        if *self.last_name != *name {
            self.last_name = Arc::from(name);
        }
        let name = Arc::clone(&self.last_name);
        let main = self.add_thread(id, (host, pid), Arc::clone(&name), self.world.now(), carrier);
        self.world.trace_mut().names_mut().name_process(host.0, pid.0, Arc::clone(&name));
        self.processes.push(Process { host, pid, name, main, others: Vec::new(), daemon, life: Life::Alive, entropy: None });
        if !daemon {
            self.rare.keep_going();
        }
        self.record(main, What::ProcessStart);
        id
    }

    /// Makes a thread of the running thread's process, ready at its parent's clock.
    pub fn spawn_thread(&mut self, parent: ThreadId, carrier: Carrier) -> ThreadId {
        let thread = &mut self.threads[parent.index()];
        thread.children += 1;
        let (process, home, clock) = (thread.process, (thread.host, thread.pid), thread.clock);
        let name = Arc::from(format!("{}/{}", self.names[parent.index()], thread.children));
        let id = self.add_thread(process, home, name, clock, carrier);
        self.processes[process.index()].others.push(id);
        id
    }

    fn add_thread(&mut self, process: ProcId, home: (HostId, Pid), name: Arc<str>, clock: Instant, carrier: Carrier) -> ThreadId {
        let id = ThreadId(u32::try_from(self.threads.len()).expect("fewer than 2^32 threads"));
        self.pulse.add_thread(Arc::clone(&name));
        self.threads.push(Thread {
            clock,
            state: State::Due,
            turn: 0,
            host: home.0,
            pid: home.1,
            process,
            killed: false,
            is_held_up: false,
            signal: None,
            carrier: Some(carrier),
            op: None,
            quiet: None,
            posted: None,
            recent: Default::default(),
            received: None,
            children: 0,
            calls_after_kill: 0,
        });
        self.names.push(name);
        self.stack_ends.push(StackEnd::UNKNOWN);
        self.world.schedule_turn(clock, self.threads[id.index()].alarm(id));
        id
    }
}
