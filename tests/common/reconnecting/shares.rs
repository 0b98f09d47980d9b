//! Many histories on all processors.

use std::{
    iter::Sum,
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

/// Plays those of these numbers, in order, until one is not played, and sums up what they came to.
pub fn share_out<T: Send + Sum<T>>(numbers: u64, play: impl Fn(u64) -> Option<T> + Sync) -> T {
    let next = AtomicU64::new(0);
    let share = || {
        let mut all = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(played) = Some(number).filter(|number| *number < numbers).and_then(&play) else { break };
            all.push(played);
        }
        all.into_iter().sum::<T>()
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let shares: Vec<_> = (0..threads).map(|_| scope.spawn(share)).collect();
        shares.into_iter().map(|share| share.join().expect("every history holds")).sum()
    })
}
