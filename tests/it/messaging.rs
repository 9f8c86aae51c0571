//! Team messaging at the wire, over the raw WebSocket and over Socket.IO: who is let in, who hears what, and what is missed comes exactly once.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::events::Events;
use crate::support::http::{Person, expect_status};
use crate::support::postgres::both;
use crate::support::server::Server;
use crate::support::team::{Channel, Team};
use crate::support::ws::{Came, Connect, Cursor, Socket};

const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

/// All frames up to and with the message that says this.
fn up_to(socket: &mut Socket, content: &str) -> Vec<Value> {
    socket.drain_until(|frame| frame["type"] == "message:new" && frame["content"] == content)
}

/// The same over Socket.IO.
fn events_up_to(events: &mut Events, content: &str) -> Vec<Value> {
    let mut all = vec![events.next()];
    while all.last().is_none_or(|event| event["content"] != content) {
        all.push(events.next());
    }
    all
}

/// Those that report a change.
fn numbered(mut frames: Vec<Value>) -> Vec<Value> {
    frames.retain(|frame| frame["seq"].is_u64());
    frames
}

fn contents(frames: &[Value]) -> Vec<&str> {
    frames.iter().filter(|frame| frame["type"] == "message:new").map(|frame| frame["content"].as_str().expect("is a text")).collect()
}

fn of_message(kind: &str, ack: &Value) -> Value {
    json!({"type": kind, "messageId": ack["messageId"]})
}

fn with(mut command: Value, name: &str, value: impl Into<Value>) -> Value {
    command[name] = value.into();
    command
}

#[test]
fn a_member_is_told_his_role_then_ready_and_then_what_happens() {
    both(|database| {
        let server = Server::on(database);
        let team = Team::new(&server, "Dana", ["Ann", "Bo"]);
        team.set_role(team.person(0), "admin");
        let talk = team.channel("talk");
        let mut sockets = Vec::new();
        for (person, role) in [(&team.owner, "owner"), (team.person(0), "admin"), (team.person(1), "member")] {
            let (socket, entry) = team.enter(&server, person);
            let connected = &entry.connected;
            assert_eq!((&connected["role"], &connected["userId"], &connected["resumed"]), (&json!(role), &json!(person.id), &json!(false)));
            assert!(connected["connectionId"].is_string() && connected["epoch"].is_string() && connected["pingInterval"].is_u64());
            assert_eq!(entry.frame("ready")["seq"], connected["seq"]);
            sockets.push(socket);
        }
        let [dana, ann, bo] = &mut sockets[..] else { panic!("three came in") };
        let mut bo_too = team.events(&server, team.person(1));

        let sent = ann.done(with(talk.say("hello"), "id", "first"));
        let seq = sent["seq"].as_u64().expect("an ack has a seq");
        let new = bo.expect("message:new");
        let author = team.person(0);
        let awaited = json!({"type": "message:new", "id": sent["messageId"], "content": "hello", "authorId": author.id,
            "author": {"id": author.id, "name": "Ann"}, "channelId": talk.id, "conversationId": null, "parentId": null, "sequence": 1,
            "createdAt": new["createdAt"], "updatedAt": new["createdAt"], "deletedAt": null, "seq": seq});
        assert_eq!(sent, json!({"type": "ack", "id": "first", "seq": seq, "messageId": new["id"], "sequence": 1}));
        for frame in [&new, &ann.expect("message:new"), &dana.expect("message:new"), &bo_too.expect("message:new")] {
            assert_eq!(*frame, awaited);
        }
        let reply = bo_too.done(with(talk.say("reply"), "parentId", new["id"].clone()));
        assert_eq!((&reply["sequence"], &reply["seq"]), (&json!(2), &json!(seq + 1)));
        assert_eq!(ann.expect("message:new")["parentId"], new["id"]);
        bo_too.done(with(of_message("reaction:toggle", &sent), "emoji", "👍"));
        ann.done(with(of_message("message:edit", &sent), "content", "hullo"));
        // An admin's.
        ann.done(of_message("message:delete", &reply));
        let reaction = dana.drain_until(|frame| frame["type"] == "reaction:update").pop().expect("the last");
        assert_eq!((&reaction["emoji"], &reaction["userName"], &reaction["action"]), (&json!("👍"), &json!("Bo"), &json!("added")));
        assert_eq!((dana.expect("message:edited")["content"].as_str()), Some("hullo"));
        assert_eq!(dana.expect("message:deleted")["messageId"], reply["messageId"]);
        bo.refused(with(of_message("message:edit", &sent), "content", "mine"), "FORBIDDEN");
        bo_too.refused(of_message("message:delete", &sent), "FORBIDDEN");
    });
}

