//! How many commits a second the journal makes durable: `journal_bench <database url>…`, each an empty database.
//!
//! A commit is a typical one. In a campaign: an event, a remembered command, a hex and a row of the session's log. In a workspace: an event, a
//! remembered command, a message of some twelve words, which the search takes up, and its author's read position.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use moothall::protocol::chat::Target;
use moothall::protocol::hex::{HexKey, Terrain};
use moothall::protocol::ids::{CampaignId, CommandId, MessageId, RoomId, SessionId, WorkspaceId};
use moothall::protocol::time::Timestamp;
use moothall::rooms::campaign::rows::{LogRow, LogType, Row, SessionStatus, StoredSession};
use moothall::rooms::chat::rows::{NewMessage, Row as ChatRow, StoredRead};
use moothall::store::db::{Db, on};
use moothall::store::journal::{Acquire, CommandRow, Commit, DomainRows, EventRow, Outcome, acquire, write_batch};
use moothall::store::migrate;
use moothall::store::pool::{DatabaseUrl, open_writer};
use uuid::Uuid;

const NODE: &str = "bench";
const ROOMS: usize = 256;
const TIME_EACH: Duration = Duration::from_secs(2);
const NOW: Timestamp = Timestamp::from_ms(1_800_000_000_000);

/// What messages are made of: few of these words are in many of them, as in any language.
const WORDS: [&str; 64] = [
    "the", "a", "of", "and", "to", "we", "is", "it", "in", "on", "for", "not", "that", "with", "this", "you", "release", "server",
    "meeting", "tomorrow", "branch", "review", "deploy", "lunch", "coffee", "ticket", "customer", "invoice", "design", "button", "colour",
    "friday", "report", "budget", "call", "slides", "office", "train", "late", "early", "broken", "fixed", "again", "thanks", "great",
    "question", "answer", "database", "backup", "network", "phone", "laptop", "password", "holiday", "weather", "garden", "project",
    "plan", "week", "month", "team", "channel", "message", "thread",
];

enum Place {
    Campaign(CampaignId, SessionId),
    Workspace(WorkspaceId, Target),
}

struct Room {
    place: Place,
    room: RoomId,
    epoch: i64,
    head: i64,
}

impl Room {
    fn workspace(db: &mut Db, n: usize) -> Self {
        let insert = format!(
            "INSERT INTO workspace (id, name, created_by, created_at) VALUES ('w{n}', 'x', 'u', '2026-01-01T00:00:00.000Z'); \
             INSERT INTO channel (id, workspace_id, no, name, private, created_by, created_at) \
             VALUES ('ch{n}', 'w{n}', 1, 'x', false, 'u', '2026-01-01T00:00:00.000Z')"
        );
        on!(db, c => c.batch_execute(&insert)).expect("a new workspace");
        let workspace = WorkspaceId::new(format!("w{n}"));
        let room = RoomId::workspace(&workspace);
        let Ok(Acquire::Acquired { epoch, head }) = acquire(db, &room, NODE) else { panic!("the room is free") };
        Self { place: Place::Workspace(workspace, Target::Channel(format!("ch{n}").as_str().into())), room, epoch, head }
    }

    fn campaign(db: &mut Db, n: usize) -> Self {
        let insert = format!("INSERT INTO campaign (id, name, owner_id, created_at) VALUES ('c{n}', 'x', 'u', '2026-01-01T00:00:00.000Z')");
        on!(db, c => c.batch_execute(&insert)).expect("a new campaign");
        let campaign = CampaignId::new(format!("c{n}"));
        let room = RoomId::campaign(&campaign);
        let Ok(Acquire::Acquired { epoch, head }) = acquire(db, &room, NODE) else { panic!("the room is free") };
        let session = SessionId::new(format!("s{n}"));
        let mut this = Self { place: Place::Campaign(campaign.clone(), session.clone()), room, epoch, head };
        let start = StoredSession { id: session, status: SessionStatus::Active, started_by: "u".into(), started_at: NOW, ended_at: None };
        let commit = this.commit(DomainRows::Campaign(campaign, vec![Row::Session(start)]));
        assert_eq!(write_batch(db, NODE, &[commit]), [Outcome::Done]);
        this
    }

