//! Frames that a connection says by itself, in every room: who it is, answers, errors, the pulse.

use schemars::JsonSchema;
use serde::Serialize;

use crate::protocol::error::{ErrorCode, Rejection};
use crate::protocol::ids::{CommandId, UserId};

/// The first frame of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "type", rename = "connected", rename_all = "camelCase")]
pub struct Connected {
    pub user_id: UserId,
    pub role: String,
    pub connection_id: String,
    /// The missed frames follow; else the whole state.
    pub resumed: bool,
    pub seq: i64,
    /// The history that `seq` counts in.
    pub epoch: String,
    /// Milliseconds.
    pub ping_interval: u64,
}

/// A command with an `id` was done and is durable. The answer's fields lie beside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "type", rename = "ack")]
pub struct Ack<A> {
    pub id: CommandId,
    pub seq: i64,
    #[serde(flatten)]
    pub answer: A,
}

/// A frame was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "type", rename = "error", rename_all = "camelCase")]
pub struct ErrorFrame {
    pub message: String,
    pub code: ErrorCode,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<CommandId>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
}

impl ErrorFrame {
    pub fn new(id: Option<CommandId>, rejection: Rejection) -> Self {
        Self { message: rejection.message, code: rejection.code, id, retry_after: rejection.retry_after }
    }
}

/// The room's history has a new name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "type", rename = "epoch")]
pub struct Epoch {
    pub epoch: String,
}

/// The answer to `ping`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "type", rename = "pong")]
pub struct Pong {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<CommandId>,
}
