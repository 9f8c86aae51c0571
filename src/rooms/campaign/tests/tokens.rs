use super::*;
use crate::protocol::limits::TOKENS_MAX;

fn shift(id: &str, to: &str) -> Value {
    json!({"type": "token:move", "tokenId": id, "toHexKey": to})
}

fn change(id: &str, updates: Value) -> Value {
    json!({"type": "token:update", "tokenId": id, "updates": updates})
}

/// `(user, kinds of frames)` of what was heard by players.
fn players(table: &Table, done: &Done) -> Vec<(String, String)> {
    let heard = table.heard(done).into_iter().filter(|(user, _)| user != "dm");
    heard.map(|(user, frames)| (user, kinds(&frames).join(" "))).collect()
}

fn heard(user: &str, kinds: &str) -> (String, String) {
    (user.to_owned(), kinds.to_owned())
}

#[test]
fn a_token_is_created_with_the_fresh_id_and_seen_where_the_hex_is_seen() {
    let mut table = Table::new();
    table.done("dm", reveal(&["0,0"], to(&["anna"])));
    let done = table.done("dm", token("0,0"));
    assert_eq!(json!(done.answer), json!({"tokenId": "f2"}));
    assert_eq!(players(&table, &done), [heard("anna", "token:created")]);
    let expected = json!({"id": "f2", "hexKey": "0,0", "ownerId": null, "label": "Orc", "icon": "o", "color": "#00ff00",
        "tokenType": "npc", "visible": true});
    assert_eq!(table.view("anna")[1]["tokens"], json!([expected]));
    assert_eq!(table.view("ben")[1]["tokens"], json!([]));
}

#[test]
fn whatever_makes_a_token_appear_or_vanish_is_told_as_that() {
    let mut table = Table::new();
    table.done("dm", reveal(&["0,0"], json!("all")));
    let id = table.done("dm", token("5,5")).answer.token_id.expect("an id").to_string();
    let mut told = |frame| {
        let done = table.done("dm", frame);
        players(&table, &done)
    };
    let all = |kinds: &str| ["anna", "ben", "cleo"].map(|user| heard(user, kinds)).to_vec();
    assert_eq!(told(shift(&id, "0,0")), all("token:created"), "a move onto a seen hex");
    assert_eq!(told(change(&id, json!({"label": "Ork"}))), all("token:updated"));
    assert_eq!(told(hide(&["0,0"], to(&["ben"]))), [heard("ben", "hex:hidden token:deleted")]);
    assert_eq!(told(change(&id, json!({"visible": false}))), [heard("anna", "token:deleted"), heard("cleo", "token:deleted")]);
    assert_eq!(told(change(&id, json!({"ownerId": "ben"}))), [heard("ben", "token:created")], "his own, unseen");
    assert_eq!(told(shift(&id, "7,7")), [heard("ben", "token:moved")]);
    assert_eq!(told(reveal(&["7,7"], json!("all"))), all("hex:revealed"), "an invisible token stays so");
    assert_eq!(
        told(change(&id, json!({"visible": true, "ownerId": null}))),
        [heard("anna", "token:created"), heard("ben", "token:updated"), heard("cleo", "token:created")]
    );
    assert_eq!(told(hide(&["7,7"], json!("all"))), all("hex:hidden token:deleted"));
    assert_eq!(told(reveal(&["7,7"], to(&["cleo"]))), [heard("cleo", "hex:revealed token:created")], "a reveal under it");
    assert_eq!(told(json!({"type": "token:delete", "tokenId": id})), [heard("cleo", "token:deleted")]);
}

#[test]
fn a_player_moves_and_dresses_up_only_his_own_token() {
    let mut table = Table::new();
    let id = table.done("dm", owned("0,0", "anna")).answer.token_id.expect("an id").to_string();
    let message = "No active session to move a token in";
    refused(table.send("anna", shift(&id, "3,3")), ErrorCode::InvalidState, message);
    table.done("dm", json!({"type": "session:start"}));
    assert_eq!(
        table.done("anna", shift(&id, "3,3")).told(&table.member("dm")),
        [json!({"type": "token:moved", "tokenId": id, "fromHexKey": "0,0", "toHexKey": "3,3", "movedBy": "anna"})]
    );
    assert!(!table.done("anna", shift(&id, "3,3")).changed);
    assert!(table.done("anna", change(&id, json!({"label": "Me", "icon": "x", "color": "#123456"}))).changed);
    let update = "Action 'token:update' is restricted to the DM";
    refused(table.send("anna", change(&id, json!({"visible": false}))), ErrorCode::Forbidden, update);
    refused(table.send("anna", change(&id, json!({"ownerId": null}))), ErrorCode::Forbidden, update);
    refused(table.send("ben", change(&id, json!({"label": "x"}))), ErrorCode::Forbidden, update);
    refused(table.send("ben", shift(&id, "0,0")), ErrorCode::Forbidden, "Action 'token:move' is restricted to the DM");
    table.done("dm", json!({"type": "session:pause"}));
    refused(table.send("anna", shift(&id, "4,4")), ErrorCode::InvalidState, message);
    assert!(table.done("dm", shift(&id, "4,4")).changed, "a DM moves tokens always");
}

#[test]
fn a_token_that_is_not_there_is_not_found_and_so_is_an_owner_who_is_no_member() {
    let mut table = Table::new();
    refused(table.send("dm", shift("none", "0,0")), ErrorCode::NotFound, "No such token");
    refused(table.send("dm", owned("0,0", "stranger")), ErrorCode::NotFound, "ownerId: not a member of this campaign");
    let id = table.done("dm", owned("0,0", "dm")).answer.token_id.expect("an id").to_string();
    refused(table.send("dm", change(&id, json!({"ownerId": "stranger"}))), ErrorCode::NotFound, "ownerId: not a member of this campaign");
    assert!(!table.done("dm", change(&id, json!({"label": "Orc", "visible": true}))).changed);
    assert!(!table.done("dm", change(&id, json!({}))).changed);
}

#[test]
fn a_campaign_has_no_more_tokens_than_its_limit() {
    let mut table = Table::new();
    (0..TOKENS_MAX).for_each(|_| drop(table.done("dm", token("0,0"))));
    refused(table.send("dm", token("0,0")), ErrorCode::TooLarge, "A campaign has at most 2000 tokens");
}
