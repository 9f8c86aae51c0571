use super::*;
use std::cell::RefCell;
use std::future::Future;
use std::time::Duration;

use actix_web::HttpRequest;
use bytes::Bytes;

use crate::actors::engineio::sessions::EngineSettings;
use crate::actors::engineio::upper::{Entrance, Forbidden, Message as Said};

/// How long a step may take on a busy machine before a test gives up.
const STEP_TIMEOUT: Duration = Duration::from_secs(30);

struct Nobody;

impl Entrance for Nobody {
    fn admit(&self, _: &HttpRequest) -> Result<Rc<dyn Upper>, Forbidden> {
        Err(Forbidden)
    }

    fn allows(&self, _: &HttpRequest) -> bool {
        true
    }
}

/// Notes what it is told, and does what it is told by texts.
#[derive(Default)]
struct Notes {
    wire: RefCell<Option<Rc<Wire>>>,
    told: RefCell<Vec<String>>,
}

impl Notes {
    fn wire(&self) -> Rc<Wire> {
        self.wire.borrow().clone().expect("the session has begun")
    }
}

struct Noting(Rc<Notes>);

impl Upper for Noting {
    fn opened(&self, wire: &Rc<Wire>) {
        *self.0.wire.borrow_mut() = Some(wire.clone());
        self.0.told.borrow_mut().push("opened".to_owned());
    }

    fn text(&self, wire: &Rc<Wire>, text: ByteString) {
        // Held over the calls to the wire: it calls nobody back.
        let mut told = self.0.told.borrow_mut();
        told.push(text.to_string());
        match &*text {
            "bye" => {
                wire.send(&[Said::Text(&["last ", "words"])]);
                wire.close(Ending::Goodbye(Close::Normal));
                wire.send(&[Said::Text(&["unheard"])]);
            }
            "cut" => wire.close(Ending::Cut(Close::Restarting)),
            _ => {}
        }
    }

    fn binary(&self, wire: &Rc<Wire>, bytes: Bytes) {
        wire.send(&[Said::Text(&["with an attachment"]), Said::Binary(&bytes)]);
    }

    fn closed(&self, wire: &Rc<Wire>, gone: Gone) {
        assert!(!wire.is_open());
        self.0.told.borrow_mut().push(format!("{gone:?}"));
    }
}

struct Begun {
    engine: Arc<Engine>,
    notes: Rc<Notes>,
    sid: String,
}

async fn in_time<T>(step: impl Future<Output = T>) -> T {
    tokio::time::timeout(STEP_TIMEOUT, step).await.expect("the step is not stuck")
}

impl Begun {
    async fn with(queue_bytes_max: usize, ping_interval: Duration) -> Self {
        let settings = EngineSettings { ping_interval, ping_timeout: ping_interval, queue_bytes_max, sessions_per_address_max: 10 };
        let engine = Engine::new(settings, Nobody);
        let notes = Rc::<Notes>::default();
        let seat = engine.sessions.take_seat([127, 0, 0, 1].into()).expect("there is room");
        let open = open_polling(&engine, seat, Rc::new(Noting(notes.clone())));
        let sid = open.split('"').nth(3).expect("the sid comes first").to_owned();
        let begun = Self { engine, notes, sid };
        assert_eq!(begun.post("3").await, Ok(()));
        begun
    }

    async fn new() -> Self {
        Self::with(4_096, Duration::from_secs(25)).await
    }

    fn session(&self) -> Option<Addr<Session>> {
        self.engine.sessions.find(&self.sid)
    }

    async fn post(&self, payload: &str) -> Result<(), Refusal> {
        let session = self.session().ok_or(Refusal::SessionIdUnknown)?;
        in_time(session.send(Post(payload.to_owned().into()))).await.unwrap_or(Err(Refusal::SessionIdUnknown))
    }

    async fn get_later(&self) -> oneshot::Receiver<Polled> {
        let (answer, answered) = oneshot::channel();
        in_time(self.session().expect("the session is there").send(Poll(answer))).await.expect("the session is there");
        answered
    }

    /// The payload; none when the session has ended.
    async fn get(&self) -> Option<String> {
        in_time(self.get_later().await).await.ok()?.ok()
    }

    fn told(&self) -> Vec<String> {
        self.notes.told.borrow().clone()
    }

