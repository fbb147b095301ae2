//! A client's connection to a kernel that sends anything, plain and encrypted.
#![no_main]
use jupyter_vault::internals::zmtp::Properties;
use jupyter_vault::internals::zmtp::Pair;
use jupyter_vault::internals::zmtp::{Mechanism, greet};
use jupyter_vault::internals::zmtp::{ClientSecurity, connect};
use tokio::io::AsyncWriteExt;

libfuzzer_sys::fuzz_target!(|input: (bool, bool, Vec<u8>)| {
    let (curve, greets, bytes) = input;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        let (ours, mut theirs) = tokio::io::duplex(1 << 20);
        let mechanism = if curve { Mechanism::Curve } else { Mechanism::Null };
        let trust = if curve {
            ClientSecurity::Curve { kernel: [9; 32].into(), ours: Pair::new().expect("random bytes") }
        } else {
            ClientSecurity::Null
        };
        if greets {
            theirs.write_all(&greet(mechanism, true)).await.expect("there is room");
        }
        theirs.write_all(&bytes).await.expect("there is room");
        theirs.shutdown().await.expect("it closes");
        let properties = Properties { socket_type: b"DEALER".to_vec(), identity: b"me".to_vec() };
        if let Ok((mut reader, ..)) = connect(Box::new(ours), &trust, &properties).await {
            // Without the key, a peer does not get this far.
            assert!(!curve);
            while reader.next().await.is_ok() {}
        }
    });
});
