//! Rules: packets wait until somebody outside the world has said what is to become of them.
//!
//! The world holds no closure and calls none. While packets are shown to rules, one that is sent goes into the queue of events, and when it comes up,
//! at the same moment, [`World::take_unjudged`] hands it out; [`World::judge`] takes it back, with a fate for each of its frames.

use super::super::{Alarm, Due, Pair, World, index};
use super::short;
use super::words::{Flows, Words};
use crate::packet::{Body, Control, Packet, wire};
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// The number of a rule.
pub type RuleId = u64;

/// What a rule lets become of a frame.
///
/// ```
/// use twinsock_sim::{Fate, Sim};
/// # Sim::builder().run(|sim| {
/// let rule = sim.rule(|frame| if frame.is_syn() { Fate::Delay(std::time::Duration::from_secs(1)) } else { Fate::Pass });
/// # drop(rule);
/// # }).unwrap();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The rule has nothing to say: the next one is asked, and after the last the frame goes its way.
    Pass,
    /// It is lost.
    Drop,
    /// It is sent twice.
    Duplicate,
    /// It is sent so much later; what is sent meanwhile overtakes it.
    Delay(Duration),
    /// It arrives with a wrong checksum.
    Corrupt,
    /// It waits until the rule ends, and is sent then.
    Hold,
}

/// Which protocol a packet is of.
///
/// ```
/// use twinsock_sim::{Fate, Protocol, Sim};
/// # Sim::builder().run(|sim| {
/// let no_icmp = sim.rule(|frame| if frame.protocol() == Protocol::Icmp { Fate::Drop } else { Fate::Pass });
/// # drop(no_icmp);
/// # }).unwrap();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP, or ICMPv6.
    Icmp,
}

/// A frame as a rule sees it: what a link carries in one piece. A large TCP segment is many of them.
///
/// ```
/// use twinsock_sim::{Fate, PacketView, Protocol, Sim};
///
/// fn no_dns(packet: &PacketView<'_>) -> Fate {
///     if packet.protocol() == Protocol::Udp && packet.dst().port() == 53 { Fate::Drop } else { Fate::Pass }
/// }
/// Sim::builder().run(|sim| drop(sim.rule(no_dns))).unwrap();
/// ```
#[derive(Clone, Copy)]
pub struct PacketView<'a> {
    packet: &'a Packet,
    from: &'a str,
    to: &'a str,
}

