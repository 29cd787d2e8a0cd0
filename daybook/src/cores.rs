//! No core of this process is kept: it would hold keys and secrets in clear.

use rustix::process::{Resource, Rlimit, setrlimit};

/// From here on, also for every process started from this one.
pub(crate) fn leave_none() {
    // A limit can always be lowered; where the system has none, it keeps no cores either.
    let _unlimited = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
}
