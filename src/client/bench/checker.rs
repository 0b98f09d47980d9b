//! What one receiver must see of one conversation: every line once, in order, and no hole but its own lines.

/// The places behind the last line that are remembered one by one.
const REMEMBERED: u64 = 64;

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It was here before.
    Doubled,
    /// It stands behind a line that comes after it.
    Reordered,
    /// Its epoch is another: the server has forgotten its past.
    Epoch,
}

/// One receiver's view of one conversation, in constant space.
///
/// A hole is legal where one's own line stands, and the place of one's own line is told only by its answer, which
/// may come before or after the hole is seen. So both are counted and summed up, and compared at the end.
#[derive(Clone, Debug)]
pub struct Checker {
    epoch: u64,
    /// The highest place taken, or known not to come.
    last: u64,
    /// Bit n: the place `last - n` was taken.
    taken: u64,
    holes: Places,
    own: Places,
    /// A place that may be a hole: one's own Joined.
    own_joined: Option<u64>,
    missed: u64,
}

/// What the places up to the conversation's end come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Lines that never came, and that nobody told of.
    pub lost: u64,
    /// Lines of one's own that came back.
    pub echoed: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Places {
    count: u64,
    sum: u64,
}

impl Places {
    fn add(&mut self, seq: u64) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(seq);
    }

    fn remove(&mut self, seq: u64) {
        self.count = self.count.saturating_sub(1);
        self.sum = self.sum.wrapping_sub(seq);
    }

    fn add_range(&mut self, from: u64, to: u64) {
        if from <= to {
            let count = to - from + 1;
            self.count += count;
            let (even, odd) = if count.is_multiple_of(2) {
                (count / 2, from.wrapping_add(to))
            } else {
                (count, from + (to - from) / 2)
            };
            self.sum = self.sum.wrapping_add(even.wrapping_mul(odd));
        }
    }
}

impl Checker {
    /// A conversation that is entered after `seq`. Where joins are told, the place after it may be one's own.
    #[must_use]
    pub fn new(epoch: u64, seq: u64, joins_are_told: bool) -> Self {
        Self {
            epoch,
            last: seq,
            taken: 0,
            holes: Places::default(),
            own: Places::default(),
            own_joined: joins_are_told.then_some(seq + 1),
            missed: 0,
        }
    }

    /// The highest place known of.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Lines that the server said it will not send.
    #[must_use]
    pub fn missed_lines(&self) -> u64 {
        self.missed
    }

    /// A line came.
    #[inline]
    pub fn take(&mut self, epoch: u64, seq: u64) -> Result<(), Fault> {
        if epoch != self.epoch {
            return Err(Fault::Epoch);
        }
        if seq == self.last + 1 {
            self.taken = self.taken << 1 | 1;
            self.last = seq;
            return Ok(());
        }
        self.take_aside(seq)
    }

    fn take_aside(&mut self, seq: u64) -> Result<(), Fault> {
        if seq > self.last {
            self.skip(self.last + 1, seq - 1);
            let step = seq - self.last;
            self.taken = if step < REMEMBERED { self.taken << step } else { 0 } | 1;
            self.last = seq;
            return Ok(());
        }
        let behind = self.last - seq;
        if behind < REMEMBERED && self.taken >> behind & 1 == 1 {
            return Err(Fault::Doubled);
        }
        if behind < REMEMBERED && self.own_joined != Some(seq) {
            // The hole it leaves was counted; it is late, not lost.
            self.taken |= 1 << behind;
            self.holes.remove(seq);
        }
        Err(Fault::Reordered)
    }

    /// The answer to a line of one's own came.
    pub fn own_line(&mut self, seq: u64) {
        self.own.add(seq);
    }

    /// The server says that the lines `from` to `to` will not come.
    pub fn missed(&mut self, epoch: u64, from: u64, to: u64) -> Result<(), Fault> {
        if epoch != self.epoch {
            return Err(Fault::Epoch);
        }
        if from <= self.last || to < from {
            return Err(Fault::Reordered);
        }
        self.skip(self.last + 1, from - 1);
        self.taken = 0;
        self.last = to;
        self.missed += to - from + 1;
        Ok(())
    }

