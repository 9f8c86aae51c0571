//! What a client may send to a circle.

use crate::protocol::circle::command::{Command, Query};
use crate::protocol::circle::commands::read;
use crate::protocol::decode::{self, Decoded, Refused};
use crate::protocol::ids::CircleId;

/// What a client asks of a circle, or of all circles that it is in.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// Answered by the connection itself.
    Ping,
    /// For this circle; without one, for all that the connection is in. A connection to one circle must name that one or none.
    Command(Command, Option<CircleId>),
    Query(Query),
}

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
    use crate::protocol::circle::command::Point;
    use crate::protocol::circle::{command_schemas, knows};
    use crate::protocol::error::ErrorCode;

    const GOLDEN: &str = include_str!("../../../tests/golden/circle-commands.json");

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Case {
        text: String,
        id: Option<String>,
        /// A command as it is serialized; a question as it is written for debugging.
        means: Option<Value>,
        circle: Option<String>,
        code: Option<String>,
        message: Option<String>,
    }

    fn cases() -> Vec<Case> {
        serde_json::from_str(GOLDEN).expect("golden file")
    }

    fn meaning(body: Body) -> (Value, Option<String>) {
        match body {
            Body::Ping => (json!("ping"), None),
            Body::Command(command, circle) => (json!(command), circle.map(|id| id.to_string())),
            Body::Query(query) => (json!(format!("{query:?}")), None),
        }
    }

    #[test]
    fn every_golden_frame_is_read_or_refused_as_written() {
        for case in cases() {
            let Case { text, id, means, circle, code, message } = case;
            match decode(&text) {
                Ok(Decoded { id: got, body }) => {
                    assert_eq!((Some(meaning(body)), None), (means.map(|means| (means, circle)), code), "{text}");
                    assert_eq!(got.map(|id| id.as_str().to_owned()), id, "{text}");
                }
                Err(Refused { id: got, rejection }) => {
                    let said = message.as_ref().map(|_| rejection.message.clone());
                    assert_eq!((Some(rejection.code.as_str().to_owned()), said), (code, message), "{text}: {}", rejection.message);
                    assert_eq!(got.map(|id| id.as_str().to_owned()), id, "{text}");
                }
            }
        }
    }

    #[test]
    fn an_event_means_what_the_frame_with_its_name_means() {
        for Case { text, .. } in cases().into_iter().filter(|case| case.code.is_none()) {
            let mut fields: serde_json::Map<String, Value> = serde_json::from_str(&text).expect("an object");
            let Some(Value::String(name)) = fields.remove("type") else { panic!("{text}") };
            assert_eq!(decode_event(&name, &json!(fields).to_string()), decode(&text), "{text}");
            assert_eq!(decode_event(&name, &text).map_err(|refused| refused.rejection.code), Err(ErrorCode::BadMessage));
            assert!(knows(&name));
        }
        assert!(!knows("message:send") && !knows("circle:delete"));
    }

    fn sealed(ciphertext: usize, nonce: usize) -> bool {
        let frame = json!({"type": "location:update", "ciphertext": "A".repeat(ciphertext), "nonce": "A".repeat(nonce), "keyVersion": 1});
        decode(&frame.to_string()).is_ok()
    }

    #[test]
    fn a_seal_has_four_kibibytes_decoded_at_the_most() {
        assert!(sealed(5_440, 20), "4,080 and 15 bytes");
        assert!(sealed(5_440, 22), "4,080 and 16 bytes");
        assert!(!sealed(5_440, 23), "4,080 and 17 bytes");
        assert!(!sealed(0, 16) && !sealed(16, 0) && !sealed(17, 16));
    }

    #[test]
    fn a_position_is_nowhere_to_be_read_but_in_itself() {
        let frame = json!({"type": "location:update", "latitude": 47.123, "longitude": 8.456, "accuracy": 5, "timestamp": 1});
        let decoded = decode(&frame.to_string()).expect("is good");
        let text = format!("{decoded:?}");
        assert!(!text.contains("47.") && !text.contains("8.4"), "{text}");
        let wrong = decode(&frame.to_string().replace("47.123", "147.123")).expect_err("is beyond the pole");
        assert!(!wrong.rejection.message.contains("147"), "{wrong:?}");
    }

    /// With the digits that a receiver gives.
    fn number() -> impl Strategy<Value = f64> {
        let measured = (-200.0..400.0f64).prop_map(|number| (number * 1e7).round() / 1e7);
        prop_oneof![measured, Just(-90.0), Just(90.0), Just(-180.0), Just(180.0), Just(0.0), Just(360.0), Just(100.0), Just(1e300)]
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text in "\\PC{0,80}", name in "[a-z:A-Z]{0,20}") {
            let _ = decode(&text);
            let _ = decode_event(&name, &text);
        }

        #[test]
        fn a_golden_frame_with_a_wound_is_read_or_refused_without_a_panic(case in 0..60usize, at in 0..160usize, with in any::<char>()) {
            let cases = cases();
            let mut chars: Vec<char> = cases[case % cases.len()].text.chars().collect();
            if let Some(place) = chars.get_mut(at) {
                *place = with;
            }
            let _ = decode(&chars.into_iter().collect::<String>());
        }

        #[test]
        fn a_position_is_taken_when_every_number_is_within_its_range(
            numbers in [number(), number(), number()],
            more in prop::array::uniform4(prop::option::of(number())),
            at in 0..4_000_000_000_000i64,
        ) {
            let [latitude, longitude, accuracy] = numbers;
            let [altitude, speed, heading, battery] = more;
            let text = json!({"type": "location:update", "latitude": latitude, "longitude": longitude, "accuracy": accuracy, "timestamp": at,
                "altitude": altitude, "speed": speed, "heading": heading, "battery": battery}).to_string();
            let good = latitude.abs() <= 90.0 && longitude.abs() <= 180.0 && accuracy >= 0.0 && speed.is_none_or(|speed| speed >= 0.0)
                && heading.is_none_or(|heading| (0.0..=360.0).contains(&heading)) && battery.is_none_or(|battery| (0.0..=100.0).contains(&battery));
            match decode(&text) {
                Ok(Decoded { body: Body::Command(Command::Locate { device, point: Point::Plain(position) }, None), .. }) => {
                    prop_assert!(good && device.is_empty());
                    prop_assert_eq!((position.latitude, position.longitude, position.accuracy), (latitude, longitude, accuracy));
                    prop_assert_eq!([position.altitude, position.speed, position.heading, position.battery], more);
                    prop_assert_eq!(position.timestamp.ms(), at);
                }
                Ok(other) => prop_assert!(false, "{:?}", other),
                Err(refused) => prop_assert!(!good && refused.rejection.code == ErrorCode::BadMessage, "{:?}", refused),
            }
        }
    }

    #[test]
    fn every_frame_has_a_schema_under_its_name() {
        let mut generator = schemars::SchemaGenerator::default();
        let schemas = command_schemas(&mut generator);
        assert_eq!(schemas.len(), 5);
        assert!(schemas.iter().all(|(name, _)| knows(name) && read(name, "{}").is_some()));
        assert!(schemas.iter().all(|(name, _)| generator.definitions().contains_key(*name)), "each has a name of its own");
    }
}
