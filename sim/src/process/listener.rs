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
            dispatch: nobody::dispatch(),
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

/// Whether nobody listens on this OS thread.
#[cfg(feature = "tracing")]
pub fn is_nobody_here() -> bool {
    use tracing::level_filters::LevelFilter;
    nobody::attend();
    LevelFilter::current() == LevelFilter::OFF || tracing::dispatcher::get_default(|dispatch| dispatch.is::<nobody::Nobody>())
}

#[cfg(feature = "tracing")]
mod nobody {
    //! A subscriber that hears nothing and says so each time. `Dispatch::none()` says it once and for all: a place of the program that it is asked about
    //! first is never heard again, by nobody.
    //!
    //! It is there from the first run on. While `tracing` knows one subscriber only, it takes that one for everybody's: a place that a run meets first to
    //! which nobody listens would then be off for a subscriber of another OS thread, too. With this one it is asked about each time.

    use std::sync::OnceLock;
    use tracing::level_filters::LevelFilter;
    use tracing::span::{Attributes, Id, Record};
    use tracing::subscriber::Interest;
    use tracing::{Dispatch, Event, Metadata, Subscriber};

    pub struct Nobody;

    static DISPATCH: OnceLock<Dispatch> = OnceLock::new();

    pub fn dispatch() -> Dispatch {
        attend().clone()
    }

    pub fn attend() -> &'static Dispatch {
        DISPATCH.get_or_init(|| Dispatch::new(Nobody))
    }

    impl Subscriber for Nobody {
        fn register_callsite(&self, _metadata: &'static Metadata<'static>) -> Interest {
            Interest::sometimes()
        }

        fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
            false
        }

        fn max_level_hint(&self) -> Option<LevelFilter> {
            Some(LevelFilter::OFF)
        }

        fn new_span(&self, _span: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }

        fn record(&self, _span: &Id, _values: &Record<'_>) {}
        fn record_follows_from(&self, _span: &Id, _follows: &Id) {}
        fn event(&self, _event: &Event<'_>) {}
        fn enter(&self, _span: &Id) {}
        fn exit(&self, _span: &Id) {}
    }
}
