//! The messages that wait to be sent to one peer. Their size is bounded, so a peer that does not read costs limited
//! memory.

use std::cell::Cell;
use std::rc::Rc;

use tokio::sync::mpsc;

use super::zmtp::traffic::MessageWriter;

/// The most bytes that wait for one peer. A notebook with all its cells run at once may send a thousand requests, each
/// with a few replies of some hundred bytes.
const HIGH_WATER: usize = 16 * 1024 * 1024;
/// The memory of a message besides its frames.
const OVERHEAD: usize = 64;

pub(super) enum Outgoing {
    Message(Rc<Vec<Vec<u8>>>),
    Command(Vec<u8>),
    Close,
}

impl Outgoing {
    fn size(&self) -> usize {
        OVERHEAD
            + match self {
                Self::Message(parts) => parts.iter().map(Vec::len).sum(),
                Self::Command(body) => body.len(),
                Self::Close => 0,
            }
    }
}

/// The side that queues messages.
#[derive(Clone)]
pub(super) struct Outbox {
    to: mpsc::UnboundedSender<Outgoing>,
    waiting: Rc<Cell<usize>>,
}

/// The side that sends the queued messages.
pub(super) struct Sender {
    from: mpsc::UnboundedReceiver<Outgoing>,
    waiting: Rc<Cell<usize>>,
}

impl Outbox {
    pub(super) fn new() -> (Self, Sender) {
        let (to, from) = mpsc::unbounded_channel();
        let waiting = Rc::new(Cell::new(0));
        (Self { to, waiting: Rc::clone(&waiting) }, Sender { from, waiting })
    }

    /// Queues a message; returns whether it will be sent. One message always fits, further ones while there is room.
    pub(super) fn leave(&self, what: Outgoing) -> bool {
        let waiting = self.waiting.get();
        let more = waiting + what.size();
        let has_room = waiting == 0 || more <= HIGH_WATER || matches!(what, Outgoing::Close);
        if has_room {
            self.waiting.set(more);
        }
        has_room && self.to.send(what).is_ok()
    }
}

impl Sender {
    /// Sends messages until it is closed or the peer is gone.
    pub(super) async fn run(mut self, mut writer: MessageWriter) {
        while let Some(next) = self.from.recv().await {
            let size = next.size();
            let written = match next {
                Outgoing::Message(parts) => writer.message(&parts).await,
                Outgoing::Command(body) => writer.command(&body).await,
                Outgoing::Close => return writer.close().await,
            };
            self.waiting.set(self.waiting.get().saturating_sub(size));
            if written.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(size: usize) -> Outgoing {
        Outgoing::Message(Rc::new(vec![vec![0; size]]))
    }

    #[test]
    fn a_peer_that_does_not_read_costs_no_more_than_the_limit() {
        let (outbox, _sender) = Outbox::new();
        assert!(outbox.leave(message(HIGH_WATER * 2)), "one that is larger alone");
        assert!(!outbox.leave(message(1)) && outbox.leave(Outgoing::Close));
        let (outbox, sender) = Outbox::new();
        let left = (0..HIGH_WATER).take_while(|_| outbox.leave(message(1000))).count();
        assert_eq!(left, HIGH_WATER / (1000 + OVERHEAD));
        drop(sender);
        assert!(!outbox.leave(Outgoing::Close), "no peer is there");
    }
}