#[test]
fn who_may_not_come_in_is_told_why_in_the_order_origin_session_room_membership() {
    let server = Server::start(&[]);
    let team = Team::new(&server, "Dana", []);
    let stranger = Person::sign_up(&server, "Sam");
    let to = || Connect::to(&server);
    let cases = [
        (to().header("origin", "https://evil.example").workspace(&team.id).person(&team.owner), "FORBIDDEN", 4003, "Forbidden origin"),
        (to().workspace(&team.id), "UNAUTHORIZED", 4001, "Unauthorized"),
        (to().workspace("").bearer("nonsense"), "UNAUTHORIZED", 4001, "Unauthorized"),
        (to().workspace("").person(&stranger), "BAD_MESSAGE", 4002, "Missing campaignId"),
        (to().workspace(&team.id).workspace(&team.id).person(&team.owner), "BAD_MESSAGE", 4002, "Missing campaignId"),
        (to().workspace(&team.id).campaign(&team.id).person(&team.owner), "BAD_MESSAGE", 4002, "Missing campaignId"),
        (to().workspace(&team.id).person(&stranger), "FORBIDDEN", 4003, "Not a member"),
        (to().workspace(NOBODY).person(&stranger), "FORBIDDEN", 4003, "Not a member"),
        (to().campaign(&team.id).person(&team.owner), "FORBIDDEN", 4003, "Not a member"),
    ];
    for (connect, code, close, reason) in cases {
        let (error, came, text) = connect.refused();
        assert_eq!((error["code"].as_str(), error["message"].as_str(), came, text.as_str()), (Some(code), Some(reason), close, reason));
    }
}

#[test]
fn a_resume_brings_exactly_the_frames_that_were_missed() {
    both(|database| {
        let server = Server::on(database);
        let team = Team::new(&server, "Dana", ["Ann", "Bo", "Cy"]);
        let talk = team.channel("talk");
        let (mut ann, mut cy) = (team.socket(&server, team.person(0)), team.socket(&server, team.person(2)));
        let (bo, entry) = team.enter(&server, team.person(1));
        let (cursor, ticket) = (entry.cursor(), team.events(&server, team.person(1)).ticket);
        bo.leave();
        let first = ann.done(talk.say("first"));
        ann.done(talk.say("second"));
        ann.done(with(of_message("reaction:toggle", &first), "emoji", "👍"));
        ann.done(with(of_message("message:edit", &first), "content", "once"));
        let last = ann.done(talk.say("last"))["seq"].clone();

        let heard = numbered(up_to(&mut cy, "last"));
        assert_eq!(heard.len(), 5);
        let resume = |cursor: &Cursor| team.connect(&server, team.person(1)).since(cursor).enter();
        let (mut bo, entry) = resume(&cursor);
        assert_eq!((entry.resumed(), &entry.connected["seq"]), (true, &last));
        assert_eq!(numbered(up_to(&mut bo, "last")), heard);
        let (mut events, recovered) = Events::again(&server, team.person(1), &ticket);
        assert!(recovered, "who has got nothing yet is recovered too");
        assert_eq!(numbered(events_up_to(&mut events, "last")), heard);
        ann.done(talk.say("live"));
        assert_eq!(numbered(up_to(&mut bo, "live")), numbered(up_to(&mut cy, "live")));
        assert_eq!(events.expect("message:new")["content"], "live");

        // Of a pid only one recovery comes.
        assert!(!Events::again(&server, team.person(0), &events.ticket).1, "a pid is good for its user alone");
        let head = Cursor { seq: last.as_u64().expect("a number") + 1, epoch: entry.cursor().epoch };
        let (mut again, entry) = resume(&head);
        assert!(entry.resumed());
        again.expect_silence();
        for wrong in [Cursor { seq: head.seq + 1, ..head.clone() }, Cursor { epoch: "77".into(), ..head.clone() }] {
            assert!(!resume(&wrong).1.resumed(), "{wrong:?}");
        }
    });
}

