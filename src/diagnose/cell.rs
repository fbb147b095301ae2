//! The output of a cell: the two lines of an error, as text and as HTML, and the command to try by hand.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::error::{Error, Kind};
use crate::launch::Request;
use crate::shell::shell_word;

/// The name of the error that a cell raises.
pub const UNAVAILABLE: &str = "SecretsUnavailable";
/// The name if the kernel's command is missing.
pub const NO_KERNEL: &str = "KernelUnavailable";
/// The name if the secrets were fetched but the cell has not run.
pub const READY: &str = "SecretsReady";
/// The message for that case.
pub const RUN_AGAIN: &str = "the secrets are there; run it again";

/// The error of a failed launch, as a cell shows it.
#[derive(Debug)]
pub struct Shown<'a> {
    /// The error.
    pub error: &'a Error,
    /// Whether the launch is also retried without a cell.
    pub by_itself: bool,
    /// The command that shows the same error in a terminal.
    pub command: String,
}

/// Whether the secrets are missing, and not the kernel's command.
pub const fn lacks_secrets(error: &Error) -> bool {
    !matches!(error.kind(), Kind::CommandNotFound | Kind::CommandNotExecutable)
}

impl Shown<'_> {
    fn name(&self) -> &'static str {
        if lacks_secrets(self.error) { UNAVAILABLE } else { NO_KERNEL }
    }

    fn title(&self) -> &'static str {
        if lacks_secrets(self.error) {
            "This kernel has no secrets from Vault yet"
        } else {
            "This kernel can't be started yet"
        }
    }

    fn outlook(&self) -> &'static str {
        if self.by_itself {
            "Run the cell again to retry; it is also retried every few seconds. No restart is needed."
        } else {
            "Run the cell again to retry. No restart is needed."
        }
    }

    /// A MIME bundle with text and HTML: the content of a `display_data` message.
    pub fn display(&self) -> Value {
        json!({"data": {"text/plain": self.text(), "text/html": self.html()}, "metadata": {}, "transient": {}})
    }

    /// The content of an `error` message, and of a reply with that status.
    pub fn failure(&self) -> Value {
        json!({
            "ename": self.name(),
            "evalue": self.error.what(),
            "traceback": [format!("{}: {}", self.name(), self.error.what()), format!("  {}", self.error.advice())],
        })
    }

    /// As text: the error's two lines, and the user's options.
    pub fn text(&self) -> String {
        format!("{}\n\n{}\nIn a terminal: {}", self.error, self.outlook(), self.command)
    }

    /// The same as HTML that needs no style sheet and runs no script.
    pub fn html(&self) -> String {
        let [what, advice, command] = [self.error.what(), self.error.advice(), &self.command].map(escaped);
        format!(
            "<div style=\"border-left: 4px solid var(--jp-error-color1, #d32f2f); padding: 0.3em 0.9em; \
             line-height: 1.45\">\
             <div><strong>{title}</strong></div>\
             <div>{what}</div>\
             <div><strong>What to do:</strong> {advice}</div>\
             <div>{outlook}</div>\
             <div>In a terminal: <code>{command}</code></div>\
             </div>",
            title = escaped(self.title()),
            outlook = self.outlook(),
        )
    }
}

/// The content of the reply to a cell that arrived when the launch had just succeeded.
pub fn run_again() -> Value {
    json!({"ename": READY, "evalue": RUN_AGAIN, "traceback": [format!("{READY}: {RUN_AGAIN}")]})
}

/// The output above that error: a MIME bundle.
pub fn ready() -> Value {
    let html = format!(
        "<div style=\"border-left: 4px solid var(--jp-success-color1, #388e3c); padding: 0.3em 0.9em\">{RUN_AGAIN}</div>"
    );
    json!({"data": {"text/plain": RUN_AGAIN, "text/html": html}, "metadata": {}, "transient": {}})
}

/// The command that shows in a terminal why the launch failed, or that it would succeed now.
pub fn by_hand(request: &Request, error: &Error) -> String {
    if !lacks_secrets(error) {
        let program = request.command.first().map(|program| program.to_string_lossy());
        return format!("command -v {}", shell_word(&program.unwrap_or_default()));
    }
    let has_doctor = cfg!(feature = "manage");
    let mut line = format!("jupyter-vault {}", if has_doctor { "doctor" } else { "exec" });
    let mut add = |option: &str, value: &str| {
        let _ = write!(line, " {option} {}", shell_word(value));
    };
    if let Some(config) = &request.config {
        add("--config", &config.to_string_lossy());
    }
    for spec in &request.secrets {
        add("--secrets", spec);
    }
    if let Some(timeout) = request.timeout {
        let milliseconds = timeout.as_millis();
        let whole = milliseconds % 1000 == 0;
        add("--timeout", &if whole { format!("{}s", milliseconds / 1000) } else { format!("{milliseconds}ms") });
    }
    for name in &request.allow {
        add("--allow", name);
    }
    if !has_doctor {
        line.push_str(" -- true");
    }
    line
}

fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            other => html.push(other),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_markup_stays_text() {
        let error = Error::new(Kind::PathMissing, "no <script>alert('x')</script> & co", "look \"there\"");
        let shown = Shown { error: &error, by_itself: true, command: "true '<b>'".to_owned() };
        let html = shown.html();
        assert!(html.contains("no &lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; co"), "{html}");
        assert!(html.contains("look &quot;there&quot;") && html.contains("&lt;b&gt;") && !html.contains("<script"));
        assert!(shown.text().starts_with("no <script>alert('x')</script> & co\n  look \"there\"\n"));
    }

    #[test]
    fn the_command_by_hand_is_what_a_shell_takes() {
        let request = Request {
            config: Some("/a b/vault.toml".into()),
            secrets: vec!["secret/it's#x=Y".to_owned()],
            ..Request::default()
        };
        let expected = if cfg!(feature = "manage") {
            r"jupyter-vault doctor --config '/a b/vault.toml' --secrets 'secret/it'\''s#x=Y'"
        } else {
            r"jupyter-vault exec --config '/a b/vault.toml' --secrets 'secret/it'\''s#x=Y' -- true"
        };
        let error = |kind| Error::new(kind, "what", "advice");
        assert_eq!(by_hand(&request, &error(Kind::Refused)), expected);
        let request = Request { command: vec!["no such".into()], ..request };
        assert_eq!(by_hand(&request, &error(Kind::CommandNotFound)), "command -v 'no such'");
        let request = Request { command: vec!["a\u{1b}[2J'\n\u{202e}\\".into()], ..request };
        let expected = r"command -v $'a\033[2J\'\012\342\200\256\\'";
        assert_eq!(by_hand(&request, &error(Kind::CommandNotFound)), expected);
    }
}
