//! A whole connection, plain and encrypted, with a peer that sends anything.
#![no_main]
use jupyter_vault::internals::zmtp::Properties;
use jupyter_vault::internals::zmtp::{Mechanism, greet};
use jupyter_vault::internals::zmtp::{Security, accept};
use tokio::io::AsyncWriteExt;

libfuzzer_sys::fuzz_target!(|input: (bool, bool, Vec<u8>)| {
    let (curve, greets, bytes) = input;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        let (ours, mut theirs) = tokio::io::duplex(1 << 20);
        let mechanism = if curve { Mechanism::Curve } else { Mechanism::Null };
        let security = if curve { Security::Curve([7; 32].into()) } else { Security::Null };
        if greets {
            theirs.write_all(&greet(mechanism, false)).await.expect("there is room");
        }
        theirs.write_all(&bytes).await.expect("there is room");
        theirs.shutdown().await.expect("it closes");
        let properties = Properties { socket_type: b"ROUTER".to_vec(), identity: Vec::new() };
        if let Ok((mut reader, ..)) = accept(Box::new(ours), &security, &properties).await {
            while reader.next().await.is_ok() {}
        }
    });
});
