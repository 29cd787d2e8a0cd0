//! Random bytes of the operating system, drawn some hundreds at a time.

use std::cell::RefCell;

use rand_core::{OsRng, RngCore as _};
use zeroize::Zeroizing;

/// A system call costs as much for all of these as for one.
const AT_ONCE: usize = 1_024;

struct Drawn {
    bytes: Zeroizing<[u8; AT_ONCE]>,
    left: usize,
}

thread_local! {
    static DRAWN: RefCell<Drawn> = RefCell::new(Drawn { bytes: Zeroizing::new([0; AT_ONCE]), left: 0 });
}

/// So many bytes that nobody has seen, each handed out once and kept no longer.
///
/// # Panics
/// Where the operating system has no randomness to give: nothing may be sealed then.
pub(crate) fn random<const N: usize>() -> Zeroizing<[u8; N]> {
    DRAWN.with_borrow_mut(|drawn| {
        if drawn.left < N {
            OsRng.fill_bytes(drawn.bytes.as_mut_slice());
            drawn.left = AT_ONCE;
        }
        let mut taken = Zeroizing::new([0; N]);
        let from = drawn.left.saturating_sub(N);
        if let Some(unused) = drawn.bytes.get_mut(from..drawn.left).filter(|unused| unused.len() == N) {
            taken.copy_from_slice(unused);
            unused.fill(0);
        } else {
            // More than are drawn at once.
            OsRng.fill_bytes(taken.as_mut_slice());
        }
        drawn.left = from;
        taken
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::random;

    #[test]
    fn no_bytes_are_handed_out_twice_or_empty() {
        let drawn: HashSet<[u8; 24]> = (0..10_000).map(|_| *random::<24>()).collect();
        assert_eq!(drawn.len(), 10_000);
        assert!(!drawn.contains(&[0; 24]));
        assert!(random::<2_000>().iter().filter(|byte| **byte != 0).count() > 1_900);
        let elsewhere = std::thread::spawn(|| *random::<24>()).join().unwrap();
        assert!(!drawn.contains(&elsewhere));
    }
}
