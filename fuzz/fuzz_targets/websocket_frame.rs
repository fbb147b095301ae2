//! Websocket messages in both protocols, and servers' files.
#![no_main]
use jupyter_vault::internals::parse_server_file;
use jupyter_vault::internals::{Parts, compose_json, compose_v1, parse_json, parse_json_with_buffers, parse_v1};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    for read in [parse_v1, parse_json, parse_json_with_buffers] {
        let Some(Parts { channel, header, parent, content }) = read(bytes) else { continue };
        let parts = [header, parent, b"{}", content].map(<[u8]>::to_vec);
        let again = compose_v1(channel, &parts);
        assert_eq!(parse_v1(&again), Some(Parts { channel, header, parent, content }));
        let json = parts.iter().all(|part| serde_json::from_slice::<serde_json::Value>(part).is_ok());
        assert!(!json || parse_json(&compose_json(channel, &parts)).is_some());
    }
    if let Some((found, _)) = parse_server_file(bytes, "fuzz.json") {
        assert!(!format!("{found:?}").contains('\n'));
    }
});