impl<'a> PacketView<'a> {
    /// The name of the host that sent it. (That a packet is too big, a router says: then this is the host that it did not reach.)
    ///
    /// ```
    /// use twinsock_sim::{Fate, Sim};
    /// # Sim::builder().run(|sim| {
    /// let rule = sim.rule(|frame| if frame.from() == "client" { Fate::Drop } else { Fate::Pass });
    /// # drop(rule);
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn from(&self) -> &'a str {
        self.from
    }

    /// The name of the host that it is sent to.
    ///
    /// ```
    /// use twinsock_sim::{Fate, Sim};
    /// # Sim::builder().run(|sim| {
    /// let rule = sim.rule(|frame| if frame.to() == "server" { Fate::Duplicate } else { Fate::Pass });
    /// # drop(rule);
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn to(&self) -> &'a str {
        self.to
    }

    fn ports(&self) -> (u16, u16) {
        match &self.packet.body {
            Body::Tcp(segment) => (segment.src_port, segment.dst_port),
            Body::Udp(datagram) => (datagram.src_port, datagram.dst_port),
            Body::Icmp(_) => (0, 0),
        }
    }

    /// The source address and port; port 0 for ICMP.
    ///
    /// ```
    /// use twinsock_sim::{Fate, Sim};
    /// # Sim::builder().run(|sim| {
    /// let rule = sim.rule(|frame| if frame.src().port() == 53 { Fate::Drop } else { Fate::Pass });
    /// # drop(rule);
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn src(&self) -> SocketAddr {
        SocketAddr::new(self.packet.src, self.ports().0)
    }

    /// The destination address and port; port 0 for ICMP.
    ///
    /// ```
    /// use twinsock_sim::{Fate, Sim};
    /// # Sim::builder().run(|sim| {
    /// let rule = sim.rule(|frame| if frame.dst().ip().is_ipv6() { Fate::Drop } else { Fate::Pass });
    /// # drop(rule);
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn dst(&self) -> SocketAddr {
        SocketAddr::new(self.packet.dst, self.ports().1)
    }

    /// Whether it comes from this port or goes to it.
    ///
    /// ```
    /// use twinsock_sim::{Fate, Sim};
    /// # Sim::builder().run(|sim| {
    /// let rule = sim.rule(|frame| if frame.is_of_port(80) { Fate::Drop } else { Fate::Pass });
    /// # drop(rule);
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn is_of_port(&self, port: u16) -> bool {
        let (src, dst) = self.ports();
        src == port || dst == port
    }

    /// Its protocol.
    ///
    /// ```
    /// use twinsock_sim::{Fate, Sim};
    /// # Sim::builder().run(|sim| {
    /// let rule = sim.rule(|frame| if frame.protocol() == twinsock_sim::Protocol::Udp { Fate::Drop } else { Fate::Pass });
    /// # drop(rule);
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        match &self.packet.body {
            Body::Tcp(_) => Protocol::Tcp,
            Body::Udp(_) => Protocol::Udp,
            Body::Icmp(_) => Protocol::Icmp,
        }
    }

    fn control(&self) -> Option<Control> {
        match &self.packet.body {
            Body::Tcp(segment) => Some(segment.control),
            Body::Udp(_) | Body::Icmp(_) => None,
        }
    }

    /// Whether it has SYN set: a connection is opened, or, with an acknowledgment number, that is answered.
    ///
    /// ```
    /// use twinsock_sim::{Fate, Sim};
    /// # Sim::builder().run(|sim| {
    /// let rule = sim.rule(|frame| if frame.is_syn() { Fate::Drop } else { Fate::Pass });
    /// # drop(rule);
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn is_syn(&self) -> bool {
        self.control() == Some(Control::Syn)
    }

    /// Whether it has FIN set.
    ///
    /// ```
    /// use twinsock_sim::{Fate, Sim};
    /// # Sim::builder().run(|sim| {
    /// let rule = sim.rule(|frame| if frame.is_fin() { Fate::Hold } else { Fate::Pass });
    /// # drop(rule);
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn is_fin(&self) -> bool {
        self.control() == Some(Control::Fin)
    }

    /// Whether it has RST set.
    ///
    /// ```
    /// use twinsock_sim::{Fate, Sim};
    /// # Sim::builder().run(|sim| {
    /// let rule = sim.rule(|frame| if frame.is_rst() { Fate::Drop } else { Fate::Pass });
    /// # drop(rule);
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn is_rst(&self) -> bool {
        self.control() == Some(Control::Rst)
    }

    /// Whether it carries data: of a TCP stream, or a datagram's.
    ///
    /// ```
    /// use twinsock_sim::{Fate, Sim};
    /// # Sim::builder().run(|sim| {
    /// let rule = sim.rule(|frame| if frame.is_data() { Fate::Corrupt } else { Fate::Pass });
    /// # drop(rule);
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn is_data(&self) -> bool {
        self.payload_len() > 0
    }

    /// Whether it acknowledges and does nothing else.
    ///
    /// ```
    /// use twinsock_sim::{Fate, Sim};
    /// # Sim::builder().run(|sim| {
    /// let rule = sim.rule(|frame| if frame.is_pure_ack() { Fate::Drop } else { Fate::Pass });
    /// # drop(rule);
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn is_pure_ack(&self) -> bool {
        self.control() == Some(Control::None) && !self.is_data()
    }

    /// The data.
    ///
    /// ```
    /// use twinsock_sim::{Fate, Sim};
    /// # Sim::builder().run(|sim| {
    /// let rule = sim.rule(|frame| if frame.payload().starts_with(b"COMMIT") { Fate::Drop } else { Fate::Pass });
    /// # drop(rule);
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.packet.data()
    }

    /// How many bytes of data it carries.
    ///
    /// ```
    /// use twinsock_sim::{Fate, Sim};
    /// # Sim::builder().run(|sim| {
    /// let rule = sim.rule(|frame| if frame.payload_len() > 1000 { Fate::Drop } else { Fate::Pass });
    /// # drop(rule);
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn payload_len(&self) -> usize {
        self.payload().len()
    }

    /// A segment's sequence number.
    ///
    /// ```
    /// use twinsock_sim::{Fate, Sim};
    /// # Sim::builder().run(|sim| {
    /// let rule = sim.rule(|frame| if frame.seq().is_some_and(|seq| seq % 2 == 0) { Fate::Drop } else { Fate::Pass });
    /// # drop(rule);
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn seq(&self) -> Option<u32> {
        match &self.packet.body {
            Body::Tcp(segment) => Some(segment.seq.value()),
            Body::Udp(_) | Body::Icmp(_) => None,
        }
    }

    /// A segment's acknowledgment number, if it has one.
    ///
    /// ```
    /// use twinsock_sim::{Fate, Sim};
    /// # Sim::builder().run(|sim| {
    /// let rule = sim.rule(|frame| if frame.ack().is_some() { Fate::Drop } else { Fate::Pass });
    /// # drop(rule);
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn ack(&self) -> Option<u32> {
        match &self.packet.body {
            Body::Tcp(segment) => segment.ack.map(|ack| ack.value()),
            Body::Udp(_) | Body::Icmp(_) => None,
        }
    }

    /// A segment's window field, as it stands on the wire.
    ///
    /// ```
    /// use twinsock_sim::{Fate, Sim};
    /// # Sim::builder().run(|sim| {
    /// let rule = sim.rule(|frame| if frame.window() == Some(0) { Fate::Drop } else { Fate::Pass });
    /// # drop(rule);
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn window(&self) -> Option<u16> {
        match &self.packet.body {
            Body::Tcp(segment) => Some(segment.window),
            Body::Udp(_) | Body::Icmp(_) => None,
        }
    }

    /// The frame as bytes, from its IP header on, with all checksums: what a capture would show.
    ///
    /// ```
    /// use twinsock_sim::{Fate, Sim};
    /// # Sim::builder().run(|sim| {
    /// let rule = sim.rule(|frame| if frame.bytes().len() > 1400 { Fate::Drop } else { Fate::Pass });
    /// # drop(rule);
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        wire::encode(self.packet).unwrap_or_default()
    }
}

