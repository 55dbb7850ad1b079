//! Who listens to `tracing` on an OS thread, so that a run on another one is heard by the same; nobody, without that feature.

/// Who listens on an OS thread.
#[derive(Clone)]
pub struct Listener {
    #[cfg(feature = "tracing")]
    dispatch: tracing::Dispatch,
}

impl Listener {
    /// Whoever listens on this one.
    pub fn here() -> Listener {
        Listener {
            #[cfg(feature = "tracing")]
            dispatch: tracing::dispatcher::get_default(Clone::clone),
        }
    }

    /// Nobody.
    pub fn nobody() -> Listener {
        Listener {
            #[cfg(feature = "tracing")]
            dispatch: tracing::Dispatch::none(),
        }
    }

    /// Runs `body` on this OS thread, to be heard by them.
    pub fn hear<T>(&self, body: impl FnOnce() -> T) -> T {
        #[cfg(feature = "tracing")]
        return tracing::dispatcher::with_default(&self.dispatch, body);
        #[cfg(not(feature = "tracing"))]
        body()
    }
}
