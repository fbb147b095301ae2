//! The questions of a login's second factor.

use crate::ask::Prompter;
use crate::error::{Result, one_line};
use crate::secret::SecretValue;
use crate::vault::auth::mfa::SecondFactor;

/// Asks for each passcode, and announces what must be confirmed on a device.
pub(super) fn ask(second_factor: &SecondFactor, prompter: Prompter) -> Result<Vec<Option<SecretValue>>> {
    let each = second_factor.factors.iter().map(|factor| {
        let name = one_line(factor.shown());
        if factor.uses_passcode {
            return prompter.unseen(&format!("The passcode of {name} (not shown)")).map(Some);
        }
        prompter.say(&format!("  confirm the login with {name} on your device\n"));
        Ok(None)
    });
    each.collect()
}