    fn commit(&mut self, rows: DomainRows) -> Commit {
        self.head += 1;
        let id = CommandId::parse(&format!("9b2f7c1e-0000-4000-8000-{:012}", self.head)).expect("is an id");
        Commit {
            room: self.room.clone(),
            epoch: self.epoch,
            expected_head: self.head - 1,
            seq: self.head,
            event: Some(EventRow { user: Some("u".into()), parts: vec![b'x'; 200] }),
            command: Some(CommandRow { user: "u".into(), id, hash: [1; 16], answer: b"{}".to_vec() }),
            rows,
            at: NOW,
        }
    }

    fn typical(&mut self) -> Commit {
        let rows = match &self.place {
            Place::Campaign(campaign, session) => self.explored(campaign, session),
            Place::Workspace(workspace, channel) => self.said(workspace, channel),
        };
        self.commit(rows)
    }

    fn said(&self, workspace: &WorkspaceId, channel: &Target) -> DomainRows {
        let sequence = self.head + 1;
        let id = MessageId::new(Uuid::new_v4().to_string());
        let word = |n: usize| {
            let dice = (sequence as usize).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(5 * n as u32) % (64 * 64);
            WORDS[(dice / 64 * (dice % 64)) / 64]
        };
        let content = (0..12).map(word).collect::<Vec<_>>().join(" ");
        let message = NewMessage { id, target: channel.clone(), sequence, author: "u".into(), content, parent: None, created_at: NOW };
        let read = StoredRead { target: channel.clone(), user: "u".into(), sequence };
        DomainRows::Workspace(workspace.clone(), vec![ChatRow::Message(message), ChatRow::Read(read)])
    }

    fn explored(&self, campaign: &CampaignId, session: &SessionId) -> DomainRows {
        let at = self.head as i32 % 2_000;
        let hex = HexKey::new(at / 50, at % 50).expect("in range");
        let terrain = Terrain::parse("forest").expect("is a terrain");
        let payload = format!(r#"{{"changes":[{{"key":"{hex}","terrain":"forest"}}]}}"#);
        let (session, seq) = (session.clone(), self.head + 1);
        let log = LogRow { session, kind: LogType::HexUpdate, user: Some("u".into()), payload, shown: None, at: NOW, seq };
        DomainRows::Campaign(campaign.clone(), vec![Row::Hex(hex, Some((terrain, 0))), Row::Log(log)])
    }
}

fn measure(db: &mut Db, rooms: &mut [Room], batch: usize) {
    let (mut times, mut cpu, mut next) = (Vec::new(), Duration::ZERO, 0);
    while times.iter().sum::<Duration>() < TIME_EACH {
        let commits: Vec<Commit> = (0..batch)
            .map(|_| {
                next = (next + 1) % rooms.len();
                rooms[next].typical()
            })
            .collect();
        let (start, cpu_before) = (Instant::now(), cpu_time());
        let outcomes = write_batch(db, NODE, &commits);
        times.push(start.elapsed());
        cpu += cpu_time() - cpu_before;
        assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Done), "{outcomes:?}");
    }
    let total: Duration = times.iter().sum();
    let commits_per_second = (times.len() * batch) as f64 / total.as_secs_f64();
    times.sort_unstable();
    let (median, slow) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    let cpu_each = cpu / (times.len() * batch) as u32;
    println!(
        "{:>5} rooms  batches of {batch:>3}: {commits_per_second:>7.0} commits/s, p50 {median:>9.2?}, p99 {slow:>9.2?}, own CPU a commit {cpu_each:>8.2?}",
        rooms.len()
    );
}

/// Of this process: on a busy machine it says more than the clock.
fn cpu_time() -> Duration {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: it writes to `now` and touches nothing else.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut now) }, 0);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec as u32)
}

fn main() {
    for url in std::env::args().skip(1) {
        let url = DatabaseUrl::parse(&url).expect("is the URL of a database");
        let mut db = open_writer(&url).expect("the database is there");
        migrate::up(&mut db).expect("the database is empty");
        on!(&mut db, c => c.batch_execute("INSERT INTO \"user\" (id, name, email) VALUES ('u', 'U', 'u@example.com')"))
            .expect("a new user");
        for (kind, new) in [("campaigns", Room::campaign as fn(&mut Db, usize) -> Room), ("workspaces", Room::workspace)] {
            let mut rooms: Vec<Room> = (0..ROOMS).map(|n| new(&mut db, n)).collect();
            println!("{url:?}, {kind}");
            for batch in [1, 16, 256] {
                measure(&mut db, &mut rooms[..1], batch);
                measure(&mut db, &mut rooms, batch);
            }
        }
    }
}
