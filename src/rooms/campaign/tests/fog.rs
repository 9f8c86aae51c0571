use super::*;
use crate::protocol::campaign::command::TerrainAt;
use crate::protocol::hex::{HexKey, Terrain};
use crate::rooms::campaign::fog::Visibility;
use crate::rooms::kernel::Audience;
use crate::rooms::members::MemberSet;

/// What the player sees of the fog in a fresh view.
fn sees(table: &Table, user: &str) -> Value {
    table.view(user)[0]["revealedHexes"].clone()
}

fn join(table: &mut Table, user: &str) {
    let code = "code".to_owned();
    let link = Command::CreateInviteLink { code: code.clone(), expires_at: Timestamp::from_ms(i64::MAX), max_uses: None };
    table.ask("dm", link).expect("a link");
    table.ask("", Command::AcceptInviteLink { code, user: user.into(), name: user.to_uppercase() }).expect("joins");
}

#[test]
fn a_targeted_reveal_sends_the_other_players_nothing() {
    let mut table = Table::new();
    table.done("dm", grow("1,2", "forest"));
    let done = table.done("dm", reveal(&["1,2", "0,0", "1,2"], to(&["anna"])));
    let terrain = json!([{"key": "0,0", "terrain": "unknown"}, {"key": "1,2", "terrain": "forest"}]);
    let frame = json!({"type": "hex:revealed", "hexKeys": ["0,0", "1,2"], "terrain": terrain});
    let mut dm = frame.clone();
    dm["targets"] = to(&["anna"]);
    assert_eq!(table.heard(&done), [("dm".to_owned(), vec![dm]), ("anna".to_owned(), vec![frame])]);
    assert_eq!(table.view("dm")[0]["visibility"], json!({"0,0": ["anna"], "1,2": ["anna"]}));
}

#[test]
fn revealing_what_is_revealed_changes_nothing_also_in_part() {
    let mut table = Table::new();
    table.done("dm", reveal(&["0,0"], json!("all")));
    assert!(!table.done("dm", reveal(&["0,0"], json!("all"))).changed);
    assert!(!table.done("dm", reveal(&["0,0"], to(&["ben"]))).changed);
    assert!(!table.done("dm", hide(&["5,5"], json!("all"))).changed);
    let done = table.done("dm", reveal(&["0,0", "0,1"], json!("all")));
    assert!(table.heard(&done).iter().all(|(_, frames)| frames[0]["hexKeys"] == json!(["0,1"])));
}

#[test]
fn a_reveal_to_all_shows_a_hex_to_who_joins_later_and_one_to_players_does_not() {
    let mut table = Table::new();
    table.done("dm", reveal(&["0,0"], json!("all")));
    table.done("dm", reveal(&["1,1"], to(&["anna", "ben", "cleo"])));
    join(&mut table, "dora");
    assert_eq!(sees(&table, "dora"), json!(["0,0"]));
    let done = table.done("dm", reveal(&["1,1"], json!("all")));
    let heard: Vec<_> = table.heard(&done).into_iter().map(|(user, _)| user).collect();
    assert_eq!(heard, ["dm", "dora"], "the others saw it before");
}

#[test]
fn a_reveal_to_all_of_what_all_see_is_a_change_for_later_ones_that_only_the_dm_hears_of() {
    let mut table = Table::new();
    table.done("dm", reveal(&["1,1"], to(&["anna", "ben", "cleo"])));
    let done = table.done("dm", reveal(&["1,1"], json!("all")));
    assert!(done.changed);
    assert_eq!(table.heard(&done).len(), 1);
    join(&mut table, "dora");
    assert_eq!(sees(&table, "dora"), json!(["1,1"]));
}

#[test]
fn a_hide_for_some_leaves_the_others_and_later_ones_seeing() {
    let mut table = Table::new();
    table.done("dm", reveal(&["0,0"], json!("all")));
    let done = table.done("dm", hide(&["0,0"], to(&["ben"])));
    assert_eq!(done.told(&table.member("ben")), [json!({"type": "hex:hidden", "hexKeys": ["0,0"]})]);
    assert_eq!(table.heard(&done).len(), 2);
    join(&mut table, "dora");
    assert_eq!([sees(&table, "anna"), sees(&table, "ben"), sees(&table, "dora")], [json!(["0,0"]), json!([]), json!(["0,0"])]);
    assert_eq!(table.view("dm")[0]["visibility"], json!({"0,0": {"except": ["ben"]}}));
    table.done("dm", reveal(&["0,0"], to(&["ben"])));
    assert_eq!(table.view("dm")[0]["visibility"], json!({"0,0": "all"}));
    table.done("dm", hide(&["0,0"], json!("all")));
    assert_eq!(table.view("dm")[0]["visibility"], json!({}));
    assert_eq!(table.stored.board.fog, []);
}