#[test]
fn a_removed_member_is_sent_away_within_a_second_and_hears_nothing_after() {
    both(|database| {
        let server = Server::on(database);
        let team = Team::new(&server, "Dana", ["Ann", "Bo"]);
        let (talk, ann) = (team.channel("talk"), team.person(0));
        let side_team = Team::of(team.owner.clone());
        side_team.admit(ann);
        let side = side_team.new_channel("side", false);
        side.admit(ann);
        let (mut raw, entry) = team.enter(&server, ann);
        let mut events = team.events(&server, ann);
        let (mut dana, mut bo) = (team.socket(&server, &team.owner), team.socket(&server, team.person(1)));
        let mut dana_aside = side_team.socket(&server, &team.owner);

        team.remove(ann);
        let removed = Instant::now();
        let mut heard = Vec::new();
        loop {
            match raw.came() {
                Came::Frame(frame) => heard.push(frame),
                Came::Closed(code, reason) => break assert_eq!((code, reason.as_str()), (4003, "Removed")),
                Came::Reset => panic!("awaited a close frame"),
            }
        }
        assert!(removed.elapsed() < Duration::from_secs(1), "it took {:?}", removed.elapsed());
        dana.done(talk.say("secret"));
        dana_aside.done(side.say("aside"));
        heard.extend(events_up_to(&mut events, "aside"));
        assert_eq!(contents(&heard), ["aside"]);
        let left = |frame: &&Value| frame["type"] == "room:left" && frame["roomId"] == talk.id.as_str();
        assert_eq!(heard.iter().filter(left).count(), 2, "on each connection, once: {heard:?}");
        let gone = |frame: &Value| *frame == json!({"type": "presence:update", "userId": ann.id, "status": "offline"});
        bo.drain_until(gone);

        for command in [talk.say("x"), talk.typing("typing:start"), talk.typing("message:getOlder"), of_room("room:join", &talk)] {
            events.refused(command, "NOT_FOUND");
        }
        assert_eq!(team.connect(&server, ann).since(&entry.cursor()).refused().1, 4003);
        assert_eq!(ann.http.get(&format!("/api/channels/{}/messages", talk.id)).0, 404);

        // Back again he is a newcomer.
        team.admit(ann);
        let (mut raw, again) = team.connect(&server, ann).since(&entry.cursor()).enter();
        assert!(!again.resumed());
        events.done(json!({"type": "workspace:join", "workspaceId": team.id}));
        dana.done(talk.say("not yet"));
        talk.admit(ann);
        dana.done(talk.say("welcome"));
        assert_eq!(contents(&up_to(&mut raw, "welcome")), ["welcome"]);
        assert_eq!(contents(&events_up_to(&mut events, "welcome")), ["welcome"]);
    });
}

fn of_room(kind: &str, channel: &Channel) -> Value {
    json!({"type": kind, "roomId": channel.id, "roomType": "channel"})
}

