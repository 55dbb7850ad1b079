//! A progress bar, where a person watches: only with the feature `cli`, which brings its crate.

use super::progress::{Snapshot, Watch};
use indicatif::{ProgressBar, ProgressStyle};

/// The bar of a campaign.
pub(super) struct Bar(ProgressBar);

impl Bar {
    pub fn new() -> Bar {
        let style = ProgressStyle::with_template("{bar:40} {human_pos} of {human_len} seeds, {msg}");
        Bar(ProgressBar::new(0).with_style(style.expect("the template names what indicatif knows")))
    }
}

impl Watch for Bar {
    fn progress(&self, snapshot: &Snapshot) {
        let left = snapshot.left().map_or(0, |left| left.as_secs());
        let rate = snapshot.seeds_per_second();
        let virtual_s = snapshot.elapsed.as_secs();
        self.0.set_length(snapshot.seeds);
        self.0.set_position(snapshot.done);
        self.0.set_message(format!("{} failed, {rate}/s, {virtual_s} s of virtual time, {left} s left", snapshot.failures));
    }

    fn end(&self, _snapshot: &Snapshot) {
        self.0.finish_and_clear();
    }
}
