use super::*;
use crate::protocol::campaign::command::TerrainAt;

fn mode(mode: &str) -> Value {
    json!({"type": "broadcast:mode", "mode": mode})
}

fn publish() -> Value {
    json!({"type": "broadcast:publish"})
}

/// A table in staged mode.
fn preparing() -> Table {
    let mut table = Table::new();
    table.done("dm", mode("staged"));
    table
}

fn queue(table: &Table) -> Vec<Value> {
    table.view("dm")[1]["changes"].as_array().expect("a list").clone()
}

#[test]
fn a_staged_change_is_told_to_dms_alone_and_seen_by_nobody_before_it_is_published() {
    let mut table = preparing();
    table.done("dm", grow("0,0", "forest"));
    let done = table.done("dm", reveal(&["0,0", "0,1"], json!("all")));
    let heard = table.heard(&done);
    assert_eq!(heard.len(), 1);
    assert_eq!(
        heard[0].1,
        [json!({"type": "staged:changes", "changes": [
            {"id": "f2", "description": "Change the terrain of 1 hex", "type": "hex:update",
                "data": {"changes": [{"key": "0,0", "terrain": "forest"}]}},
            {"id": "f3", "description": "Reveal 2 hexes to all", "type": "hex:reveal",
                "data": {"hexKeys": ["0,0", "0,1"], "targets": "all"}},
        ]})]
    );
    assert_eq!(table.view("anna")[0]["revealedHexes"], json!([]));
    assert_eq!(table.view("dm")[0]["visibility"], json!({}), "the DM's own view keeps the published state");
    assert_eq!(table.stored.board, StoredBoard::default());
}

#[test]
fn publishing_is_one_change_and_each_player_is_told_the_difference() {
    let mut table = Table::new();
    table.done("dm", reveal(&["0,0"], to(&["anna"])));
    table.done("dm", mode("staged"));
    table.done("dm", grow("0,0", "forest"));
    table.done("dm", grow("0,0", "swamp"));
    table.done("dm", reveal(&["0,0", "1,1"], to(&["ben"])));
    table.done("dm", reveal(&["2,2"], to(&["cleo"])));
    table.done("dm", hide(&["2,2"], json!("all")));
    let id = table.done("dm", token("9,9")).answer.token_id.expect("an id").to_string();
    table.done("dm", json!({"type": "token:move", "tokenId": id, "toHexKey": "1,1"}));
    let seq = table.seq;
    let done = table.done("dm", publish());
    assert_eq!((table.seq, json!(done.answer)), (seq + 1, json!({"skipped": []})));
    assert_eq!(done.told(&table.member("anna")), [json!({"type": "hex:updated", "changes": [{"key": "0,0", "terrain": "swamp"}]})]);
    let ben = done.told(&table.member("ben"));
    assert_eq!(kinds(&ben), ["hex:revealed", "token:created"]);
    assert_eq!(ben[0]["terrain"], json!([{"key": "0,0", "terrain": "swamp"}, {"key": "1,1", "terrain": "unknown"}]));
    assert_eq!((&ben[1]["token"]["id"], &ben[1]["token"]["hexKey"]), (&json!(id), &json!("1,1")));
    assert_eq!(done.told(&table.member("cleo")), [] as [Value; 0], "revealed and hidden again");
    assert_eq!(
        kinds(&done.told(&table.member("dm"))),
        ["hex:updated", "hex:updated", "hex:revealed", "hex:revealed", "hex:hidden", "token:created", "token:moved", "staged:changes"]
    );
    assert_eq!(queue(&table), [] as [Value; 0]);
    refused(table.send("dm", publish()), ErrorCode::InvalidState, "Nothing is staged");
}

#[test]
fn staged_mode_judges_against_the_published_board_with_the_queue_on_top() {
    let mut table = preparing();
    table.done("dm", reveal(&["0,0"], json!("all")));
    assert!(!table.done("dm", reveal(&["0,0"], to(&["anna"]))).changed, "the queue reveals it already");
    let id = table.done("dm", token("0,0")).answer.token_id.expect("an id").to_string();
    assert!(!table.done("dm", json!({"type": "token:move", "tokenId": id, "toHexKey": "0,0"})).changed);
    table.done("dm", json!({"type": "token:delete", "tokenId": id}));
    refused(table.send("dm", json!({"type": "token:delete", "tokenId": id})), ErrorCode::NotFound, "No such token");
    table.done("dm", mode("immediate"));
    refused(table.send("dm", json!({"type": "token:delete", "tokenId": id})), ErrorCode::NotFound, "No such token");
    assert_eq!(queue(&table).len(), 3, "the queue stays when the mode changes");
}

