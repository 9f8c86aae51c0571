//! Everything that is said over sockets, as JSON Schema: what `/api/asyncapi.json` and the types for TypeScript are made of.
//!
//! What a client sends is described as it is read, what it gets as it is written: a field that may be left out of the first may well be always there
//! in the second. A type has one name in both, or this module panics, which a test would see first.

use std::collections::{BTreeMap, BTreeSet};

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::protocol::ids::RoomKind;
use crate::protocol::session::{Ack, Connected, Epoch, ErrorFrame, JoinCampaign, LeaveCampaign, Pong};
use crate::protocol::{campaign, chat, circle};

/// Where the references of the schemas lead.
pub const DEFINITIONS: &str = "/components/schemas";

pub struct Vocabulary {
    /// What a connection says by itself, in every room: all but `ack`.
    pub connection: Vec<Said>,
    pub rooms: Vec<Room>,
    /// What is sent over Socket.IO alone, where one connection is in many rooms.
    pub socket_io: Vec<Asked>,
    /// The types that the schemas refer to, by name.
    pub definitions: BTreeMap<String, Value>,
}

/// What is said in one kind of room.
pub struct Room {
    pub kind: RoomKind,
    pub commands: Vec<Asked>,
    pub frames: Vec<Said>,
    /// The acknowledgement of any of the commands on a raw WebSocket.
    pub ack: Value,
}

/// Something that a client may send.
pub struct Asked {
    pub kind: String,
    pub schema: Value,
    pub answer: Answer,
}

/// How a command is acknowledged over Socket.IO.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Not at all.
    Nothing,
    /// With an object of these fields, besides `success`.
    Fields(Value),
    /// With a map alone.
    Map(Value),
}

/// Something that the server sends.
pub struct Said {
    pub kind: String,
    pub schema: Value,
}

/// What the acknowledgement of a command holds besides `seq`.
enum Holds {
    Nothing,
    Fields(&'static [&'static str]),
    /// The shape of `result` that has this place in its type.
    Map(usize),
}

/// `None` for what is not in the table: a new command has to be entered.
fn campaign_answer(kind: &str) -> Option<Holds> {
    Some(match kind {
        "ping" => Holds::Nothing,
        "token:create" => Holds::Fields(&["tokenId"]),
        "broadcast:publish" => Holds::Fields(&["skipped"]),
        "session:start" | "session:pause" | "session:resume" | "session:end" | "broadcast:mode" | "staged:undo" | "hex:reveal"
        | "hex:hide" | "hex:update" | "token:update" | "token:delete" | "token:move" => Holds::Fields(&[]),
        _ => return None,
    })
}

fn workspace_answer(kind: &str) -> Option<Holds> {
    Some(match kind {
        "ping" | "typing:start" | "typing:stop" | "presence:setAway" | "presence:setActive" => Holds::Nothing,
        "message:send" => Holds::Fields(&["messageId", "sequence"]),
        "message:getOlder" => Holds::Fields(&["messages", "hasMore", "nextCursor"]),
        "presence:fetch" => Holds::Map(0),
        "unread:fetch" => Holds::Map(1),
        "message:edit" | "message:delete" | "reaction:toggle" | "room:join" | "room:leave" | "workspace:join" | "unread:markRead" => {
            Holds::Fields(&[])
        }
        _ => return None,
    })
}

fn circle_answer(kind: &str) -> Option<Holds> {
    Some(match kind {
        "ping" => Holds::Nothing,
        "location:update" => Holds::Fields(&["stored"]),
        "location:subscribe" | "location:unsubscribe" | "sharing:set" => Holds::Fields(&[]),
        _ => return None,
    })
}

/// Whether a frame carries the `seq` of the change that it reports.
enum Number {
    Always,
    /// Not where no change of a room is the reason.
    Sometimes,
    Never,
}