#[test]
fn who_is_taken_out_of_a_channel_hears_nothing_more_of_it_also_after_a_resume() {
    both(|database| {
        let server = Server::on(database);
        let team = Team::new(&server, "Dana", ["Bo"]);
        let (talk, bo) = (team.channel("talk"), team.person(0));
        let secret = team.new_channel("secret", true);
        let mut dana = team.socket(&server, &team.owner);
        let (mut raw, entry) = team.enter(&server, bo);
        let mut events = team.events(&server, bo);
        secret.admit(bo);
        assert_eq!(raw.expect("room:joined")["roomId"], secret.id.as_str());
        assert_eq!(events.expect("room:joined")["roomType"], "channel");
        let early = events.ticket.clone();
        dana.done(secret.say("before"));
        secret.remove(bo);
        dana.done(secret.say("after"));
        dana.done(talk.say("open"));

        let heard = up_to(&mut raw, "open");
        assert_eq!(contents(&heard), ["before", "open"]);
        assert_eq!(contents(&events_up_to(&mut events, "open")), ["before", "open"]);
        let left = heard.iter().find(|frame| frame["type"] == "room:left").expect("he is told");
        assert_eq!(left["roomId"], secret.id.as_str());

        dana.done(secret.say("later"));
        dana.done(talk.say("end"));
        let epoch = entry.cursor().epoch;
        let after_it = Cursor { seq: left["seq"].as_u64().expect("a change has a seq"), epoch };
        let (mut resumed, again) = team.connect(&server, bo).since(&after_it).enter();
        assert!(again.resumed());
        assert_eq!(contents(&up_to(&mut resumed, "end")), ["open", "end"]);
        // What was said there while he was in it is nothing that he may see any more.
        assert!(!team.connect(&server, bo).since(&entry.cursor()).enter().1.resumed());
        events.expect("message:new");
        let ticket = events.ticket.clone();
        drop(events);
        dana.done(secret.say("latest"));
        dana.done(talk.say("close"));
        let (mut events, recovered) = Events::again(&server, bo, &ticket);
        assert!(recovered);
        assert_eq!(contents(&events_up_to(&mut events, "close")), ["close"]);
        let early = crate::support::events::Ticket { offset: early.offset, ..events.ticket.clone() };
        drop(events);
        assert!(!Events::again(&server, bo, &early).1, "what he missed is nothing that he may see any more");
    });
}

#[test]
fn a_message_that_was_deleted_in_the_gap_comes_without_its_content() {
    both(|database| {
        let server = Server::on(database);
        let team = Team::new(&server, "Dana", ["Ann", "Bo"]);
        let talk = team.channel("talk");
        let (bo, entry) = team.enter(&server, team.person(1));
        let ticket = team.events(&server, team.person(1)).ticket;
        bo.leave();
        let mut ann = team.socket(&server, team.person(0));
        let sent = ann.done(talk.say("\"hush\" \\ hush"));
        ann.done(with(of_message("message:edit", &sent), "content", "hush hush"));
        ann.done(of_message("message:delete", &sent));
        ann.done(talk.say("end"));
        let (mut bo, again) = team.connect(&server, team.person(1)).since(&entry.cursor()).enter();
        assert!(again.resumed());
        let (mut events, recovered) = Events::again(&server, team.person(1), &ticket);
        assert!(recovered);
        for missed in [numbered(up_to(&mut bo, "end")), numbered(events_up_to(&mut events, "end"))] {
            let kinds: Vec<_> = missed.iter().map(|frame| frame["type"].as_str().expect("is a text")).collect();
            assert_eq!(kinds, ["message:new", "message:edited", "message:deleted", "message:new"]);
            assert!(missed.iter().all(|frame| !frame.to_string().contains("hush")), "{missed:?}");
            assert_eq!((&missed[0]["content"], &missed[0]["deletedAt"]), (&json!(""), &missed[2]["deletedAt"]));
        }
        let older = bo.done(talk.typing("message:getOlder"));
        assert_eq!((&older["messages"][0]["content"], &older["messages"][0]["sequence"]), (&json!(""), &json!(1)));
        assert_eq!(talk.messages_after(team.person(1), 0)[0]["content"], "");
    });
}

