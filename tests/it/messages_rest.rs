//! Messages as REST lists and finds them.

use moothall::protocol::chat::Command;
use serde_json::{Value, json};

use crate::rest::{DANA, OTTO, PAUL, PIA, Said, names, on_both, world};
use crate::support::postgres::TestDatabase;
use crate::workspaces::of;

on_both!(
    messages_list_oldest_first_in_pages_by_sequence,
    a_message_is_listed_with_its_author_and_reactions_and_a_deleted_one_without_content,
    a_thread_is_the_replies_to_a_message,
    search_finds_words_in_whatever_case_and_language,
    search_takes_nothing_for_syntax,
    search_forgets_what_was_edited_or_deleted,
    hits_come_newest_first_in_pages,
);

fn sequences(list: &Value) -> Vec<i64> {
    list.as_array().expect("is a list").iter().map(|message| message["sequence"].as_i64().expect("has a sequence")).collect()
}

async fn messages_list_oldest_first_in_pages_by_sequence(database: &TestDatabase) {
    let world = world(database).await;
    let team = world.team().await;
    let talk = world.channel(&team, DANA, "talk", false).await;
    for n in 1..=5 {
        world.say(&team, DANA, &talk, &format!("m{n}")).await;
    }
    let cases = [
        ("", vec![1, 2, 3, 4, 5], false),
        ("limit=2", vec![1, 2], true),
        ("after=2&limit=2", vec![3, 4], true),
        ("after=3&limit=2", vec![4, 5], false),
        ("before=6&limit=2", vec![4, 5], true),
        ("before=3&limit=2", vec![1, 2], false),
        ("after=1&before=5", vec![2, 3, 4], false),
        ("after=5", vec![], false),
    ];
    for (query, awaited, has_more) in cases {
        let Said(status, page) = world.get(DANA, &of(&talk, &format!("messages?{query}"))).await;
        assert_eq!((status, sequences(&page["messages"]), &page["hasMore"]), (200, awaited, &json!(has_more)), "{query}");
    }
    for query in ["limit=0", "limit=201", "after=x", "before=1&before=2"] {
        assert_eq!(world.get(DANA, &of(&talk, &format!("messages?{query}"))).await.code(), (400, "BAD_MESSAGE"), "{query}");
    }
    assert_eq!(world.get("", &of(&talk, "messages")).await.code(), (401, "UNAUTHORIZED"));
}

async fn a_message_is_listed_with_its_author_and_reactions_and_a_deleted_one_without_content(database: &TestDatabase) {
    let world = world(database).await;
    let team = world.team().await;
    let talk = world.channel(&team, PAUL, "talk", false).await;
    world.post(PIA, &of(&talk, "join"), json!({})).await;
    let (kept, gone) = (world.say(&team, PAUL, &talk, "kept").await, world.say(&team, PAUL, &talk, "gone").await);
    for (who, message, emoji) in [(PIA, &kept, "👍"), (PAUL, &kept, "👍"), (PAUL, &kept, "🎉"), (PIA, &gone, "👎")] {
        world.tell(&team, who, Command::ToggleReaction { message_id: message.as_str().into(), emoji: emoji.into() }).await;
    }
    world.tell(&team, PIA, Command::Delete { message_id: gone.as_str().into() }).await;
    let Said(_, page) = world.get(PIA, &of(&talk, "messages")).await;
    let (first, second) = (&page["messages"][0], &page["messages"][1]);
    let channel = world.get(PIA, &team.at("channels")).await.1["channels"][0]["id"].clone();
    let mut reactions = first["reactions"].clone();
    for reaction in reactions.as_array_mut().expect("is a list") {
        reaction["userIds"].as_array_mut().expect("is a list").sort_by_key(Value::to_string);
    }
    assert_eq!(reactions, json!([{"emoji": "👍", "userIds": [PAUL, PIA]}, {"emoji": "🎉", "userIds": [PAUL]}]));
    let awaited = json!({"id": kept, "content": "kept", "authorId": PAUL, "author": {"id": PAUL, "name": "PAUL"}, "channelId": channel,
        "conversationId": null, "parentId": null, "sequence": 1, "createdAt": first["createdAt"], "updatedAt": first["createdAt"],
        "deletedAt": null, "reactions": first["reactions"]});
    assert_eq!(first, &awaited);
    assert_eq!((&second["id"], &second["content"], &second["sequence"]), (&json!(gone), &json!(""), &json!(2)));
    assert!(second["deletedAt"].is_string() && second.get("reactions").is_none(), "{second}");
}

