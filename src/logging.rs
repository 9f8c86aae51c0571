//! The log: lines on standard error, as text for people or as JSON objects for collectors, filtered by `RUST_LOG`.
//!
//! Standard output holds only what a command was asked for, so that scripts can read it.

use std::io::{self, Write};

use env_logger::fmt::Formatter;
use log::kv::{Error, Key, Value, VisitSource, VisitValue};
use log::{LevelFilter, Record};
use serde_json::{Map, Value as Json};

use crate::protocol::time::Timestamp;
use crate::settings::value::LogFormat;

/// These tell of every start of a worker and every connection at `info`. `RUST_LOG` can name them to hear more.
const QUIET: [&str; 3] = ["actix_server", "actix_http", "mio"];

/// Starts the log of this process. `filter` is that of `RUST_LOG`, already checked.
pub fn start(format: LogFormat, filter: &str) {
    let mut builder = env_logger::Builder::new();
    for target in QUIET {
        builder.filter_module(target, LevelFilter::Warn);
    }
    builder.parse_filters(filter);
    match format {
        LogFormat::Text => builder.format(write_text),
        LogFormat::Json => builder.format(|out, record| write_json(out, record, now())),
    };
    // A second start (a test that runs two servers in one process) leaves the first in place.
    let _ = builder.try_init();
    std::panic::set_hook(Box::new(|panic| log::error!(target: "panic", "{panic}")));
}

fn now() -> Timestamp {
    Timestamp::from_ms(chrono::Utc::now().timestamp_millis())
}

fn write_text(out: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let style = out.default_level_style(record.level());
    let (level, target) = (record.level(), record.target());
    write!(out, "{} {style}{level:<5}{style:#} {target}: {}", now(), OneLine(&record.args().to_string()))?;
    for (key, value) in fields(record) {
        write!(out, " {key}={}", OneLine(&text_value(&value)))?;
    }
    writeln!(out)
}

fn write_json(out: &mut impl Write, record: &Record<'_>, at: Timestamp) -> io::Result<()> {
    let mut line = Map::new();
    line.insert("ts".to_owned(), at.to_string().into());
    line.insert("level".to_owned(), record.level().as_str().to_ascii_lowercase().into());
    line.insert("target".to_owned(), record.target().into());
    line.insert("msg".to_owned(), record.args().to_string().into());
    for (key, value) in fields(record) {
        line.entry(key).or_insert(value);
    }
    serde_json::to_writer(&mut *out, &line)?;
    writeln!(out)
}

/// Nothing that a client sent can begin a line of its own.
struct OneLine<'a>(&'a str);

impl std::fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for part in self.0.split_inclusive(char::is_control) {
            match part.char_indices().next_back() {
                Some((at, last)) if last.is_control() => write!(f, "{}{}", &part[..at], last.escape_default())?,
                _ => f.write_str(part)?,
            }
        }
        Ok(())
    }
}

fn text_value(value: &Json) -> String {
    match value {
        Json::String(text) if !text.is_empty() && !text.contains([' ', '"', '=']) => text.clone(),
        other => other.to_string(),
    }
}

fn fields(record: &Record<'_>) -> Vec<(String, Json)> {
    let mut fields = Fields(Vec::new());
    // Fields fails on nothing, so a source that stops early only shortens the line.
    let _ = record.key_values().visit(&mut fields);
    fields.0
}

struct Fields(Vec<(String, Json)>);

impl<'kvs> VisitSource<'kvs> for Fields {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        let mut json = AsJson(Json::Null);
        value.visit(&mut json)?;
        self.0.push((key.as_str().to_owned(), json.0));
        Ok(())
    }
}

struct AsJson(Json);

impl<'v> VisitValue<'v> for AsJson {
    fn visit_any(&mut self, value: Value<'_>) -> Result<(), Error> {
        self.0 = value.to_string().into();
        Ok(())
    }

    fn visit_null(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn visit_bool(&mut self, value: bool) -> Result<(), Error> {
        self.0 = value.into();
        Ok(())
    }

    fn visit_u64(&mut self, value: u64) -> Result<(), Error> {
        self.0 = value.into();
        Ok(())
    }

    fn visit_i64(&mut self, value: i64) -> Result<(), Error> {
        self.0 = value.into();
        Ok(())
    }

    fn visit_f64(&mut self, value: f64) -> Result<(), Error> {
        self.0 = value.into();
        Ok(())
    }

    fn visit_str(&mut self, value: &str) -> Result<(), Error> {
        self.0 = value.into();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_line_holds_the_fields_and_none_of_them_replaces_the_lines_own() {
        let pairs = [("conn", Value::from(7)), ("room", Value::from("campaign:1")), ("msg", Value::from("forged"))];
        let record =
            Record::builder().args(format_args!("con\"nected\n")).level(log::Level::Info).target("moothall").key_values(&pairs).build();
        let mut out = Vec::new();
        write_json(&mut out, &record, Timestamp::from_ms(0)).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.matches('\n').count(), 1, "one line");
        let line: Json = serde_json::from_str(&text).unwrap();
        let expected = serde_json::json!({
            "ts": "1970-01-01T00:00:00.000Z", "level": "info", "target": "moothall", "msg": "con\"nected\n", "conn": 7, "room": "campaign:1",
        });
        assert_eq!(line, expected);
    }

    #[test]
    fn a_text_line_stays_one_line_whatever_it_tells() {
        assert_eq!(OneLine("a\r\nb\u{1b}[2Jü").to_string(), "a\\r\\nb\\u{1b}[2Jü");
    }
}
