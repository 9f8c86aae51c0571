//! The vocabulary as TypeScript: `clients/typescript/moothall.ts`, types alone, for `socket.io-client` and for raw WebSockets.
//!
//! Made from JSON Schema by [`Shape`], which knows the keywords that this project's types come to and refuses any other: nothing becomes `unknown`
//! because somebody used a new attribute. What the type system cannot say (lengths, bounds, patterns) stands in the doc comments.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Map, Value};

use crate::protocol::vocabulary::{self, Answer, Asked, Room, Said, Vocabulary};

/// Where the file is, from the root of the repository.
pub const PATH: &str = "clients/typescript/moothall.ts";

/// A schema that has no type here, and what of it is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown(String);

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no type is known for {}", self.0)
    }
}

/// The whole file.
pub fn text() -> Result<String, Unknown> {
    let vocabulary = vocabulary::vocabulary();
    let mut file = File::new();
    file.section("Types that the fields have");
    file.raw(PRIMITIVES);
    for (name, schema) in &vocabulary.definitions {
        file.define(name, schema)?;
    }
    file.answers(&vocabulary)?;
    file.commands(&vocabulary)?;
    file.events(&vocabulary)?;
    file.socket_io(&vocabulary)?;
    file.raw_sockets(&vocabulary)?;
    Ok(file.out)
}

const HEAD: &str = "\
// The vocabulary of moothall: what clients send and what they get, as types for TypeScript.
//
// Generated from the server's own types by `cargo run --example generate_types`; do not edit.
//
//   import { io, type Socket } from \"socket.io-client\";
//   import type { ClientToServerEvents, ServerToClientEvents } from \"./moothall\";
//   const socket: Socket<ServerToClientEvents, ClientToServerEvents> = io(url, { auth: { token } });
//
// On a raw WebSocket (`/ws`) a client sends a `ClientFrame` and gets a `ServerFrame`, each one JSON text. A server may send types and
// fields that a client does not know yet: ignore them.
";

const PRIMITIVES: &str = "
/** A whole number. */
export type Integer = number;

/** Any JSON value. */
export type JsonValue = null | boolean | number | string | JsonValue[] | { [key: string]: JsonValue };
";

const OUTCOME: &str = "
/** What a Socket.IO command is acknowledged with: done and durable, with what the answer holds, or not done. */
export type Outcome<Answer = object> = ({ success: true } & Answer) | Failure;

/** A command was not done. */
export interface Failure {
  success: false;
  error: CommandError;
}
";

const FRAME: &str = "
/** A frame of a raw WebSocket: the fields lie beside the type. */
export type Frame<Type extends string, Fields> = { type: Type } & Fields;
";

struct File {
    out: String,
    /// Names that are taken.
    names: BTreeSet<String>,
}

impl File {
    fn new() -> Self {
        let taken = ["Integer", "JsonValue", "Outcome", "Failure", "Frame"];
        Self { out: HEAD.to_owned(), names: taken.map(str::to_owned).into() }
    }