#[test]
fn maps_by_id_lie_in_result_on_a_raw_websocket_and_are_the_answer_on_socket_io() {
    both(|database| {
        let server = Server::on(database);
        let team = Team::new(&server, "Dana", ["Ann", "Bo"]);
        let talk = team.channel("talk");
        let dm = team.conversation(&[team.person(0)]);
        let (mut dana, mut ann) = (team.socket(&server, &team.owner), team.socket(&server, team.person(0)));
        let mut ann_too = team.events(&server, team.person(0));
        dana.done(talk.say("one"));
        dana.done(talk.say("two"));
        dana.done(json!({"type": "message:send", "targetId": dm, "targetType": "dm", "content": "psst"}));
        up_to(&mut ann, "psst");
        events_up_to(&mut ann_too, "psst");
        let unread = |talk_count: u64| json!({"channels": {(talk.id.as_str()): talk_count}, "conversations": {(dm.as_str()): 1}});
        let fetch = json!({"type": "unread:fetch"});
        let answer = ann.done(with(fetch.clone(), "id", "u"));
        assert_eq!(answer, json!({"type": "ack", "id": "u", "seq": answer["seq"], "result": unread(2)}));
        assert_eq!(ann_too.call(&fetch), unread(2));
        let some = with(fetch.clone(), "channelIds", vec![talk.id.as_str(), NOBODY]);
        assert_eq!(ann.done(some.clone())["result"], json!({"channels": {(talk.id.as_str()): 2}, "conversations": {}}));
        assert_eq!(ann_too.call(&some), json!({"channels": {(talk.id.as_str()): 2}, "conversations": {}}));
        assert_eq!(dana.done(fetch.clone())["result"]["channels"][&talk.id], 0, "what one has said is read");

        ann_too.done(json!({"type": "unread:markRead", "channelId": talk.id}));
        for told in [ann.expect("unread:update"), ann_too.expect("unread:update")] {
            assert_eq!((&told["channelId"], &told["unreadCount"]), (&json!(talk.id), &json!(0)));
        }
        assert_eq!(ann_too.call(&fetch), unread(0));

        let ids = [&team.owner, team.person(0), team.person(1)].map(|person| person.id.as_str());
        let presence = json!({"type": "presence:fetch", "workspaceId": team.id, "userIds": [ids[0], ids[1], ids[2], NOBODY]});
        let awaited = json!({(ids[0]): "active", (ids[1]): "active", (ids[2]): "offline", NOBODY: "offline"});
        assert_eq!(dana.done(presence.clone())["result"], awaited);
        assert_eq!(ann_too.call(&presence), awaited);

        dana.send(&json!({"type": "ping", "id": "p"}));
        let pong = dana.drain_until(|frame| frame["type"] == "pong").pop();
        assert_eq!(pong, Some(json!({"type": "pong", "id": "p"})));
    });
}

#[test]
fn the_same_id_is_one_message_whatever_transport_it_takes() {
    both(|database| {
        let server = Server::on(database);
        let team = Team::new(&server, "Dana", ["Ann", "Bo"]);
        let talk = team.channel("talk");
        let (mut raw, mut events) = (team.socket(&server, team.person(0)), team.events(&server, team.person(0)));
        let first = raw.done(with(talk.say("hello"), "id", "a"));
        let again = events.done(with(talk.say("hello"), "id", "a"));
        for name in ["messageId", "sequence", "seq"] {
            assert_eq!(first[name], again[name]);
        }
        events.refused(with(talk.say("other"), "id", "a"), "ID_REUSED");
        // Ids are a user's own.
        let mut bo = team.events(&server, team.person(1));
        assert_eq!(bo.done(with(talk.say("hello"), "id", "a"))["sequence"], 2);
        assert_eq!(talk.messages_after(&team.owner, 0).len(), 2);
    });
}

