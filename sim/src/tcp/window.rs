//! Which receive window to advertise, and when the reader's progress is worth an ACK: RFC 9293 section 3.8.6, with Linux's sizes.

use super::recv_buffer::ReadingRate;
use super::tcb::{SEGMENT_OVERHEAD_BYTES, Tcb, u32_from};
use super::timer::nanos_between;
use crate::packet::Segment;
use twinsock::Instant;

impl Tcb {
    /// `tcp_select_initial_window`: the window of our SYN, and the scale to ask for.
    pub(super) fn choose_initial_window(&mut self, mss: u16) {
        let full = self.window_from_space(self.rcvbuf);
        let mut clamp = if self.options.window_clamp == 0 { WINDOW_MAX_BYTES } else { self.options.window_clamp };
        if self.options.rcvbuf_lock && clamp > full {
            clamp = full;
        }
        let mss = u32::from(mss);
        let mut space = clamp.min(full);
        if space > mss {
            space -= space % mss;
        }
        self.rcv_wnd = space.min(u32::from(u16::MAX));
        self.rcv_wscale = 0;
        if self.sysctl.tcp_window_scaling {
            let largest = space.max(self.sysctl.tcp_rmem[2]).min(clamp);
            let scale = largest.max(1).ilog2().saturating_sub(15).min(WINDOW_SCALE_MAX);
            self.rcv_wscale = u8::try_from(scale).expect("a window scale is at most 14");
        }
        self.window_clamp = clamp.min(u32::from(u16::MAX) << self.rcv_wscale);
        self.rcv_ssthresh = self.rcv_wnd;
        self.rcv_wup = self.rcv_nxt;
        self.rcv_mss = MSS_DEFAULT.min(self.advmss).max(MSS_MIN);
    }

    /// `tcp_init_buffer_space`: once the handshake has settled the sizes.
    pub(super) fn settle_buffers(&mut self) {
        self.grow_sndbuf();
        let full = self.window_from_space(self.rcvbuf);
        let advmss = u32::from(self.advmss);
        if self.window_clamp >= full {
            self.window_clamp = full;
        }
        if self.window_clamp > 2 * advmss && self.window_clamp + advmss > full {
            self.window_clamp = (2 * advmss).max(full - advmss);
        }
        self.rcv_ssthresh = self.rcv_ssthresh.min(self.window_clamp);
    }

    /// `tcp_sndbuf_expand`: room for twice what the congestion window lets out, and BBR's third.
    pub(super) fn grow_sndbuf(&mut self) {
        if self.options.sndbuf_lock {
            return;
        }
        let segment = u32::from(self.mss_clamp.max(self.mss)) + 2 * HEADERS_MAX_BYTES;
        let per_segment = segment.next_power_of_two() + SKB_BYTES;
        let segments = (self.congestion.cwnd / u32::from(self.mss.max(1))).max(10);
        let wanted = per_segment.saturating_mul(segments).saturating_mul(3);
        self.sndbuf = self.sndbuf.max(wanted.min(self.sysctl.tcp_wmem[2]));
    }

    /// How much of `space` bytes of buffer holds data.
    #[inline]
    pub(super) fn window_from_space(&self, space: u32) -> u32 {
        let data = (u64::from(space) * u64::from(self.scaling_ratio)) >> 8;
        u32::try_from(data).expect("a part of a 32 bit number fits 32 bits")
    }

    /// The buffer that holds `window` bytes of data.
    pub(super) fn space_from_window(&self, window: u32) -> u32 {
        let space = (u64::from(window) << 8) / u64::from(self.scaling_ratio.max(1));
        u32::try_from(space).unwrap_or(u32::MAX)
    }

    /// RCV.WND: what is left of the window last advertised.
    #[inline]
    pub(super) fn receive_window(&self) -> u32 {
        let end = self.rcv_wup + self.rcv_wnd;
        if self.rcv_nxt.before(end) { end - self.rcv_nxt } else { 0 }
    }

    /// `__tcp_select_window`: the window that the buffer would allow now.
    #[inline(always)]
    pub(super) fn free_window(&self) -> u32 {
        let charge = self.recv.as_ref().map_or(0, |recv| recv.charge());
        if charge == 0 && self.rcv_wscale > 0 {
            // All of the buffer is free: the usual case.
            return align_up(self.window_from_space(self.rcvbuf).min(self.rcv_ssthresh), self.rcv_wscale);
        }
        self.free_window_of(charge)
    }

    /// The same where not all of the buffer is free.
    #[inline(never)]
    fn free_window_of(&self, charge: u32) -> u32 {
        let mut free = self.window_from_space(self.rcvbuf.saturating_sub(charge));
        let full = self.window_clamp.min(self.window_from_space(self.rcvbuf));
        let mss = u32::from(self.rcv_mss).min(full);
        if free < full / 2 && (free < full >> 4 || free < mss) {
            return 0;
        }
        free = free.min(self.rcv_ssthresh);
        if self.rcv_wscale > 0 {
            return align_up(free, self.rcv_wscale);
        }
        if mss == 0 {
            return 0;
        }
        // Silly window avoidance: whole segments, and no change that is not worth it.
        if self.rcv_wnd <= free.saturating_sub(mss) || self.rcv_wnd > free {
            return free - free % mss;
        }
        if mss == full && free > self.rcv_wnd + full / 2 { free } else { self.rcv_wnd }
    }

