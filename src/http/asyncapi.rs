//! `/api/asyncapi.json`: AsyncAPI 3.0 of `/ws`: every message with its schema, from the types that are read and written, and the close codes.

use std::sync::OnceLock;

use actix_web::HttpResponse;
use actix_web::http::Method;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::Bytes;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::http::openapi::generator;
use crate::http::routes::Routes;
use crate::protocol::campaign::command::Answer;
use crate::protocol::campaign::{ServerMessage, command_schemas};
use crate::protocol::close::Close;
use crate::protocol::error::ErrorCode;
use crate::protocol::ids::{CommandId, UserId};

pub fn routes(routes: &mut Routes) {
    routes.call("specifications", Method::GET, "/api/asyncapi.json", serve, "What is spoken on /ws", |call| {
        call.open().gives_file("application/json", "AsyncAPI 3.0")
    });
}

async fn serve() -> HttpResponse {
    static TEXT: OnceLock<Bytes> = OnceLock::new();
    let text = TEXT.get_or_init(|| Bytes::from(document().to_string()));
    HttpResponse::Ok().insert_header((CONTENT_TYPE, "application/json")).body(text.clone())
}

/// What the connection itself says, besides the frames of its room.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
#[allow(dead_code, reason = "only its schema is used")]
enum ConnectionMessage {
    /// The first frame: the connection is a member's.
    #[serde(rename = "connected")]
    Connected {
        user_id: UserId,
        /// `dm` or `player`.
        role: String,
        connection_id: String,
        /// True when exactly the missed frames follow; else the whole state does.
        resumed: bool,
        seq: i64,
        epoch: String,
        /// Milliseconds between the server's pings.
        ping_interval: u64,
    },
    /// The history that `seq` counts in has another name, because the room went to another node.
    #[serde(rename = "epoch")]
    Epoch { epoch: String },
    /// A command that came with an `id` is done, and durable.
    #[serde(rename = "ack")]
    Ack {
        id: CommandId,
        seq: i64,
        #[serde(flatten)]
        answer: Answer,
    },
    /// A frame could not be done. It does not end the connection.
    #[serde(rename = "error")]
    Error {
        message: String,
        code: ErrorCode,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<CommandId>,
        /// Seconds after which trying again makes sense.
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after: Option<u32>,
    },
    #[serde(rename = "pong")]
    Pong {},
}

const CLOSES: [Close; 16] = [
    Close::Normal,
    Close::Restarting,
    Close::ProtocolError,
    Close::TextOnly,
    Close::InvalidUtf8,
    Close::MessageTooBig,
    Close::Unauthorized,
    Close::SessionEnded,
    Close::MissingRoom,
    Close::ForbiddenOrigin,
    Close::NotAMember,
    Close::Removed,
    Close::TooSlow,
    Close::TooManyMessages,
    Close::TooManyConnections,
    Close::TryAgainLater,
];

pub fn document() -> Value {
    let mut generator = generator();
    let sent: Vec<(String, Value)> =
        command_schemas(&mut generator).into_iter().map(|(kind, schema)| (kind.to_owned(), schema.to_value())).collect();
    let mut received = variants::<ConnectionMessage>(&mut generator);
    received.extend(variants::<ServerMessage>(&mut generator).into_iter().map(numbered));
    let mut messages = Map::new();
    let sent = declare(&mut messages, "client", sent);
    let received = declare(&mut messages, "server", received);
    let all: Map<String, Value> =
        sent.iter().chain(&received).map(|key| (key.clone(), json!({"$ref": format!("#/components/messages/{key}")}))).collect();
    let refer = |keys: &[String]| keys.iter().map(|key| json!({"$ref": format!("#/channels/campaign/messages/{key}")})).collect::<Vec<_>>();
    let mut document = json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "moothall",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "One JSON text frame a message. Whoever connects is a user by cookie, by Authorization: Bearer, or by the subprotocols \
                moothall, bearer.<token>.",
        },
        "defaultContentType": "application/json",
        "channels": {
            "campaign": {
                "address": "/ws",
                "description": "A campaign, as one of its members sees it.",
                "messages": all,
                "bindings": {"ws": {"method": "GET", "query": {
                    "type": "object",
                    "required": ["campaignId"],
                    "properties": {
                        "campaignId": {"type": "string"},
                        "since": {"type": "integer", "description": "The last seq that was seen: asks for what was missed"},
                        "epoch": {"type": "string", "description": "The epoch that it was counted in"},
                    },
                }, "bindingVersion": "0.1.0"}},
                "x-close-codes": CLOSES.map(|close| json!({"code": close.code(), "reason": close.reason()})),
            },
        },
        "operations": {
            "send": {"action": "receive", "channel": {"$ref": "#/channels/campaign"}, "messages": refer(&sent)},
            "receive": {"action": "send", "channel": {"$ref": "#/channels/campaign"}, "messages": refer(&received)},
        },
        "components": {"messages": messages, "schemas": generator.take_definitions(true)},
    });
    rename_schemas(&mut document);
    document
}

