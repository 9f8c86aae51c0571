use super::*;
use crate::protocol::hex::HexKey;
use crate::rooms::campaign::log::log_view;

/// The log as this member reads it: kinds and payloads.
fn read(table: &Table, user: &str) -> Vec<(&'static str, Value)> {
    let member = table.member(user);
    let sees = |key: HexKey| table.campaign.board().fog(key).is_some_and(|seen| seen.shows(member.no));
    let view = |row: &LogRow| Some((row.kind.label(), serde_json::from_str(&log_view(row, &member, &sees)?).expect("JSON")));
    table.log.iter().filter_map(view).collect()
}

#[test]
fn nothing_is_logged_before_a_session_starts_or_after_it_ends() {
    let mut table = Table::new();
    table.done("dm", reveal(&["0,0"], json!("all")));
    assert_eq!(table.log, []);
    for step in ["start", "pause", "resume", "end"] {
        table.done("dm", json!({"type": format!("session:{step}")}));
    }
    table.done("dm", reveal(&["1,1"], json!("all")));
    let kinds: Vec<_> = read(&table, "anna").into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["session_start", "session_pause", "session_resume", "session_end"]);
    assert_eq!(table.log.iter().map(|row| row.seq).collect::<Vec<_>>(), [2, 3, 4, 5]);
}

#[test]
fn a_player_reads_of_hexes_what_he_was_shown_then_and_sees_now() {
    let mut table = Table::new();
    table.done("dm", json!({"type": "session:start"}));
    table.done("dm", reveal(&["0,0", "1,1"], to(&["anna"])));
    table.done("dm", grow("1,1", "swamp"));
    table.done("dm", grow("2,2", "coast"));
    table.done("dm", hide(&["0,0"], json!("all")));
    table.done("dm", reveal(&["1,1"], to(&["ben"])));
    let anna = read(&table, "anna");
    assert_eq!(
        anna[1..],
        [
            ("hex_reveal", json!({"hexKeys": ["1,1"], "terrain": [{"key": "1,1", "terrain": "unknown"}]})),
            ("hex_update", json!({"changes": [{"key": "1,1", "terrain": "swamp"}]})),
        ]
    );
    assert_eq!(read(&table, "ben")[1..], [("hex_reveal", json!({"hexKeys": ["1,1"], "terrain": [{"key": "1,1", "terrain": "swamp"}]}))]);
    assert_eq!(read(&table, "cleo").len(), 1);
    let dm = read(&table, "dm");
    assert_eq!(dm.len(), 6);
    assert_eq!(dm[1].1["targets"], to(&["anna"]));
    table.done("dm", reveal(&["0,0"], to(&["anna"])));
    assert_eq!(read(&table, "anna")[3], ("hex_hide", json!({"hexKeys": ["0,0"]})), "seen again, it may be read of");
}

#[test]
fn a_player_reads_of_his_own_tokens_alone_and_of_comings_and_goings() {
    let mut table = Table::new();
    table.done("dm", json!({"type": "session:start"}));
    let id = table.done("dm", owned("0,0", "anna")).answer.token_id.expect("an id");
    table.done("dm", token("0,0"));
    table.done("anna", json!({"type": "token:move", "tokenId": id, "toHexKey": "1,1"}));
    table.done("dm", json!({"type": "broadcast:mode", "mode": "staged"}));
    let at = Moment { now: Timestamp::from_ms(9), fresh: "", seq: table.seq };
    for row in table.campaign.presence_rows(at, &table.member("ben"), true) {
        tables::write(&mut table.stored, &mut table.log, row);
    }
    let kinds = |user: &str| read(&table, user).into_iter().map(|(kind, _)| kind).collect::<Vec<_>>();
    assert_eq!(kinds("anna"), ["session_start", "token_create", "token_move", "player_join"]);
    assert_eq!(kinds("cleo"), ["session_start", "player_join"]);
    assert_eq!(kinds("dm"), ["session_start", "token_create", "token_create", "token_move", "broadcast_mode", "player_join"]);
    assert_eq!(read(&table, "cleo")[1].1, json!({"userId": "ben", "name": "BEN"}));
}

#[test]
fn a_publish_logs_every_change_that_was_made_at_one_seq() {
    let mut table = Table::new();
    table.done("dm", json!({"type": "session:start"}));
    table.done("dm", json!({"type": "broadcast:mode", "mode": "staged"}));
    table.done("dm", grow("0,0", "forest"));
    table.done("dm", reveal(&["0,0"], json!("all")));
    table.done("dm", reveal(&["1,1"], json!("all")));
    table.done("dm", hide(&["1,1"], json!("all")));
    table.done("dm", json!({"type": "broadcast:publish"}));
    let rows: Vec<_> = table.log.iter().filter(|row| row.seq == table.seq).map(|row| row.kind.label()).collect();
    assert_eq!(rows, ["hex_update", "hex_reveal", "hex_reveal", "hex_hide"]);
    assert_eq!(read(&table, "anna")[1..], [("hex_reveal", json!({"hexKeys": ["0,0"], "terrain": [{"key": "0,0", "terrain": "forest"}]}))]);
}

#[test]
fn of_what_a_publish_set_and_set_again_the_owner_reads_only_what_lasted() {
    let mut table = Table::new();
    table.done("dm", json!({"type": "session:start"}));
    let id = table.done("dm", token("0,0")).answer.token_id.expect("an id");
    table.done("dm", json!({"type": "broadcast:mode", "mode": "staged"}));
    let update = |updates: Value| json!({"type": "token:update", "tokenId": id, "updates": updates});
    table.done("dm", update(json!({"label": "Secret"})));
    table.done("dm", json!({"type": "token:move", "tokenId": id, "toHexKey": "1,1"}));
    table.done("dm", update(json!({"label": "Open", "ownerId": "anna"})));
    let other = table.done("dm", owned("2,2", "anna")).answer.token_id.expect("an id");
    table.done("dm", json!({"type": "token:move", "tokenId": other, "toHexKey": "3,3"}));
    table.done("dm", json!({"type": "broadcast:publish"}));
    assert_eq!(read(&table, "anna")[1..], [("token_update", json!({"tokenId": id, "updates": {"label": "Open", "ownerId": "anna"}}))]);
}
