use super::*;
use std::future::Future;
use std::io::Read;
use std::net::TcpListener;

use tokio::io::AsyncReadExt;

use crate::actors::inlet::Inlet;
use crate::actors::line::Socket;
use crate::protocol::frame::{Decoder, Inbound, Limits, Opcode};

/// How long a step may take on a busy machine before a test gives up.
const STEP_TIMEOUT: Duration = Duration::from_secs(30);
const LIMITS: Limits = Limits { message_bytes_max: 1 << 24, fragments_max: 10 };

/// Two ends of a TCP connection whose buffers are small.
fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("127.0.0.1 has a free port");
    let client = TcpStream::connect(listener.local_addr().expect("it listens")).expect("it listens");
    let (server, _) = listener.accept().expect("somebody connects");
    socket2::SockRef::from(&server).set_send_buffer_size(8 * 1024).expect("a socket takes its options");
    server.set_nonblocking(true).expect("a socket takes its options");
    (server, client)
}

/// A client that reads frames when it is asked to.
pub struct Peer {
    stream: tokio::net::TcpStream,
    decoder: Decoder,
}

/// An outbox, and the client at its other end.
pub fn pair(bytes_max: usize) -> (Rc<Outbox>, Peer) {
    let (server, client) = sockets();
    client.set_nonblocking(true).expect("a socket takes its options");
    let stream = tokio::net::TcpStream::from_std(client).expect("the socket is non-blocking");
    (Outbox::new(server, bytes_max), Peer { stream, decoder: Decoder::for_client(LIMITS) })
}

async fn in_time<T>(step: impl Future<Output = T>) -> T {
    tokio::time::timeout(STEP_TIMEOUT, step).await.expect("the step is not stuck")
}

impl Peer {
    /// The next text, or the code of the Close frame.
    pub async fn next(&mut self) -> Result<String, u16> {
        loop {
            match self.decoder.next().expect("frames are whole") {
                Some(Inbound::Text(text)) => return Ok(text.to_string()),
                Some(Inbound::Close(said)) => return Err(said.map_or(1005, |(code, _)| code)),
                Some(other) => panic!("awaited a text or a close: {other:?}"),
                None => {}
            }
            let mut chunk = vec![0; 16 * 1024];
            let read = in_time(self.stream.read(&mut chunk)).await.expect("the connection is not reset");
            assert!(read > 0, "the connection ended without a word");
            chunk.truncate(read);
            self.decoder.feed(chunk.into());
        }
    }

    pub async fn texts<const N: usize>(&mut self) -> [String; N] {
        let mut texts = Vec::new();
        while texts.len() < N {
            texts.push(self.next().await.expect("a text"));
        }
        texts.try_into().expect("as many as were read")
    }
}

/// A frame that tells its number and is 1 kB long.
fn numbered(n: usize) -> Bytes {
    frame::text(format!("{n:01000}").as_bytes())
}

fn number(text: &str) -> usize {
    text.parse().expect("a number")
}

#[actix::test]
async fn frames_arrive_whole_and_in_order_however_little_the_socket_takes() {
    let (outbox, mut peer) = pair(usize::MAX);
    (0..5_000).for_each(|n| outbox.feed(&numbered(n), 1));
    assert!(outbox.owes(), "more was sent than a socket holds");
    for n in 0..5_000 {
        assert_eq!(number(&peer.next().await.expect("a text")), n);
    }
    outbox.send(&numbered(5_000), 1);
    assert_eq!(number(&peer.next().await.expect("a text")), 5_000);
    let state = outbox.state.borrow();
    assert_eq!((state.frames, state.bytes, state.queue.len()), (0, 0, 0));
}

#[actix::test]
async fn who_owes_too_much_is_told_so_after_the_frame_that_was_being_written() {
    for (bytes_max, frames_max) in [(64 * 1024, FRAMES_OWED_MAX as usize), (usize::MAX, FRAMES_OWED_MAX as usize)] {
        let (outbox, mut peer) = pair(bytes_max);
        outbox.feed(&frame::text(&[b'0'; 8 << 20]), 1);
        let sent = (1..).find(|&n| outbox.send(&numbered(n), 1)).expect("the bound is reached");
        assert!(sent == frames_max + 1 || sent == bytes_max / numbered(0).len() + 1, "{sent} frames were let in");
        assert!(!outbox.send(&numbered(0), 1), "it is dropped once");
        assert_eq!(peer.next().await.map(|text| text.len()), Ok(8 << 20));
        assert_eq!(peer.next().await, Err(4008));
    }
}