async fn a_thread_is_the_replies_to_a_message(database: &TestDatabase) {
    let world = world(database).await;
    let team = world.team().await;
    let talk = world.channel(&team, DANA, "talk", false).await;
    let root = world.say(&team, DANA, &talk, "root").await;
    world.say(&team, DANA, &talk, "aside").await;
    for n in 0..3 {
        let reply = Command::Send { target: talk.clone(), content: format!("reply {n}"), parent_id: Some(root.as_str().into()) };
        world.tell(&team, DANA, reply).await;
    }
    let thread = |query: &str| {
        let path = of(&talk, &format!("messages?parentId={root}{query}"));
        let world = &world;
        async move { world.get(DANA, &path).await.1 }
    };
    let all = thread("").await;
    assert_eq!(names(&all["messages"], "content"), ["reply 0", "reply 1", "reply 2"]);
    assert_eq!(names(&all["messages"], "parentId"), [root.as_str(); 3]);
    let page = thread("&limit=1&after=3").await;
    assert_eq!((sequences(&page["messages"]), &page["hasMore"]), (vec![4], &json!(true)));
}

async fn search_finds_words_in_whatever_case_and_language(database: &TestDatabase) {
    let world = world(database).await;
    let team = world.team().await;
    let talk = world.channel(&team, DANA, "talk", false).await;
    let texts = [
        "The quick brown fox",
        "“Größe” matters at the École",
        "Привет—МИР",
        "see src/main.rs, or mail ada@example.org: 3.14!",
        "日本語 テスト",
        "quicker than snake_case 🎉party",
    ];
    for text in texts {
        world.say(&team, DANA, &talk, text).await;
    }
    let cases: [(&str, &[usize]); 20] = [
        ("fox", &[0]),
        ("FOX Quick", &[0]),
        ("qui", &[5, 0]),
        ("quick fox", &[0]),
        ("qui fox", &[]),
        ("fox qui", &[0]),
        ("größe", &[1]),
        ("GRÖSSE", &[]),
        ("GRÖ", &[1]),
        ("grosse", &[]),
        ("école", &[1]),
        ("ecole", &[]),
        ("мир", &[2]),
        ("ПРИВЕТ мир", &[2]),
        ("main", &[3]),
        ("src/main.rs", &[3]),
        ("example.org", &[3]),
        ("3.14", &[3]),
        ("日本語", &[4]),
        ("case party", &[5]),
    ];
    for (query, awaited) in cases {
        let encoded = percent_encoding::utf8_percent_encode(query, percent_encoding::NON_ALPHANUMERIC);
        let Said(status, found) = world.get(DANA, &team.at(&format!("search?q={encoded}"))).await;
        let awaited: Vec<&str> = awaited.iter().map(|&n| texts[n]).collect();
        assert_eq!((status, names(&found["messages"], "content")), (200, awaited.iter().map(|text| text.to_string()).collect()), "{query}");
    }
    // Who is in no channel finds nothing.
    assert_eq!(world.get(PIA, &team.at("search?q=fox")).await, Said(200, json!({"messages": [], "hasMore": false})));
    assert_eq!(world.get(OTTO, &team.at("search?q=fox")).await.code(), (404, "NOT_FOUND"));
    assert_eq!(world.get("", &team.at("search?q=fox")).await.code(), (401, "UNAUTHORIZED"));
}