    fn raw(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn section(&mut self, title: &str) {
        self.out.push_str(&format!("\n// {title}\n"));
    }

    fn take(&mut self, name: &str) -> Result<(), Unknown> {
        match self.names.insert(name.to_owned()) {
            true => Ok(()),
            false => Err(Unknown(format!("a second thing called {name}"))),
        }
    }

    /// An interface of an object with named fields, an alias of anything else.
    fn define(&mut self, name: &str, schema: &Value) -> Result<(), Unknown> {
        self.take(name)?;
        let shape = Shape::of(schema, name)?;
        let docs = comment(&docs(schema, name)?, "");
        match shape {
            Shape::Object { extends, fields } if extends.is_some() || !fields.is_empty() => {
                let extends = extends.map_or_else(String::new, |base| format!(" extends {base}"));
                self.out.push_str(&format!("\n{docs}export interface {name}{extends} {}\n", block(&fields, "")));
            }
            other => {
                let text = other.text("");
                let space = if text.starts_with('\n') { "" } else { " " };
                self.out.push_str(&format!("\n{docs}export type {name} ={space}{text};\n"));
            }
        }
        Ok(())
    }

    /// A union of frames, one a line.
    fn union(&mut self, docs: &str, name: &str, members: &[String]) -> Result<(), Unknown> {
        self.take(name)?;
        let members: String = members.iter().map(|member| format!("\n  | {member}")).collect();
        let docs = comment(&[docs.to_owned()], "");
        self.out.push_str(&format!("\n{docs}export type {name} ={members};\n"));
        Ok(())
    }

    fn answers(&mut self, vocabulary: &Vocabulary) -> Result<(), Unknown> {
        self.section("Acknowledgements over Socket.IO");
        self.raw(OUTCOME);
        let error = vocabulary.connection.iter().find(|said| said.kind == "error");
        let mut error = vocabulary::untyped(error.map(|said| said.schema.clone()).unwrap_or_default());
        fields_of(&mut error, "error")?.remove("id");
        error["description"] = "Why a command was not done.".into();
        self.define("CommandError", &error)?;
        let mut plain = false;
        for asked in all_asked(vocabulary) {
            match &asked.answer {
                Answer::Nothing => {}
                Answer::Fields(schema) if has_no_fields(schema) => {}
                Answer::Fields(schema) if is_plain(schema) => plain = true,
                Answer::Fields(schema) | Answer::Map(schema) => {
                    let mut schema = schema.clone();
                    schema["description"] = format!("What `{}` is answered.", asked.kind).into();
                    self.define(&answer_name(&asked.kind), &schema)?;
                }
            }
        }
        if plain {
            self.take("Done")?;
            self.raw("\n/** What most commands are answered: the `seq` of the change, or of the room when nothing was to be changed. */\n");
            self.raw("export interface Done {\n  seq: Integer;\n}\n");
        }
        Ok(())
    }

    fn commands(&mut self, vocabulary: &Vocabulary) -> Result<(), Unknown> {
        self.section("What a client sends: the fields of each command");
        let mut known: Vec<&Asked> = Vec::new();
        for asked in all_asked(vocabulary) {
            if known.iter().any(|other| other.kind == asked.kind) {
                continue;
            }
            known.push(asked);
            let schema = if asked.schema["properties"].get("type").is_some() {
                vocabulary::untyped(asked.schema.clone())
            } else {
                asked.schema.clone()
            };
            self.define(&command_name(&asked.kind), &schema)?;
        }
        Ok(())
    }

    fn events(&mut self, vocabulary: &Vocabulary) -> Result<(), Unknown> {
        self.section("What the server sends: the fields of each event");
        for said in all_said(vocabulary) {
            self.define(&event_name(&said.kind), &vocabulary::untyped(said.schema.clone()))?;
        }
        Ok(())
    }

    fn socket_io(&mut self, vocabulary: &Vocabulary) -> Result<(), Unknown> {
        self.section("Socket.IO");
        for name in ["ServerToClientEvents", "ClientToServerEvents"] {
            self.take(name)?;
        }
        self.raw("\n/** For `socket.on(…)`. */\nexport interface ServerToClientEvents {\n");
        // A Socket.IO client is told by the acknowledgement of `campaign:join`.
        for said in all_said(vocabulary).filter(|said| said.kind != "connected") {
            let docs = comment(&docs(&said.schema, &said.kind)?, "  ");
            self.raw(&format!("{docs}  \"{}\": (event: {}) => void;\n", said.kind, argument(&said.kind)));
        }
        self.raw("}\n\n/** For `socket.emit(…)` and `socket.emitWithAck(…)`. */\nexport interface ClientToServerEvents {\n");
        let mut known = BTreeSet::new();
        for asked in all_asked(vocabulary) {
            if !known.insert(&asked.kind) {
                continue;
            }
            let answer = match &asked.answer {
                Answer::Nothing => None,
                Answer::Fields(schema) if has_no_fields(schema) => Some("Outcome".to_owned()),
                Answer::Fields(schema) if is_plain(schema) => Some("Outcome<Done>".to_owned()),
                Answer::Fields(_) => Some(format!("Outcome<{}>", answer_name(&asked.kind))),
                Answer::Map(_) => Some(format!("{} | Failure", answer_name(&asked.kind))),
            };
            let docs = comment(&docs(&asked.schema, &asked.kind)?, "  ");
            let ack = answer.map_or_else(String::new, |answer| format!(", ack: (answer: {answer}) => void"));
            self.raw(&format!("{docs}  \"{}\": (command: {}{ack}) => void;\n", asked.kind, command_name(&asked.kind)));
        }
        self.raw("}\n");
        Ok(())
    }

    fn raw_sockets(&mut self, vocabulary: &Vocabulary) -> Result<(), Unknown> {
        self.section("Raw WebSockets");
        self.raw(FRAME);
        let mut sent = Vec::new();
        let mut received = Vec::new();
        let connection: Vec<String> = vocabulary.connection.iter().map(event_frame).collect();
        for room in &vocabulary.rooms {
            let name = room_name(room);
            let ack = format!("{name}Ack");
            self.define(&ack, &vocabulary::untyped(room.ack.clone()))?;
            let commands: Vec<String> = room.commands.iter().map(command_frame).collect();
            if !commands.is_empty() {
                let docs = format!("What a client may send to a {}.", room.kind.as_str());
                self.union(&docs, &format!("{name}ClientFrame"), &commands)?;
                sent.push(format!("{name}ClientFrame"));
            }
            let mut frames = connection.clone();
            frames.push(format!("Frame<\"ack\", {ack}>"));
            frames.extend(room.frames.iter().map(event_frame));
            let docs = format!("What a client of a {} gets.", room.kind.as_str());
            self.union(&docs, &format!("{name}ServerFrame"), &frames)?;
            received.push(format!("{name}ServerFrame"));
        }
        self.union("What a client may send.", "ClientFrame", &sent)?;
        self.union("What a client gets.", "ServerFrame", &received)
    }
}

fn all_asked(vocabulary: &Vocabulary) -> impl Iterator<Item = &Asked> {
    vocabulary.socket_io.iter().chain(vocabulary.rooms.iter().flat_map(|room| &room.commands))
}

/// What is said in several rooms is the same in all.
fn all_said(vocabulary: &Vocabulary) -> impl Iterator<Item = &Said> {
    let mut known = BTreeSet::new();
    let all = vocabulary.connection.iter().chain(vocabulary.rooms.iter().flat_map(|room| &room.frames));
    all.filter(move |said| known.insert(said.kind.as_str()))
}

/// The argument of an event of Socket.IO: its fields, but for a few that stock clients of circles expect as plain texts.
fn argument(kind: &str) -> String {
    match kind {
        "user:online" | "user:offline" => "UserId".into(),
        // A plain text, its message, when a `location:*` event is refused.
        "error" => format!("{} | string", event_name(kind)),
        _ => event_name(kind),
    }
}

fn has_no_fields(answer: &Value) -> bool {
    answer["properties"].as_object().is_some_and(Map::is_empty)
}

/// An answer of `seq` alone.
fn is_plain(answer: &Value) -> bool {
    answer["properties"].as_object().is_some_and(|fields| fields.len() == 1 && fields.contains_key("seq"))
}

/// `message:getOlder` is `MessageGetOlder`.
fn pascal(kind: &str) -> String {
    let capital = |word: &str| word.chars().take(1).flat_map(char::to_uppercase).chain(word.chars().skip(1)).collect::<String>();
    kind.split(':').map(capital).collect()
}

fn command_name(kind: &str) -> String {
    pascal(kind) + "Command"
}

fn answer_name(kind: &str) -> String {
    pascal(kind) + "Answer"
}

fn event_name(kind: &str) -> String {
    pascal(kind) + "Event"
}

fn room_name(room: &Room) -> String {
    pascal(room.kind.as_str())
}

fn command_frame(asked: &Asked) -> String {
    format!("Frame<\"{}\", {}>", asked.kind, command_name(&asked.kind))
}

fn event_frame(said: &Said) -> String {
    format!("Frame<\"{}\", {}>", said.kind, event_name(&said.kind))
}

fn fields_of<'a>(schema: &'a mut Value, place: &str) -> Result<&'a mut Map<String, Value>, Unknown> {
    schema["properties"].as_object_mut().ok_or_else(|| Unknown(format!("{place}: not an object")))
}

