//! The atomics of the files that loom checks: `tests/loom.rs` compiles those files against loom's instead.

pub(super) use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering, fence},
};

pub(super) use atomic_waker::AtomicWaker;
