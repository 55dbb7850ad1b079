//! One machine's kernel, sans-IO.
//! CONTRACT (owned by the `host` helper from here on).
pub mod call;
pub use call::Call;
pub mod epoll;
pub mod pipe;
pub mod poll;
