//! Chooses what `secrets restore` and `sources restore` restore.

use crate::error::Result;
use crate::vault::version::VersionState;

/// What is restored.
pub(in crate::manage) enum Earlier<T> {
    /// The newest version, which is deleted: undeleting it is enough.
    Deleted(u64),
    /// A version whose content is written again.
    Content(u64, T),
}

/// Chooses the version `wanted`, or else the newest whose content is not the present one; `None` if there is none.
///
/// `versions` are in order, the newest first. `undeletes`: whether a deleted newest version is undeleted; otherwise a
/// version before it is written again. `read` gets a version's content, and `is_present` compares it.
pub(in crate::manage) async fn choose<'v, T>(
    versions: impl Iterator<Item = (u64, &'v VersionState)> + Clone,
    wanted: Option<u64>,
    undeletes: bool,
    read: impl AsyncFn(u64) -> Result<Option<T>>,
    is_present: impl Fn(&T) -> bool,
) -> Result<Option<Earlier<T>>> {
    let is_wanted = |number: u64| wanted.is_none_or(|wanted| wanted == number);
    let newest = versions.clone().next();
    if let Some((number, state)) = newest.filter(|(number, _)| undeletes && is_wanted(*number))
        && !state.destroyed
        && !state.is_readable()
    {
        return Ok(Some(Earlier::Deleted(number)));
    }
    for (number, _) in versions.filter(|(number, state)| is_wanted(*number) && state.is_readable()) {
        if let Some(content) = read(number).await?
            && (wanted.is_some() || !is_present(&content))
        {
            return Ok(Some(Earlier::Content(number, content)));
        }
    }
    Ok(None)
}