impl fmt::Display for PacketView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}->{}", Words::of(self.packet, &Flows::default()), self.from, self.to)
    }
}

impl fmt::Debug for PacketView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A packet that waits for what the rules say.
#[derive(Debug)]
pub struct Unjudged {
    path: usize,
    from: String,
    to: String,
    packet: Packet,
    /// Its frames, if there are several.
    frames: Vec<Packet>,
}

impl Unjudged {
    /// The frames of the packet as rules see them.
    pub(crate) fn frames(&self) -> impl Iterator<Item = PacketView<'_>> {
        let frames = if self.frames.is_empty() { std::slice::from_ref(&self.packet) } else { &self.frames };
        frames.iter().map(|packet| PacketView { packet, from: &self.from, to: &self.to })
    }
}

impl World {
    /// A packet has come up that rules are to see.
    pub(in crate::world) fn show_to_rules(&mut self, path: u32, slot: u32) -> Alarm {
        self.wires.unjudged = Some((path, slot));
        Alarm::UNJUDGED
    }

    /// The packet that rules are to see, when [`World::step`] has handed out [`Alarm::UNJUDGED`]. Nothing else may happen in the world before it is
    /// handed back to [`World::judge`].
    pub(crate) fn take_unjudged(&mut self) -> Option<Unjudged> {
        let (path, slot) = self.wires.unjudged.take()?;
        let packet = self.in_flight.take(slot);
        let path = index(path);
        let super::Path { from, to, link, .. } = &self.paths[path];
        // One that does not fit the link is not cut into other frames for it.
        let mtu_bytes = link.mtu_bytes.max(packet.largest_frame_bytes());
        let mut frames: Vec<Packet> = wire::frames(&packet, mtu_bytes).collect();
        if frames.len() == 1 {
            frames.clear();
        }
        let [from, to] = [*from, *to].map(|host| self.host_name(host).to_owned());
        Some(Unjudged { path, from, to, packet, frames })
    }

