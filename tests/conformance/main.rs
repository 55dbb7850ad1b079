//! Promises that both worlds keep, by theme. Each is a test `name::os` on the kernel's sockets and a test `name::sim` on the
//! virtual network, from one body; see `tests/support`.

#[path = "../support/mod.rs"]
mod support;

mod accept;
mod bind;
mod close;
mod connect;
mod data;
mod directories;
mod dup;
mod epoll;
mod listen;
mod makefile;
mod net;
mod nonblocking;
mod options;
mod poll;
mod rows;
mod seed;
mod seed_page;
mod select;
mod shutdown;
mod socket;
mod sync;
mod timeout;
mod udp;
mod udp_connect;
mod udp_control;
mod udp_cork;
mod udp_errors;
mod udp_groups;
mod udp_options;
mod udp_queue;
mod udp_sources;
mod udp_wait;
mod unix_dgram;
mod unix_names;
mod unix_net;
mod unix_rights;
mod unix_stream;
mod unix_waits;
mod urgent;
mod world;
