use super::*;
use crate::protocol::chat::command::ResultMap;

#[test]
fn messages_are_numbered_without_gaps_in_each_place_and_heard_by_those_in_it_alone() {
    let mut team = Team::new();
    let channel = team.public("anna", &["ben"]);
    let dm = team.conversation("anna", &["cleo"]);
    let first = team.done("anna", send(&channel, "one"));
    assert_eq!((first.answer.sequence, first.answer.message_id.as_ref().map(MessageId::as_str)), (Some(1), Some("f4")));
    assert_eq!(team.done("anna", send(&dm, "other")).answer.sequence, Some(1));
    let second = team.done("ben", send(&channel, "two"));
    assert_eq!(second.answer.sequence, Some(2));
    let frame = json!({
        "type": "message:new", "id": "f6", "content": "two", "authorId": "ben", "author": {"id": "ben", "name": "BEN"},
        "channelId": id(&channel), "conversationId": null, "parentId": null, "sequence": 2,
        "createdAt": "1970-01-01T00:00:06.000Z", "updatedAt": "1970-01-01T00:00:06.000Z", "deletedAt": null,
    });
    let unread = json!({"type": "unread:update", "channelId": id(&channel), "unreadCount": 0});
    assert_eq!(team.heard(&second.effects.parts), [("anna".into(), vec![frame.clone()]), ("ben".into(), vec![frame, unread])]);
    assert_eq!(team.read("anna", &channel), [(1, "one".into()), (2, "two".into())]);
}

#[test]
fn who_is_not_in_a_place_can_neither_write_nor_read_there() {
    let mut team = Team::new();
    let public = team.public("anna", &[]);
    let (private, dm) = (team.private("anna", &[]), team.conversation("anna", &["cleo"]));
    let absent = Target::Channel("absent".into());
    let older = |target: &Target| Query::Older { target: target.clone(), before: None, limit: 5 };
    for user in ["ben", "olga"] {
        refused(team.ask(user, send(&public, "x")), ErrorCode::Forbidden, "Join the channel first");
        refused(team.query(user, &older(&public)), ErrorCode::Forbidden, "Join the channel first");
        for hidden in [&private, &absent] {
            refused(team.ask(user, send(hidden, "x")), ErrorCode::NotFound, "No such channel");
            refused(team.query(user, &older(hidden)), ErrorCode::NotFound, "No such channel");
            refused(team.ask(user, Command::MarkRead { target: hidden.clone() }), ErrorCode::NotFound, "No such channel");
        }
        for hidden in [&dm, &Target::Dm("absent".into())] {
            refused(team.ask(user, send(hidden, "x")), ErrorCode::NotFound, "No such conversation");
            refused(team.query(user, &Query::LeaveRoom { target: hidden.clone() }), ErrorCode::NotFound, "No such conversation");
        }
    }
    refused(
        team.ask("stranger", send(&public, "x")),
        ErrorCode::Forbidden,
        "Action 'message:send' is restricted to the members of the workspace",
    );
}

#[test]
fn a_message_that_one_may_not_know_of_is_as_one_that_there_is_not() {
    let mut team = Team::new();
    let private = team.private("anna", &[]);
    let secret = team.say("anna", &private, "secret");
    for message in [secret, "absent".into()] {
        for command in [edit(&message, "x"), delete(&message), react(&message, "x")] {
            refused(team.ask("adam", command), ErrorCode::NotFound, "No such message");
        }
    }
}

#[test]
fn the_author_edits_and_the_author_or_an_admin_deletes() {
    let mut team = Team::new();
    let channel = team.public("anna", &["ben", "adam"]);
    let message = team.say("anna", &channel, "first");
    refused(team.ask("ben", edit(&message, "x")), ErrorCode::Forbidden, "Action 'message:edit' is restricted to the author");
    refused(team.ask("adam", edit(&message, "x")), ErrorCode::Forbidden, "Action 'message:edit' is restricted to the author");
    refused(team.ask("ben", delete(&message)), ErrorCode::Forbidden, "Action 'message:delete' is restricted to the author and the admins");
    let edited = team.done("anna", edit(&message, "second"));
    let frames = &team.heard(&edited.effects.parts)[1].1;
    assert_eq!((kinds(frames), &frames[0]["content"], &frames[0]["sequence"]), (vec!["message:edited"], &json!("second"), &json!(1)));
    assert!(frames[0]["updatedAt"].as_str() > frames[0]["createdAt"].as_str());

    let deleted = team.done("adam", delete(&message));
    let frame = json!({"type": "message:deleted", "messageId": message, "deletedAt": team.now(), "channelId": id(&channel), "conversationId": null});
    assert_eq!(team.heard(&deleted.effects.parts)[0].1, [frame]);
    assert!(!team.done("anna", delete(&message)).changed, "it is deleted already");
    refused(team.ask("anna", edit(&message, "third")), ErrorCode::InvalidState, "The message was deleted");
    refused(team.ask("ben", react(&message, "x")), ErrorCode::InvalidState, "The message was deleted");
    assert_eq!(team.say("anna", &channel, "next").as_str(), format!("f{}", team.commands));
    assert_eq!(team.read("ben", &channel), [(1, String::new()), (2, "next".into())]);
}

#[test]
fn what_was_read_before_a_deletion_is_not_told_after_it() {
    let mut team = Team::new();
    let channel = team.public("anna", &[]);
    let message = team.say("anna", &channel, "secret");
    let query = Query::Older { target: channel, before: None, limit: 5 };
    let Ok(Asked::LookUp(lookup)) = team.workspace.ask(team.now(), &team.here, &team.member("anna"), &query) else { panic!("looks it up") };
    let found = team.tables.look_up(lookup);
    team.done("anna", delete(&message));
    let answer = team.workspace.tell(&team.member("anna"), &query, found.clone()).expect("may read");
    assert_eq!(answer.messages.expect("messages")[0].content, "");
    let ben = team.member("ben");
    refused(team.workspace.tell(&ben, &query, found), ErrorCode::Forbidden, "Join the channel first");
}

