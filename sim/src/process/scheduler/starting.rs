//! Who comes: processes and their threads.

use super::{Life, ProcId, Process, Scheduler, State, Thread, ThreadId};
use crate::host::{Credentials, Pid};
use crate::process::coroutine::{Carrier, StackEnd};
use crate::trace::What;
use crate::world::HostId;
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
        let main = self.add_thread(id, (host, pid), name.to_owned(), self.world.now(), carrier);
        self.processes.push(Process {
            host,
            pid,
            name: name.to_owned(),
            main,
            threads: vec![main],
            daemon,
            life: Life::Alive,
            entropy: None,
        });
        if !daemon {
            self.live += 1;
        }
        self.world.trace_mut().names_mut().name_process(host.0, pid.0, name);
        self.record(main, What::ProcessStart);
        id
    }

    /// Makes a thread of the running thread's process, ready at its parent's clock.
    pub fn spawn_thread(&mut self, parent: ThreadId, carrier: Carrier) -> ThreadId {
        let thread = &mut self.threads[parent.index()];
        thread.children += 1;
        let (process, home, clock) = (thread.process, (thread.host, thread.pid), thread.clock);
        let name = format!("{}/{}", thread.name, thread.children);
        let id = self.add_thread(process, home, name, clock, carrier);
        self.processes[process.index()].threads.push(id);
        id
    }

    fn add_thread(&mut self, process: ProcId, home: (HostId, Pid), name: String, clock: Instant, carrier: Carrier) -> ThreadId {
        let id = ThreadId(u32::try_from(self.threads.len()).expect("fewer than 2^32 threads"));
        self.pulse.add_thread(&name);
        self.threads.push(Thread {
            process,
            host: home.0,
            pid: home.1,
            name,
            clock,
            state: State::Due,
            turn: 0,
            carrier: Some(Box::new(carrier)),
            op: None,
            quiet: None,
            reads_as_file: false,
            received: None,
            recent: Default::default(),
            signal: None,
            joiners: Vec::new(),
            children: 0,
            killed: false,
            is_held_up: false,
            calls_after_kill: 0,
        });
        self.stack_ends.push(StackEnd::UNKNOWN);
        self.queue_turn(id, clock);
        id
    }
}
