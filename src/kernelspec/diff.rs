//! The output of a dry run: differences in the format of `diff -u`, for `patch`.

use std::path::Path;

/// The difference in the format of `diff -u`; empty if there is none.
pub(super) fn unified(old: &Path, new: &Path, before: Option<&str>, after: Option<&str>) -> String {
    let (from, to) = (before.unwrap_or_default(), after.unwrap_or_default());
    // For `patch`, a name ends at the tab, so it may contain spaces.
    let name = |path: &Path, text: Option<&str>| match text {
        Some(_) if path.to_string_lossy().contains(' ') => format!("{}\t", path.display()),
        Some(_) => path.display().to_string(),
        None => "/dev/null".to_owned(),
    };
    if from == to {
        return String::new();
    }
    // For `patch`, only a line feed ends a line.
    let (from, to): (Vec<_>, Vec<_>) = (from.split_inclusive('\n').collect(), to.split_inclusive('\n').collect());
    let difference = similar::TextDiff::configure().newline_terminated(true).diff_slices(&from, &to);
    difference.unified_diff().header(&name(old, before), &name(new, after)).to_string()
}
