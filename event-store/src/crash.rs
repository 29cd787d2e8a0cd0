//! Named points where a test may kill or pause this process; nothing in a release.

/// Every point, in the order an act and a follower's step pass them.
pub const POINTS: &[&str] = &[
    "execute.before_queue",
    "execute.after_queue",
    "writer.before_decide",
    "writer.after_decide",
    "append.before_send",
    "append.after_send",
    "append.before_find_own",
    "append.after_find_own",
    "settle.before_look",
    "settle.after_look",
    "load.before_read",
    "load.after_read",
    "writer.before_cache",
    "writer.after_cache",
    "writer.before_answers",
    "writer.after_answers",
    "snapshot.before_write",
    "snapshot.after_write",
    "tail.before_read",
    "tail.after_read",
    "follower.before_lease",
    "follower.after_lease",
    "follower.before_work",
    "follower.after_work",
    "follower.before_commit",
    "follower.after_commit",
];

/// Those on the way of a request through an HTTP face, in order; between `planned` and `decided` it passes the others.
pub const OF_A_REQUEST: &[&str] = &[
    "request.come",
    "request.proven",
    "request.admitted",
    "request.planned",
    "request.decided",
    "request.before_answer",
];

/// Those on the way of a process, in order; between `before_turn` and `after_turn` it passes those of an act. Each is also
/// known by whose it is: `process.before_turn@settle`.
pub const OF_A_PROCESS: &[&str] =
    &["process.before_turn", "process.after_turn", "process.before_call", "process.after_call"];

/// Those on the way of an event to Kafka, in order.
pub const OF_THE_RELAY: &[&str] = &[
    "relay.before_produce",
    "relay.after_produce",
    "relay.acknowledged",
    "relay.before_checkpoint",
    "relay.before_commit",
    "relay.after_checkpoint",
];

/// Those on the way of an event from Kafka, in order; around the work it passes those of a follower.
pub const OF_A_FED_ONE: &[&str] = &["fed.come", "fed.before_commit", "fed.after_commit", "fed.after_offsets"];

/// Passes a point. `DAYBOOK_CRASH_AT=name:n` kills the process, without a farewell, when it passes there for the n-th
/// time; `DAYBOOK_PAUSE_AT=name:n` stops it as `kill -STOP` does.
#[inline]
pub fn point(name: &'static str) {
    #[cfg(debug_assertions)]
    armed::pass(name, "");
    #[cfg(not(debug_assertions))]
    let _unused_in_release = name;
}

/// Passes a point that many pass; `of` says which of them does, so that `name@of` is a point of its own.
#[inline]
pub fn point_of(name: &'static str, of: &'static str) {
    #[cfg(debug_assertions)]
    armed::pass(name, of);
    #[cfg(not(debug_assertions))]
    let _unused_in_release = (name, of);
}

/// Whether a test wants everything that may come twice to come twice, by `DAYBOOK_TWICE`; never in a release.
#[inline]
pub fn is_doubled() -> bool {
    #[cfg(debug_assertions)]
    return armed::is_doubled();
    #[cfg(not(debug_assertions))]
    false
}

#[cfg(debug_assertions)]
mod armed {
    use std::process::{Command, abort, id};
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    struct Trap {
        name: String,
        countdown: AtomicU64,
    }

    static CRASH: OnceLock<Option<Trap>> = OnceLock::new();
    static PAUSE: OnceLock<Option<Trap>> = OnceLock::new();
    static TWICE: OnceLock<bool> = OnceLock::new();

    pub(super) fn is_doubled() -> bool {
        *TWICE.get_or_init(|| std::env::var_os("DAYBOOK_TWICE").is_some())
    }

    pub(super) fn pass(name: &'static str, of: &'static str) {
        if springs(&CRASH, "DAYBOOK_CRASH_AT", name, of) {
            abort();
        }
        if springs(&PAUSE, "DAYBOOK_PAUSE_AT", name, of) {
            let stopped = Command::new("kill").args(["-STOP", &id().to_string()]).status();
            assert!(stopped.is_ok_and(|status| status.success()), "this process could not be paused");
            // The stop begins when another thread is next scheduled: this one must not slip through until then.
            std::thread::sleep(std::time::Duration::from_millis(500));
        }
    }

    impl Trap {
        fn is_at(&self, name: &str, of: &str) -> bool {
            self.name.split_once('@').map_or(self.name == name, |(set, whose)| set == name && whose == of)
        }
    }

    fn springs(trap: &OnceLock<Option<Trap>>, variable: &str, name: &str, of: &str) -> bool {
        let trap = trap.get_or_init(|| {
            let set = std::env::var(variable).ok()?;
            let (name, nth) = set.split_once(':').unwrap_or((&set, "1"));
            Some(Trap { name: name.to_owned(), countdown: AtomicU64::new(nth.parse().unwrap_or(1)) })
        });
        trap.as_ref().is_some_and(|trap| trap.is_at(name, of) && trap.countdown.fetch_sub(1, Ordering::SeqCst) == 1)
    }
}