/// What TypeScript has for a schema.
#[derive(Clone, Debug, PartialEq)]
enum Shape {
    /// A name, a literal, `string`, `number`, `boolean` or `null`.
    Plain(String),
    Array(Box<Shape>),
    /// An object whose keys are data.
    Map(Box<Shape>),
    Object {
        extends: Option<String>,
        fields: Vec<Field>,
    },
    /// Each with its comment.
    Union(Vec<(Shape, Vec<String>)>),
}

#[derive(Clone, Debug, PartialEq)]
struct Field {
    name: String,
    docs: Vec<String>,
    optional: bool,
    shape: Shape,
}

/// Keywords that say nothing about a type's shape: they become comments.
const SAID: [&str; 9] = ["description", "default", "format", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems"];

impl Shape {
    fn of(schema: &Value, place: &str) -> Result<Shape, Unknown> {
        let Value::Object(keywords) = schema else {
            return Err(Unknown(format!("{place}: the schema {schema}")));
        };
        let only = |known: &[&str]| match keywords.keys().find(|key| !known.contains(&key.as_str()) && !SAID.contains(&key.as_str())) {
            Some(keyword) => Err(Unknown(format!("{place}: the keyword `{keyword}` in {schema}"))),
            None => Ok(()),
        };
        if keywords.contains_key("$ref") {
            only(&["$ref", "properties", "required", "type"])?;
            let name = vocabulary::referred(schema).ok_or_else(|| Unknown(format!("{place}: a reference elsewhere in {schema}")))?;
            let fields = fields(keywords, place)?;
            let extended = keywords.contains_key("properties") || keywords.contains_key("type");
            return Ok(match extended {
                true => Shape::Object { extends: Some(name.to_owned()), fields },
                false => Shape::Plain(name.to_owned()),
            });
        }
        for choice in ["oneOf", "anyOf"] {
            if let Some(choices) = keywords.get(choice) {
                only(&[choice])?;
                let choices = choices.as_array().filter(|choices| !choices.is_empty());
                let choices = choices.ok_or_else(|| Unknown(format!("{place}: no choice in {schema}")))?;
                let member = |choice: &Value| Ok((Shape::of(choice, place)?, docs(choice, place)?));
                return choices.iter().map(member).collect::<Result<_, _>>().map(Shape::union);
            }
        }
        if let Some(value) = keywords.get("const") {
            only(&["const", "type"])?;
            return literal(value, place);
        }
        if let Some(values) = keywords.get("enum").and_then(Value::as_array) {
            only(&["enum", "type"])?;
            let members = values.iter().map(|value| Ok((literal(value, place)?, Vec::new())));
            return members.collect::<Result<_, _>>().map(Shape::Union);
        }
        match keywords.get("type") {
            Some(Value::String(kind)) => Shape::of_type(kind, keywords, place),
            Some(Value::Array(kinds)) => {
                let member = |kind: &Value| {
                    let kind = kind.as_str().ok_or_else(|| Unknown(format!("{place}: the type {kind}")))?;
                    match kind {
                        "null" => Ok((Shape::Plain("null".into()), Vec::new())),
                        _ => Ok((Shape::of_type(kind, keywords, place)?, Vec::new())),
                    }
                };
                kinds.iter().map(member).collect::<Result<_, _>>().map(Shape::Union)
            }
            _ => Err(Unknown(format!("{place}: a schema without a type: {schema}"))),
        }
    }

    /// A union within a union is part of it, unless there is something to be said about it.
    fn union(members: Vec<(Shape, Vec<String>)>) -> Shape {
        let flat = |(member, docs)| match member {
            Shape::Union(inner) if Vec::is_empty(&docs) => inner,
            member => vec![(member, docs)],
        };
        Shape::Union(members.into_iter().flat_map(flat).collect())
    }

    fn of_type(kind: &str, keywords: &Map<String, Value>, place: &str) -> Result<Shape, Unknown> {
        let known: &[&str] = match kind {
            "string" => &["minLength", "maxLength", "pattern", "format"],
            "integer" | "number" => &["minimum", "maximum", "format"],
            "boolean" | "null" => &[],
            "array" => &["items", "minItems", "maxItems"],
            "object" => &["properties", "required", "additionalProperties", "patternProperties"],
            _ => return Err(Unknown(format!("{place}: the type `{kind}`"))),
        };
        let everywhere = ["type", "description", "default"];
        if let Some(keyword) = keywords.keys().find(|key| !known.contains(&key.as_str()) && !everywhere.contains(&key.as_str())) {
            return Err(Unknown(format!("{place}: the keyword `{keyword}` of a {kind}")));
        }
        Ok(match kind {
            "integer" => Shape::Plain("Integer".into()),
            "array" => {
                let items = keywords.get("items").ok_or_else(|| Unknown(format!("{place}: a list of anything")))?;
                Shape::Array(Box::new(Shape::of(items, place)?))
            }
            "object" => Shape::of_object(keywords, place)?,
            plain => Shape::Plain(plain.into()),
        })
    }

    fn of_object(keywords: &Map<String, Value>, place: &str) -> Result<Shape, Unknown> {
        let patterns = keywords.get("patternProperties").and_then(Value::as_object);
        let more = keywords.get("additionalProperties").filter(|more| **more != Value::Bool(false));
        let values = match (keywords.contains_key("properties"), patterns, more) {
            (true, None, None) => return Ok(Shape::Object { extends: None, fields: fields(keywords, place)? }),
            (false, Some(patterns), None) if patterns.len() == 1 => patterns.values().next(),
            (false, None, Some(more)) => Some(more),
            // A struct without fields has no `properties`.
            (false, None, None) => return Ok(Shape::Object { extends: None, fields: Vec::new() }),
            _ => None,
        };
        let values = values.ok_or_else(|| Unknown(format!("{place}: an object with named fields and others")))?;
        let values = if *values == Value::Bool(true) { Shape::Plain("JsonValue".into()) } else { Shape::of(values, place)? };
        Ok(Shape::Map(Box::new(values)))
    }

    /// `indent` is that of the lines after the first.
    fn text(&self, indent: &str) -> String {
        match self {
            Shape::Plain(text) => text.clone(),
            Shape::Array(items) => match **items {
                Shape::Union(_) => format!("({})[]", items.text(indent)),
                _ => format!("{}[]", items.text(indent)),
            },
            Shape::Map(values) => format!("{{ [key: string]: {} }}", values.text(indent)),
            Shape::Object { extends, fields } => {
                let object = match fields.iter().all(|field| field.docs.is_empty()) {
                    true if fields.is_empty() => "{ [key: string]: never }".to_owned(),
                    true => format!("{{ {} }}", fields.iter().map(|field| field.text(indent)).collect::<Vec<_>>().join("; ")),
                    false => block(fields, indent),
                };
                extends.as_ref().map_or_else(|| object.clone(), |base| format!("{base} & {object}"))
            }
            Shape::Union(members) if members.iter().all(|(_, docs)| docs.is_empty()) => {
                members.iter().map(|(member, _)| member.text(indent)).collect::<Vec<_>>().join(" | ")
            }
            Shape::Union(members) => {
                let within = format!("{indent}  ");
                let member =
                    |(member, docs): &(Shape, Vec<String>)| format!("\n{}{within}| {}", comment(docs, &within), member.text(&within));
                members.iter().map(member).collect()
            }
        }
    }
}

impl Field {
    fn text(&self, indent: &str) -> String {
        let optional = if self.optional { "?" } else { "" };
        format!("{}{optional}: {}", self.name, self.shape.text(indent))
    }
}

fn literal(value: &Value, place: &str) -> Result<Shape, Unknown> {
    match value {
        Value::String(_) => Ok(Shape::Plain(value.to_string())),
        _ => Err(Unknown(format!("{place}: the constant {value}"))),
    }
}

/// Those that must be there first, as they are declared; then the others by name.
fn fields(keywords: &Map<String, Value>, place: &str) -> Result<Vec<Field>, Unknown> {
    let empty = Map::new();
    let properties = keywords.get("properties").and_then(Value::as_object).unwrap_or(&empty);
    let required: Vec<&str> = keywords.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let mut optional: Vec<&str> = properties.keys().map(String::as_str).filter(|name| !required.contains(name)).collect();
    optional.sort_unstable();
    let field = |(name, optional): (&str, bool)| {
        let place = format!("{place}.{name}");
        let schema = properties.get(name).ok_or_else(|| Unknown(format!("{place}: required and not there")))?;
        Ok(Field { name: name.to_owned(), docs: docs(schema, &place)?, optional, shape: Shape::of(schema, &place)? })
    };
    required.into_iter().map(|name| (name, false)).chain(optional.into_iter().map(|name| (name, true))).map(field).collect()
}

/// Fields on a line each, with their comments.
fn block(fields: &[Field], indent: &str) -> String {
    let within = format!("{indent}  ");
    let lines: String = fields.iter().map(|field| format!("{}{within}{};\n", comment(&field.docs, &within), field.text(&within))).collect();
    format!("{{\n{lines}{indent}}}")
}

/// What a schema says besides its shape: its description, then its bounds.
fn docs(schema: &Value, place: &str) -> Result<Vec<String>, Unknown> {
    let mut lines: Vec<String> = Vec::new();
    if let Some(description) = schema.get("description").and_then(Value::as_str) {
        lines.extend(description.lines().map(str::to_owned));
    }
    let number = |keyword: &str| schema.get(keyword).map(Value::to_string);
    let mut bounds: Vec<String> = Vec::new();
    for (low, high, unit) in [("minLength", "maxLength", " characters"), ("minItems", "maxItems", " entries"), ("minimum", "maximum", "")] {
        bounds.extend(match (number(low), number(high)) {
            (Some(low), Some(high)) => Some(format!("{low}–{high}{unit}")),
            (Some(low), None) if unit.is_empty() => Some(format!("at least {low}")),
            (Some(low), None) => Some(format!("{low} or more{unit}")),
            (None, Some(high)) => Some(format!("at most {high}{unit}")),
            (None, None) => None,
        });
    }
    if let Some(pattern) = schema.get("pattern").and_then(Value::as_str) {
        bounds.push(format!("matches `{pattern}`"));
    }
    if let Some(patterns) = schema.get("patternProperties").and_then(Value::as_object) {
        bounds.extend(patterns.keys().map(|pattern| format!("keys match `{pattern}`")));
    }
    match schema.get("format").and_then(Value::as_str) {
        None | Some("int32" | "int64" | "uint8" | "uint32" | "uint64" | "double") => {}
        Some("date-time") => bounds.push("as `2026-01-28T01:02:03.456Z`".into()),
        Some(other) => return Err(Unknown(format!("{place}: the format `{other}`"))),
    }
    match schema.get("default") {
        None | Some(Value::Null) => {}
        Some(value) => bounds.push(format!("default {value}")),
    }
    if !bounds.is_empty() {
        let text = bounds.join(", ");
        let mut letters = text.chars();
        let first = letters.next().into_iter().flat_map(char::to_uppercase);
        lines.push(format!("{}.", first.chain(letters).collect::<String>()));
    }
    if let Some(items) = schema.get("items") {
        let mut items = items.clone();
        items.as_object_mut().and_then(|items| items.remove("description"));
        lines.extend(docs(&items, place)?.into_iter().map(|line| format!("Each: {line}")));
    }
    Ok(lines)
}

/// A comment before something, or nothing when there is nothing to be said.
fn comment(lines: &[String], indent: &str) -> String {
    // The text comes from doc comments and patterns, which may end a comment.
    let lines: Vec<String> = lines.iter().map(|line| line.replace("*/", "*\\/")).collect();
    match lines.as_slice() {
        [] => String::new(),
        [only] => format!("{indent}/** {only} */\n"),
        many => {
            let many: String = many.iter().map(|line| format!("{indent} * {line}\n").replace(" \n", "\n")).collect();
            format!("{indent}/**\n{many}{indent} */\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shape(schema: Value) -> Result<String, Unknown> {
        Shape::of(&schema, "here").map(|shape| shape.text(""))
    }

    #[test]
    fn the_file_in_the_repository_is_what_the_types_come_to() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(PATH);
        let found = std::fs::read_to_string(path).unwrap_or_default();
        let is_fresh = text().as_deref() == Ok(found.as_str());
        assert!(is_fresh, "{PATH} is stale: cargo run --example generate_types");
    }

    #[test]
    fn a_schema_that_is_not_known_is_an_error_and_not_a_wider_type() {
        for schema in [
            json!(true),
            json!({}),
            json!({"description": "anything"}),
            json!({"type": "string", "contentEncoding": "base64"}),
            json!({"type": "string", "format": "uuid2", "minimum": 1}),
            json!({"type": "array"}),
            json!({"type": "array", "items": {}}),
            json!({"type": "array", "items": {"type": "string"}, "uniqueItems": true}),
            json!({"type": "array", "prefixItems": [{"type": "string"}]}),
            json!({"type": "object", "properties": {"a": {"not": {}}}}),
            json!({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": true}),
            json!({"type": "object", "properties": {}, "required": ["a"]}),
            json!({"type": "object", "patternProperties": {"a": true, "b": true}}),
            json!({"allOf": [{"type": "string"}]}),
            json!({"anyOf": [{"type": "string"}], "minProperties": 1}),
            json!({"anyOf": []}),
            json!({"const": 1}),
            json!({"enum": ["a", null]}),
            json!({"$ref": "https://example.org/schema"}),
            json!({"$ref": "#/components/schemas/A", "not": {}}),
            json!({"type": ["string", "date"]}),
            json!({"type": "number", "multipleOf": 0.5}),
        ] {
            assert!(Shape::of(&schema, "here").is_err(), "{schema}");
        }
        assert!(docs(&json!({"type": "string", "format": "uuid"}), "here").is_err());
    }

    #[test]
    fn shapes_have_the_types_of_their_schemas() {
        let user = json!({"$ref": "#/components/schemas/UserId"});
        for (schema, expected) in [
            (json!({"type": "string", "pattern": "^a$"}), "string"),
            (json!({"type": ["integer", "null"], "format": "int64"}), "Integer | null"),
            (json!({"anyOf": [user, {"type": "null"}]}), "UserId | null"),
            (json!({"type": "array", "items": {"enum": ["a", "b"]}}), "(\"a\" | \"b\")[]"),
            (json!({"type": "object", "additionalProperties": user}), "{ [key: string]: UserId }"),
            (json!({"type": "object", "additionalProperties": true}), "{ [key: string]: JsonValue }"),
            (json!({"type": "object", "additionalProperties": false}), "{ [key: string]: never }"),
            (json!({"type": "object", "properties": {"b": user, "a": user}, "required": ["b"]}), "{ b: UserId; a?: UserId }"),
        ] {
            assert_eq!(shape(schema.clone()).as_deref(), Ok(expected), "{schema}");
        }
    }

    #[test]
    fn bounds_stand_in_the_comments_and_cannot_end_them() {
        let schema = json!({"type": "array", "description": "Some.", "minItems": 1, "maxItems": 3,
            "items": {"type": "string", "maxLength": 5, "pattern": "^*/$"}});
        let expected = ["Some.", "1–3 entries.", "Each: At most 5 characters, matches `^*/$`."];
        assert_eq!(docs(&schema, "here").as_deref(), Ok(expected.map(str::to_owned).as_slice()));
        assert_eq!(comment(&["^*/$".to_owned()], ""), "/** ^*\\/$ */\n");
    }
}