fn number(kind: &str) -> Number {
    match kind {
        "ready" | "unread:update" => Number::Sometimes,
        "typing:update" | "presence:update" | "location:broadcast" | "user:online" | "user:offline" | "sharing:changed" => Number::Never,
        _ if kind.starts_with("player:") => Number::Never,
        _ => Number::Always,
    }
}

pub fn vocabulary() -> Vocabulary {
    let mut definitions = BTreeMap::new();
    let rooms = vec![
        room::<campaign::ServerMessage, campaign::command::Answer>(
            RoomKind::Campaign,
            campaign::command_schemas,
            campaign_answer,
            &mut definitions,
        ),
        room::<chat::ServerMessage, chat::Answer>(RoomKind::Workspace, chat::command_schemas, workspace_answer, &mut definitions),
        room::<circle::ServerMessage, circle::Answer>(RoomKind::Circle, circle::command_schemas, circle_answer, &mut definitions),
    ];
    let mut written = Schemas::written();
    let connection = ["connected", "error", "epoch", "pong"].map(str::to_owned).into_iter().zip([
        written.of::<Connected>(),
        written.of::<ErrorFrame>(),
        written.of::<Epoch>(),
        written.of::<Pong>(),
    ]);
    let connection = connection.map(|(kind, schema)| Said { schema: typed(&kind, schema), kind }).collect();
    let here = untyped(written.of::<Connected>());
    written.define_in(&mut definitions);
    let mut read = Schemas::read();
    let asked = |kind: &str, schema, answer| Asked { kind: kind.to_owned(), schema, answer: Answer::Fields(answer) };
    let socket_io = vec![
        asked("campaign:join", read.of::<JoinCampaign>(), here),
        asked("campaign:leave", read.of::<LeaveCampaign>(), json!({"type": "object", "properties": {}})),
    ];
    read.define_in(&mut definitions);
    Vocabulary { connection, rooms, socket_io, definitions }
}

/// The schema of a frame's fields alone.
pub fn untyped(mut schema: Value) -> Value {
    properties(&mut schema).remove("type");
    if let Some(required) = schema["required"].as_array_mut() {
        required.retain(|field| field != "type");
    }
    schema
}

