use super::*;
use crate::rooms::kernel::Topic;

#[test]
fn public_names_are_unique_whatever_their_case_and_private_ones_are_not_compared() {
    let mut team = Team::new();
    let general = team.channel("anna", "General", false);
    let create = |name: &str, private| Command::CreateChannel { name: name.into(), private };
    refused(team.ask("ben", create("gENERAL", false)), ErrorCode::Conflict, "There is a channel with this name");
    assert!(team.done("ben", create("general", true)).answer.created);
    assert!(team.done("cleo", create("general", true)).answer.created);
    team.done("anna", Command::ArchiveChannel { channel_id: id(&general) });
    team.done("ben", create("general", false));
}

#[test]
fn whoever_comes_in_or_goes_is_told_on_all_connections() {
    let mut team = Team::new();
    let done = team.done("anna", Command::CreateChannel { name: "x".into(), private: true });
    let channel_id = done.answer.channel_id.expect("an id");
    let joined = json!({"type": "room:joined", "roomId": channel_id, "roomType": "channel"});
    assert_eq!(team.heard(&done.effects.parts), [("anna".into(), vec![joined.clone()])]);
    let add = |user: &str| Command::AddToChannel { channel_id: channel_id.clone(), user: user.into() };
    let remove = |user: &str| Command::RemoveFromChannel { channel_id: channel_id.clone(), user: user.into() };
    refused(team.ask("olga", add("olga")), ErrorCode::NotFound, "No such channel");
    refused(team.ask("anna", add("stranger")), ErrorCode::NotFound, "No such member");
    let done = team.done("anna", add("ben"));
    assert_eq!(team.heard(&done.effects.parts), [("ben".into(), vec![joined])]);
    assert!(!team.done("ben", add("ben")).changed);
    team.done("ben", add("cleo"));
    refused(
        team.ask("ben", remove("cleo")),
        ErrorCode::Forbidden,
        "Action 'channel:remove' is restricted to the channel's creator and the admins",
    );
    refused(team.ask("adam", remove("cleo")), ErrorCode::NotFound, "No such channel");
    let done = team.done("anna", remove("cleo"));
    let left = json!({"type": "room:left", "roomId": channel_id, "roomType": "channel"});
    assert_eq!(team.heard(&done.effects.parts), [("cleo".into(), vec![left.clone()])]);
    assert!(!team.done("anna", remove("cleo")).changed);
    let done = team.done("ben", remove("ben"));
    assert_eq!(team.heard(&done.effects.parts), [("ben".into(), vec![left])]);
    let target = Target::Channel(channel_id);
    let done = team.done("anna", send(&target, "alone"));
    assert_eq!(team.hearers(&done.effects.parts), ["anna"]);
}

#[test]
fn a_public_channel_is_joined_by_whoever_wants_and_left_likewise() {
    let mut team = Team::new();
    let channel = team.channel("anna", "x", false);
    let done = team.done("ben", Command::JoinRoom { target: channel.clone() });
    assert_eq!((done.changed, Workspace::hears(&done.answer)), (true, Some((Topic(0), true))));
    let again = team.done("ben", Command::JoinRoom { target: channel.clone() });
    assert_eq!((again.changed, Workspace::hears(&again.answer)), (false, Some((Topic(0), true))), "the connection hears it again");
    let leave = team.query("ben", &Query::LeaveRoom { target: channel.clone() }).expect("may");
    assert_eq!(Workspace::hears(&leave), Some((Topic(0), false)));
    assert!(team.done("cleo", Command::JoinChannel { channel_id: id(&channel) }).changed);
    let done = team.done("ben", send(&channel, "x"));
    assert_eq!(team.hearers(&done.effects.parts), ["anna", "ben", "cleo"]);
    assert!(team.done("cleo", Command::LeaveChannel { channel_id: id(&channel) }).changed);
    assert!(!team.done("cleo", Command::LeaveChannel { channel_id: id(&channel) }).changed);
    let private = team.private("anna", &[]);
    refused(team.ask("ben", Command::JoinRoom { target: private.clone() }), ErrorCode::NotFound, "No such channel");
    refused(team.ask("ben", Command::JoinChannel { channel_id: id(&private) }), ErrorCode::NotFound, "No such channel");
}