    /// Judges all places up to `end`, the highest that anybody knows of.
    #[must_use]
    pub fn finish(mut self, end: u64) -> Verdict {
        self.skip(self.last + 1, end);
        if self.missed > 0 {
            // Own lines may be among those missed: no hole can be told from them any more.
            return Verdict { lost: self.holes.count.saturating_sub(self.own.count), echoed: 0 };
        }
        let lost = self.holes.count.saturating_sub(self.own.count);
        let echoed = self.own.count.saturating_sub(self.holes.count);
        if lost == 0 && echoed == 0 && self.holes != self.own {
            // As many holes as own lines, at other places: at least one of each is wrong.
            return Verdict { lost: 1, echoed: 1 };
        }
        Verdict { lost, echoed }
    }

    fn skip(&mut self, from: u64, to: u64) {
        self.holes.add_range(from, to);
        if let Some(joined) = self.own_joined
            && (from..=to).contains(&joined)
        {
            self.holes.remove(joined);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(seqs: &[u64]) -> (Checker, Vec<Fault>) {
        let mut checker = Checker::new(9, 0, false);
        let faults = seqs.iter().filter_map(|seq| checker.take(9, *seq).err()).collect();
        (checker, faults)
    }

    #[test]
    fn every_line_once_and_in_order_is_no_fault() {
        let (checker, faults) = after(&[1, 2, 3, 4]);
        assert_eq!((checker.finish(4), faults), (Verdict::default(), vec![]));
    }

    #[test]
    fn a_line_that_never_comes_is_lost_in_the_middle_and_at_the_end() {
        let (checker, faults) = after(&[1, 2, 5]);
        assert_eq!((checker.clone().finish(5).lost, faults), (2, vec![]));
        assert_eq!(checker.finish(6).lost, 3);
        assert_eq!(after(&[]).0.finish(3).lost, 3);
    }

    #[test]
    fn a_line_that_comes_twice_is_doubled_however_late() {
        for late in [2, 3, 40] {
            let mut seqs: Vec<u64> = (1..=late).collect();
            seqs.push(2);
            let (checker, faults) = after(&seqs);
            assert_eq!((faults, checker.finish(late).lost), (vec![Fault::Doubled], 0), "after {late}");
        }
    }

    #[test]
    fn a_line_behind_a_later_one_is_reordered_and_not_lost() {
        let (checker, faults) = after(&[1, 3, 2, 4]);
        assert_eq!((faults, checker.finish(4)), (vec![Fault::Reordered], Verdict::default()));
    }

    #[test]
    fn own_lines_are_holes_whether_their_answers_come_before_or_after() {
        let mut checker = Checker::new(9, 10, false);
        checker.own_line(11);
        checker.take(9, 12).expect("in order");
        checker.take(9, 14).expect("in order");
        checker.own_line(13);
        checker.own_line(15);
        assert_eq!(checker.clone().finish(15), Verdict::default());
        assert_eq!(checker.finish(16).lost, 1);
    }

    #[test]
    fn a_hole_elsewhere_than_the_own_line_is_told() {
        let mut checker = Checker::new(9, 0, false);
        checker.own_line(1);
        checker.take(9, 1).expect("in order");
        checker.take(9, 3).expect("in order");
        assert_eq!(checker.clone().finish(3), Verdict { lost: 1, echoed: 1 });
        checker.own_line(2);
        assert_eq!(checker.finish(3), Verdict { lost: 0, echoed: 1 });
    }

    #[test]
    fn ones_own_joined_may_be_a_hole_and_nothing_else() {
        let mut checker = Checker::new(9, 41, true);
        checker.take(9, 43).expect("in order");
        checker.take(9, 45).expect("in order");
        assert_eq!(checker.finish(45).lost, 1);
        assert_eq!(Checker::new(9, 41, true).finish(42).lost, 0);
        let mut among_others = Checker::new(9, 41, true);
        among_others.take(9, 42).expect("in order");
        assert_eq!(among_others.finish(42), Verdict::default());
    }

    #[test]
    fn what_the_server_says_it_will_not_send_is_missed_and_not_lost() {
        let mut checker = Checker::new(9, 0, false);
        checker.take(9, 1).expect("in order");
        checker.missed(9, 2, 100).expect("in order");
        checker.take(9, 101).expect("in order");
        assert_eq!(checker.missed_lines(), 99);
        assert_eq!(checker.missed(9, 50, 60), Err(Fault::Reordered));
        assert_eq!(checker.take(9, 77), Err(Fault::Reordered));
        assert_eq!(checker.take(8, 102), Err(Fault::Epoch));
        assert_eq!(checker.finish(101).lost, 0);
    }
}