#[test]
fn what_a_member_may_not_know_of_answers_as_if_it_were_not_there() {
    let server = Server::start(&[("RATE_LIMITS", "off")]);
    let team = Team::new(&server, "Dana", ["Ann", "Bo"]);
    let talk = team.channel("talk");
    let secret = team.new_channel("secret", true);
    let dm = team.conversation(&[team.person(0)]);
    let foreign = Team::of(Person::sign_up(&server, "Otto"));
    let foreign_channel = foreign.new_channel("abroad", false);
    let mut dana = team.socket(&server, &team.owner);
    let hidden = dana.done(secret.say("hidden"))["messageId"].clone();
    let hidden_too =
        dana.done(json!({"type": "message:send", "targetId": dm, "targetType": "dm", "content": "hidden"}))["messageId"].clone();
    let abroad = foreign.socket(&server, &foreign.owner).done(foreign_channel.say("hidden"))["messageId"].clone();

    let of_place = |id: &str, kind: &str| {
        let place = |name: &str| json!({"type": name, "targetId": id, "targetType": kind});
        let room = |name: &str| json!({"type": name, "roomId": id, "roomType": kind});
        let list = |name: &str| json!({"type": "unread:fetch", (name): [id]});
        let mark = |name: &str| json!({"type": "unread:markRead", (name): id});
        vec![
            with(place("message:send"), "content", "x"),
            place("message:getOlder"),
            place("typing:start"),
            place("typing:stop"),
            room("room:join"),
            room("room:leave"),
            list("channelIds"),
            list("conversationIds"),
            mark("channelId"),
            mark("conversationId"),
        ]
    };
    let of_message = |id: &Value| {
        vec![
            json!({"type": "message:edit", "messageId": id, "content": "x"}),
            json!({"type": "message:delete", "messageId": id}),
            json!({"type": "reaction:toggle", "messageId": id, "emoji": "x"}),
            with(talk.say("x"), "parentId", id.clone()),
        ]
    };
    let mut pairs: Vec<(Value, Value)> = Vec::new();
    for id in [&secret.id, &dm, &foreign_channel.id] {
        for kind in ["channel", "dm"] {
            pairs.extend(of_place(id, kind).into_iter().zip(of_place(NOBODY, kind)));
        }
    }
    for id in [&hidden, &hidden_too, &abroad] {
        pairs.extend(of_message(id).into_iter().zip(of_message(&json!(NOBODY))));
    }
    let of_workspace = |id: &str| {
        [json!({"type": "workspace:join", "workspaceId": id}), json!({"type": "presence:fetch", "workspaceId": id, "userIds": [NOBODY]})]
    };
    pairs.extend(of_workspace(&foreign.id).into_iter().zip(of_workspace(NOBODY)));

    let (mut raw, mut events) = (team.socket(&server, team.person(1)), team.events(&server, team.person(1)));
    for (there, not_there) in pairs {
        let [one, other] = [&there, &not_there].map(|command| with(raw.command(command.clone()), "id", "any"));
        assert_eq!(one, other, "for {there} and {not_there}");
        assert_eq!(events.call(&there), events.call(&not_there), "for {there} and {not_there}");
        assert!(one["type"] == "error" || one["result"].is_object(), "for {there} came {one}");
    }
    dana.done(talk.say("end"));
    assert_eq!(contents(&up_to(&mut raw, "end")), ["end"]);
    assert_eq!(contents(&events_up_to(&mut events, "end")), ["end"]);
}

#[test]
fn the_31st_message_in_10_seconds_is_refused_whatever_connection_it_takes_and_typing_ends_by_itself() {
    let server = Server::start(&[]);
    let team = Team::new(&server, "Dana", ["Ann", "Bo"]);
    let talk = team.channel("talk");
    let (mut raw, mut events) = (team.socket(&server, team.person(0)), team.events(&server, team.person(0)));
    let mut bo = team.socket(&server, team.person(1));
    for n in 0..15 {
        raw.done(talk.say(&format!("raw {n}")));
        events.done(talk.say(&format!("socket.io {n}")));
    }
    let typing = Instant::now();
    events.done(talk.typing("typing:start"));
    let told = bo.drain_until(|frame| frame["type"] == "typing:update").pop().expect("the last");
    let ann = team.person(0);
    assert_eq!(told, json!({"type": "typing:update", "userId": ann.id, "userName": "Ann", "targetId": talk.id, "isTyping": true}));

    let refused = raw.refused(talk.say("one more"), "RATE_LIMITED");
    assert!((1..=10).contains(&refused["retryAfter"].as_u64().expect("says when")), "{refused}");
    let refused = events.refused(talk.say("one more"), "RATE_LIMITED");
    assert!((1..=10).contains(&refused["retryAfter"].as_u64().expect("says when")), "{refused}");
    // Others are not held up, nor is what is no message.
    bo.done(talk.say("mine"));
    raw.done(json!({"type": "unread:fetch"}));

    // Typing ends 10 s after it began: by then the messages are 10 s old too.
    let told = bo.drain_until(|frame| frame["type"] == "typing:update").pop().expect("the last");
    assert_eq!((&told["isTyping"], typing.elapsed() >= Duration::from_millis(9_900)), (&json!(false), true));
    assert_eq!(raw.done(talk.say("raw again"))["sequence"], 32);
    assert_eq!(events.done(talk.say("socket.io again"))["sequence"], 33);
    // The sender's own other connection is told nothing of the typing.
    assert!(up_to(&mut raw, "socket.io again").iter().all(|frame| frame["type"] != "typing:update"));
}

