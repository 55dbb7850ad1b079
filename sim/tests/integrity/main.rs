//! Streams are never corrupted and never silently wedged, whatever befalls the network and its hosts: what arrives is what was sent, to its end, or a
//! beginning of it and then an errno that Linux gives; and once everything is mended nothing stands still.

mod streams;

use streams::{the_hosts_fail, the_network_fails};
use twinsock_sim::check;

#[test]
fn every_byte_arrives_in_order_when_the_network_fails() {
    check!(the_network_fails, seeds = 200);
}

#[test]
fn what_arrives_is_a_beginning_of_what_was_sent_when_hosts_crash() {
    check!(the_hosts_fail, seeds = 200, expects = "a rebooted host resets a connection", expects = "a stream ends in the middle");
}
