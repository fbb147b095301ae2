//! Behaviour that a real server can't be made to show: answers that are truncated, endless, too large, or
//! redirected; and a relay that counts the requests to a real server.
//!
//! It uses only the loopback address, with limits, and ends when dropped: connections are closed, and threads
//! exit.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::waiting::{pause, pause_ms};

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// What is sent back.
pub enum Reply {
    /// These bytes, keeping the connection open for more.
    Bytes(Vec<u8>),
    /// These bytes, then closes the connection.
    Close(Vec<u8>),
    /// These bytes, then nothing, with the connection open.
    Hang(Vec<u8>),
    /// These bytes, then a byte from time to time.
    Drip(Vec<u8>),
    /// These bytes, then as many spaces as the client reads.
    Flood(Vec<u8>),
    /// These bytes, then the others again and again.
    Again(Vec<u8>, Vec<u8>),
}

impl Reply {
    /// A JSON answer.
    pub fn json(status: u16, body: &str) -> Self {
        Self::with(status, "Content-Type: application/json\r\n", body)
    }

    /// An answer with any header lines.
    pub fn with(status: u16, headers: &str, body: &str) -> Self {
        Self::Bytes(
            format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes(),
        )
    }
}

#[derive(Default)]
struct State {
    seen: Mutex<Vec<Seen>>,
    connections: Mutex<Vec<TcpStream>>,
    stopped: AtomicBool,
}

/// A server whose answers a script determines.
pub struct Faults {
    port: u16,
    state: Arc<State>,
}

impl Faults {
    /// Answers the n-th request (from 0) with the reply of `script`.
    pub fn start(script: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let state = Arc::new(State::default());
        let (shared, script) = (Arc::clone(&state), Arc::new(script));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if shared.stopped.load(Ordering::Relaxed) {
                    break;
                }
                shared.connections.lock().expect("a lock").push(stream.try_clone().expect("a stream"));
                let (shared, script) = (Arc::clone(&shared), Arc::clone(&script));
                std::thread::spawn(move || serve(&stream, &shared, &*script));
            }
        });
        Self { port, state }
    }

    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Every request so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().expect("a lock").clone()
    }

    /// How many connections there were.
    pub fn connections(&self) -> usize {
        self.state.connections.lock().expect("a lock").len()
    }
}

/// Answers one request on each TLS connection with `answer`; returns the port. Ends after `connections`.
pub fn answer_over_tls(cert: &Path, key: &Path, answer: String, connections: usize) -> u16 {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let chain = vec![CertificateDer::from_pem_file(cert).expect("a certificate")];
    let key = PrivateKeyDer::from_pem_file(key).expect("a key");
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("a pair");
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().take(connections).map_while(Result::ok) {
            let session = rustls::ServerConnection::new(Arc::clone(&config)).expect("a session");
            let mut secured = BufReader::new(rustls::StreamOwned::new(session, stream));
            if read_request(&mut secured).is_some() {
                let _ = secured.get_mut().write_all(answer.as_bytes());
                secured.get_mut().conn.send_close_notify();
                let _ = secured.get_mut().flush();
            }
        }
    });
    port
}

impl Drop for Faults {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::Relaxed);
        for stream in self.state.connections.lock().expect("a lock").iter() {
            let _ = stream.shutdown(Shutdown::Both);
        }
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn serve(stream: &TcpStream, state: &State, script: &dyn Fn(&Seen, usize) -> Reply) {
    let mut reader = BufReader::new(stream);
    while let Some(request) = read_request(&mut reader) {
        let number = {
            let mut seen = state.seen.lock().expect("a lock");
            seen.push(request.clone());
            seen.len() - 1
        };
        let mut out = stream;
        let mut more = |bytes: &[u8]| out.write_all(bytes).is_ok() && !state.stopped.load(Ordering::Relaxed);
        match script(&request, number) {
            Reply::Bytes(bytes) => {
                if !more(&bytes) {
                    return;
                }
            }
            Reply::Close(bytes) => {
                more(&bytes);
                let _ = stream.shutdown(Shutdown::Both);
                return;
            }
            Reply::Hang(bytes) => {
                more(&bytes);
                let mut rest = Vec::new();
                let _ = reader.read_to_end(&mut rest);
                return;
            }
            Reply::Drip(bytes) => {
                let end = Instant::now() + Duration::from_secs(30);
                let mut going = more(&bytes);
                while going && Instant::now() < end {
                    going = more(b" ");
                    pause_ms(50, "a slow server");
                }
                return;
            }
            Reply::Flood(bytes) => {
                let chunk = vec![b' '; 1 << 16];
                let mut going = more(&bytes);
                for _ in 0..4096 {
                    going = going && more(&chunk);
                }
                return;
            }
            Reply::Again(bytes, chunk) => {
                let end = Instant::now() + Duration::from_secs(30);
                let mut going = more(&bytes);
                while going && Instant::now() < end {
                    going = more(&chunk);
                }
                return;
            }
        }
    }
}

fn read_request(reader: &mut impl BufRead) -> Option<Seen> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let mut body = vec![0; length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    Some(Seen { method, path, headers, body })
}

/// A slow network: what is sent to the returned port reaches the real server after `delay`, byte for byte on each
/// connection. Ends after `connections`.
pub fn delayed(port: u16, delay: Duration, connections: usize) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let own = listener.local_addr().expect("its address").port();
    std::thread::spawn(move || {
        for near in listener.incoming().take(connections).map_while(Result::ok) {
            std::thread::spawn(move || {
                pause(delay, "a slow network");
                let far = TcpStream::connect(("127.0.0.1", port)).expect("the real server");
                let (mut from, mut to) = (near.try_clone().expect("a stream"), far.try_clone().expect("a stream"));
                let there = std::thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Write);
                });
                let (mut from, mut to) = (far, near);
                let _ = std::io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Both);
                let _ = there.join();
            });
        }
    });
    own
}

/// A script that relays each request to a real server and the answer back, so that requests and connections are
/// counted.
pub fn relay_to(port: u16) -> impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static {
    move |request, _| {
        let mut upstream = TcpStream::connect(("127.0.0.1", port)).expect("the real server");
        // A forward proxy gets a whole URL; the server wants the path.
        let path = request.path.strip_prefix("http://").and_then(|rest| rest.find('/').map(|slash| &rest[slash..]));
        let mut text = format!("{} {} HTTP/1.0\r\n", request.method, path.unwrap_or(&request.path));
        for (name, value) in request.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("connection")) {
            text.extend([name, ": ", value, "\r\n"]);
        }
        upstream.write_all(text.as_bytes()).expect("a request");
        upstream.write_all(b"\r\n").and_then(|()| upstream.write_all(&request.body)).expect("a request");
        let mut answer = Vec::new();
        upstream.read_to_end(&mut answer).expect("an answer");
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        let status = head.split_whitespace().nth(1).expect("a status");
        let mut reply = format!(
            "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            answer.len() - end
        );
        if status == "204" {
            "HTTP/1.1 204 X\r\n\r\n".clone_into(&mut reply);
        }
        let mut bytes = reply.into_bytes();
        bytes.extend_from_slice(&answer[end..]);
        Reply::Bytes(bytes)
    }
}
