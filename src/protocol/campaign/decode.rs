//! What a client may send to a campaign.

use crate::protocol::campaign::command::Command;
use crate::protocol::campaign::commands::read;
use crate::protocol::decode::{self, Decoded, Refused};

/// What a client asks of a campaign.
pub type Body = decode::Body<Command>;

/// Reads a client's text frame.
pub fn decode(text: &str) -> Result<Decoded<Body>, Refused> {
    decode::frame(text, read)
}

/// Reads an event by its name and the JSON text of its argument (`{}` when it has none).
pub fn decode_event(name: &str, fields: &str) -> Result<Decoded<Body>, Refused> {
    decode::event(name, fields, read)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;
    use serde_json::{Value, json};

    use super::*;
    use crate::protocol::campaign::knows;
    use crate::protocol::error::ErrorCode;
    use crate::protocol::ids::CommandId;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Case {
        text: String,
        id: Option<String>,
        command: Option<Value>,
        code: Option<String>,
        message: Option<String>,
    }

    #[test]
    fn every_golden_frame_is_read_or_refused_as_written() {
        let cases: Vec<Case> = serde_json::from_str(include_str!("../../../tests/golden/campaign-commands.json")).expect("golden file");
        for Case { text, id, command, code, message } in cases {
            let (got_id, got) = match decode(&text) {
                Ok(Decoded { id, body: Body::Ping }) => (id, (Some(json!("ping")), None, None)),
                Ok(Decoded { id, body: Body::Command(command) }) => (id, (Some(json!(command)), None, None)),
                Err(Refused { id, rejection }) => (id, (None, Some(rejection.code.as_str().to_owned()), Some(rejection.message))),
            };
            let got = (got.0, got.1, got.2.filter(|_| message.is_some()));
            assert_eq!(got, (command, code, message), "{text}");
            assert_eq!(got_id.map(|id| id.as_str().to_owned()), id, "{text}");
        }
    }

    fn reveal(keys: usize) -> String {
        let keys: Vec<String> = (0..keys).map(|n| format!("{},{}", n % 5_000, n / 5_000)).collect();
        json!({"type": "hex:reveal", "hexKeys": keys, "targets": "all"}).to_string()
    }

    fn token(label: &str, icon: &str) -> String {
        json!({"type": "token:create", "hexKey": "0,0", "label": label, "icon": icon, "color": "#000000", "tokenType": "pc"}).to_string()
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text in "\\PC{0,80}") {
            let _ = decode(&text);
        }

        #[test]
        fn a_golden_frame_with_a_wound_is_read_or_refused_without_a_panic(case in 0..60usize, at in 0..120usize, with in any::<char>()) {
            let cases: Vec<Case> = serde_json::from_str(include_str!("../../../tests/golden/campaign-commands.json")).expect("golden file");
            let mut chars: Vec<char> = cases[case % cases.len()].text.chars().collect();
            if let Some(place) = chars.get_mut(at) {
                *place = with;
            }
            let _ = decode(&chars.into_iter().collect::<String>());
        }
    }

    #[test]
    fn lists_and_texts_have_their_bounds_in_entries_and_characters() {
        assert!(decode(&reveal(2_000)).is_ok());
        assert_eq!(decode(&reveal(2_001)).map_err(|refused| refused.rejection.message), Err("hexKeys: must have 1–2000 entries".into()));
        assert!(decode(&token(&"é".repeat(64), &"🐉".repeat(16))).is_ok());
        assert!(decode(&token(&"é".repeat(65), "i")).is_err());
        assert!(decode(&token("l", &"🐉".repeat(17))).is_err());
        let id = |n: usize| json!({"type": "ping", "id": "é".repeat(n)}).to_string();
        assert!(decode(&id(64)).is_ok());
        assert!(decode(&id(65)).is_err());
    }

    #[test]
    fn a_hostile_frame_costs_no_more_than_its_length() {
        let deep = format!("{{\"type\":\"ping\",\"x\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(decode(&deep).map_err(|refused| refused.rejection.code), Err(ErrorCode::BadJson));
        let keys: Vec<String> = (0..20_000).map(|n| format!("\"k{n}\":0")).collect();
        let wide = format!("{{\"type\":\"ping\",{}}}", keys.join(","));
        let long = format!("{{\"type\":\"{}\"}}", "x".repeat(200_000));
        assert!(decode(&wide).is_err());
        let refused = decode(&long).expect_err("no command");
        assert!(refused.rejection.message.chars().count() <= 200);
    }

    #[test]
    fn every_command_has_a_schema_under_its_name() {
        let schemas = crate::protocol::campaign::command_schemas(&mut schemars::SchemaGenerator::default());
        assert_eq!(schemas.len(), 15);
        assert!(schemas.iter().all(|(name, _)| knows(name) && read(name, "{}").is_some()));
        let mut generator = schemars::SchemaGenerator::default();
        crate::protocol::campaign::command_schemas(&mut generator);
        assert!(generator.definitions()["hex:reveal"]["required"].as_array().is_some_and(|names| names.contains(&json!("type"))));
    }

    #[test]
    fn an_event_has_a_name_and_no_type() {
        let wanted = Ok(Decoded { id: CommandId::parse("a"), body: Body::Command(Command::DeleteToken { token_id: "t".into() }) });
        assert_eq!(decode_event("token:delete", r#"{"tokenId":"t","id":"a"}"#), wanted);
        assert_eq!(decode_event("ping", "{}"), Ok(Decoded { id: None, body: Body::Ping }));
        let refused = |name, fields| decode_event(name, fields).map_err(|refused| (refused.rejection.code, refused.rejection.message));
        for fields in [r#"{"tokenId":"t","type":"token:delete"}"#, r#"{"tokenId":"t","type":null}"#] {
            assert_eq!(refused("token:delete", fields), Err((ErrorCode::BadMessage, "unknown field `type`".into())));
        }
        let no_object = "the argument of an event is a JSON object";
        assert_eq!(refused("token:delete", "null"), Err((ErrorCode::BadMessage, no_object.into())));
        assert_eq!(refused("token:delete", "{}"), Err((ErrorCode::BadMessage, "missing field `tokenId`".into())));
        assert_eq!(refused("no:such", "{}"), Err((ErrorCode::BadMessage, "type: unknown command `no:such`".into())));
        assert_eq!(refused("ping", "nope").map_err(|(code, _)| code), Err(ErrorCode::BadJson));
        assert!(knows("ping") && !knows("no:such"));
    }
}
