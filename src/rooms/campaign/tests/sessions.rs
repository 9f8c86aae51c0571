use super::*;

fn session(step: &str) -> Value {
    json!({"type": format!("session:{step}")})
}

#[test]
fn a_session_goes_only_where_its_transition_table_leads() {
    const ACTIVE: &[&str] = &["start"];
    const PAUSED: &[&str] = &["start", "pause"];
    const ENDED: &[&str] = &["start", "end"];
    let table: [(&[&str], &str, Result<&str, &str>); 16] = [
        (&[], "start", Ok("active")),
        (&[], "pause", Err("No active session to pause")),
        (&[], "resume", Err("No paused session to resume")),
        (&[], "end", Err("No active session to end")),
        (ACTIVE, "start", Err("A session is already active")),
        (ACTIVE, "pause", Ok("paused")),
        (ACTIVE, "resume", Err("No paused session to resume")),
        (ACTIVE, "end", Ok("ended")),
        (PAUSED, "start", Err("A session is paused: resume it or end it first")),
        (PAUSED, "pause", Err("No active session to pause")),
        (PAUSED, "resume", Ok("active")),
        (PAUSED, "end", Ok("ended")),
        (ENDED, "start", Ok("active")),
        (ENDED, "pause", Err("No active session to pause")),
        (ENDED, "resume", Err("No paused session to resume")),
        (ENDED, "end", Err("No active session to end")),
    ];
    for (before, step, expected) in table {
        let mut campaign = Table::new();
        before.iter().for_each(|step| drop(campaign.done("dm", session(step))));
        match expected {
            Ok(status) => {
                let done = campaign.done("dm", session(step));
                let heard = campaign.heard(&done);
                assert_eq!(heard.len(), 4, "everybody hears of it");
                assert!(heard.iter().all(|(_, frames)| frames[0]["type"] == "session:statusChanged" && frames[0]["status"] == status));
                assert_eq!(campaign.view("anna")[0]["status"], status);
            }
            Err(message) => refused(campaign.send("dm", session(step)), ErrorCode::InvalidState, message),
        }
    }
}

#[test]
fn a_session_that_starts_again_is_another_one() {
    let mut table = Table::new();
    ["start", "end", "start"].iter().for_each(|step| drop(table.done("dm", session(step))));
    assert_eq!(table.view("anna")[0]["sessionId"], "f3");
    assert_eq!(
        table.log.iter().map(|row| (row.session.as_str(), row.kind.label())).collect::<Vec<_>>(),
        [("f1", "session_start"), ("f1", "session_end"), ("f3", "session_start")]
    );
}

#[test]
fn a_player_who_sends_a_dms_command_is_refused_by_its_name_whatever_the_state() {
    let mut table = Table::new();
    for frame in [
        session("pause"),
        json!({"type": "broadcast:mode", "mode": "staged"}),
        json!({"type": "broadcast:publish"}),
        json!({"type": "staged:undo", "index": 0}),
        reveal(&["0,0"], json!("all")),
        hide(&["0,0"], to(&["nobody"])),
        grow("0,0", "forest"),
        token("0,0"),
        json!({"type": "token:delete", "tokenId": "none"}),
        json!({"type": "token:move", "tokenId": "none", "toHexKey": "0,0"}),
        json!({"type": "token:update", "tokenId": "none", "updates": {}}),
    ] {
        let message = format!("Action '{}' is restricted to the DM", frame["type"].as_str().expect("a type"));
        refused(table.send("anna", frame), ErrorCode::Forbidden, &message);
    }
    let map = Command::ReplaceMap { hexes: Vec::new(), size: None };
    refused(table.ask("anna", map), ErrorCode::Forbidden, "Action 'map:replace' is restricted to the DM");
    refused(table.ask("nobody", Command::Publish {}), ErrorCode::Forbidden, "Action 'broadcast:publish' is restricted to the DM");
}

#[test]
fn setting_the_mode_that_is_set_changes_nothing() {
    let mut table = Table::new();
    assert!(!table.done("dm", json!({"type": "broadcast:mode", "mode": "immediate"})).changed);
    let done = table.done("dm", json!({"type": "broadcast:mode", "mode": "staged"}));
    assert!(table.heard(&done).iter().all(|(_, frames)| frames == &[json!({"type": "dm:preparing", "preparing": true})]));
    assert_eq!(table.heard(&done).len(), 4);
}

#[test]
fn a_view_lists_all_members_with_who_is_online() {
    let table = Table::new();
    let view = table.campaign.view_for(&table.member("ben"), &|no| no == MemberNo(1));
    let state = json!(view[0]);
    assert_eq!(kinds(&[state.clone(), json!(view[1])]), ["session:state", "token:state"]);
    assert_eq!(state["connectedPlayers"][0], json!({"userId": "dm", "name": "DM", "online": false}));
    assert_eq!(state["connectedPlayers"][1], json!({"userId": "anna", "name": "ANNA", "online": true}));
    assert_eq!((state.get("visibility"), state.get("sessionId")), (None, None));
    assert_eq!(kinds(&table.view("dm")), ["session:state", "staged:changes", "token:state"]);
}
