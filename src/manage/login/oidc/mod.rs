//! Signing in with a browser: OpenID Connect, through Vault.
//!
//! Vault returns the address to sign in at. The provider redirects the browser to this machine's loopback address,
//! where this program waits for one request, whose code it exchanges for a token. Three things protect that: the answer
//! must have the address's `state`, the code can't be used without a nonce that never leaves this process, and the
//! sign-in is refused if another process has the port, on IPv4 or IPv6.
//!
//! If the browser runs on another machine, it ends at an address that it can't reach. That address contains the same
//! answer, so it can be pasted here.

mod browser;
mod callback;
mod listener;

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};
use serde_json::json;
use tokio::sync::mpsc;

use self::callback::{Callback, state_of};
use self::listener::{Arrived, Listener};
use crate::ask::Prompter;
use crate::config::env::Environment;
use crate::error::{Error, Kind, Result};
use crate::net::deadline::Deadline;
use crate::vault::auth::{Authenticated, oidc};
use crate::vault::client::Client;

/// The port of Vault's own client, which roles usually allow.
pub(crate) const PORT: u16 = 8250;
/// How long a user has to sign in.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

/// How the browser is used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Browser {
    /// Whether to open a browser.
    pub(crate) open: bool,
    /// The port that it is redirected to.
    pub(crate) port: u16,
    /// The time limit for the sign-in.
    pub(crate) wait: Duration,
    /// Whether to print the address to sign in at as JSON.
    pub(crate) json: bool,
}

impl Default for Browser {
    fn default() -> Self {
        Self { open: true, port: PORT, wait: PATIENCE, json: false }
    }
}

/// Signs in, and makes `client` use the token; `budget` is the time limit for each exchange with Vault.
pub(super) async fn sign_in(
    client: &mut Client,
    environment: &Environment,
    (mount, role): (&str, Option<&str>),
    browser: Browser,
    budget: Duration,
) -> Result<Authenticated> {
    let listener = Listener::bind(browser.port).await?;
    let redirect = format!("http://localhost:{}/oidc/callback", listener.port());
    let nonce = nonce()?;
    let address = oidc::address(client, mount, role, &redirect, &nonce).await?;
    let state = state_of(&address).ok_or_else(|| {
        let what = format!("the address to sign in at for auth/{mount} has no state");
        Error::new(
            Kind::Malformed,
            what,
            "it is not an OpenID Connect address: ask Vault's operator to check the mount",
        )
    })?;
    let opened = browser.open && browser::open(environment, &address);
    tell(&address, opened, browser);
    let (pasted, mut pastes) = mpsc::unbounded_channel();
    let over = Arc::new(AtomicBool::new(false));
    if !opened {
        read_pastes(pasted.clone(), state.clone(), Arc::clone(&over));
    }
    let arrived = tokio::time::timeout(browser.wait, async {
        tokio::select! {
            arrived = listener.wait_for(&state) => arrived,
            // The sender above keeps this channel open if nothing can be pasted.
            pasted = pastes.recv() => Arrived { callback: pasted.unwrap_or(Callback::Denied(String::new())), answer: None },
        }
    });
    let arrived = arrived.await;
    // Later input is not an address: a second factor may be asked for.
    over.store(true, Ordering::Relaxed);
    let arrived = arrived.map_err(|_| {
        let what = format!("the sign-in was not completed within {} s", browser.wait.as_secs());
        Error::new(Kind::TimedOut, what, "try again; --wait allows more time")
    })?;
    client.set_deadline(Deadline::after(budget));
    let outcome = match &arrived.callback {
        Callback::Code(code) => oidc::login(client, mount, &state, code, &nonce).await,
        Callback::Denied(why) => Err(denied(why)),
    };
    arrived.say(outcome.as_ref().err()).await;
    outcome
}

fn denied(why: &str) -> Error {
    let why = if why.is_empty() { String::new() } else { format!(" ({why})") };
    let what = format!("the provider did not let you sign in{why}");
    Error::new(Kind::LoginRefused, what, "try again; if it persists, ask the provider's operator")
}

/// Prints the address to sign in at: on stderr, or as JSON for another program.
fn tell(address: &str, opened: bool, browser: Browser) {
    if browser.json {
        let _ = std::io::stdout().write_all(format!("{}\n", json!({ "sign_in": address })).as_bytes());
        let _ = std::io::stdout().flush();
        return;
    }
    let mut text = String::new();
    let first = if opened { "Sign in, in the browser that opens. If none does" } else { "Sign in with a browser" };
    let _ = writeln!(text, "{first}, at this address:\n  {}", crate::error::one_line(address));
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Reads pasted addresses until the sign-in is over.
fn read_pastes(pasted: mpsc::UnboundedSender<Callback>, state: String, over: Arc<AtomicBool>) {
    let asked = Prompter::new(false);
    if !asked.is_there() {
        return;
    }
    asked.say("If that browser can't reach this machine, paste the address where it ends here.\n");
    std::thread::spawn(move || {
        while let Ok(Some(line)) = asked.text_unless("Address", &over) {
            match callback::of_address(&line, &state) {
                Some(callback) => {
                    let _ = pasted.send(callback);
                    return;
                }
                None => asked.say("  this is not the address where the sign-in ends\n"),
            }
        }
    });
}

/// The nonce that the code can only be used with.
fn nonce() -> Result<String> {
    let mut bytes = [0; 24];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| Error::new(Kind::Os, "the system provided no random numbers", "try again"))?;
    let mut nonce = String::new();
    for byte in bytes {
        let _ = write!(nonce, "{byte:02x}");
    }
    Ok(nonce)
}