    /// Takes a packet back for which rules have said what is to become of each of its frames.
    pub(crate) fn judge(&mut self, unjudged: Unjudged, fates: &[(Fate, RuleId)]) {
        let Unjudged { path, packet, frames, .. } = unjudged;
        if fates.iter().all(|(fate, _)| *fate == Fate::Pass) {
            let slot = self.in_flight.put(packet);
            return self.put_on_wire(path, slot, false);
        }
        if frames.is_empty() {
            return self.let_become(path, packet, fates[0]);
        }
        // Frames that follow each other and that no rule minds stay one segment.
        let mut offset = 0;
        let mut start = None;
        for (frame, fate) in frames.into_iter().zip(fates) {
            let len = frame.data().len();
            if fate.0 == Fate::Pass {
                start.get_or_insert(offset);
            } else {
                self.let_pass(path, &packet, start.take(), offset);
                self.let_become(path, frame, *fate);
            }
            offset += len;
        }
        self.let_pass(path, &packet, start, offset);
    }

    fn let_pass(&mut self, path: usize, packet: &Packet, start: Option<usize>, end: usize) {
        if let Some(start) = start {
            let slot = self.in_flight.put(wire::part(packet, start, end));
            self.put_on_wire(path, slot, false);
        }
    }

    fn let_become(&mut self, path: usize, packet: Packet, (fate, rule): (Fate, RuleId)) {
        let (now, from) = (self.now, self.paths[path].from.0);
        let met = match fate {
            Fate::Pass => "passed",
            Fate::Drop => return self.trace.packet_dropped(now, from, &packet, "a rule"),
            Fate::Duplicate => "duplicated",
            Fate::Delay(_) => "delayed",
            Fate::Corrupt => "corrupted",
            Fate::Hold => "held",
        };
        self.trace.packet_met(now, from, &packet, met);
        let copy = (fate == Fate::Duplicate).then(|| packet.clone());
        let slot = self.in_flight.put(packet);
        match fate {
            Fate::Delay(by) => self.queue.push(now + by, Due::Sending(Pair::new(short(path), slot))),
            Fate::Hold => self.wires.held_by_rules.entry(rule).or_default().push((short(path), slot)),
            Fate::Pass | Fate::Drop | Fate::Duplicate | Fate::Corrupt => self.put_on_wire(path, slot, fate == Fate::Corrupt),
        }
        if let Some(copy) = copy {
            let slot = self.in_flight.put(copy);
            self.put_on_wire(path, slot, false);
        }
    }

    /// A packet that a rule has delayed or held back is sent, if it still can be.
    pub(in crate::world) fn send_late(&mut self, path: u32, slot: u32) {
        let path = index(path);
        if self.paths[path].is_cut {
            self.drop_at(self.paths[path].from, slot, "the way is cut");
        } else {
            self.put_on_wire(path, slot, false);
        }
    }

    /// A rule has ended: what it held back is sent, in order.
    pub(crate) fn rule_ended(&mut self, rule: RuleId) {
        for (path, slot) in self.wires.held_by_rules.remove(&rule).unwrap_or_default() {
            self.send_late(path, slot);
        }
    }
}