#[test]
fn typing_ends_on_disconnect_in_every_place_also_for_who_hears_only_one_of_them() {
    let server = Server::start(&[]);
    let team = Team::new(&server, "Dana", ["Ann", "Bo", "Cy"]);
    let (first, second) = (team.channel("first"), team.channel("second"));
    let (mut bo, mut cy) = (team.socket(&server, team.person(1)), team.events(&server, team.person(2)));
    bo.done(of_room("room:leave", &first));
    cy.done(of_room("room:leave", &second));
    let mut ann = team.socket(&server, team.person(0));
    ann.done(first.typing("typing:start"));
    ann.done(second.typing("typing:start"));
    let typing = |frame: &Value| frame["type"] == "typing:update";
    assert_eq!(bo.drain_until(typing).pop().expect("the last")["targetId"], second.id.as_str());
    assert_eq!(cy.expect("typing:update")["targetId"], first.id.as_str());
    drop(ann);
    let told = bo.drain_until(typing).pop().expect("the last");
    assert_eq!((&told["targetId"], &told["isTyping"]), (&json!(second.id), &json!(false)));
    let told = cy.expect("typing:update");
    assert_eq!((&told["targetId"], &told["isTyping"]), (&json!(first.id), &json!(false)));
}

#[test]
fn presence_is_of_a_user_over_all_connections_and_a_quick_return_tells_nothing() {
    let server = Server::start(&[]);
    let team = Team::new(&server, "Dana", ["Ann", "Bo"]);
    let ann = team.person(0);
    let mut bo = team.socket(&server, team.person(1));
    let set = |kind: &str| json!({"type": kind});
    let told = |bo: &mut Socket| {
        let of_ann = |frame: &Value| frame["type"] == "presence:update" && frame["userId"] == ann.id.as_str();
        bo.drain_until(of_ann).pop().expect("the last")["status"].as_str().expect("is a text").to_owned()
    };
    let (mut raw, mut events) = (team.socket(&server, ann), team.events(&server, ann));
    assert_eq!(told(&mut bo), "active");
    // Away is who is so everywhere: had the first told anything, it would be heard before what the second tells.
    raw.done(set("presence:setAway"));
    raw.done(set("presence:setActive"));
    raw.done(set("presence:setAway"));
    events.done(set("presence:setAway"));
    assert_eq!(told(&mut bo), "away");
    let fetch = json!({"type": "presence:fetch", "workspaceId": team.id, "userIds": [ann.id]});
    assert_eq!(bo.done(fetch.clone())["result"], json!({(ann.id.as_str()): "away"}));
    raw.done(set("presence:setActive"));
    assert_eq!(told(&mut bo), "active");
    events.done(set("presence:setActive"));

    drop((raw, events));
    let mut again = team.socket(&server, ann);
    again.done(set("presence:setAway"));
    assert_eq!(told(&mut bo), "away", "that he was gone for a moment is not told");
    let gone = Instant::now();
    again.leave();
    assert_eq!(told(&mut bo), "offline");
    assert!(gone.elapsed() >= Duration::from_millis(4_900), "it was told after {:?}", gone.elapsed());
    assert_eq!(bo.done(fetch)["result"], json!({(ann.id.as_str()): "offline"}));
    assert_eq!(expect_status(200, ann.http.get("/api/workspaces"))["workspaces"].as_array().map(Vec::len), Some(1));
}