#[test]
fn an_archived_channel_can_be_read_and_nothing_else() {
    let mut team = Team::new();
    let channel = team.public("anna", &["ben", "adam"]);
    let message = team.say("anna", &channel, "old");
    let archive = Command::ArchiveChannel { channel_id: id(&channel) };
    refused(
        team.ask("ben", archive.clone()),
        ErrorCode::Forbidden,
        "Action 'channel:archive' is restricted to the channel's creator and the admins",
    );
    let done = team.done("adam", archive.clone());
    let frame = json!({"type": "channel:archived", "channelId": id(&channel)});
    assert_eq!(team.heard(&done.effects.parts)[0], ("adam".into(), vec![frame]));
    assert_eq!(team.hearers(&done.effects.parts), ["adam", "anna", "ben"]);
    assert!(!team.done("anna", archive).changed);
    let add = Command::AddToChannel { channel_id: id(&channel), user: "cleo".into() };
    let join = Command::JoinChannel { channel_id: id(&channel) };
    let denied = [("anna", send(&channel, "x")), ("anna", edit(&message, "x")), ("anna", delete(&message)), ("ben", react(&message, "x"))];
    for (user, command) in denied.into_iter().chain([("anna", add), ("cleo", join)]) {
        refused(team.ask(user, command), ErrorCode::InvalidState, "The channel is archived");
    }
    refused(team.ask("ben", edit(&message, "x")), ErrorCode::Forbidden, "Action 'message:edit' is restricted to the author");
    assert_eq!(team.read("ben", &channel), [(1, "old".into())]);
    assert!(team.done("ben", Command::MarkRead { target: channel.clone() }).changed);
    assert!(team.done("ben", Command::LeaveChannel { channel_id: id(&channel) }).changed);
}

#[test]
fn the_same_people_have_the_same_conversation() {
    let mut team = Team::new();
    let open = |users: &[&str]| Command::OpenConversation { users: users.iter().map(|user| UserId::new(*user)).collect() };
    let done = team.done("anna", open(&["ben", "cleo"]));
    assert!(done.answer.created);
    assert_eq!(team.hearers(&done.effects.parts), ["anna", "ben", "cleo"]);
    let again = team.done("ben", open(&["anna", "cleo", "ben", "anna"]));
    assert_eq!((again.changed, again.answer.created), (false, false));
    assert_eq!(again.answer.conversation_id, done.answer.conversation_id);
    assert_ne!(team.done("anna", open(&["ben"])).answer.conversation_id, done.answer.conversation_id);
    assert!(team.done("anna", open(&[])).answer.created, "with oneself");
    refused(team.ask("anna", open(&["stranger"])), ErrorCode::NotFound, "No such member");
}

#[test]
fn a_conversation_has_at_most_fifty_people() {
    let names: Vec<String> = (0..51).map(|n| format!("u{n}")).collect();
    let people: Vec<(&str, Role)> = names.iter().map(|name| (name.as_str(), Role::Member)).collect();
    let mut team = Team::of(&people);
    let open = |n: usize| Command::OpenConversation { users: names[..n].iter().map(|name| UserId::new(name.as_str())).collect() };
    refused(team.ask("u0", open(51)), ErrorCode::TooLarge, "A conversation has at most 50 people");
    assert!(team.done("u0", open(50)).changed);
}

#[test]
fn frames_of_a_place_have_its_topic() {
    let mut team = Team::new();
    let (_, dm) = (team.public("anna", &["ben"]), team.conversation("anna", &["ben"]));
    team.done("anna", send(&dm, "1"));
    let done = team.done("ben", send(&dm, "2"));
    let frames: Vec<&ServerMessage> = done.effects.parts.iter().flat_map(|part| &part.frames).collect();
    let topics: Vec<_> = frames.iter().map(|frame| (json!(frame)["type"].clone(), team.workspace.topic(frame))).collect();
    let wanted = [(json!("message:new"), Some(Topic(1))), (json!("unread:update"), None)];
    assert!(wanted.iter().all(|topic| topics.contains(topic)), "{topics:?}");
    let Target::Dm(id) = dm else { panic!("a conversation") };
    let (user_id, target_id) = (UserId::new("ben"), id.to_string());
    let typing = ServerMessage::TypingUpdate { user_id, user_name: "B".into(), target_id, is_typing: true };
    assert_eq!(team.workspace.topic(&typing), Some(Topic(1)));
    assert_eq!(Workspace::latest(&typing), Some(format!("typing:ben:{id}")));
}
