//! Clients that read too slowly, or not at all, cost the others nothing.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::campaign::{Campaign, plain, reveal};
use crate::support::fold::advance;
use crate::support::http::{Client, Person, expect_status};
use crate::support::server::Server;
use crate::support::ws::{Connect, FRAME_TIMEOUT, Socket};

/// Hexes that every frame of a stream names: about 10 kB of JSON.
const HEXES: i32 = 250;
/// A client that has fallen behind is gone after this time.
const GONE_WITHIN: Duration = Duration::from_secs(10);
/// Frames of the stream after which somebody who reads nothing has certainly fallen behind: the kernel takes some megabytes for him.
const FRAMES: usize = 600;

fn key(n: i32) -> String {
    format!("{},{}", n % 50, n / 50)
}

/// A change of every hex, different from the last one.
fn stream_frame(n: usize) -> Value {
    let terrain = ["forest-of-old-and-crooked-trees", "a-swamp-that-nobody-ever-left-so"][n % 2];
    let changes: Vec<_> = (0..HEXES).map(|hex| json!({"key": key(hex), "terrain": terrain})).collect();
    json!({"type": "hex:update", "changes": changes})
}

fn start() -> (Server, Campaign) {
    let server = Server::start(&[("RATE_LIMITS", "off")]);
    let campaign = Campaign::new(&server, "Morgan", ["Ann", "Bo", "Cy", "Di", "Ed", "Flo", "Gus", "Hal", "Ivy"]);
    (server, campaign)
}

/// A WebSocket whose kernel buffer holds little, so that it falls behind soon. It is read by hand.
fn narrow(server: &Server, campaign: &Campaign, person: &Person) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket can be made");
    socket.set_recv_buffer_size(4_096).expect("a socket takes its options");
    let address: SocketAddr = ([127, 0, 0, 1], server.port()).into();
    socket.connect(&address.into()).expect("the server accepts");
    let mut stream: TcpStream = socket.into();
    let request = format!(
        "GET /ws?campaignId={} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer {}\r\n\r\n",
        campaign.id,
        server.port(),
        person.token
    );
    stream.write_all(request.as_bytes()).expect("the server reads");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("the server answers the upgrade");
        head.extend(byte);
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    stream
}

/// The next server frame: opcode and payload. `None` when the connection was reset or ended.
fn read_frame(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let mut head = [0; 2];
    stream.read_exact(&mut head).ok()?;
    let length = match head[1] & 0x7f {
        126 => {
            let mut length = [0; 2];
            stream.read_exact(&mut length).ok()?;
            u64::from(u16::from_be_bytes(length))
        }
        127 => {
            let mut length = [0; 8];
            stream.read_exact(&mut length).ok()?;
            u64::from_be_bytes(length)
        }
        short => u64::from(short),
    };
    let mut payload = vec![0; length as usize];
    stream.read_exact(&mut payload).ok()?;
    Some((head[0] & 0x0f, payload))
}

fn connections(server: &Server) -> u64 {
    let status = expect_status(200, Client::new(server).get("/api/ws-status"));
    status["connections"].as_u64().expect("a count")
}

fn resident_kb(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("a running process has a status");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("it has memory");
    line.split_whitespace().nth(1).and_then(|kb| kb.parse().ok()).expect("a number of kB")
}

/// Reads on a thread of its own up to the session's end; gives the `seq` of every change of the map.
fn follow(mut socket: Socket) -> std::thread::JoinHandle<Vec<u64>> {
    std::thread::spawn(move || {
        let mut seqs = Vec::new();
        loop {
            let frame = socket.next_of_room();
            match frame["type"].as_str() {
                Some("hex:updated") => seqs.push(frame["seq"].as_u64().expect("a change has a seq")),
                Some("session:statusChanged") if frame["status"] == "ended" => return seqs,
                _ => {}
            }
        }
    })
}