/// The schemas of an enum's variants by the `type` that tells them apart.
fn variants<T: JsonSchema>(generator: &mut SchemaGenerator) -> Vec<(String, Value)> {
    let schema: Schema = T::json_schema(generator);
    let variants = schema.get("oneOf").and_then(Value::as_array).cloned().unwrap_or_default();
    let named =
        |variant: Value| variant.pointer("/properties/type/const").and_then(Value::as_str).map(str::to_owned).map(|kind| (kind, variant));
    variants.into_iter().filter_map(named).collect()
}

/// A room's frames carry the number of the change that they report; those about presence have none.
fn numbered((kind, mut schema): (String, Value)) -> (String, Value) {
    if !kind.starts_with("player:") {
        schema["properties"]["seq"] = json!({"type": "integer", "description": "The number of the change"});
        if let Some(required) = schema["required"].as_array_mut() {
            required.push("seq".into());
        }
    }
    (kind, schema)
}

/// Adds messages to the components and gives their keys, which may hold no colon.
fn declare(messages: &mut Map<String, Value>, side: &str, declared: Vec<(String, Value)>) -> Vec<String> {
    let mut keys = Vec::with_capacity(declared.len());
    for (kind, payload) in declared {
        let key = format!("{side}.{}", kind.replace(':', "."));
        messages.insert(key.clone(), json!({"name": kind, "title": kind, "payload": payload}));
        keys.push(key);
    }
    keys
}

/// Schemas are named by the messages that they are of; a key of the components may hold no colon.
fn rename_schemas(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields.iter_mut() {
                match value {
                    Value::String(target) if name == "$ref" => *target = target.replace(':', "."),
                    Value::Object(schemas) if name == "schemas" => {
                        *schemas = std::mem::take(schemas).into_iter().map(|(name, schema)| (name.replace(':', "."), schema)).collect();
                        schemas.values_mut().for_each(rename_schemas);
                    }
                    _ => rename_schemas(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(rename_schemas),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &Value, root: &Value) {
        match value {
            Value::Object(fields) => fields.iter().for_each(|(name, value)| match value {
                Value::String(target) if name == "$ref" => {
                    let pointer = target.strip_prefix('#').expect("is of this document");
                    assert!(root.pointer(pointer).is_some(), "{target}");
                }
                _ => check(value, root),
            }),
            Value::Array(items) => items.iter().for_each(|item| check(item, root)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_key_is_one_that_the_format_allows() {
        let document = document();
        check(&document, &document);
        for components in ["/components/messages", "/components/schemas", "/channels/campaign/messages"] {
            let keys = document.pointer(components).and_then(Value::as_object).expect("is an object");
            let allowed = |key: &String| key.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
            assert!(!keys.is_empty() && keys.keys().all(allowed), "{components}");
        }
    }

    #[test]
    fn every_command_and_every_frame_of_the_server_is_there() {
        let document = document();
        let has = |key: &str| document.pointer(&format!("/components/messages/{key}")).is_some();
        for kind in ["ping", "session.start", "session.end", "broadcast.publish", "staged.undo", "hex.reveal", "token.create", "token.move"]
        {
            assert!(has(&format!("client.{kind}")), "{kind}");
        }
        let frames = "connected ack error pong epoch session.state session.statusChanged hex.revealed hex.hidden hex.updated map.replaced \
            player.joined player.left player.presence player.changes dm.preparing staged.changes token.state token.created token.moved \
            token.updated token.deleted";
        for kind in frames.split_whitespace() {
            assert!(has(&format!("server.{kind}")), "{kind}");
        }
        assert!(document.pointer("/components/messages/server.hex.hidden/payload/properties/seq").is_some());
        assert!(document.pointer("/components/messages/server.player.left/payload/properties/seq").is_none());
    }

    #[test]
    fn the_kinds_of_frames_are_as_many_as_the_enums_have() {
        let mut generator = generator();
        let schema = ServerMessage::json_schema(&mut generator);
        let count = schema.get("oneOf").and_then(Value::as_array).map(Vec::len);
        assert_eq!(count, Some(variants::<ServerMessage>(&mut generator).len()));
    }
}
