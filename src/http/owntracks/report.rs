//! What the app reports. No complaint repeats a value: it may be where somebody is.

use serde_json::Value;

use crate::http::refusal::Refusal;
use crate::protocol::circle::command::Position;
use crate::protocol::error::ErrorCode;
use crate::protocol::time::Timestamp;

/// Messages of one request.
const MESSAGES_MAX: usize = 1_000;
/// Characters of a device's name; more are cut off.
const DEVICE_CHARS_MAX: usize = 64;
/// `vel` is in km/h.
const KMH_PER_MS: f64 = 3.6;

/// A point of one of the user's devices.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Report {
    pub device: String,
    pub position: Position,
}

/// The locations of a message, or of a list of messages. Whatever else the app tells is passed over.
pub(super) fn read(body: &Value, header: Option<&str>, now: Timestamp) -> Result<Vec<Report>, Refusal> {
    match body {
        Value::Object(_) => Ok(message(body, header, now)?.into_iter().collect()),
        Value::Array(messages) if messages.len() > MESSAGES_MAX => {
            Err(Refusal::new(ErrorCode::TooLarge, format!("At most {MESSAGES_MAX} messages can come at once")))
        }
        Value::Array(messages) => messages.iter().filter_map(|one| message(one, header, now).transpose()).collect(),
        _ => Err(Refusal::new(ErrorCode::BadMessage, "The body must be a message of OwnTracks, or a list of them")),
    }
}

fn message(message: &Value, header: Option<&str>, now: Timestamp) -> Result<Option<Report>, Refusal> {
    let Some(kind) = message.get("_type").and_then(Value::as_str) else {
        return Err(Refusal::bad_field("_type", "must be a string"));
    };
    if kind != "location" {
        return Ok(None);
    }
    let number = |name: &str| message.get(name).and_then(Value::as_f64);
    let within = |name: &str, min: f64, max: f64| number(name).filter(|value| (min..=max).contains(value));
    let required = |name: &str, min: f64, max: f64| {
        within(name, min, max).ok_or_else(|| Refusal::bad_field(name, format_args!("must be a number from {min} to {max}")))
    };
    // A phone whose clock is ahead is here at this moment.
    let seconds = number("tst").filter(|seconds| *seconds >= 0.0).ok_or_else(|| Refusal::bad_field("tst", "must be seconds since 1970"))?;
    let measured_at = Timestamp::from_ms((seconds * 1_000.0) as i64).min(now);
    let position = Position {
        latitude: required("lat", -90.0, 90.0)?,
        longitude: required("lon", -180.0, 180.0)?,
        // The app writes a negative accuracy for one that it does not know.
        accuracy: number("acc").unwrap_or(0.0).max(0.0),
        timestamp: measured_at,
        altitude: number("alt"),
        speed: number("vel").filter(|speed| *speed >= 0.0).map(|speed| speed / KMH_PER_MS),
        heading: within("cog", 0.0, 360.0),
        battery: within("batt", 0.0, 100.0),
    };
    Ok(Some(Report { device: device(message, header), position }))
}

/// `owntracks/user/device` is the topic of a message that would go over MQTT.
fn device(message: &Value, header: Option<&str>) -> String {
    let text = |name: &str| message.get(name).and_then(Value::as_str);
    let topic = text("topic").and_then(|topic| topic.rsplit('/').next());
    let named = [topic, header, text("tid")].into_iter().flatten().find(|name| !name.is_empty());
    named.unwrap_or_default().chars().take(DEVICE_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::from_ms(1_760_000_000_000);

    fn reports(body: Value) -> Result<Vec<Report>, Refusal> {
        read(&body, Some("header"), NOW)
    }

    #[test]
    fn a_location_is_read_in_the_units_of_the_app() {
        let body = json!({"_type": "location", "tst": 1_759_999_000, "lat": 52.5, "lon": 13.25, "acc": 12, "alt": 34, "vel": 36, "cog": 270,
            "batt": 81, "tid": "an", "topic": "owntracks/anna/phone", "conn": "w", "created_at": 1_759_999_001});
        let position = Position {
            latitude: 52.5,
            longitude: 13.25,
            accuracy: 12.0,
            timestamp: Timestamp::from_ms(1_759_999_000_000),
            altitude: Some(34.0),
            speed: Some(10.0),
            heading: Some(270.0),
            battery: Some(81.0),
        };
        assert!(reports(body) == Ok(vec![Report { device: "phone".into(), position }]));
    }

    #[test]
    fn a_device_is_named_by_its_topic_else_by_the_header_else_by_its_two_letters() {
        let plain = json!({"_type": "location", "tst": 1, "lat": 0, "lon": 0, "tid": "an"});
        let device = |body: &Value, header| read(body, header, NOW).map(|reports| reports[0].device.clone());
        assert_eq!(device(&plain, Some("header")), Ok("header".into()));
        assert_eq!(device(&plain, None), Ok("an".into()));
        assert_eq!(device(&json!({"_type": "location", "tst": 1, "lat": 0, "lon": 0}), None), Ok("".into()));
    }

    #[test]
    fn a_point_of_tomorrow_is_of_now_and_what_is_out_of_its_range_is_not_there() {
        let body = json!({"_type": "location", "tst": 4e18, "lat": -90, "lon": 180, "acc": -1, "vel": -1, "cog": -1, "batt": 101});
        let read = reports(body).expect("is a location").remove(0).position;
        assert_eq!((read.timestamp, read.accuracy, read.speed, read.heading, read.battery), (NOW, 0.0, None, None, None));
    }

    #[test]
    fn other_messages_are_passed_over_and_a_list_keeps_its_order() {
        let at = |tst: i64| json!({"_type": "location", "tst": tst, "lat": 0, "lon": 0});
        assert!(reports(json!({"_type": "waypoint", "lat": 1})) == Ok(vec![]));
        let times: Vec<i64> =
            reports(json!([at(2), {"_type": "lwt"}, at(1)])).expect("is a list").iter().map(|r| r.position.timestamp.ms()).collect();
        assert_eq!(times, [2_000, 1_000]);
    }

    #[test]
    fn a_complaint_names_the_field_and_not_its_value() {
        let good = json!({"_type": "location", "tst": 1, "lat": 48.137, "lon": 11.575});
        for (field, value) in
            [("lat", json!(91.12345)), ("lat", json!("48.137")), ("lon", json!(-180.5)), ("tst", json!(-1)), ("tst", json!(null))]
        {
            let mut body = good.clone();
            body[field] = value;
            let Refusal(rejection) = reports(body).expect_err(field);
            assert!(rejection.message.starts_with(field) && !rejection.message.contains("48.1") && !rejection.message.contains(".5"));
        }
        for body in [json!(1), json!({"lat": 1}), json!([1]), json!({"_type": 1})] {
            assert_eq!(reports(body).expect_err("is no message").0.code, ErrorCode::BadMessage);
        }
    }
}
