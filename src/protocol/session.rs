//! Frames that a connection says by itself, in every room: who it is, answers, errors, the pulse.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::protocol::error::{ErrorCode, Rejection};
use crate::protocol::ids::{CampaignId, CommandId, UserId};

/// The first frame of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "type", rename = "connected", rename_all = "camelCase")]
pub struct Connected {
    pub user_id: UserId,
    /// `dm` or `player` in a campaign; `owner`, `admin` or `member` elsewhere.
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

/// `campaign:join`: a Socket.IO connection comes into a campaign; it is in one at most. `since` and `epoch` ask for what was missed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JoinCampaign {
    pub campaign_id: CampaignId,
    /// The last `seq` that was seen.
    #[serde(default)]
    pub since: Option<i64>,
    /// The epoch that it was counted in.
    #[serde(default)]
    pub epoch: Option<String>,
}

/// `campaign:leave`: a Socket.IO connection goes out of its campaign.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LeaveCampaign {}

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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer {
        token_id: &'static str,
    }

    #[test]
    fn frames_of_a_connection_have_the_shapes_of_the_contract() {
        let id = CommandId::parse("a").expect("an id");
        let connected = Connected {
            user_id: "u".into(),
            role: "dm".into(),
            connection_id: "c".into(),
            resumed: false,
            seq: 41,
            epoch: "e".into(),
            ping_interval: 25_000,
        };
        assert_eq!(
            json!(connected),
            json!({"type": "connected", "userId": "u", "role": "dm", "connectionId": "c", "resumed": false, "seq": 41, "epoch": "e",
                "pingInterval": 25000})
        );
        let ack = Ack { id: id.clone(), seq: 7, answer: Answer { token_id: "t" } };
        assert_eq!(json!(ack), json!({"type": "ack", "id": "a", "seq": 7, "tokenId": "t"}));
        assert_eq!(
            json!(ErrorFrame::new(Some(id), Rejection::busy())),
            json!({"type": "error", "message": "The server is busy", "code": "BUSY", "id": "a", "retryAfter": 1})
        );
        let plain = ErrorFrame::new(None, Rejection::new(ErrorCode::BadJson, "x"));
        assert_eq!(json!(plain), json!({"type": "error", "message": "x", "code": "BAD_JSON"}));
        assert_eq!(json!(Epoch { epoch: "e".into() }), json!({"type": "epoch", "epoch": "e"}));
        assert_eq!(json!(Pong { id: None }), json!({"type": "pong"}));
    }
}
