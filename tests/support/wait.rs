//! [`Waiting`]: a call that another thread makes, so that a promise can see it wait.

use super::files::World;
use super::sock::PATIENCE;
use std::time::Duration;
use twinsock::JoinThread;
use twinsock::sync::{Receiver, RecvTimeoutError, channel};
use twinsock_sim::Signal;

/// How long a call is watched before it counts as waiting: far longer than one that need not wait takes.
const MOMENT: Duration = Duration::from_millis(30);

/// A call that another thread makes.
pub struct Waiting<E: World, T: Send + 'static> {
    env: E,
    id: E::Thread,
    thread: E::Join<()>,
    answers: Receiver<E, T>,
}

impl<E: World, T: Send + 'static> Waiting<E, T> {
    /// Has another thread make the call.
    pub fn start(env: &E, call: impl FnOnce() -> T + Send + 'static) -> Waiting<E, T> {
        let ((starting, started), (sender, answers)) = (channel(env), channel(env));
        let api = env.clone();
        let thread = env.spawn(move || {
            starting.send(api.this_thread()).expect("the promise waits for the thread");
            // A promise that has failed takes no answer.
            sender.send(call()).ok();
        });
        let id = started.recv().expect("the thread starts");
        Waiting { env: env.clone(), id, thread, answers }
    }

    /// As [`Waiting::start`], once the call has been seen to wait.
    #[track_caller]
    pub fn begun(env: &E, call: impl FnOnce() -> T + Send + 'static) -> Waiting<E, T> {
        let waiting = Waiting::start(env, call);
        waiting.expect_waiting();
        waiting
    }

    /// Asserts that the call waits.
    #[track_caller]
    pub fn expect_waiting(&self) {
        assert!(self.watch().is_none(), "the call did not wait");
    }

    /// What the call has answered; `None`: it waits.
    #[track_caller]
    pub fn watch(&self) -> Option<T> {
        let deadline = self.env.now() + PATIENCE;
        loop {
            match self.answers.recv_timeout(MOMENT) {
                Ok(answer) => return Some(answer),
                Err(RecvTimeoutError::Timeout) if self.env.sleeps(self.id) => return None,
                Err(RecvTimeoutError::Timeout) => assert!(self.env.now() < deadline, "waited {PATIENCE:?} for a call to begin"),
                Err(RecvTimeoutError::Disconnected) => panic!("the thread has panicked"),
            }
        }
    }

    /// Sends the thread a signal, which interrupts the call.
    pub fn signal(&self, signal: Signal) {
        self.env.signal(self.id, signal);
    }

    /// The answer, if it comes within `patience`.
    pub fn answer_within(&self, patience: Duration) -> Option<T> {
        self.answers.recv_timeout(patience).ok()
    }

    /// What the call answers.
    #[track_caller]
    pub fn answer(self) -> T {
        let answer = self.answers.recv_timeout(PATIENCE);
        match answer {
            Ok(answer) => {
                self.thread.join().expect("the thread has answered");
                answer
            }
            Err(RecvTimeoutError::Timeout) => panic!("waited {PATIENCE:?} for the answer of a call"),
            Err(RecvTimeoutError::Disconnected) => {
                self.thread.join().expect("the thread answers");
                unreachable!("a thread that has not answered has panicked");
            }
        }
    }
}
