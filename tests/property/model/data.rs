//! `send(2)` and `recv(2)`.

use super::{EndId, Model, Outcome, Tcp};
use twinsock::{Errno, Result};

impl Model {
    pub(super) fn send(&mut self, id: EndId, data: &[u8]) -> Result<usize> {
        let end = &mut self.ends[id];
        if let Some(error) = end.error.take() {
            return Err(error);
        }
        match end.tcp {
            Tcp::SynSent => return Err(Errno::AGAIN),
            Tcp::Close | Tcp::Listen | Tcp::FinWait => return Err(Errno::PIPE),
            Tcp::Established | Tcp::CloseWait if end.shut_write => return Err(Errno::PIPE),
            Tcp::Established | Tcp::CloseWait => {}
        }
        if data.is_empty() {
            return Ok(0);
        }
        let peer = end.peer.filter(|peer| !self.ends[*peer].is_orphan());
        match peer {
            // To somebody who has sent FIN and will not read: RFC 9293 section 3.10.7.4, "reset".
            Some(peer) if self.ends[peer].tcp == Tcp::FinWait && self.ends[peer].shut_read => {
                self.reset(id);
                self.reset(peer);
            }
            Some(peer) => self.ends[peer].received.extend(data),
            None => {
                if let Some(peer) = self.ends[id].peer {
                    self.ends[peer].tcp = Tcp::Close;
                    self.ends[peer].holds_port = false;
                }
                self.reset(id);
            }
        }
        Ok(data.len())
    }

    /// What `recv(2)` of `len` bytes may give; the longest there is, which is what Linux gives.
    pub(super) fn recv(&self, id: EndId, len: usize) -> Result<Vec<u8>> {
        let end = &self.ends[id];
        if end.tcp == Tcp::Listen {
            return Err(Errno::NOTCONN);
        }
        if !end.received.is_empty() {
            return Ok(end.received.iter().take(len).copied().collect());
        }
        if end.done {
            return Ok(vec![]);
        }
        match end.error {
            Some(error) => Err(error),
            None if end.shut_read => Ok(vec![]),
            None if end.tcp == Tcp::Close => Err(Errno::NOTCONN),
            None => Err(Errno::AGAIN),
        }
    }

    /// The outcomes allowed for `recv(2)`: where there is data, any part of it from its beginning.
    pub(super) fn received(&mut self, id: EndId, len: usize, peek: bool, observed: &Outcome) -> Vec<Outcome> {
        let longest = self.recv(id, len);
        let end = &mut self.ends[id];
        let has_data = !end.received.is_empty() && end.tcp != Tcp::Listen;
        if longest.is_err() && end.error.is_some() && longest.as_ref().err() == end.error.as_ref() {
            end.error = None;
        }
        if let (Outcome::Bytes(Ok(bytes)), true, false) = (observed, has_data, peek) {
            end.received.drain(..bytes.len().min(end.received.len()));
        }
        match longest {
            Ok(bytes) if has_data && len > 0 => {
                (1..=bytes.len()).map(|part| Outcome::Bytes(Ok(bytes[..part].to_vec()))).collect()
            }
            Ok(_) | Err(_) => vec![Outcome::Bytes(longest)],
        }
    }
}