fn room<M: JsonSchema, A: JsonSchema>(
    kind: RoomKind,
    command_schemas: impl Fn(&mut SchemaGenerator) -> Vec<(&'static str, Schema)>,
    answer: impl Fn(&str) -> Option<Holds>,
    definitions: &mut BTreeMap<String, Value>,
) -> Room {
    let mut written = Schemas::written();
    let frames = written.variants::<M>().into_iter().map(|(kind, schema)| Said { schema: numbered(&kind, schema), kind }).collect();
    let mut ack = written.of::<Ack<A>>();
    written.define_in(definitions);
    let result = result_shapes(&ack, definitions);

    let mut read = Schemas::read();
    let schemas = command_schemas(&mut read.generator);
    let mut read_definitions = read.definitions();
    let mut held = BTreeSet::from(["id", "seq"]);
    let mut commands = Vec::new();
    for (command, schema) in schemas {
        let holds = answer(command).unwrap_or_else(|| panic!("what is `{command}` answered?"));
        let answer = match holds {
            Holds::Nothing => Answer::Nothing,
            Holds::Fields(fields) => {
                held.extend(fields);
                Answer::Fields(answer_fields(&ack, fields))
            }
            Holds::Map(place) => {
                held.insert("result");
                Answer::Map(result[place].clone())
            }
        };
        let schema = referred(schema.as_value()).and_then(|name| read_definitions.remove(name)).unwrap_or_else(|| schema.to_value());
        commands.push(Asked { kind: command.to_owned(), schema, answer });
    }
    define(definitions, read_definitions);
    properties(&mut ack).retain(|field, _| held.contains(field.as_str()));
    Room { kind, commands, frames, ack: typed("ack", ack) }
}

/// An object of `seq` and some fields of the answer, all of which are there.
fn answer_fields(ack: &Value, fields: &[&str]) -> Value {
    let all: Vec<&str> = std::iter::once("seq").chain(fields.iter().copied()).collect();
    let schema = |field: &&str| {
        let schema = ack["properties"].get(*field).unwrap_or_else(|| panic!("no answer has `{field}`"));
        ((*field).to_owned(), schema.clone())
    };
    let properties: Map<String, Value> = all.iter().map(schema).collect();
    json!({"type": "object", "properties": properties, "required": all})
}

/// The shapes that the maps in `result` may have.
fn result_shapes(ack: &Value, definitions: &BTreeMap<String, Value>) -> Vec<Value> {
    let named = ack["properties"].get("result").and_then(referred).and_then(|name| definitions.get(name));
    named.and_then(|result| result["anyOf"].as_array()).cloned().unwrap_or_default()
}

/// schemars does not know the tag of a struct.
fn typed(kind: &str, mut schema: Value) -> Value {
    properties(&mut schema).insert("type".into(), json!({"type": "string", "const": kind}));
    match schema["required"].as_array_mut() {
        Some(required) if required.iter().any(|field| field == "type") => {}
        Some(required) => required.insert(0, "type".into()),
        None => schema["required"] = json!(["type"]),
    }
    schema
}

fn numbered(kind: &str, mut schema: Value) -> Value {
    let number = number(kind);
    if matches!(number, Number::Never) {
        return schema;
    }
    let described = json!({"type": "integer", "format": "int64", "description": "The number of the change in its room."});
    properties(&mut schema).insert("seq".into(), described);
    if matches!(number, Number::Always)
        && let Some(required) = schema["required"].as_array_mut()
    {
        required.push("seq".into());
    }
    schema
}

fn properties(schema: &mut Value) -> &mut Map<String, Value> {
    schema["properties"].as_object_mut().expect("a frame is an object with a type")
}

/// The name in a reference.
pub fn referred(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.strip_prefix('#')?.strip_prefix(DEFINITIONS)?.strip_prefix('/')
}

fn define(definitions: &mut BTreeMap<String, Value>, more: BTreeMap<String, Value>) {
    for (name, schema) in more {
        assert!(!name.ends_with(|end: char| end.is_ascii_digit()), "two types share the name of {name}");
        let known = definitions.entry(name.clone()).or_insert_with(|| schema.clone());
        assert!(*known == schema, "two types are called {name}: {known} and {schema}");
    }
}

/// The schemas of one direction.
struct Schemas {
    generator: SchemaGenerator,
    is_written: bool,
}

impl Schemas {
    fn read() -> Self {
        Self::new(SchemaSettings::draft2020_12().for_deserialize(), false)
    }

    fn written() -> Self {
        Self::new(SchemaSettings::draft2020_12().for_serialize(), true)
    }

    fn new(settings: SchemaSettings, is_written: bool) -> Self {
        let settings = settings.with(|settings| {
            settings.definitions_path = DEFINITIONS.into();
            settings.meta_schema = None;
        });
        Self { generator: settings.into_generator(), is_written }
    }

    fn of<T: JsonSchema>(&mut self) -> Value {
        let schema = T::json_schema(&mut self.generator).to_value();
        self.settled(schema)
    }

    /// The schemas of an enum's variants by the `type` that tells them apart.
    fn variants<T: JsonSchema>(&mut self) -> Vec<(String, Value)> {
        let mut schema = self.of::<T>();
        let variants = schema["oneOf"].as_array_mut().map(std::mem::take).unwrap_or_default();
        let kind = |variant: &Value| variant["properties"]["type"]["const"].as_str().map(str::to_owned);
        variants.into_iter().map(|variant| (kind(&variant).expect("a variant has its type"), variant)).collect()
    }

    fn definitions(&mut self) -> BTreeMap<String, Value> {
        let definitions = self.generator.take_definitions(true);
        definitions.into_iter().map(|(name, schema)| (name, self.settled(schema))).collect()
    }

    fn define_in(mut self, definitions: &mut BTreeMap<String, Value>) {
        define(definitions, self.definitions());
    }

    fn settled(&self, mut schema: Value) -> Value {
        if self.is_written {
            leave_out_nulls(&mut schema);
        }
        schema
    }
}

/// In an optional field whose `null` has a meaning of its own: `Option<Option<_>>`.
const NULL_MEANS: &str = "x-null-means";

/// A field that may be absent from what the server writes is absent in place of `null`; schemars describes it as either.
fn leave_out_nulls(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.values_mut().for_each(leave_out_nulls);
            let required = fields.get("required").cloned().unwrap_or_default();
            let is_required = |name: &str| required.as_array().is_some_and(|names| names.iter().any(|known| known == name));
            if let Some(Value::Object(properties)) = fields.get_mut("properties") {
                for (name, property) in properties {
                    let means = property.as_object_mut().and_then(|property| property.remove(NULL_MEANS)).is_some();
                    if !means && !is_required(name) {
                        without_null(property);
                    }
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(leave_out_nulls),
        _ => {}
    }
}

fn without_null(schema: &mut Value) {
    let Some(fields) = schema.as_object_mut() else { return };
    if let Some(Value::Array(types)) = fields.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [only] = types.as_mut_slice() {
            fields["type"] = only.take();
        }
    }
    if let Some(Value::Array(shapes)) = fields.get_mut("anyOf") {
        shapes.retain(|shape| shape["type"] != "null");
        if let [Value::Object(only)] = shapes.as_mut_slice() {
            let only = std::mem::take(only);
            fields.remove("anyOf");
            only.into_iter().for_each(|(name, value)| {
                fields.entry(name).or_insert(value);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_optional_field_that_is_written_is_left_out_and_never_null_unless_null_means_something() {
        let definitions = vocabulary().definitions;
        let updates = &definitions["TokenUpdates"];
        assert_eq!(updates["properties"]["label"]["type"], "string");
        assert_eq!(updates["properties"]["ownerId"]["anyOf"][1], json!({"type": "null"}));
        assert_eq!(definitions["Token"]["properties"]["ownerId"]["anyOf"][1], json!({"type": "null"}));
        assert!(!json!(definitions).to_string().contains(NULL_MEANS));
    }

    #[test]
    fn what_a_newcomer_hears_of_others_has_no_number_and_what_changes_a_room_has_one() {
        let vocabulary = vocabulary();
        let said: Vec<&Said> = vocabulary.rooms.iter().flat_map(|room| &room.frames).collect();
        let has_seq = |kind: &str| said.iter().any(|said| said.kind == kind && said.schema["properties"].get("seq").is_some());
        assert!(has_seq("hex:hidden") && has_seq("message:new") && has_seq("channel:archived"));
        assert!(!has_seq("player:left") && !has_seq("typing:update") && !has_seq("presence:update"));
        assert!(!has_seq("location:broadcast") && !has_seq("sharing:changed") && !has_seq("user:online"));
    }

    #[test]
    fn every_frame_names_its_type() {
        let vocabulary = vocabulary();
        let rooms = vocabulary.rooms.iter().flat_map(|room| &room.frames);
        for Said { kind, schema } in vocabulary.connection.iter().chain(rooms) {
            let required = schema["required"].as_array().expect("is a list");
            assert!(schema["properties"]["type"]["const"] == **kind && required.contains(&"type".into()), "{kind}");
        }
    }

    #[test]
    fn an_ack_has_the_fields_that_some_command_is_answered_and_no_others() {
        let vocabulary = vocabulary();
        let fields: Vec<&str> =
            vocabulary.rooms[0].ack["properties"].as_object().expect("is an object").keys().map(String::as_str).collect();
        assert_eq!(fields, ["id", "seq", "skipped", "tokenId", "type"]);
    }
}
