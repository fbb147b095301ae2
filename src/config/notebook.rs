//! `[notebook."PATH"]`: secrets that the kernels of one notebook do not get.
//!
//! A kernel's notebook is known from `JPY_SESSION_NAME`, which a Jupyter server sets to a value from its client. So
//! such a rule can withhold a secret but never grant one, and it does not stop code that wants the secret. It is for
//! notebooks that do not need a secret, and is no protection against them.

/// A rule for one notebook's kernels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotebookRule {
    /// The notebook's path, or the end of a path, after a `/`.
    pub path: String,
    /// The variables that the notebook's kernels do not get.
    pub without: Vec<String>,
}

impl NotebookRule {
    /// Whether the rule applies to the notebook of `session`. Either path may be the end of the other.
    pub fn fits(&self, session: &str) -> bool {
        let is_end = |whole: &str, end: &str| {
            !end.starts_with('/') && whole.strip_suffix(end).is_some_and(|rest| rest.ends_with('/'))
        };
        !session.is_empty() && (self.path == session || is_end(session, &self.path) || is_end(&self.path, session))
    }
}

/// Whether one of `rules` withholds the variable `name` from the notebook of `session`.
pub fn is_withheld(rules: &[NotebookRule], session: &str, name: &str) -> bool {
    rules.iter().any(|rule| rule.without.iter().any(|without| without == name) && rule.fits(session))
}

#[cfg(test)]
mod tests {
    use super::{NotebookRule, is_withheld};

    #[test]
    fn a_rule_is_for_a_path_or_the_end_of_one() {
        let rule = |path: &str| NotebookRule { path: path.to_owned(), without: vec!["KEY".to_owned()] };
        for (path, session, fits) in [
            ("/home/ada/work/a.ipynb", "/home/ada/work/a.ipynb", true),
            ("/home/ada/work/a.ipynb", "/home/bert/work/a.ipynb", false),
            ("/home/ada/work/a.ipynb", "work/a.ipynb", true),
            ("work/a.ipynb", "/home/ada/work/a.ipynb", true),
            ("a.ipynb", "/home/ada/work/a.ipynb", true),
            ("a.ipynb", "/home/ada/work/aa.ipynb", false),
            ("/a.ipynb", "/home/ada/a.ipynb", false),
            ("a.ipynb", "", false),
        ] {
            assert_eq!(rule(path).fits(session), fits, "{path} {session}");
        }
        let rules = [rule("a.ipynb"), rule("b.ipynb")];
        assert!(is_withheld(&rules, "/x/b.ipynb", "KEY") && !is_withheld(&rules, "/x/b.ipynb", "KEYS"));
        assert!(!is_withheld(&rules, "/x/c.ipynb", "KEY") && !is_withheld(&[], "/x/c.ipynb", "KEY"));
    }
}
