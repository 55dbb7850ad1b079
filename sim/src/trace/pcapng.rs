//! The packets of a recording as a capture in the pcapng format, for Wireshark and its kin.
//!
//! Every host is an interface, and a packet is captured where it leaves its sender, once, cut into the frames that its network card makes of it. So
//! a reader sees each transmission exactly as often as it happened. What the network did to the packet is a comment at its last frame.

use super::lines::{EventKind, TraceLine};
use super::recording::Recording;
use crate::packet::Packet;
use crate::packet::wire::{self, EncodeError};
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{InterfaceDescriptionBlock, InterfaceDescriptionOption};
use pcap_file::pcapng::blocks::name_resolution::{Ipv4Record, Ipv6Record, NameResolutionBlock, Record};
use pcap_file::pcapng::blocks::section_header::{SectionHeaderBlock, SectionHeaderOption};
use pcap_file::pcapng::{PcapNgBlock, PcapNgWriter};
use pcap_file::{DataLink, Endianness, PcapError};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::IpAddr;
use std::time::Duration;

/// Writes the packets of a recording; `epoch` is the wall clock's time at the beginning of the run, `lines` are the recording's lines.
///
/// # Errors
/// The writer's; and a packet that no bytes stand for.
///
/// ```
/// use std::time::Duration;
/// use twinsock_sim::Sim;
/// use twinsock_sim::trace::{lines, pcapng};
/// let run = Sim::builder().record(true).run(|sim| drop(sim.host("a").spawn("p", |_net| {}))).unwrap();
/// let (recording, mut capture) = (run.recording.unwrap(), Vec::new());
/// pcapng::write(&recording, &lines(&recording), Duration::ZERO, &mut capture).unwrap();
/// assert_eq!(capture[..4], [0x0a, 0x0d, 0x0d, 0x0a], "a section header block");
/// ```
pub fn write(recording: &Recording, lines: &[TraceLine], epoch: Duration, to: impl Write) -> io::Result<()> {
    let options = recording.dropped_words().map(|words| SectionHeaderOption::Comment(Cow::Owned(words)));
    let endianness = Endianness::Little;
    let section = SectionHeaderBlock { endianness, options: options.into_iter().collect(), ..SectionHeaderBlock::default() };
    let mut writer = PcapNgWriter::with_section_header(to, section).map_err(io_error)?;
    for (host, addrs) in (0..).zip(&recording.addrs) {
        let name = recording.names.host(host).unwrap_or("?");
        let mut options =
            vec![InterfaceDescriptionOption::IfName(Cow::Borrowed(name)), InterfaceDescriptionOption::IfTsResol(NANOSECONDS)];
        options.extend(addrs.iter().map(|addr| interface_addr(*addr)));
        let block = InterfaceDescriptionBlock { linktype: DataLink::RAW, snaplen: 0, options };
        writer.write_block(&block.into_block()).map_err(io_error)?;
    }
    let records = recording.owners().into_iter().map(|(addr, host)| name_record(addr, recording.names.host(host).unwrap_or("?")));
    let names = NameResolutionBlock { records: records.collect(), options: Vec::new() };
    writer.write_block(&names.into_block()).map_err(io_error)?;
    let fates = fates(lines);
    for (number, (at, place, packet)) in (recording.packets_dropped() + 1..).zip(recording.packets()) {
        let Some(interface) = place.host_number() else { continue };
        let at = epoch + Duration::from_nanos(at.as_nanos());
        let fate = fates.get(&number).map_or("never arrived", String::as_str);
        write_packet(&mut writer, &packet, interface, at, fate)?;
    }
    Ok(())
}

/// `if_tsresol`: ten to the power of minus nine seconds.
const NANOSECONDS: u8 = 9;

fn write_packet<W: Write>(
    writer: &mut PcapNgWriter<W>,
    packet: &Packet,
    interface: u32,
    at: Duration,
    fate: &str,
) -> io::Result<()> {
    let mut frames = wire::frames(packet, u32::MAX).peekable();
    while let Some(frame) = frames.next() {
        let bytes = wire::encode(&frame).map_err(|error: EncodeError| io::Error::other(format!("{error}, sent at {at:?}")))?;
        let comment = frames.peek().is_none() && !fate.is_empty();
        let options = if comment { vec![EnhancedPacketOption::Comment(Cow::Borrowed(fate))] } else { Vec::new() };
        let original_len = u32::try_from(bytes.len()).expect("a frame is at most 64 KiB");
        let block =
            EnhancedPacketBlock { interface_id: interface, timestamp: at, original_len, data: Cow::Owned(bytes), options };
        writer.write_block(&block.into_block()).map_err(io_error)?;
    }
    Ok(())
}

/// What became of each packet, by its number, in words; nothing where it arrived and that was all.
fn fates(lines: &[TraceLine]) -> BTreeMap<u64, String> {
    let mut fates: BTreeMap<u64, String> = BTreeMap::new();
    for line in lines {
        let Some(number) = line.packet else { continue };
        let fate = fates.entry(number).or_default();
        let words = match line.kind {
            EventKind::Lost | EventKind::Wire => {
                line.text.rsplit_once(" (").map_or(line.text.as_str(), |(_, why)| why.trim_end_matches(')'))
            }
            // A copy is told of by what made it.
            EventKind::Arrived | EventKind::Sent => continue,
            EventKind::Call
            | EventKind::Wait
            | EventKind::Wake
            | EventKind::Timer
            | EventKind::Choice
            | EventKind::Start
            | EventKind::End
            | EventKind::Fault => continue,
        };
        if !fate.is_empty() {
            fate.push_str("; ");
        }
        fate.push_str(words);
    }
    fates
}

fn interface_addr(addr: IpAddr) -> InterfaceDescriptionOption<'static> {
    match addr {
        // With the netmask: every host is a neighbour.
        IpAddr::V4(v4) => InterfaceDescriptionOption::IfIpv4Addr(Cow::Owned([v4.octets(), [255, 0, 0, 0]].concat())),
        IpAddr::V6(v6) => InterfaceDescriptionOption::IfIpv6Addr(Cow::Owned([v6.octets().as_slice(), &[8]].concat())),
    }
}

fn name_record(addr: IpAddr, name: &str) -> Record<'_> {
    let names = vec![Cow::Borrowed(name)];
    match addr {
        IpAddr::V4(v4) => Record::Ipv4(Ipv4Record { ip_addr: Cow::Owned(v4.octets().to_vec()), names }),
        IpAddr::V6(v6) => Record::Ipv6(Ipv6Record { ip_addr: Cow::Owned(v6.octets().to_vec()), names }),
    }
}

fn io_error(error: PcapError) -> io::Error {
    if let PcapError::IoError(error) = error { error } else { io::Error::other(error) }
}