    /// The session's actor and its seat are gone, too.
    async fn is_over(&self) {
        in_time(async {
            while self.engine.sessions.cut_some(0) > 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        assert!(self.session().is_none());
    }
}

#[actix::test]
async fn what_was_said_before_a_goodbye_arrives_and_the_close_packet_is_the_last() {
    let begun = Begun::new().await;
    assert_eq!(begun.post("4hello\u{1e}4bye\u{1e}4too late").await, Ok(()));
    assert_eq!(begun.told(), ["opened", "hello", "bye", "Closed(Normal)"]);
    assert_eq!(begun.post("4x").await, Err(Refusal::SessionIdUnknown));
    assert_eq!(begun.get().await.as_deref(), Some("4last words\u{1e}1"));
    begun.is_over().await;
    assert_eq!(begun.told().len(), 4);
}

#[actix::test]
async fn a_get_that_waits_is_told_the_goodbye_at_once() {
    let begun = Begun::new().await;
    let waiting = begun.get_later().await;
    begun.notes.wire().close(Ending::Goodbye(Close::Normal));
    assert_eq!(in_time(waiting).await, Ok(Ok("1".to_owned())));
    begun.is_over().await;
}

#[actix::test]
async fn a_cut_says_nothing_also_when_a_goodbye_waits_to_be_fetched() {
    let begun = Begun::new().await;
    let waiting = begun.get_later().await;
    assert_eq!(begun.post("4cut").await, Ok(()));
    assert!(in_time(waiting).await.is_err());
    begun.is_over().await;
    assert_eq!(begun.told(), ["opened", "cut", "Closed(Restarting)"]);

    let begun = Begun::new().await;
    assert_eq!(begun.post("4bye").await, Ok(()));
    begun.engine.sessions.cut_all();
    begun.is_over().await;
    assert_eq!(begun.told(), ["opened", "bye", "Closed(Normal)"]);
}

#[actix::test]
async fn what_others_on_the_thread_send_answers_the_get_that_waits() {
    let begun = Begun::new().await;
    let waiting = begun.get_later().await;
    let wire = begun.notes.wire();
    wire.send(&[Said::Text(&["one"])]);
    wire.send(&[Said::Text(&["t", "w", "o"]), Said::Binary(&Bytes::from_static(&[1]))]);
    assert_eq!(in_time(waiting).await, Ok(Ok("4one\u{1e}4two\u{1e}bAQ==".to_owned())));
}

#[actix::test]
async fn who_does_not_fetch_is_dropped_but_not_for_what_does_not_count() {
    let begun = Begun::new().await;
    let wire = begun.notes.wire();
    let long = "x".repeat(3_000);
    (0..10).for_each(|_| wire.feed(&[Said::Text(&[&long])]));
    wire.send(&[Said::Text(&[&long])]);
    assert!(wire.is_open());
    wire.send(&[Said::Text(&[&long])]);
    assert!(!wire.is_open());
    begun.is_over().await;
    assert_eq!(begun.told(), ["opened", "Closed(TooSlow)"]);
}

#[actix::test]
async fn a_unit_that_is_larger_than_the_queue_goes_to_who_waits_for_it() {
    let begun = Begun::new().await;
    let wire = begun.notes.wire();
    let long = "x".repeat(10_000);
    for _ in 0..3 {
        let waiting = begun.get_later().await;
        wire.send(&[Said::Text(&[&long])]);
        assert!(matches!(in_time(waiting).await, Ok(Ok(payload)) if payload.len() == 10_001));
    }
}

#[actix::test]
async fn the_upper_is_told_how_the_session_ended() {
    let left = Begun::new().await;
    assert_eq!(left.post("1\u{1e}4x").await, Ok(()));
    left.is_over().await;
    assert_eq!(left.told(), ["opened", "Left"]);

    let wrong = Begun::new().await;
    assert_eq!(wrong.post("4x\u{1e}7").await, Err(Refusal::BadRequest));
    wrong.is_over().await;
    assert_eq!(wrong.told(), ["opened", "x", "Closed(ProtocolError)"]);

    let silent = Begun::with(4_096, Duration::from_millis(10)).await;
    silent.is_over().await;
    assert_eq!(silent.told(), ["opened", "Lost"]);
}