#[test]
fn targets_that_are_no_players_of_the_campaign_are_not_found_and_nothing_is_done() {
    let mut table = Table::new();
    for players in [["anna", "stranger"], ["anna", "dm"]] {
        let result = table.send("dm", reveal(&["0,0"], to(&players)));
        refused(result, ErrorCode::NotFound, "playerIds: not all are players of this campaign");
    }
    assert_eq!(table.stored.board.fog, []);
}

#[test]
fn new_terrain_is_told_to_the_dm_whole_and_to_players_where_they_see() {
    let mut table = Table::new();
    table.done("dm", reveal(&["0,0"], to(&["anna"])));
    let changes = json!([{"key": "0,0", "terrain": "swamp", "terrainVariant": 3}, {"key": "9,9", "terrain": "coast"}]);
    let done = table.done("dm", json!({"type": "hex:update", "changes": changes}));
    let cut = json!({"type": "hex:updated", "changes": [changes[0]]});
    assert_eq!(
        table.heard(&done),
        [("dm".to_owned(), vec![json!({"type": "hex:updated", "changes": changes})]), ("anna".to_owned(), vec![cut])]
    );
    assert!(!table.done("dm", grow("9,9", "coast")).changed);
    assert!(table.done("dm", json!({"type": "hex:update", "changes": [{"key": "9,9", "terrain": "coast", "terrainVariant": 1}]})).changed);
}

#[test]
fn players_of_one_view_share_one_part() {
    let users: Vec<String> = (0..500).map(|n| format!("u{n}")).collect();
    let mut table = Table::of(&users.iter().map(String::as_str).collect::<Vec<_>>());
    table.done("u0", reveal(&["0,0"], to(&["u7", "u8"])));
    let done = table.done("u0", reveal(&["0,0", "1,1"], json!("all")));
    let sizes = done.effects.parts.iter().map(|part| match &part.to {
        Audience::Members(players) => players.len(),
        _ => 0,
    });
    assert_eq!(sizes.collect::<Vec<_>>(), [0, 497, 2]);
}

#[test]
fn a_map_has_no_more_hexes_than_its_limit_stored_or_revealed() {
    let mut table = Table::new();
    let all = (0..100_000).filter_map(|n| HexKey::new(n % 1_000, n / 1_000));
    table.stored.board.fog = all.clone().map(|key| (key, Visibility::Everyone { except: MemberSet::new() })).collect();
    table.stored.board.hexes = all.map(|key| TerrainAt { key, terrain: Terrain::unknown(), terrain_variant: 0 }).collect();
    let mut table = Table::load(table.stored);
    refused(table.send("dm", reveal(&["9999,0"], json!("all"))), ErrorCode::TooLarge, "A campaign has at most 100000 revealed hexes");
    refused(table.send("dm", grow("9999,0", "forest")), ErrorCode::TooLarge, "A campaign has at most 100000 hexes");
    assert!(table.done("dm", grow("0,0", "forest")).changed, "what is there can be changed");
    assert!(table.done("dm", hide(&["0,0"], to(&["ben"]))).changed);
}

#[test]
fn players_of_one_view_share_one_part_however_many_they_are() {
    let users: Vec<String> = (0..5_000).map(|n| format!("u{n}")).collect();
    let mut table = Table::of(&users.iter().map(String::as_str).collect::<Vec<_>>());
    let all = (0..100_000).filter_map(|n| HexKey::new(n % 1_000, n / 1_000));
    table.stored.board.fog = all.map(|key| (key, Visibility::Everyone { except: MemberSet::new() })).collect();
    let mut table = Table::load(table.stored);
    for n in 0..100 {
        let half: Vec<&str> = users.iter().skip(1 + n % 2).step_by(2).map(String::as_str).collect();
        let done = table.done("u0", hide(&[&format!("{n},0"), &format!("{n},1")], to(&half)));
        assert_eq!(done.effects.parts.len(), 2);
    }
}
