//! A relay between a client and a kernel's stdin, which may be slow, and can hold up an input request.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::running::Running;
use super::waiting::pause;

/// The relay to one kernel.
pub struct Wire {
    /// A connection file with this relay for stdin, with the name of the kernel's own file.
    pub file: PathBuf,
    questions: Receiver<()>,
    /// Dropped, it lets every input request pass.
    pass: Option<Sender<()>>,
}

impl Wire {
    /// A relay on which a connection takes `slowness` to open; then the first input request is held up until
    /// [`Wire::pass`].
    pub fn of(kernel: &Running, slowness: Duration) -> Self {
        let mut file: Value = serde_json::from_slice(&std::fs::read(&kernel.file).unwrap()).unwrap();
        let port = u16::try_from(file["stdin_port"].as_u64().unwrap()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        file["stdin_port"] = listener.local_addr().unwrap().port().into();
        let folder = kernel.scratch.path("wire");
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join(kernel.file.file_name().unwrap());
        std::fs::write(&path, file.to_string()).unwrap();
        let (question, questions) = channel();
        let (pass, passes) = channel();
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                pause(slowness, "the connection is slow to open");
                let kernel = TcpStream::connect(("127.0.0.1", port)).unwrap();
                let (from, to) = (client.try_clone().unwrap(), kernel.try_clone().unwrap());
                thread::spawn(move || copy(from, to, |_| ()));
                copy(kernel, client, |chunk| {
                    if chunk.windows(13).any(|part| part == b"input_request") && question.send(()).is_ok() {
                        let _ = passes.recv();
                    }
                });
            }
        });
        Self { file: path, questions, pass: Some(pass) }
    }

    /// Waits until the kernel has sent an input request.
    pub fn asked(&self) {
        self.questions.recv_timeout(Duration::from_secs(60)).expect("a question");
    }

    /// Lets every input request pass.
    pub fn pass(&mut self) {
        self.pass = None;
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream, mut look: impl FnMut(&[u8])) {
    let mut chunk = [0; 4096];
    while let Ok(length @ 1..) = from.read(&mut chunk) {
        look(&chunk[..length]);
        if to.write_all(&chunk[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
