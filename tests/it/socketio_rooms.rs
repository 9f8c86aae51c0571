//! Rooms through Socket.IO, when events and packets come faster than a room answers. What is posted together is read in one turn of the server.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::campaign::Campaign;
use crate::support::http::{Person, expect_status};
use crate::support::server::Server;
use crate::support::socketio::Poll;

const SEPARATOR: &str = "\u{1e}";

fn connect(person: &Person) -> String {
    format!("40{}", json!({"token": person.token}))
}

/// A client that is in the main namespace and has been told that it is ready.
fn enter(server: &Server, person: &Person) -> Poll {
    let client = Poll::open(server);
    client.say(&connect(person));
    await_event(&client, "ready");
    client
}

#[track_caller]
fn await_event(client: &Poll, name: &str) -> Value {
    loop {
        for packet in client.read(1) {
            let event = packet.strip_prefix("42").and_then(|event| serde_json::from_str::<Value>(event).ok());
            if let Some(event) = event.filter(|event| event[0] == name) {
                return event[1].clone();
            }
        }
    }
}

/// Emits events together, and awaits what each was acknowledged with.
#[track_caller]
fn emit(client: &Poll, events: &[(&str, Value)]) -> Vec<Value> {
    let packets: Vec<String> = events.iter().enumerate().map(|(n, (name, fields))| format!("42{n}{}", json!([name, fields]))).collect();
    client.say(&packets.join(SEPARATOR));
    let mut acks = BTreeMap::new();
    while acks.len() < events.len() {
        for packet in client.read(1) {
            if let Some((n, body)) = packet.strip_prefix("43").and_then(|ack| ack.split_once('[')) {
                let n: usize = n.parse().expect("an acknowledgement has a number");
                let body: Value = serde_json::from_str(&format!("[{body}")).expect("an acknowledgement is JSON");
                assert!(acks.insert(n, body[0].clone()).is_none(), "acknowledged once: {n}");
            }
        }
    }
    acks.into_values().collect()
}

#[test]
fn a_campaign_that_is_joined_left_and_joined_at_once_hears_what_comes_after() {
    let server = Server::start(&[]);
    let campaign = Campaign::new(&server, "Dana", ["Pia"]);
    let client = enter(&server, &campaign.dm);
    let join = ("campaign:join", json!({"campaignId": campaign.id}));
    let start = ("session:start", json!({}));
    let acks = emit(&client, &[join.clone(), ("campaign:leave", json!({})), join.clone(), join, start]);
    assert_eq!(acks[3]["success"], true, "{acks:?}");
    let seq = acks[3]["seq"].as_i64().expect("is the room's");
    assert_eq!(acks[4], json!({"success": true, "seq": seq + 1}), "{acks:?}");
    // It still has its seat when all of that has settled.
    let again = emit(&client, &[("session:pause", json!({})), ("session:resume", json!({}))]);
    assert_eq!(again, [json!({"success": true, "seq": seq + 2}), json!({"success": true, "seq": seq + 3})]);
}

#[test]
fn who_is_removed_from_a_campaign_that_was_joined_twice_hears_no_more_of_it() {
    let server = Server::start(&[]);
    let campaign = Campaign::new(&server, "Dana", ["Pia"]);
    let client = enter(&server, campaign.player(0));
    let join = ("campaign:join", json!({"campaignId": campaign.id}));
    let acks = emit(&client, &[join.clone(), join]);
    assert_eq!(acks[1]["success"], true, "{acks:?}");
    campaign.remove(campaign.player(0));
    assert_eq!(await_event(&client, "error")["code"], "FORBIDDEN");
    let mut dm = campaign.dm_socket(&server);
    dm.send(&json!({"type": "session:start"}));
    dm.until_pong();
    assert_eq!(emit(&client, &[("session:start", json!({}))])[0]["error"]["code"], "INVALID_STATE");
}

#[test]
fn a_workspace_is_joined_as_soon_as_it_is_made() {
    let server = Server::start(&[]);
    let dana = Person::sign_up(&server, "Dana");
    let client = enter(&server, &dana);
    let made = expect_status(201, dana.http.post("/api/workspaces", &json!({"name": "Team"})));
    let join = ("workspace:join", json!({"workspaceId": made["id"]}));
    let acks = emit(&client, &[join.clone(), join, ("presence:fetch", json!({"workspaceId": made["id"], "userIds": [dana.id]}))]);
    assert!(acks[..2].iter().all(|ack| ack["success"] == true), "{acks:?}");
    assert_eq!(acks[2][&dana.id], "active", "{acks:?}");
}

#[test]
fn who_is_in_many_workspaces_is_in_all_of_them_when_ready() {
    let server = Server::start(&[]);
    let dana = Person::sign_up(&server, "Dana");
    let make = |n| expect_status(201, dana.http.post("/api/workspaces", &json!({"name": format!("Team {n}")})))["id"].clone();
    let workspaces: Vec<Value> = (0..40).map(make).collect();
    let client = enter(&server, &dana);
    let fetch = |workspace: &Value| ("presence:fetch", json!({"workspaceId": workspace, "userIds": [dana.id]}));
    let acks = emit(&client, &workspaces.iter().map(fetch).collect::<Vec<_>>());
    assert!(acks.iter().all(|ack| ack[&dana.id] == "active"), "{acks:?}");
}

#[test]
fn a_client_connects_again_only_when_it_is_known_what_became_of_the_first_time() {
    let server = Server::start(&[]);
    let dana = Person::sign_up(&server, "Dana");
    let hasty = Poll::open(&server);
    hasty.say(&[connect(&dana).as_str(), "41", connect(&dana).as_str()].join(SEPARATOR));
    assert!(hasty.read_to_end().iter().all(|packet| !packet.starts_with("40")));
    let patient = enter(&server, &dana);
    patient.say(&["41", connect(&dana).as_str()].join(SEPARATOR));
    await_event(&patient, "ready");
}

#[test]
fn a_client_does_not_connect_again_and_again_on_one_session() {
    let server = Server::start(&[]);
    let dana = Person::sign_up(&server, "Dana");
    let client = Poll::open(&server);
    let cycle = || {
        let sent = client.post(&connect(&dana));
        let answer = client.get();
        client.post("41");
        sent.status == 200 && answer.status == 200
    };
    assert!((0..200).any(|_| !cycle()), "the session goes on");
}
