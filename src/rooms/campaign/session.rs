//! The life of a session: waiting, active, paused, ended, and which step leads where.

use crate::protocol::campaign::Status;
use crate::protocol::error::{ErrorCode, Rejection};
use crate::protocol::ids::{SessionId, UserId};
use crate::protocol::time::Timestamp;
use crate::rooms::campaign::rows::{LogType, SessionStatus, StoredSession};

/// The latest session of a campaign. Each variant holds only what is true in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Session {
    Waiting,
    Active(Play),
    Paused(Play),
    Ended { play: Play, ended_at: Timestamp },
}

/// One play of the campaign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Play {
    pub id: SessionId,
    pub started_by: UserId,
    pub started_at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Start,
    Pause,
    Resume,
    End,
}

impl Session {
    pub fn from_stored(stored: Option<StoredSession>) -> Self {
        let Some(StoredSession { id, status, started_by, started_at, ended_at }) = stored else { return Session::Waiting };
        let play = Play { id, started_by, started_at };
        match status {
            SessionStatus::Active => Session::Active(play),
            SessionStatus::Paused => Session::Paused(play),
            SessionStatus::Ended => Session::Ended { ended_at: ended_at.unwrap_or(play.started_at), play },
        }
    }

    pub fn to_stored(&self) -> Option<StoredSession> {
        let (play, status, ended_at) = match self {
            Session::Waiting => return None,
            Session::Active(play) => (play, SessionStatus::Active, None),
            Session::Paused(play) => (play, SessionStatus::Paused, None),
            Session::Ended { play, ended_at } => (play, SessionStatus::Ended, Some(*ended_at)),
        };
        let Play { id, started_by, started_at } = play.clone();
        Some(StoredSession { id, status, started_by, started_at, ended_at })
    }

    pub fn status(&self) -> Status {
        match self {
            Session::Waiting => Status::Waiting,
            Session::Active(_) => Status::Active,
            Session::Paused(_) => Status::Paused,
            Session::Ended { .. } => Status::Ended,
        }
    }

    /// The latest play, whatever became of it.
    pub fn play(&self) -> Option<&Play> {
        match self {
            Session::Waiting => None,
            Session::Active(play) | Session::Paused(play) | Session::Ended { play, .. } => Some(play),
        }
    }

    /// The play whose log is being written: while it is active or paused.
    pub fn logged(&self) -> Option<&SessionId> {
        match self {
            Session::Active(play) | Session::Paused(play) => Some(&play.id),
            Session::Waiting | Session::Ended { .. } => None,
        }
    }

    /// Where `step` leads; a session that starts takes the id `fresh`.
    pub fn after(&self, step: Step, now: Timestamp, by: &UserId, fresh: &str) -> Result<Session, Rejection> {
        let refused = |message: &str| Err(Rejection::new(ErrorCode::InvalidState, message));
        match (step, self) {
            (Step::Start, Session::Waiting | Session::Ended { .. }) => {
                Ok(Session::Active(Play { id: SessionId::new(fresh), started_by: by.clone(), started_at: now }))
            }
            (Step::Start, Session::Active(_)) => refused("A session is already active"),
            (Step::Start, Session::Paused(_)) => refused("A session is paused: resume it or end it first"),
            (Step::Pause, Session::Active(play)) => Ok(Session::Paused(play.clone())),
            (Step::Pause, _) => refused("No active session to pause"),
            (Step::Resume, Session::Paused(play)) => Ok(Session::Active(play.clone())),
            (Step::Resume, _) => refused("No paused session to resume"),
            (Step::End, Session::Active(play) | Session::Paused(play)) => Ok(Session::Ended { play: play.clone(), ended_at: now }),
            (Step::End, _) => refused("No active session to end"),
        }
    }
}

impl Step {
    pub fn log_type(self) -> LogType {
        match self {
            Step::Start => LogType::SessionStart,
            Step::Pause => LogType::SessionPause,
            Step::Resume => LogType::SessionResume,
            Step::End => LogType::SessionEnd,
        }
    }
}
