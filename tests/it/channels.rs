//! Channels and conversations through REST: who knows of them, and who is in them.

use moothall::protocol::chat::{Command, Target};
use serde_json::json;

use crate::rest::{DANA, OTTO, PAUL, PIA, Said, names, on_both, world};
use crate::support::postgres::TestDatabase;
use crate::workspaces::of;

on_both!(
    a_public_channel_is_made_listed_joined_and_left,
    a_private_channel_is_unknown_to_whoever_is_not_in_it,
    names_clash_among_public_channels_in_use_alone,
    members_of_a_channel_take_others_in_and_admins_take_them_out,
    an_archived_channel_can_be_read_and_nobody_joins_it,
    channels_list_in_pages_with_what_is_unread,
    the_same_people_have_the_same_conversation,
    a_conversation_is_unknown_to_whoever_is_not_in_it,
);

fn id(target: &Target) -> String {
    match target {
        Target::Channel(id) => id.to_string(),
        Target::Dm(id) => id.to_string(),
    }
}

async fn a_public_channel_is_made_listed_joined_and_left(database: &TestDatabase) {
    let world = world(database).await;
    let team = world.team().await;
    let path = team.at("channels");
    assert_eq!(world.post("", &path, json!({"name": "a"})).await.code(), (401, "UNAUTHORIZED"));
    assert_eq!(world.post(OTTO, &path, json!({"name": "a"})).await.code(), (404, "NOT_FOUND"));
    for bad in [json!({}), json!({"name": " "}), json!({"name": "x".repeat(81)}), json!({"name": "a", "private": 1})] {
        assert_eq!(world.post(PAUL, &path, bad).await.code(), (400, "BAD_MESSAGE"));
    }
    assert_eq!(world.post(PAUL, &path, json!({"name": "é".repeat(80)})).await.0, 201);
    let Said(status, made) = world.post(PAUL, &path, json!({"name": " talk "})).await;
    let (id, created_at) = (made["id"].as_str().expect("has an id"), made["createdAt"].as_str().expect("has a time"));
    let mut awaited = json!({"id": id, "workspaceId": team.id, "name": "talk", "private": false, "createdBy": PAUL, "createdAt": created_at,
        "archivedAt": null, "member": true, "lastSequence": 0, "unreadCount": 0});
    assert_eq!((status, &made), (201, &awaited));
    assert_eq!(world.get(PAUL, &path).await.1["channels"][1], awaited);

    awaited["member"] = json!(false);
    for field in ["lastSequence", "unreadCount"] {
        awaited.as_object_mut().expect("is an object").remove(field);
    }
    assert_eq!(world.get(PIA, &path).await.1["channels"][1], awaited);
    assert_eq!(world.get(OTTO, &path).await.code(), (404, "NOT_FOUND"));

    let target = Target::Channel(id.into());
    assert_eq!(world.post(OTTO, &of(&target, "join"), json!({})).await.code(), (404, "NOT_FOUND"));
    assert_eq!(world.get(PIA, &of(&target, "messages")).await.code(), (403, "FORBIDDEN"));
    for _ in 0..2 {
        let joined = world.post(PIA, &of(&target, "join"), json!({})).await;
        assert_eq!((joined.0, &joined.1["member"]), (200, &json!(true)));
    }
    assert_eq!(world.get(PIA, &of(&target, "messages")).await, Said(200, json!({"messages": [], "hasMore": false})));
    assert_eq!(world.post(PIA, &of(&target, "leave"), json!({})).await, Said(200, json!({"success": true})));
    assert_eq!(world.get(PIA, &of(&target, "messages")).await.code(), (403, "FORBIDDEN"));
}

async fn a_private_channel_is_unknown_to_whoever_is_not_in_it(database: &TestDatabase) {
    let world = world(database).await;
    let team = world.team().await;
    let secret = world.channel(&team, PAUL, "secret", true).await;
    world.say(&team, PAUL, &secret, "password").await;
    // Also an owner and an admin are outsiders.
    for who in [DANA, PIA, OTTO] {
        for part in ["join", "leave", "archive"] {
            assert_eq!(world.post(who, &of(&secret, part), json!({})).await.code(), (404, "NOT_FOUND"), "{who} {part}");
        }
        for part in ["members", "messages"] {
            assert_eq!(world.get(who, &of(&secret, part)).await.code(), (404, "NOT_FOUND"), "{who} {part}");
        }
        let me = json!({"userId": who});
        assert_eq!(world.post(who, &of(&secret, "members"), me).await.code(), (404, "NOT_FOUND"));
        assert_eq!(world.delete(who, &of(&secret, &format!("members/{PAUL}"))).await.code(), (404, "NOT_FOUND"));
        let unknown = Target::Channel("unknown".into());
        assert_eq!(world.get(who, &of(&secret, "messages")).await, world.get(who, &of(&unknown, "messages")).await);
    }
    for who in [DANA, PIA] {
        assert_eq!(world.get(who, &team.at("channels")).await.1, json!({"channels": []}));
        assert_eq!(world.get(who, &team.at(&format!("channels?after={}", id(&secret)))).await.code(), (400, "BAD_MESSAGE"));
        assert_eq!(world.get(who, &team.at("search?q=password")).await.1["messages"], json!([]));
    }
    assert_eq!(names(&world.get(PAUL, &team.at("channels")).await.1["channels"], "name"), ["secret"]);

    assert_eq!(world.post(PAUL, &of(&secret, "members"), json!({"userId": PIA})).await.0, 201);
    assert_eq!(world.get(PIA, &of(&secret, "messages")).await.1["messages"][0]["content"], "password");
    assert_eq!(names(&world.get(PIA, &team.at("search?q=password")).await.1["messages"], "content"), ["password"]);
    assert_eq!(world.delete(PAUL, &of(&secret, &format!("members/{PIA}"))).await.0, 204);
    assert_eq!(world.get(PIA, &of(&secret, "messages")).await.code(), (404, "NOT_FOUND"));
    assert_eq!(world.get(PIA, &team.at("search?q=password")).await.1["messages"], json!([]));
}