#[test]
fn a_reaction_is_toggled() {
    let mut team = Team::new();
    let channel = team.public("anna", &["ben"]);
    let message = team.say("anna", &channel, "hello");
    for action in ["added", "removed", "added"] {
        let done = team.done("ben", react(&message, "👍"));
        let frame = json!({
            "type": "reaction:update", "messageId": message, "emoji": "👍", "userId": "ben", "userName": "BEN", "action": action,
            "channelId": id(&channel), "conversationId": null,
        });
        assert_eq!(team.heard(&done.effects.parts), [("anna".into(), vec![frame.clone()]), ("ben".into(), vec![frame])]);
    }
    for n in 1..50 {
        team.done("anna", react(&message, &format!("e{n}")));
    }
    refused(team.ask("anna", react(&message, "e50")), ErrorCode::TooLarge, "A message has at most 50 different reactions");
    assert!(team.done("anna", react(&message, "👍")).changed, "one that is there already");
}

#[test]
fn a_reply_is_to_a_message_of_the_same_place() {
    let mut team = Team::new();
    let (channel, other) = (team.public("anna", &["ben"]), team.public("anna", &["ben"]));
    let parent = team.say("anna", &channel, "question");
    refused(team.ask("ben", reply(&other, parent.as_str())), ErrorCode::NotFound, "No such message");
    refused(team.ask("ben", reply(&channel, "absent")), ErrorCode::NotFound, "No such message");
    let done = team.done("ben", reply(&channel, parent.as_str()));
    assert_eq!(team.heard(&done.effects.parts)[0].1[0]["parentId"], json!(parent));
}

#[test]
fn what_is_not_in_memory_is_asked_for_once() {
    let mut team = Team::new();
    let channel = team.public("anna", &[]);
    let message = team.say("anna", &channel, "old");
    assert_eq!(team.workspace.wants(&edit(&message, "new")), None, "it was touched");
    team.workspace = Workspace::from_stored(team.tables.stored.clone());
    assert!(team.workspace.wants(&edit(&message, "new")).is_some());
    assert!(team.done("anna", edit(&message, "new")).changed);
    refused(team.ask("anna", edit(&"absent".into(), "new")), ErrorCode::NotFound, "No such message");
    assert_eq!(team.workspace.wants(&edit(&"absent".into(), "new")), None);
}

fn unread(team: &Team, user: &str) -> Value {
    match team.query(user, &Query::Unread { channels: None, conversations: None }).expect("an answer").result {
        Some(result @ ResultMap::Unread { .. }) => json!(result),
        other => panic!("{other:?}"),
    }
}

#[test]
fn unread_counts_rise_with_messages_and_fall_by_reading_and_sending() {
    let mut team = Team::new();
    let (channel, dm) = (team.public("anna", &["ben"]), team.conversation("anna", &["ben"]));
    team.say("anna", &channel, "1");
    team.say("anna", &channel, "2");
    team.say("anna", &dm, "3");
    let key = |target: &Target| match target {
        Target::Channel(id) => id.to_string(),
        Target::Dm(id) => id.to_string(),
    };
    assert_eq!(unread(&team, "ben"), json!({"channels": {key(&channel): 2}, "conversations": {key(&dm): 1}}));
    assert_eq!(unread(&team, "anna"), json!({"channels": {key(&channel): 0}, "conversations": {key(&dm): 0}}));
    assert_eq!(unread(&team, "cleo"), json!({"channels": {}, "conversations": {}}));

    let read = Command::MarkRead { target: dm.clone() };
    let done = team.done("ben", read.clone());
    let frame = json!({"type": "unread:update", "conversationId": key(&dm), "unreadCount": 0});
    assert_eq!(team.heard(&done.effects.parts), [("ben".into(), vec![frame])]);
    assert!(!team.done("ben", read).changed, "all is read");
    let only = Query::Unread { channels: Some(vec![id(&channel), "absent".into()]), conversations: None };
    let answer = team.query("ben", &only).expect("an answer");
    assert_eq!(json!(answer), json!({"result": {"channels": {key(&channel): 2}, "conversations": {}}}));

    team.done("cleo", Command::JoinRoom { target: channel.clone() });
    assert_eq!(unread(&team, "cleo"), json!({"channels": {key(&channel): 0}, "conversations": {}}), "who is new has read everything");
}

#[test]
fn older_messages_come_in_pages_oldest_first() {
    let mut team = Team::new();
    let channel = team.public("anna", &[]);
    (1..=5).for_each(|n| drop(team.say("anna", &channel, &n.to_string())));
    let page = |before, limit| {
        let answer = team.query("anna", &Query::Older { target: channel.clone(), before, limit }).expect("may read");
        let sequences: Vec<i64> = answer.messages.iter().flatten().map(|message| message.sequence).collect();
        (sequences, answer.has_more, answer.next_cursor)
    };
    assert_eq!(page(None, 2), (vec![4, 5], Some(true), Some(Some(4))));
    assert_eq!(page(Some(4), 3), (vec![1, 2, 3], Some(false), Some(None)));
    assert_eq!(page(Some(1), 3), (vec![], Some(false), Some(None)));
    let answer = team.query("anna", &Query::Older { target: channel.clone(), before: Some(1), limit: 3 });
    assert_eq!(json!(answer.expect("may read")), json!({"messages": [], "hasMore": false, "nextCursor": null}));
}
