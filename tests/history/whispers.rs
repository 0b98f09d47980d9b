//! Whispers that are stored before anybody hears them, and a store that is slow, hangs, fails or lies.

use std::{sync::Arc, time::Duration};

use chat_proto::{ErrorCode, Role, Text, Username, Whisper, Words};
use iocp_chat::{
    config::Bounds,
    metrics::Metrics,
    room::{Mailbox, SessionId, Subscriber},
    session::{
        Families, MAILBOX_REQUESTS, MailboxRequest, MailboxWriter, NameForms, STORE_PATIENCE,
        SessionRegistry, WaitingWhisper,
    },
    store::{AccountId, Letter},
};
use tokio::{
    sync::mpsc,
    task::{JoinHandle, yield_now},
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use crate::{
    house::{id, told},
    lobby::Guest,
    shelf::{Mood, Shelf},
};

const BOUNDS: Bounds = Bounds { lines: 64, bytes: 1 << 20 };

/// A writer of mailboxes.
struct House {
    requests: mpsc::Sender<MailboxRequest>,
    registry: Arc<SessionRegistry>,
    metrics: Arc<Metrics>,
    done: CancellationToken,
    task: JoinHandle<()>,
}

impl House {
    fn open(shelf: &Shelf) -> Self {
        let (requests, asked) = mpsc::channel(MAILBOX_REQUESTS);
        let (registry, metrics) = (Arc::new(SessionRegistry::new()), Arc::new(Metrics::new()));
        let (families, done) = (Arc::new(Families::new(None)), CancellationToken::new());
        let writer = MailboxWriter::new(
            shelf.clone(),
            asked,
            families,
            Arc::clone(&registry),
            Arc::clone(&metrics),
            done.clone(),
        );
        Self { requests, registry, metrics, done, task: tokio::spawn(writer.run()) }
    }

    fn enter(&self, number: u64, name: &str) -> Guest {
        let name = Username::parse(name).expect("a name");
        let mailbox = Mailbox::new(1, BOUNDS).stored_first();
        let one = Arc::new(Subscriber::new(SessionId(number), name, Role::Guest, mailbox));
        self.registry.claim(&NameForms::of(one.name()), &one).expect("free");
        Guest::of(one)
    }

    async fn whisper(&self, from: &Guest, request: u32, to: &Guest, text: &str) {
        self.whisper_as((from, request, 0), to, text).await;
    }

    /// Whispers under a number.
    async fn whisper_as(&self, (from, request, message_id): (&Guest, u32, u64), to: &Guest, text: &str) {
        let to = Arc::clone(&to.subscriber);
        let (slot, text) = (from.subscriber.slot().await, Words::Plain(Text::parse(text).expect("a text")));
        let whisper = Whisper { id: id(request), message_id, to: to.name().clone(), text };
        let waiting = WaitingWhisper { slot, whisper, to: Some(to), time_ms: 7 };
        self.ask(MailboxRequest::Whisper(waiting)).await;
    }

    async fn ask(&self, request: MailboxRequest) {
        self.requests.send(request).await.expect("a writer");
    }

    async fn hand_over_letters(&self, to: &Guest) {
        let (account, to) = (AccountId::new(1), Arc::clone(&to.subscriber));
        self.ask(MailboxRequest::Letters { account, older_than_ms: 0, to }).await;
        self.settle().await;
    }

    /// Lets everybody do all they can without time going by.
    async fn settle(&self) {
        for _ in 0..200 {
            yield_now().await;
        }
    }

    async fn close(self) {
        self.done.cancel();
        self.task.await.expect("it ends");
    }
}

fn house() -> (House, Shelf, Guest, Guest) {
    let shelf = Shelf::new();
    let house = House::open(&shelf);
    let (kim, lee) = (house.enter(1, "kim"), house.enter(2, "lee"));
    (house, shelf, kim, lee)
}

#[tokio::test(start_paused = true)]
async fn a_whisper_is_neither_heard_nor_answered_before_it_is_stored() {
    let (house, shelf, mut kim, mut lee) = house();
    shelf.be(Mood::Hangs);
    house.whisper(&kim, 1, &lee, "one").await;
    house.settle().await;
    assert_eq!((told(&mut kim), told(&mut lee)), (vec![], vec![]));
    shelf.be(Mood::Well);
    sleep(Duration::from_millis(5)).await;
    assert_eq!((told(&mut kim), told(&mut lee)), (vec!["answer 1".into()], vec!["*1 one".into()]));
    assert_eq!(shelf.whispers(2), [(1, "one".into())]);
    house.close().await;
}

#[tokio::test(start_paused = true)]
async fn whispers_that_pile_up_are_one_transaction_and_keep_their_order() {
    let (house, shelf, mut kim, mut lee) = house();
    let mut ann = house.enter(3, "ann");
    shelf.be(Mood::Slow(Duration::from_millis(10)));
    for request in 1..=10 {
        house.whisper(&kim, request, &lee, &request.to_string()).await;
        house.whisper(&ann, request, &lee, "by ann").await;
        house.whisper(&kim, 10 + request, &ann, "to ann").await;
        sleep(Duration::from_millis(1)).await;
    }
    sleep(Duration::from_millis(30)).await;
    let heard = told(&mut lee);
    assert_eq!(heard.len(), 20);
    let by_kim: Vec<_> = heard.iter().filter(|word| !word.ends_with("by ann")).cloned().collect();
    assert_eq!(by_kim, (1..=10).map(|n| format!("*{} {n}", 2 * n - 1)).collect::<Vec<_>>());
    assert_eq!((told(&mut kim).len(), told(&mut ann).len()), (20, 20));
    assert!(shelf.batches().len() <= 4, "{:?}", shelf.batches());
    house.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_whisper_that_cannot_be_stored_is_refused_and_heard_by_nobody_and_its_number_is_free() {
    let (house, shelf, mut kim, mut lee) = house();
    shelf.be(Mood::Fails);
    house.whisper(&kim, 1, &lee, "one").await;
    house.settle().await;
    assert_eq!((told(&mut kim), told(&mut lee)), (vec!["5002 to 1".into()], vec![]));
    assert_eq!(house.metrics.rejects(ErrorCode::StorageUnavailable), 1);
    shelf.be(Mood::Well);
    house.whisper(&kim, 2, &lee, "two").await;
    house.settle().await;
    assert_eq!((told(&mut kim), told(&mut lee)), (vec!["answer 2".into()], vec!["*1 two".into()]));
    house.close().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_said_not_to_be_stored_and_is_goes_before_anything_else_is_stored() {
    let (house, shelf, mut kim, mut lee) = house();
    house.whisper(&kim, 1, &lee, "one").await;
    house.settle().await;
    shelf.be(Mood::Lies);
    told(&mut kim);
    told(&mut lee);
    house.whisper(&kim, 2, &lee, "two").await;
    house.settle().await;
    assert_eq!((told(&mut kim), told(&mut lee)), (vec!["5002 to 2".into()], vec![]));
    let stored = shelf.whispers(2);
    assert_eq!(stored.last(), Some(&(2, "two".into())));
    // To others nothing is stored either while that cannot be put right.
    house.whisper(&lee, 3, &kim, "three").await;
    house.settle().await;
    assert_eq!((told(&mut lee), told(&mut kim)), (vec!["5002 to 3".into()], vec![]));
    shelf.be(Mood::Well);
    house.whisper(&kim, 4, &lee, "four").await;
    house.settle().await;
    assert_eq!((told(&mut kim), told(&mut lee)), (vec!["answer 4".into()], vec!["*2 four".into()]));
    assert_eq!(shelf.whispers(2).last(), Some(&(2, "four".into())));
    assert_eq!(shelf.whispers(1), []);
    house.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_whisper_that_may_be_stored_goes_although_nobody_whispers_any_more() {
    let (house, shelf, kim, lee) = house();
    shelf.be(Mood::Lies);
    house.whisper(&kim, 1, &lee, "one").await;
    house.settle().await;
    assert_eq!(shelf.whispers(2).len(), 1);
    shelf.be(Mood::Well);
    sleep(Duration::from_secs(3)).await;
    assert_eq!(shelf.whispers(2), []);
    house.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_refuses_whispers_after_its_time_and_then_at_once_until_it_is_back() {
    let (house, shelf, mut kim, mut lee) = house();
    shelf.be(Mood::Hangs);
    let asked = Instant::now();
    house.whisper(&kim, 1, &lee, "one").await;
    sleep(Duration::from_secs(1)).await;
    house.whisper(&kim, 2, &lee, "two").await;
    kim.take_next().await;
    house.settle().await;
    assert_eq!(told(&mut kim), ["5002 to 1", "5002 to 2"]);
    assert_eq!(asked.elapsed().as_secs(), STORE_PATIENCE.as_secs());
    house.whisper(&lee, 3, &kim, "three").await;
    house.settle().await;
    assert_eq!(told(&mut lee), ["5002 to 3"]);
    shelf.be(Mood::Well);
    sleep(Duration::from_millis(5)).await;
    house.whisper(&kim, 4, &lee, "four").await;
    house.settle().await;
    assert_eq!((told(&mut kim), told(&mut lee)), (vec!["answer 4".into()], vec!["*1 four".into()]));
    assert_eq!(shelf.whispers(2), [(1, "four".into())], "the first came about late, and went");
    house.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_repeat_waits_for_the_first_and_is_answered_alike_and_heard_by_nobody() {
    let (house, shelf, mut kim, mut lee) = house();
    shelf.be(Mood::Hangs);
    house.whisper_as((&kim, 1, 9), &lee, "once").await;
    house.whisper_as((&kim, 2, 9), &lee, "once").await;
    house.settle().await;
    house.whisper_as((&kim, 3, 9), &lee, "once").await;
    house.whisper_as((&kim, 4, 9), &lee, "twice").await;
    house.settle().await;
    assert_eq!(told(&mut kim), [""; 0]);
    shelf.be(Mood::Well);
    sleep(Duration::from_millis(5)).await;
    assert_eq!(told(&mut kim), ["answer 1", "answer 2", "answer 3", "3003 to 4"]);
    assert_eq!(told(&mut lee), ["*1 once"]);

    shelf.be(Mood::Fails);
    house.whisper_as((&kim, 5, 10), &lee, "again").await;
    house.whisper_as((&kim, 6, 10), &lee, "again").await;
    house.settle().await;
    assert_eq!(told(&mut kim), ["5002 to 5", "5002 to 6"]);
    // What was answered still is.
    house.whisper_as((&kim, 7, 9), &lee, "once").await;
    shelf.be(Mood::Well);
    house.whisper_as((&kim, 8, 10), &lee, "again").await;
    house.settle().await;
    assert_eq!(told(&mut kim), ["answer 7", "answer 8"]);
    assert_eq!(told(&mut lee), ["*2 again"]);
    house.close().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_stored_for_who_ignores_the_sender_or_has_gone() {
    let (house, shelf, mut kim, mut lee) = house();
    let ann = house.enter(3, "ann");
    lee.subscriber.ignore([(kim.subscriber.name().key(), kim.subscriber.name().clone())].into());
    ann.subscriber.mailbox().close();
    house.whisper(&kim, 1, &lee, "unheard").await;
    house.whisper(&kim, 2, &ann, "late").await;
    house.settle().await;
    assert_eq!(told(&mut kim), ["answer 1", "2103 to 2"]);
    assert_eq!(told(&mut lee), [""; 0]);
    assert_eq!((shelf.whispers(2), shelf.whispers(3)), (vec![], vec![]));
    house.close().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_kept_is_handed_over_once_and_kept_again_if_that_is_in_doubt() {
    let (house, shelf, mut kim, mut lee) = house();
    let letter = |text: &str| Letter {
        sender: "kim".into(),
        session: 1,
        message_id: None,
        time_ms: 7,
        text: text.into(),
    };
    shelf.keep(letter("one"));
    // Nobody can have this name any more.
    shelf.keep(Letter { sender: " ".into(), ..letter("lost") });
    shelf.keep(letter("three"));
    shelf.be(Mood::Lies);
    house.hand_over_letters(&lee).await;
    assert_eq!(told(&mut lee), [""; 0]);
    assert_eq!(shelf.whispers(2).len(), 3);
    shelf.be(Mood::Well);
    house.whisper(&kim, 1, &lee, "before").await;
    house.hand_over_letters(&lee).await;
    house.whisper(&kim, 2, &lee, "after").await;
    house.settle().await;
    assert_eq!(told(&mut lee), ["*1 before", "*2 one", "*4 three", "*5 after"]);
    assert_eq!(told(&mut kim), ["answer 1", "answer 2"]);
    house.hand_over_letters(&lee).await;
    assert_eq!(told(&mut lee), [""; 0]);
    house.close().await;
}

#[tokio::test(start_paused = true)]
async fn at_the_stop_every_whisper_is_stored_and_answered() {
    let (house, shelf, mut kim, mut lee) = house();
    shelf.be(Mood::Slow(Duration::from_millis(200)));
    for request in 1..=30 {
        house.whisper(&kim, request, &lee, "words").await;
    }
    house.close().await;
    assert_eq!((told(&mut kim).len(), told(&mut lee).len()), (30, 30));
    assert_eq!(shelf.whispers(2).len(), 30);
}
