//! Whether what was heard and kept is what was said.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chat_proto::{MAILBOX, Missed, UNKNOWN_END};

use crate::{
    person::{END, Heard, Place, Said},
    round::Story,
};

/// Every answered line is in the history at the place that its answer told, once, and everybody has heard exactly what is
/// in the history and not their own, in its order; nobody was told that they missed any.
pub fn nothing_is_missing(story: &Story) {
    let kept = story.pages.values().flatten().filter(|line| !line.text.starts_with(END));
    let kept = kept.filter(|line| !story.unstored.contains(&line.text));
    assert_eq!(by_text(kept), by_text(&story.said), "kept is what was answered");
    for (name, heard) in &story.heard {
        for (conversation, lines) in &story.pages {
            let expected: Vec<_> = lines
                .iter()
                .filter(|line| line.sender != *name && !line.text.starts_with(END))
                .map(|line| (line.place, &line.text))
                .collect();
            let heard: Vec<_> = lines_of(heard, *conversation).collect();
            let differs = heard.iter().zip(&expected).position(|(heard, expected)| heard != expected);
            assert!(
                heard == expected,
                "{name} in {conversation}: {} heard of {}; from {differs:?} on: {:?} for {:?}",
                heard.len(),
                expected.len(),
                differs.map(|at| &heard[at]),
                differs.map(|at| &expected[at])
            );
        }
        whispers_were_heard_once(story, name, heard);
        in_order(name, heard);
        let missed = heard.iter().find_map(missed);
        assert!(missed.is_none(), "{name}: {missed:?}");
    }
    println!(
        "{} lines answered, each heard once by {} people; {} whispers answered, each heard once; {} moves answered; {} not stored in time",
        story.said.len(),
        story.heard.len(),
        story.whispered.len(),
        story.moves,
        story.unstored.len()
    );
}

/// Exactly the whispers to somebody that were answered have come, each once, each sender's in their order, in one epoch.
fn whispers_were_heard_once(story: &Story, name: &str, heard: &[Heard]) {
    let heard: Vec<_> = heard
        .iter()
        .filter_map(line)
        .filter(|line| line.place.conversation == MAILBOX && !line.text.starts_with(END))
        .filter(|line| !story.unstored.contains(&line.text))
        .collect();
    let senders: BTreeSet<_> = story.whispered.iter().map(|whisper| &whisper.sender).collect();
    for sender in &senders {
        let said = story.whispered.iter().filter(|whisper| whisper.to == name && whisper.sender == **sender);
        let said: Vec<_> = said.map(|whisper| &whisper.text).collect();
        let heard: Vec<_> =
            heard.iter().filter(|line| line.sender == **sender).map(|line| &line.text).collect();
        let differs = heard.iter().zip(&said).position(|(heard, said)| heard != said);
        let (h, s) = (heard.len(), said.len());
        assert!(heard == said, "{sender} to {name}: {h} heard of {s}; from {differs:?} on");
    }
    assert!(heard.iter().all(|line| senders.contains(&line.sender)), "{name} hears strangers");
    let epochs: HashSet<_> = heard.iter().map(|line| line.place.epoch).collect();
    assert!(epochs.len() <= 1, "{name}: {epochs:?}");
}

/// No epoch has ended, and nobody was told that they missed anything.
pub fn no_epoch_has_ended(story: &Story) {
    for (name, heard) in &story.heard {
        let missed = heard.iter().find(|heard| matches!(heard, Heard::Missed(_)));
        assert!(missed.is_none(), "{name}: {missed:?}");
    }
    for lines in story.pages.values() {
        let epochs: HashSet<_> = lines.iter().map(|line| line.place.epoch).collect();
        assert_eq!(epochs.len(), 1);
    }
}

/// Whoever has not heard an answered line was told so by a Missed that has its place; nobody was told that they miss what
/// they have heard, or what the history has; and nothing came twice.
pub fn what_is_missing_is_told(story: &Story) {
    let kept: HashSet<_> = story.pages.values().flatten().map(|line| line.place).collect();
    let answered: HashMap<_, _> = story.said.iter().map(|line| (&line.text, line.place)).collect();
    let (mut lost, mut again) = (BTreeSet::new(), BTreeSet::new());
    for (name, heard) in &story.heard {
        let missed: Vec<_> = heard.iter().filter_map(missed).collect();
        let places: HashSet<_> = heard.iter().filter_map(line).map(|line| line.place).collect();
        for line in story.said.iter().filter(|line| line.sender != *name) {
            if !places.contains(&line.place) {
                assert!(
                    missed.iter().any(|missed| covers(missed, line.place)),
                    "{name} never heard {line:?}"
                );
                lost.insert(&line.text);
            }
        }
        let mut texts: BTreeMap<_, Vec<_>> = BTreeMap::new();
        let lines = heard.iter().filter_map(line).filter(|line| line.place.conversation != MAILBOX);
        for line in lines.filter(|line| !line.text.starts_with(END)) {
            assert_ne!(line.sender, *name, "nobody hears what they say themselves");
            texts.entry(&line.text).or_default().push(line.place);
        }
        for (text, places) in texts {
            // Said again since its answer was never heard: the server that had taken it lost it with all that it was.
            let answered = answered.get(text).expect("what is heard is answered in the end");
            let lost = places.iter().filter(|place| *place != answered);
            for place in lost {
                assert!(!kept.contains(place) && place.epoch != answered.epoch, "{name}: {text}: {places:?}");
                again.insert(text);
            }
            // The next server may have been killed before it was heard there: that is told, as above.
            assert!(
                !places.contains(answered) || places.last() == Some(answered),
                "{name}: {text}: {places:?}"
            );
        }
        in_order(name, heard);
        missed_is_nothing_kept(story, name, heard);
    }
    let kept_texts = by_text(story.pages.values().flatten().filter(|line| !line.text.starts_with(END)));
    assert!(kept_texts.values().all(|places| places.len() == 1), "nothing is kept twice");
    println!(
        "{} lines answered, {} of them lost to somebody and told, {} unanswered ones heard again",
        story.said.len(),
        lost.len(),
        again.len()
    );
}