#[test]
fn clients_that_stop_reading_are_dropped_and_the_others_miss_nothing() {
    let (server, campaign) = start();
    let mut dm = campaign.dm_socket(&server);
    let keys: Vec<String> = (0..HEXES).map(key).collect();
    dm.done(plain("session:start"));
    dm.done(reveal(&keys.iter().map(String::as_str).collect::<Vec<_>>()));
    let stalled: Vec<TcpStream> = (0..2).map(|n| narrow(&server, &campaign, campaign.player(n))).collect();
    let readers: Vec<_> = (2..9).map(|n| follow(campaign.socket(&server, campaign.player(n)))).collect();
    assert_eq!(connections(&server), 10);
    let before_kb = resident_kb(&server);

    let mut acked = Vec::new();
    let mut slowest = Duration::ZERO;
    for n in 0..FRAMES {
        let sent = Instant::now();
        acked.push(dm.done(stream_frame(n))["seq"].as_u64().expect("an ack has a seq"));
        slowest = slowest.max(sent.elapsed());
    }
    let behind = Instant::now();
    while connections(&server) > 8 {
        assert!(behind.elapsed() < GONE_WITHIN, "{} connections are left; the log:\n{}", connections(&server), server.log());
        // Keeps the room at work while it is waited.
        dm.done(stream_frame(FRAMES));
        acked.extend([dm.done(stream_frame(FRAMES + 1))["seq"].as_u64().expect("an ack has a seq")]);
    }
    let grown_kb = resident_kb(&server).saturating_sub(before_kb);
    dm.done(plain("session:end"));
    for reader in readers {
        let seqs = reader.join().expect("a reader loses nothing");
        assert!(acked.iter().all(|seq| seqs.binary_search(seq).is_ok()), "every reader gets every acknowledged change");
        assert!(seqs.windows(2).all(|pair| pair[1] == pair[0] + 1), "in order, each once");
    }
    assert!(slowest < Duration::from_secs(5), "an ack took {slowest:?}");
    assert!(grown_kb < 64 * 1024, "the server grew by {grown_kb} kB");
    eprintln!("slowest ack {slowest:?}, grown by {grown_kb} kB");
    drop(stalled);
}

#[test]
fn a_client_that_reads_too_slowly_is_told_so_and_comes_back_with_its_cursor() {
    let (server, campaign) = start();
    let mut dm = campaign.dm_socket(&server);
    let keys: Vec<String> = (0..HEXES).map(key).collect();
    dm.done(reveal(&keys.iter().map(String::as_str).collect::<Vec<_>>()));
    let slow = narrow(&server, &campaign, campaign.player(0));
    let (done, end_of_stream) = std::sync::mpsc::channel::<()>();
    let reader = std::thread::spawn(move || {
        let mut slow = slow;
        slow.set_read_timeout(Some(FRAME_TIMEOUT)).expect("a socket takes its options");
        let mut cursor = crate::support::ws::Cursor { seq: 0, epoch: String::new() };
        loop {
            match read_frame(&mut slow) {
                Some((1, text)) => advance(&mut cursor, &serde_json::from_slice(&text).expect("a text frame holds JSON")),
                Some((8, close)) => return (cursor, close),
                Some(_) => {}
                None => panic!("the connection ended without a close frame"),
            }
            // A frame now and then, until the stream is over: slower than they come, never for as long as a stall.
            let _ = end_of_stream.recv_timeout(Duration::from_millis(200));
        }
    });
    for n in 0..FRAMES {
        dm.done(stream_frame(n));
    }
    drop(done);
    let (cursor, close) = reader.join().expect("the slow reader is told");
    assert_eq!(u16::from_be_bytes([close[0], close[1]]), 4008);
    assert_eq!(&close[2..], b"Too slow");

    // What was missed is more than a resume holds, so that the whole state comes; after a little it is only that little.
    let again = Connect::to(&server).campaign(&campaign.id).person(campaign.player(0));
    let (socket, entry) = again.clone().since(&cursor).enter();
    assert_eq!(entry.connected["epoch"], json!(cursor.epoch));
    let cursor = entry.cursor();
    socket.leave();
    let seq = dm.done(json!({"type": "hex:update", "changes": [{"key": "0,0", "terrain": "water"}]}))["seq"].clone();
    let (mut socket, entry) = again.since(&cursor).enter();
    assert!(entry.resumed());
    let missed = socket.expect("hex:updated");
    assert_eq!((&missed["seq"], missed["changes"].as_array().map(Vec::len)), (&seq, Some(1)));
}