async fn names_clash_among_public_channels_in_use_alone(database: &TestDatabase) {
    let world = world(database).await;
    let team = world.team().await;
    world.channel(&team, PAUL, "plans", true).await;
    let public = world.channel(&team, PIA, "Plans", false).await;
    world.channel(&team, PIA, "plans", true).await;
    let again = json!({"name": "pLANS"});
    assert_eq!(world.post(PAUL, &team.at("channels"), again.clone()).await.code(), (409, "CONFLICT"));
    assert_eq!(world.post(PIA, &of(&public, "archive"), json!({})).await.0, 200);
    assert_eq!(world.post(PAUL, &team.at("channels"), again).await.0, 201);
}

async fn members_of_a_channel_take_others_in_and_admins_take_them_out(database: &TestDatabase) {
    let world = world(database).await;
    let team = world.team().await;
    let talk = world.channel(&team, DANA, "talk", false).await;
    let path = of(&talk, "members");
    assert_eq!(world.get(PAUL, &path).await, Said(200, json!({"members": [{"userId": DANA, "name": "DANA"}]})));
    assert_eq!(world.get(OTTO, &path).await.code(), (404, "NOT_FOUND"));
    assert_eq!(world.post(PAUL, &path, json!({"userId": PIA})).await.code(), (403, "FORBIDDEN"));
    assert_eq!(world.post(DANA, &path, json!({})).await.code(), (400, "BAD_MESSAGE"));
    assert_eq!(world.post(DANA, &path, json!({"userId": OTTO})).await.code(), (404, "NOT_FOUND"));
    assert_eq!(world.post(DANA, &path, json!({"userId": PAUL})).await, Said(201, json!({"userId": PAUL, "name": "PAUL"})));
    assert_eq!(world.post(PAUL, &path, json!({"userId": PIA})).await.0, 201);
    assert_eq!(names(&world.get(PAUL, &path).await.1["members"], "userId"), [DANA, PIA, PAUL]);
    assert_eq!(names(&world.get(PAUL, &format!("{path}?limit=1&after={DANA}")).await.1["members"], "userId"), [PIA]);

    let member = |name: &str| of(&talk, &format!("members/{name}"));
    assert_eq!(world.delete(PAUL, &member(PIA)).await.code(), (403, "FORBIDDEN"));
    assert_eq!(world.delete(PAUL, &member(PAUL)).await.0, 204);
    assert_eq!(world.delete(PIA, &member(DANA)).await.0, 204);
    assert_eq!(names(&world.get(PAUL, &path).await.1["members"], "userId"), [PIA]);
}

async fn an_archived_channel_can_be_read_and_nobody_joins_it(database: &TestDatabase) {
    let world = world(database).await;
    let team = world.team().await;
    let talk = world.channel(&team, DANA, "talk", false).await;
    world.say(&team, DANA, &talk, "hello").await;
    assert_eq!(world.post(PAUL, &of(&talk, "archive"), json!({})).await.code(), (403, "FORBIDDEN"));
    assert_eq!(world.post(OTTO, &of(&talk, "archive"), json!({})).await.code(), (404, "NOT_FOUND"));
    let archived = world.post(PIA, &of(&talk, "archive"), json!({})).await;
    assert!(archived.0 == 200 && archived.1["archivedAt"].is_string(), "{archived:?}");
    assert_eq!(world.post(PAUL, &of(&talk, "join"), json!({})).await.0, 409);
    assert_eq!(names(&world.get(DANA, &of(&talk, "messages")).await.1["messages"], "content"), ["hello"]);
    assert_eq!(names(&world.get(DANA, &team.at("search?q=hello")).await.1["messages"], "content"), ["hello"]);
}