/// Numbers only grow, a Missed stands at its place, and after the end of an epoch nothing of it comes.
fn in_order(name: &str, heard: &[Heard]) {
    let mut at: HashMap<u64, (u64, u64)> = HashMap::new();
    let mut ended = HashSet::new();
    for one in heard {
        let (place, to) = match one {
            Heard::Line(line) => (line.place, line.place.seq),
            Heard::Missed(Missed { conversation, epoch, from, to }) => {
                (Place { conversation: *conversation, epoch: *epoch, seq: *from }, *to)
            }
        };
        let key = (place.conversation, place.epoch);
        assert!(!ended.contains(&key), "{name}: {one:?} is of an epoch that has ended");
        if let Some((epoch, seq)) = at.insert(place.conversation, (place.epoch, to)) {
            if epoch == place.epoch {
                assert!(seq < place.seq, "{name}: {one:?} after {seq}");
            } else {
                ended.insert((place.conversation, epoch));
            }
        }
        if to == UNKNOWN_END {
            ended.insert(key);
        }
    }
}

fn missed_is_nothing_kept(story: &Story, name: &str, heard: &[Heard]) {
    for missed in heard.iter().filter_map(missed) {
        let kept = story.pages.values().flatten().find(|line| covers(missed, line.place));
        assert!(kept.is_none(), "{name}: {missed:?}: {kept:?}");
        let heard = heard.iter().filter_map(line).find(|line| covers(missed, line.place));
        assert!(heard.is_none(), "{name}: {missed:?}: {heard:?}");
    }
}

fn covers(missed: &Missed, place: Place) -> bool {
    (missed.conversation, missed.epoch) == (place.conversation, place.epoch)
        && (missed.from..=missed.to).contains(&place.seq)
}

fn line(heard: &Heard) -> Option<&Said> {
    match heard {
        Heard::Line(line) => Some(line),
        Heard::Missed(_) => None,
    }
}

fn missed(heard: &Heard) -> Option<&Missed> {
    match heard {
        Heard::Missed(missed) => Some(missed),
        Heard::Line(_) => None,
    }
}

/// The lines of a conversation, but for the last ones of rounds.
fn lines_of(heard: &[Heard], conversation: u64) -> impl Iterator<Item = (Place, &String)> {
    let lines = heard.iter().filter_map(line).filter(move |line| line.place.conversation == conversation);
    lines.filter(|line| !line.text.starts_with(END)).map(|line| (line.place, &line.text))
}

fn by_text<'a>(lines: impl IntoIterator<Item = &'a Said>) -> BTreeMap<&'a str, Vec<Place>> {
    let mut by_text: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for line in lines {
        by_text.entry(line.text.as_str()).or_default().push(line.place);
    }
    by_text
}

#[cfg(test)]
mod tests {
    use chat_proto::LOBBY;

    use super::*;

    const KILLED: u64 = 4;
    const KILLED_NEXT: u64 = 5;
    const LAST: u64 = 6;

    fn line_at(epoch: u64, seq: u64) -> Said {
        Said { place: Place { conversation: LOBBY, epoch, seq }, sender: "kim".into(), text: "hello".into() }
    }

    fn ended(epoch: u64, from: u64) -> Heard {
        Heard::Missed(Missed { conversation: LOBBY, epoch, from, to: UNKNOWN_END })
    }

    /// Kim's line was answered in this place, and lee heard this.
    fn story(answered: Said, heard: Vec<Heard>) -> Story {
        let mut story = Story::new(0);
        story.said.push(answered);
        story.heard.insert("lee".into(), heard);
        story
    }

    #[test]
    fn a_line_that_is_heard_of_one_killed_server_and_answered_by_the_next_may_be_lost_with_that_one() {
        let heard = vec![Heard::Line(line_at(KILLED, 99)), ended(KILLED, 100), ended(KILLED_NEXT, 1)];
        what_is_missing_is_told(&story(line_at(KILLED_NEXT, 1), heard));
    }

    #[test]
    #[should_panic(expected = "never heard")]
    fn such_a_line_is_not_lost_in_silence() {
        let heard = vec![Heard::Line(line_at(KILLED, 99)), ended(KILLED, 100)];
        what_is_missing_is_told(&story(line_at(KILLED_NEXT, 1), heard));
    }

    #[test]
    #[should_panic(expected = "hello: ")]
    fn a_line_is_not_heard_again_where_it_was_answered() {
        let heard = vec![Heard::Line(line_at(LAST, 1)), Heard::Line(line_at(LAST, 2))];
        what_is_missing_is_told(&story(line_at(LAST, 2), heard));
    }
}