async fn search_takes_nothing_for_syntax(database: &TestDatabase) {
    let world = world(database).await;
    let team = world.team().await;
    let talk = world.channel(&team, DANA, "talk", false).await;
    world.say(&team, DANA, &talk, "near and far or not").await;
    let find = |query: &str| {
        let path = team.at(&format!("search?q={}", percent_encoding::utf8_percent_encode(query, percent_encoding::NON_ALPHANUMERIC)));
        let world = &world;
        async move { world.get(DANA, &path).await }
    };
    for hit in ["near AND far", "NOT OR near", "\"near\"", "near*", "(far", "near:*", "'near' & !far", "^near", "-near", "near\\"] {
        assert_eq!(find(hit).await.1["messages"].as_array().map(Vec::len), Some(1), "{hit}");
    }
    for miss in ["content:near", "near | nothing", "NEAR(near far, 5)", "\"", "'", "*", "🎉", "—", "a'); DROP TABLE message; --", "\u{1}"]
    {
        assert_eq!(find(miss).await, Said(200, json!({"messages": [], "hasMore": false})), "{miss}");
    }
    for bad in ["search", "search?q=", "search?q=%20", "search?q=a%00", "search?q=near&limit=0", "search?q=near&before=unknown"] {
        assert_eq!(world.get(DANA, &team.at(bad)).await.code(), (400, "BAD_MESSAGE"), "{bad}");
    }
    assert_eq!(find(&"x".repeat(201)).await.code(), (400, "BAD_MESSAGE"));
    assert_eq!(find(&"é ".repeat(100)).await.0, 200);
}

async fn search_forgets_what_was_edited_or_deleted(database: &TestDatabase) {
    let world = world(database).await;
    let team = world.team().await;
    let talk = world.channel(&team, PAUL, "talk", false).await;
    let message = world.say(&team, PAUL, &talk, "before").await;
    let found = |query: &'static str| {
        let path = team.at(&format!("search?q={query}"));
        let world = &world;
        async move { names(&world.get(PAUL, &path).await.1["messages"], "id") }
    };
    assert_eq!(found("before").await, [message.as_str()]);
    world.tell(&team, PAUL, Command::Edit { message_id: message.as_str().into(), content: "after".into() }).await;
    assert_eq!((found("before").await, found("after").await), (vec![], vec![message.clone()]));
    world.tell(&team, PAUL, Command::Delete { message_id: message.as_str().into() }).await;
    assert!(found("after").await.is_empty());
    world.say(&team, PAUL, &talk, "later").await;
    world.post(PAUL, &of(&talk, "leave"), json!({})).await;
    assert!(found("later").await.is_empty());
}

async fn hits_come_newest_first_in_pages(database: &TestDatabase) {
    let world = world(database).await;
    let team = world.team().await;
    let talk = world.channel(&team, DANA, "talk", false).await;
    let dm = world.conversation(&team, DANA, &[PIA]).await;
    for n in 0..5 {
        let target = if n % 2 == 0 { &talk } else { &dm };
        world.say(&team, DANA, target, &format!("word {n}")).await;
        world.say(&team, DANA, target, "other").await;
    }
    let all = names(&world.get(DANA, &team.at("search?q=word")).await.1["messages"], "id");
    assert_eq!(all.len(), 5);
    let (mut paged, mut query) = (Vec::new(), "search?q=word&limit=2".to_owned());
    loop {
        let Said(_, page) = world.get(DANA, &team.at(&query)).await;
        let ids = names(&page["messages"], "id");
        let last = ids.last().cloned().expect("a page that was promised holds something");
        paged.extend(ids);
        if page["hasMore"] == json!(false) {
            break;
        }
        query = format!("search?q=word&limit=2&before={last}");
    }
    assert_eq!(paged, all);
    let times = names(&world.get(DANA, &team.at("search?q=word")).await.1["messages"], "createdAt");
    assert!(times.is_sorted_by(|newer, older| newer >= older), "{times:?}");
    // A message that the reader may not read is no cursor.
    let before = team.at(&format!("search?q=word&before={}", all[1]));
    assert_eq!(world.get(PAUL, &before).await.code(), (400, "BAD_MESSAGE"));
}
