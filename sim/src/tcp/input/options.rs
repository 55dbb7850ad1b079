//! What a SYN's options settle, and RFC 7323's timestamps.

use crate::packet::{Segment, SeqNumber};
use crate::tcp::tcb::{MSS_DEFAULT, Tcb};
use std::time::Duration;
use twinsock::Instant;

impl Tcb {
    /// Takes the window and the options of the peer's SYN: MSS, window scale and timestamps. The window of a SYN is never scaled: RFC 7323 section 2.2.
    pub(in crate::tcp) fn take_syn_options(&mut self, now: Instant, syn: &Segment) {
        self.snd_wnd = u32::from(syn.window);
        self.max_window = self.max_window.max(self.snd_wnd);
        let peer_mss = syn.options.mss_bytes.unwrap_or(MSS_DEFAULT).max(MSS_PEER_MIN);
        self.mss_clamp = self.advmss.min(peer_mss);
        match syn.options.window_scale {
            Some(scale) if self.sysctl.tcp_window_scaling => {
                self.peer_scales = true;
                // RFC 7323 section 2.3: a larger one counts as 14.
                self.snd_wscale = scale.min(14);
            }
            Some(_) | None => {
                self.peer_scales = false;
                self.snd_wscale = 0;
            }
        }
        self.timestamps.enabled = false;
        if let Some(timestamps) = syn.options.timestamps
            && self.sysctl.tcp_timestamps
        {
            self.timestamps.enabled = true;
            self.timestamps.recent = timestamps.value;
            self.timestamps.recent_at = now;
        }
        self.sync_mss();
    }

    /// RFC 7323 section 2.2: windows are scaled only if both SYNs had the option.
    pub(in crate::tcp) fn agree_on_scale(&mut self) {
        if !self.peer_scales {
            self.rcv_wscale = 0;
            self.window_clamp = self.window_clamp.min(u32::from(u16::MAX));
        }
    }

    /// `tcp_sync_mss`: the data of a full frame, at most half of the largest window that the peer has offered.
    pub(in crate::tcp) fn sync_mss(&mut self) {
        let mut mss = self.mss_clamp - self.timestamp_option_bytes().min(self.mss_clamp / 2);
        let half = u16::try_from(self.max_window / 2).unwrap_or(u16::MAX);
        if self.max_window > u32::from(MSS_DEFAULT) {
            mss = mss.min(half);
        } else if self.max_window > 0 {
            mss = mss.min(u16::try_from(self.max_window).unwrap_or(u16::MAX));
        }
        self.mss = mss.max(MSS_LEAST);
        self.choose_size_goal();
    }

    /// The peer's initial sequence number is known.
    pub(in crate::tcp) fn take_irs(&mut self, irs: SeqNumber) {
        self.rcv_nxt = irs + 1;
        self.rcv_wup = self.rcv_nxt;
        self.copied_seq = self.rcv_nxt;
    }

    /// SND.WND is `window` now.
    #[inline]
    pub(in crate::tcp) fn set_snd_wnd(&mut self, window: u32) {
        self.snd_wnd = window;
        if window > self.max_window {
            self.max_window = window;
            self.sync_mss();
        }
    }

    /// RFC 7323 section 5.3, R1: whether the segment is older than one that was seen.
    #[inline]
    pub(super) fn is_old_by_timestamp(&self, now: Instant, segment: &Segment) -> bool {
        let (true, Some(timestamps)) = (self.timestamps.enabled, segment.options.timestamps) else {
            return false;
        };
        let old = self.is_older_timestamp(timestamps.value);
        // Section 5.5: after 24 days of silence TS.Recent means nothing.
        old && self.timestamps.recent_at != Instant::FAR && now.since(self.timestamps.recent_at) < TS_RECENT_LIFETIME
    }

    /// Whether `value` is before TS.Recent.
    #[inline]
    pub(super) fn is_older_timestamp(&self, value: u32) -> bool {
        SeqNumber::new(value).before(SeqNumber::new(self.timestamps.recent))
    }

    /// Section 4.3: TS.Recent is taken from a segment that spans what was last acknowledged.
    #[inline]
    pub(super) fn take_timestamp(&mut self, now: Instant, segment: &Segment) {
        if let (true, Some(timestamps)) = (self.timestamps.enabled, segment.options.timestamps)
            && segment.seq.before_or_at(self.rcv_wup)
        {
            self.timestamps.recent = timestamps.value;
            self.timestamps.recent_at = now;
        }
    }
}

/// Below this a peer's MSS is taken for a mistake: the minimum of 68 byte datagrams, less the headers.
const MSS_PEER_MIN: u16 = 48;
/// TCP_MIN_SND_MSS.
const MSS_LEAST: u16 = 48;
/// 24 days, RFC 7323 section 5.5.
const TS_RECENT_LIFETIME: Duration = Duration::from_secs(24 * 24 * 3600);
