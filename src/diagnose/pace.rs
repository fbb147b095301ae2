//! When to try again without being asked: soon at first, then at growing intervals.

use std::time::Duration;

use tokio::time::Instant;

use crate::error::Kind;

/// The pause after the first failure.
const FIRST: Duration = Duration::from_secs(2);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(30);

/// The moment of the next attempt.
#[derive(Debug)]
pub struct Pace {
    pause: Duration,
    last: Kind,
    next: Option<Instant>,
}

impl Pace {
    /// The pause after a launch that failed with `kind`.
    pub fn after(kind: Kind) -> Self {
        let mut pace = Self { pause: FIRST, last: kind, next: None };
        pace.failed(kind);
        pace
    }

    /// Records a failed attempt. A new cause starts over.
    pub fn failed(&mut self, kind: Kind) {
        if kind != self.last {
            self.pause = FIRST;
        }
        self.last = kind;
        self.next = may_retry(kind).then(|| Instant::now() + self.pause.mul_f32(0.8 + 0.4 * fastrand::f32()));
        self.pause = (self.pause * 3 / 2).min(LONGEST);
    }

    /// When to try again; `None` if only a user can help.
    pub const fn next(&self) -> Option<Instant> {
        self.next
    }
}

/// Whether an attempt without a user's request can help and do no harm: a repeated refused login locks the user out
/// (Vault: "User lockout"), and a used wrapping token stays used.
pub const fn may_retry(kind: Kind) -> bool {
    !matches!(kind, Kind::LoginRefused | Kind::MfaRequired | Kind::WrappedTokenUsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_start_over_with_another_cause() {
        let mut pace = Pace::after(Kind::Refused);
        let wait = |pace: &Pace| pace.next().unwrap().saturating_duration_since(Instant::now());
        assert!(wait(&pace) <= FIRST.mul_f32(1.2));
        for _ in 0..20 {
            pace.failed(Kind::Refused);
        }
        assert!(wait(&pace) > FIRST.mul_f32(5.0) && wait(&pace) <= LONGEST.mul_f32(1.2));
        pace.failed(Kind::Sealed);
        assert!(wait(&pace) <= FIRST.mul_f32(1.2));
    }

    #[test]
    fn a_refused_login_is_not_repeated_unasked() {
        assert_eq!(Pace::after(Kind::LoginRefused).next(), None);
        assert!(Pace::after(Kind::PolicyDenied).next().is_some());
    }
}
