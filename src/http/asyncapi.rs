//! `/api/asyncapi.json`: AsyncAPI 3.0 of `/ws`: every message with its schema, from the types that are read and written, and the close codes.

use std::sync::OnceLock;

use actix_web::HttpResponse;
use actix_web::http::Method;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::Bytes;
use serde_json::{Map, Value, json};

use crate::http::routes::Routes;
use crate::protocol::close::Close;
use crate::protocol::ids::RoomKind;
use crate::protocol::vocabulary::{self, Room};

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
    let vocabulary = vocabulary::vocabulary();
    let mut messages = Map::new();
    let mut channels = Map::new();
    let mut operations = Map::new();
    let connection: Vec<String> =
        vocabulary.connection.into_iter().map(|said| declare(&mut messages, "server", &said.kind, said.schema)).collect();
    for room in vocabulary.rooms {
        let name = room.kind.as_str();
        let (bindings, description) = channel(&room);
        let sent: Vec<String> =
            room.commands.into_iter().map(|asked| declare(&mut messages, "client", &asked.kind, asked.schema)).collect();
        let mut received = connection.clone();
        let key = format!("server.ack.{name}");
        messages.insert(key.clone(), json!({"name": "ack", "title": "ack", "payload": room.ack}));
        received.push(key);
        received.extend(room.frames.into_iter().map(|said| declare(&mut messages, "server", &said.kind, said.schema)));
        let all: Map<String, Value> =
            sent.iter().chain(&received).map(|key| (key.clone(), json!({"$ref": format!("#/components/messages/{key}")}))).collect();
        let refer =
            |keys: &[String]| keys.iter().map(|key| json!({"$ref": format!("#/channels/{name}/messages/{key}")})).collect::<Vec<_>>();
        let operation =
            |action: &str, keys| json!({"action": action, "channel": {"$ref": format!("#/channels/{name}")}, "messages": refer(keys)});
        operations.insert(format!("{name}.send"), operation("receive", &sent));
        operations.insert(format!("{name}.receive"), operation("send", &received));
        channels.insert(
            name.to_owned(),
            json!({
                "address": "/ws",
                "description": description,
                "messages": all,
                "bindings": bindings,
                "x-close-codes": CLOSES.map(|close| json!({"code": close.code(), "reason": close.reason()})),
            }),
        );
    }
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "moothall",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "One JSON text frame a message. Whoever connects is a user by cookie, by Authorization: Bearer, or by the subprotocols \
                moothall, bearer.<token>. Over Socket.IO (/socket.io/) a message is an event of the same name, with the fields as its argument; \
                but that of user:online and user:offline is the userId alone, and that of an error for a location:* event its message alone.",
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": vocabulary.definitions},
    })
}

/// How a kind of room is connected to, and what it is.
fn channel(room: &Room) -> (Value, &'static str) {
    let (parameter, description) = match room.kind {
        RoomKind::Campaign => ("campaignId", "A campaign, as one of its members sees it."),
        RoomKind::Workspace => ("workspaceId", "A workspace: the channels and conversations of a team that the user is in."),
        RoomKind::Circle => ("circleId", "A family circle: people who share where they are."),
    };
    let query = json!({
        "type": "object",
        "required": [parameter],
        "properties": {
            parameter: {"type": "string"},
            "since": {"type": "integer", "description": "The last seq that was seen: asks for what was missed"},
            "epoch": {"type": "string", "description": "The epoch that it was counted in"},
        },
    });
    (json!({"ws": {"method": "GET", "query": query, "bindingVersion": "0.1.0"}}), description)
}

/// Adds a message to the components and gives its key, which may hold no colon. One that is said in several rooms is the same in all.
fn declare(messages: &mut Map<String, Value>, side: &str, kind: &str, payload: Value) -> String {
    let key = format!("{side}.{}", kind.replace(':', "."));
    let message = json!({"name": kind, "title": kind, "payload": payload});
    let known = messages.entry(key.clone()).or_insert_with(|| message.clone());
    assert!(*known == message, "{kind} is two things");
    key
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
        for kind in [
            "ping",
            "session.start",
            "session.end",
            "broadcast.publish",
            "staged.undo",
            "hex.reveal",
            "token.create",
            "token.move",
            "message.send",
            "unread.markRead",
        ] {
            assert!(has(&format!("client.{kind}")), "{kind}");
        }
        let frames = "connected ack.campaign ack.workspace ack.circle error pong epoch session.state session.statusChanged hex.revealed hex.hidden hex.updated map.replaced \
            player.joined player.left player.presence player.changes dm.preparing staged.changes token.state token.created token.moved \
            token.updated token.deleted ready message.new message.edited message.deleted reaction.update typing.update presence.update \
            unread.update room.joined room.left channel.archived location.broadcast user.online user.offline sharing.changed";
        for kind in frames.split_whitespace() {
            assert!(has(&format!("server.{kind}")), "{kind}");
        }
        assert!(document.pointer("/components/messages/server.hex.hidden/payload/properties/seq").is_some());
        assert!(document.pointer("/components/messages/server.player.left/payload/properties/seq").is_none());
        let required = document.pointer("/components/schemas/Message/required").and_then(Value::as_array);
        assert!(required.is_some_and(|fields| fields.contains(&"parentId".into())), "what is written as null is always there");
    }
}