#[test]
fn a_staged_change_is_undone_by_its_place_or_its_id() {
    let mut table = preparing();
    for key in ["0,0", "1,1", "2,2"] {
        table.done("dm", grow(key, "forest"));
    }
    let undo = |at: Value| json!({"type": "staged:undo", "index": at});
    table.done("dm", undo(json!(1)));
    let id = queue(&table)[1]["id"].clone();
    table.done("dm", json!({"type": "staged:undo", "changeId": id}));
    assert_eq!(queue(&table).len(), 1);
    refused(table.send("dm", undo(json!(1))), ErrorCode::NotFound, "No such staged change");
    refused(table.send("dm", json!({"type": "staged:undo", "changeId": id})), ErrorCode::NotFound, "No such staged change");
    assert!(table.done("dm", grow("1,1", "forest")).changed, "what was undone is not on the board");
}

#[test]
fn what_no_longer_applies_is_skipped_and_targets_that_are_left_get_it() {
    let mut table = Table::new();
    let id = table.done("dm", token("0,0")).answer.token_id.expect("an id").to_string();
    table.done("dm", mode("staged"));
    table.done("dm", reveal(&["0,0"], to(&["anna", "ben"])));
    table.done("dm", reveal(&["1,1"], to(&["anna"])));
    table.done("dm", json!({"type": "token:move", "tokenId": id, "toHexKey": "1,1"}));
    table.done("dm", mode("immediate"));
    table.done("dm", json!({"type": "token:delete", "tokenId": id}));
    table.ask("anna", Command::RemoveMember { user: "anna".into() }).expect("leaves");
    let done = table.done("dm", publish());
    assert_eq!(
        json!(done.answer),
        json!({"skipped": [
            {"id": "f4", "reason": "All its targets have left the campaign"},
            {"id": "f5", "reason": "No such token"},
        ]})
    );
    assert_eq!(kinds(&done.told(&table.member("ben"))), ["hex:revealed"]);
    assert_eq!(done.told(&table.member("dm"))[0]["targets"], to(&["ben"]));
}

#[test]
fn a_players_own_token_moves_at_once_also_in_staged_mode() {
    let mut table = Table::new();
    table.done("dm", json!({"type": "session:start"}));
    let id = table.done("dm", owned("0,0", "anna")).answer.token_id.expect("an id").to_string();
    table.done("dm", mode("staged"));
    let shift = |to: &str| json!({"type": "token:move", "tokenId": id, "toHexKey": to});
    table.done("dm", shift("5,5"));
    let done = table.done("anna", shift("1,1"));
    assert_eq!(kinds(&done.told(&table.member("anna"))), ["token:moved"]);
    let done = table.done("dm", publish());
    assert_eq!(done.told(&table.member("anna"))[0]["fromHexKey"], "1,1");
}

#[test]
fn a_staged_map_replaces_the_terrain_when_it_is_published() {
    let mut table = preparing();
    table.done("dm", mode("immediate"));
    table.done("dm", reveal(&["0,0"], to(&["anna"])));
    table.done("dm", mode("staged"));
    let hex = |key: &str| -> TerrainAt { serde_json::from_value(json!({"key": key, "terrain": "coast"})).expect("a hex") };
    let map = Command::ReplaceMap { hexes: vec![hex("0,0"), hex("2,1")], size: None };
    let done = table.ask("dm", map.clone()).expect("staged");
    assert_eq!(table.heard(&done).len(), 1);
    assert_eq!(queue(&table)[0]["data"], json!({"hexes": 2}));
    assert!(!table.ask("dm", map).expect("judged").changed);
    let done = table.done("dm", publish());
    let replaced = json!({"type": "map:replaced", "gridWidth": 3, "gridHeight": 3});
    assert!(["anna", "ben", "cleo"].iter().all(|user| done.told(&table.member(user)) == [replaced.clone()]));
    assert_eq!(done.told(&table.member("dm"))[0], replaced);
}

#[test]
fn the_queue_outlives_the_session_and_a_reload_and_has_a_limit() {
    let mut table = preparing();
    table.done("dm", json!({"type": "session:start"}));
    for n in 0..500 {
        table.done("dm", grow(&format!("{n},0"), "forest"));
    }
    refused(table.send("dm", grow("0,1", "forest")), ErrorCode::TooLarge, "At most 500 changes can wait to be published");
    assert!(!table.done("dm", grow("0,0", "forest")).changed, "what changes nothing is no matter of limits");
    table.done("dm", json!({"type": "session:end"}));
    let table = Table::load(table.stored);
    assert_eq!(queue(&table).len(), 500);
}

#[test]
fn posted_maps_that_wait_have_a_limit_together() {
    let mut table = preparing();
    let row = |n: i32| (0..100_000).filter_map(move |i| crate::protocol::hex::HexKey::new(i % 1_000 + n, i / 1_000));
    let terrain = crate::protocol::hex::Terrain::unknown();
    let map = |n| row(n).map(|key| TerrainAt { key, terrain: terrain.clone(), terrain_variant: 0 }).collect();
    for n in 0..10 {
        table.ask("dm", Command::ReplaceMap { hexes: map(n), size: None }).expect("staged");
    }
    let eleventh = table.ask("dm", Command::ReplaceMap { hexes: map(10), size: None });
    refused(eleventh, ErrorCode::TooLarge, "Changes of at most 1000000 hexes can wait to be published");
}
