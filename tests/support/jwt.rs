//! JWTs with any claims, signed by the server that will check them.

use serde_json::{Value, json};

use super::openbao::Server;

/// A key pair and a JWT that it signs, created by the server's transit engine.
pub fn signed_jwt(server: &Server, claims: &Value) -> (String, String) {
    server.api("POST", "sys/mounts/transit", Some(&json!({"type": "transit"})));
    server.must("POST", "transit/keys/jwt", &json!({"type": "rsa-2048"}));
    let public = server.api("GET", "transit/keys/jwt", None).1["data"]["keys"]["1"]["public_key"]
        .as_str()
        .expect("OpenBao signs")
        .to_owned();
    let encode = |text: String| base64_url(text.as_bytes());
    let input = format!("{}.{}", encode(json!({"alg": "RS256", "typ": "JWT"}).to_string()), encode(claims.to_string()));
    let body =
        json!({"input": base64(input.as_bytes()), "signature_algorithm": "pkcs1v15", "hash_algorithm": "sha2-256"});
    let signed = server.must("POST", "transit/sign/jwt", &body);
    let signature = signed["data"]["signature"]
        .as_str()
        .expect("OpenBao signs")
        .rsplit(':')
        .next()
        .expect("OpenBao signs")
        .to_owned();
    (public, format!("{input}.{}", signature.replace('+', "-").replace('/', "_").trim_end_matches('=')))
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            text.push(if place > chunk.len() { '=' } else { DIGITS[(word >> (18 - 6 * place) & 63) as usize] as char });
        }
    }
    text
}

fn base64_url(bytes: &[u8]) -> String {
    base64(bytes).replace('+', "-").replace('/', "_").trim_end_matches('=').to_owned()
}