#[actix::test]
async fn what_is_held_waits_and_what_is_fed_does_not() {
    let (outbox, mut peer) = pair(1 << 20);
    let text = |text: &str| frame::text(text.as_bytes());
    outbox.hold();
    outbox.send(&text("unwanted"), 1);
    outbox.discard_held();
    outbox.hold();
    outbox.send(&text("later"), 1);
    outbox.feed(&text("missed"), 1);
    outbox.release();
    outbox.send(&text("last"), 1);
    assert_eq!(peer.texts().await, ["missed", "later", "last"]);
    assert_eq!((outbox.state.borrow().frames, outbox.state.borrow().bytes), (0, 0));
}

#[actix::test]
async fn what_is_held_counts_and_is_dropped_with_a_goodbye() {
    let (outbox, mut peer) = pair(10_000);
    outbox.hold();
    assert_eq!((1..).find(|&n| outbox.send(&numbered(n), 1)), Some(10));
    outbox.release();
    assert_eq!(peer.next().await, Err(4008));
}

#[actix::test]
async fn a_socket_that_takes_nothing_is_reset_and_nothing_of_it_stays() {
    let (outbox, peer) = pair(usize::MAX);
    outbox.feed(&frame::text(&[b'0'; 8 << 20]), 1);
    let now = Instant::now();
    assert!(!outbox.is_overdue(now) && outbox.is_overdue(now + STALL_TIMEOUT + Duration::from_secs(1)));
    outbox.drop_stalled();
    assert_eq!(outbox.close_reason(), Some(Close::TooSlow));
    outbox.feed(&numbered(1), 1);
    assert!(!outbox.owes() && !outbox.send(&numbered(2), 1));
    // The task that waited for room in the socket ends, and with it the last claim on the socket.
    in_time(async {
        while Rc::strong_count(&outbox) > 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    drop((outbox, peer));
}

#[actix::test]
async fn a_client_that_is_still_sending_reads_its_goodbye_and_no_reset() {
    for _ in 0..100 {
        let (server, client) = sockets();
        let mut incoming = tokio::net::TcpStream::from_std(server.try_clone().expect("a descriptor is free")).expect("is non-blocking");
        let socket = Socket::new(Outbox::new(server, 1 << 20));
        let chatter = client.try_clone().expect("a descriptor is free");
        let speaking = std::thread::spawn(move || {
            let frame = frame::client_frame(Opcode::Text, &[b'x'; 1_000], [1, 2, 3, 4]);
            (0..200).all(|_| (&chatter).write_all(&frame).is_ok()) && chatter.shutdown(Shutdown::Write).is_ok()
        });
        let mut listening = client;
        let reading = std::thread::spawn(move || {
            let mut all = Vec::new();
            listening.read_to_end(&mut all).map(|_| all)
        });
        let mut inlet = Inlet::new(LIMITS);
        let mut heard = 0;
        let mut chunk = vec![0; 4_096];
        loop {
            let read = in_time(incoming.read(&mut chunk)).await.expect("the client resets nothing");
            if read == 0 {
                break;
            }
            inlet.feed(&socket, Bytes::copy_from_slice(&chunk[..read]));
            while inlet.next(&socket).is_some() {
                heard += 1;
                if heard == 3 {
                    socket.outbox.close(Close::SessionEnded);
                }
            }
        }
        socket.outbox.forget();
        assert_eq!(heard, 3, "what comes after the goodbye is not heard");
        assert!(speaking.join().expect("does not panic"));
        let read = reading.join().expect("does not panic").expect("no reset");
        assert_eq!(read, frame::close(Close::SessionEnded));
    }
}

#[actix::test]
async fn pieces_make_one_frame_also_when_the_socket_takes_only_some_of_them() {
    let (outbox, mut peer) = pair(usize::MAX);
    let long = "x".repeat(100_000);
    let sent: Vec<String> = (0..200).map(|n| format!("{n}{long}")).collect();
    for text in &sent {
        let header = frame::Header::new(Opcode::Text, text.len());
        let (one, other) = text.as_bytes().split_at(3);
        outbox.send_pieces(&[IoSlice::new(header.as_ref()), IoSlice::new(one), IoSlice::new(&[]), IoSlice::new(other)], 1);
    }
    assert!(outbox.owes(), "more was sent than a socket holds");
    for text in &sent {
        assert!(peer.next().await.as_ref() == Ok(text), "a frame came broken");
    }
}

#[actix::test]
async fn the_socket_takes_whole_whatever_is_sent_to_who_is_not_behind() {
    let (outbox, _peer) = pair(usize::MAX);
    let sent = (0..50_000).take_while(|&n| !outbox.is_behind() && !outbox.send(&numbered(n), 1)).count();
    assert!(sent < 50_000, "more was sent than a socket holds");
    assert!(!outbox.owes(), "nothing waits where nothing newer replaces it");
}