    /// `tcp_select_window`: decides on the window of a segment about to go out, never taking back what was offered. The field's value.
    #[inline(always)]
    pub(super) fn select_window(&mut self) -> u16 {
        let offered = self.receive_window();
        let mut window = self.free_window();
        if window < offered {
            window = align_up(offered, self.rcv_wscale);
        }
        let largest = u32::from(u16::MAX) << self.rcv_wscale;
        self.rcv_wnd = window.min(largest);
        self.rcv_wup = self.rcv_nxt;
        u16::try_from(self.rcv_wnd >> self.rcv_wscale).expect("the window was limited to what its field holds")
    }

    /// Learns from a data segment: the peer's segment size, the share of overhead, a larger window. `tcp_measure_rcv_mss`,
    /// `tcp_grow_window`.
    #[inline(always)]
    pub(super) fn measure_segment(&mut self, segment_len: u32, frame_bytes: u16) {
        let len = if frame_bytes == 0 { segment_len } else { segment_len.min(u32::from(frame_bytes)) };
        let len = u16::try_from(len).unwrap_or(u16::MAX);
        if len > self.rcv_mss {
            self.rcv_mss = len.min(self.advmss);
            let ratio = (u64::from(segment_len) << 8) / u64::from(segment_len + SEGMENT_OVERHEAD_BYTES);
            let ratio = u8::try_from(ratio.clamp(1, 255)).expect("the ratio was clamped to a byte");
            if ratio > self.scaling_ratio {
                self.scaling_ratio = ratio;
                self.window_clamp = self.clamp_of_user(self.window_from_space(self.rcvbuf));
            }
        }
        if self.rcv_ssthresh < self.window_clamp {
            let charge = self.recv.as_ref().map_or(0, |recv| recv.charge());
            let free = self.window_from_space(self.rcvbuf.saturating_sub(charge)).min(self.window_clamp);
            let room = free.saturating_sub(self.rcv_ssthresh);
            self.rcv_ssthresh += room.min((2 * u32::from(self.advmss)).max(2 * segment_len));
        }
    }

    /// The window clamp `wanted`, within the user's `TCP_WINDOW_CLAMP`.
    fn clamp_of_user(&self, wanted: u32) -> u32 {
        let scaled = wanted.min(u32::from(u16::MAX) << self.rcv_wscale);
        if self.options.window_clamp == 0 { scaled } else { scaled.min(self.options.window_clamp) }
    }

    /// The user has read: `tcp_rcv_space_adjust` and `tcp_cleanup_rbuf`.
    #[inline(always)]
    pub(super) fn after_read(&mut self, now: Instant, copied: usize) {
        self.adjust_rcvbuf(now);
        let unread = self.unread_bytes();
        let unacked = self.rcv_nxt - self.rcv_wup;
        if self.ack.scheduled
            && (unacked > u32::from(self.rcv_mss) || (copied > 0 && unread == 0 && !self.ack.pingpong && unacked > 0))
        {
            self.ack.now = true;
            return;
        }
        if copied > 0 && !self.shutdown.read {
            let offered = self.receive_window();
            if offered <= self.window_clamp / 2 {
                let window = self.free_window();
                if window > 0 && window >= offered.saturating_mul(2) {
                    self.ack.now = true;
                }
            }
        }
    }

    /// Grows the receive buffer to hold twice what the user reads in a round trip.
    #[inline(always)]
    fn adjust_rcvbuf(&mut self, now: Instant) {
        let rtt = 1000 * u64::from(self.rtt.srtt_us());
        let copied_seq = self.copied_seq;
        let Some(recv) = self.recv.as_mut() else { return };
        if nanos_between(recv.space.since, now) < rtt {
            return;
        }
        let copied = copied_seq - recv.space.seq;
        let largest = recv.space.bytes;
        recv.space = ReadingRate { bytes: largest.max(copied), seq: copied_seq, since: now };
        if copied <= largest || largest == 0 || !self.sysctl.tcp_moderate_rcvbuf || self.options.rcvbuf_lock {
            return;
        }
        let window = copied.saturating_mul(2).saturating_add(16 * u32::from(self.advmss));
        let wanted = self.space_from_window(window).min(self.sysctl.tcp_rmem[2]);
        if wanted > self.rcvbuf {
            self.rcvbuf = wanted;
            self.window_clamp = self.clamp_of_user(self.window_from_space(wanted));
        }
    }

    /// Begins to measure how much the user reads in a round trip.
    pub(super) fn restart_reading_rate(&mut self, now: Instant) {
        let space = ReadingRate { bytes: self.rcv_wnd, seq: self.copied_seq, since: now };
        self.recv_buffer().space = space;
    }

    /// The part of a segment's data beyond the window, which is not taken.
    #[inline]
    pub(super) fn beyond_window(&self, segment: &Segment) -> usize {
        let end = segment.seq + u32_from(segment.payload.len());
        let window_end = self.rcv_nxt + self.receive_window();
        if window_end.before(end) { super::tcb::usize_from(end - window_end).min(segment.payload.len()) } else { 0 }
    }
}

/// `bytes` rounded up to what a scaled window field can say.
#[inline]
pub(super) fn align_up(bytes: u32, scale: u8) -> u32 {
    let unit = 1_u32 << scale;
    bytes.saturating_add(unit - 1) & !(unit - 1)
}

/// The MSS of a peer about which nothing is known.
const MSS_DEFAULT: u16 = super::tcb::MSS_DEFAULT;
/// TCP_MIN_MSS.
const MSS_MIN: u16 = 88;
/// RFC 7323 section 2.3.
const WINDOW_SCALE_MAX: u32 = 14;
const WINDOW_MAX_BYTES: u32 = (u16::MAX as u32) << WINDOW_SCALE_MAX;
/// MAX_TCP_HEADER, and the shared info behind each buffer.
const HEADERS_MAX_BYTES: u32 = 320;
/// `sizeof(struct sk_buff)`, aligned.
const SKB_BYTES: u32 = 256;