async fn channels_list_in_pages_with_what_is_unread(database: &TestDatabase) {
    let world = world(database).await;
    let team = world.team().await;
    let mut channels = Vec::new();
    for n in 0..3 {
        channels.push(world.channel(&team, DANA, &format!("c{n}"), false).await);
    }
    world.post(PAUL, &of(&channels[1], "join"), json!({})).await;
    world.say(&team, DANA, &channels[1], "one").await;
    world.say(&team, DANA, &channels[1], "two").await;
    let listed = world.get(PAUL, &team.at("channels")).await.1["channels"].clone();
    assert_eq!(names(&listed, "name"), ["c0", "c1", "c2"]);
    assert_eq!((&listed[1]["lastSequence"], &listed[1]["unreadCount"]), (&json!(2), &json!(2)));
    assert_eq!((&listed[0]["member"], listed[0].get("unreadCount")), (&json!(false), None));
    let own = world.get(DANA, &team.at("channels")).await.1["channels"].clone();
    assert_eq!((&own[1]["lastSequence"], &own[1]["unreadCount"]), (&json!(2), &json!(0)));
    world.tell(&team, PAUL, Command::MarkRead { target: channels[1].clone() }).await;
    assert_eq!(world.get(PAUL, &team.at("channels")).await.1["channels"][1]["unreadCount"], 0);
    // A newcomer has read what was there before.
    world.post(PIA, &of(&channels[1], "join"), json!({})).await;
    assert_eq!(world.get(PIA, &team.at("channels")).await.1["channels"][1]["unreadCount"], 0);

    let page = world.get(PAUL, &team.at(&format!("channels?limit=1&after={}", id(&channels[0])))).await;
    assert_eq!(names(&page.1["channels"], "name"), ["c1"]);
    let page = world.get(PAUL, &team.at(&format!("channels?limit=1&before={}", id(&channels[2])))).await;
    assert_eq!(names(&page.1["channels"], "name"), ["c1"]);
}

async fn the_same_people_have_the_same_conversation(database: &TestDatabase) {
    let world = world(database).await;
    let team = world.team().await;
    let path = team.at("conversations");
    assert_eq!(world.post("", &path, json!({"userIds": [PIA]})).await.code(), (401, "UNAUTHORIZED"));
    assert_eq!(world.post(OTTO, &path, json!({"userIds": [PIA]})).await.code(), (404, "NOT_FOUND"));
    assert_eq!(world.post(DANA, &path, json!({"userIds": [OTTO]})).await.code(), (404, "NOT_FOUND"));
    assert_eq!(world.post(DANA, &path, json!({"userIds": PIA})).await.code(), (400, "BAD_MESSAGE"));
    let Said(status, made) = world.post(DANA, &path, json!({"userIds": [PIA, PAUL]})).await;
    let (id, created_at) = (made["id"].as_str().expect("has an id"), made["createdAt"].as_str().expect("has a time"));
    let awaited = json!({"id": id, "workspaceId": team.id, "userIds": [DANA, PAUL, PIA], "createdAt": created_at, "lastSequence": 0,
        "unreadCount": 0});
    assert_eq!((status, &made), (201, &awaited));
    assert_eq!(world.post(PAUL, &path, json!({"userIds": [PAUL, PIA, DANA, PIA]})).await, Said(200, awaited.clone()));
    let two = world.post(DANA, &path, json!({"userIds": [PIA]})).await;
    assert!(two.0 == 201 && two.1["id"] != made["id"], "{two:?}");

    assert_eq!(world.get(PAUL, &path).await, Said(200, json!({"conversations": [awaited]})));
    assert_eq!(names(&world.get(PIA, &path).await.1["conversations"], "id").len(), 2);
    assert_eq!(names(&world.get(PIA, &format!("{path}?limit=1")).await.1["conversations"], "id").len(), 1);
}

async fn a_conversation_is_unknown_to_whoever_is_not_in_it(database: &TestDatabase) {
    let world = world(database).await;
    let team = world.team().await;
    let dm = world.conversation(&team, PIA, &[PAUL]).await;
    world.say(&team, PIA, &dm, "whisper").await;
    for who in [DANA, OTTO] {
        assert_eq!(world.get(who, &of(&dm, "messages")).await.code(), (404, "NOT_FOUND"));
    }
    assert_eq!(world.get(DANA, &team.at("conversations")).await.1, json!({"conversations": []}));
    assert_eq!(world.get(DANA, &team.at("search?q=whisper")).await.1["messages"], json!([]));
    for who in [PIA, PAUL] {
        assert_eq!(names(&world.get(who, &of(&dm, "messages")).await.1["messages"], "content"), ["whisper"]);
        assert_eq!(names(&world.get(who, &team.at("search?q=whisper")).await.1["messages"], "conversationId"), [id(&dm)]);
    }
    assert_eq!(world.get(PAUL, &team.at("conversations")).await.1["conversations"][0]["unreadCount"], 1);
}
