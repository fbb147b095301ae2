//! The time of a keeper's next request.
//!
//! A renewal that succeeded is repeated at about a third of the TTL that Vault gave, with jitter, so that many
//! kernels do not renew at the same moment. After a failure the pauses grow, but are shorter when little time is
//! left. In the last second nothing is renewed: the answer would come too late.

use std::time::Duration;

/// The shortest pause between two failed requests.
const LEAST: Duration = Duration::from_secs(1);
/// The longest pause between two failed requests.
pub(super) const MOST: Duration = Duration::from_secs(60);
/// The last moment before the end, in which nothing is renewed. A TTL that is shorter than the increment by no more
/// than this does not mean max TTL, since Vault counts whole seconds.
pub(super) const LAST: Duration = Duration::from_secs(1);

/// The assumed lifetime of a lease if Vault gives no TTL.
pub(super) const UNKNOWN: Duration = Duration::from_secs(24 * 3600);
/// The longest wait at once: Vault's default max TTL of a token.
const LONGEST: Duration = Duration::from_secs(32 * 24 * 3600);

/// The lifetime for a TTL in seconds; 0 means that Vault gave none.
pub(super) fn life(seconds: u64) -> Duration {
    if seconds == 0 { UNKNOWN } else { Duration::from_secs(seconds).min(LONGEST) }
}

/// The pause before the next renewal, after a renewal that gave `given`; `None` if the end is too near for another.
pub(super) fn after_success(given: Duration) -> Option<Duration> {
    (given > LAST).then(|| given.mul_f64(0.3 + 0.1 * fastrand::f64()))
}

/// The pause before the next attempt, after so many failures in a row and with `left` until the end; `None` if the
/// end is too near for another.
pub(super) fn after_failure(failures: u32, left: Duration) -> Option<Duration> {
    let pause = (LEAST * 2_u32.saturating_pow(failures.min(8))).min(MOST);
    let pause = pause.mul_f64(0.5 + fastrand::f64()).min(left / 2);
    Some(pause).filter(|pause| *pause + LAST < left)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{LAST, LEAST, LONGEST, MOST, UNKNOWN, after_failure, after_success, life};

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn a_renewal_comes_at_about_a_third_and_never_in_the_last_second() {
        for millis in (0..100_000).step_by(37) {
            let given = Duration::from_millis(millis);
            match after_success(given) {
                Some(pause) => assert!(pause >= given.mul_f64(0.29) && pause <= given.mul_f64(0.41), "{given:?}"),
                None => assert!(given <= LAST, "{given:?}"),
            }
        }
    }

    #[test]
    fn renewals_of_many_kernels_are_spread() {
        let pauses: Vec<_> = (0..1000).filter_map(|_| after_success(HOUR)).collect();
        let (first, last) = (pauses.iter().min().unwrap(), pauses.iter().max().unwrap());
        assert!(last.abs_diff(*first) > HOUR / 20, "{first:?} to {last:?}");
    }

    #[test]
    fn failures_are_repeated_later_and_later_without_a_hot_loop() {
        for failures in 1..40 {
            for _ in 0..100 {
                let pause = after_failure(failures, HOUR).unwrap();
                let base = LEAST * 2_u32.pow(failures.min(6));
                assert!(pause >= base.min(MOST) / 2 && pause <= MOST * 3 / 2, "{failures}: {pause:?}");
            }
        }
    }

    #[test]
    fn a_failure_near_the_end_is_repeated_sooner_and_never_in_the_last_second() {
        for failures in [1, 2, 5, 8, 20] {
            for millis in (0..10_000).step_by(13) {
                let left = Duration::from_millis(millis);
                match after_failure(failures, left) {
                    Some(pause) => assert!(pause >= LEAST && pause + LAST < left, "{left:?}: {pause:?}"),
                    None => assert!(left <= LAST * 5 / 2, "{left:?} is time enough for another try"),
                }
            }
        }
    }

    #[test]
    fn a_lease_of_any_length_is_held_for_32_days_at_most() {
        assert_eq!((life(0), life(1), life(768 * 3600)), (UNKNOWN, Duration::from_secs(1), LONGEST));
        assert_eq!((life(u64::MAX), LONGEST), (LONGEST, Duration::from_secs(768 * 3600)));
    }
}
