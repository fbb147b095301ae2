//! The library's Debug output may end up in other programs' logs: it shows no credential.

use std::ffi::CString;
use std::time::Duration;

use jupyter_vault::error::{Error, Kind};
use jupyter_vault::internals::Client;
use jupyter_vault::internals::Deadline;
use jupyter_vault::internals::Environment;
use jupyter_vault::internals::Plan;
use jupyter_vault::internals::Reply;
use jupyter_vault::internals::{Call, Transport};

#[test]
fn debug_output_of_a_credential_does_not_show_it() {
    let entries = [
        "VAULT_ADDR=http://vault.example.org:8200",
        "VAULT_TOKEN=canary-token",
        "VAULT_PROXY_ADDR=http://ada:canary-proxy@proxy.example.org:3128",
        "JUPYTER_VAULT_SECRETS=secret/a",
        "OTHER=canary-other",
    ];
    let environment = Environment::from_entries(entries.map(|entry| CString::new(entry).unwrap()));
    let layer = environment.layer().unwrap();
    let plan = Plan::new(&layer, &environment).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let shown = runtime.block_on(async {
        let deadline = Deadline::after(Duration::from_secs(1));
        let mut client = Client::new(&plan.server, deadline).unwrap();
        let jupyter_vault::internals::Login::Token(token) = &plan.login else { panic!("a token") };
        client.use_token(token).unwrap();
        let transport = Transport::new(&plan.server, deadline).unwrap();
        format!("{client:?} {transport:?}")
    });
    let call = Call {
        method: http::Method::POST,
        path: "/v1/auth/userpass/login/ada".to_owned(),
        headers: Vec::new(),
        body: "canary-body".into(),
    };
    let reply = Reply::new(200, true, b"canary-reply".to_vec()).unwrap();
    let error = Error::new(Kind::Internal, "what", "advice");
    for text in [shown, format!("{environment:?} {layer:?} {plan:?} {call:?} {reply:?} {error:?}")] {
        assert!(!text.contains("canary"), "{text}");
        assert!(!text.contains("Y2FuYXJ5"), "{text}");
    }
}
