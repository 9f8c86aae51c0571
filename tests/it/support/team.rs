//! A workspace with people in it, made as people make one: through the REST API, with an invite link.

use serde_json::{Value, json};

use super::events::Events;
use super::http::{Person, expect_status};
use super::server::Server;
use super::ws::{Connect, Entry, Socket};

pub struct Team {
    pub id: String,
    pub owner: Person,
    pub people: Vec<Person>,
}

impl Team {
    /// Signs everybody up, has `owner` make the workspace and the others accept a link.
    pub fn new<const N: usize>(server: &Server, owner: &str, people: [&str; N]) -> Self {
        let mut team = Self::of(Person::sign_up(server, owner));
        for name in people {
            let person = Person::sign_up(server, name);
            team.admit(&person);
            team.people.push(person);
        }
        team
    }

    /// A workspace that has nobody but its owner.
    pub fn of(owner: Person) -> Self {
        let made = expect_status(201, owner.http.post("/api/workspaces", &json!({"name": "Guild"})));
        Self { id: text(&made["id"]), owner, people: Vec::new() }
    }

    pub fn admit(&self, person: &Person) {
        let link = expect_status(201, self.owner.http.post(&self.at("invite-links"), &json!({"maxUses": 1})));
        let accept = format!("/api/invite-links/{}/accept", text(&link["code"]));
        assert_eq!(expect_status(200, person.http.post(&accept, &json!({}))), json!({"workspaceId": self.id, "role": "member"}));
    }

    pub fn remove(&self, person: &Person) {
        expect_status(204, self.owner.http.delete(&self.at(&format!("members/{}", person.id))));
    }

    pub fn set_role(&self, person: &Person, role: &str) {
        expect_status(200, self.owner.http.patch(&self.at(&format!("members/{}", person.id)), &json!({"role": role})));
    }

    fn at(&self, part: &str) -> String {
        format!("/api/workspaces/{}/{part}", self.id)
    }

    /// `n` counts from 0, in the order of the names.
    pub fn person(&self, n: usize) -> &Person {
        &self.people[n]
    }

    /// A public channel that all of the team are in.
    pub fn channel(&self, name: &str) -> Channel {
        let channel = self.new_channel(name, false);
        self.people.iter().for_each(|person| channel.admit(person));
        channel
    }

    /// A channel that its maker alone is in.
    pub fn new_channel(&self, name: &str, private: bool) -> Channel {
        let made = expect_status(201, self.owner.http.post(&self.at("channels"), &json!({"name": name, "private": private})));
        Channel { id: text(&made["id"]), owner: self.owner.clone() }
    }

    /// A conversation of the owner with these.
    pub fn conversation(&self, people: &[&Person]) -> String {
        let ids: Vec<_> = people.iter().map(|person| &person.id).collect();
        let (status, made) = self.owner.http.post(&self.at("conversations"), &json!({"userIds": ids}));
        assert!(status == 200 || status == 201, "{status} {made}");
        text(&made["id"])
    }

    /// A connection about to be made by this person.
    pub fn connect(&self, server: &Server, person: &Person) -> Connect {
        Connect::to(server).workspace(&self.id).person(person)
    }

    /// A connection past its first frames.
    pub fn enter(&self, server: &Server, person: &Person) -> (Socket, Entry) {
        self.connect(server, person).enter()
    }

    pub fn socket(&self, server: &Server, person: &Person) -> Socket {
        self.enter(server, person).0
    }

    pub fn events(&self, server: &Server, person: &Person) -> Events {
        Events::enter(server, person)
    }
}

pub struct Channel {
    pub id: String,
    owner: Person,
}

impl Channel {
    pub fn admit(&self, person: &Person) {
        expect_status(201, self.owner.http.post(&format!("/api/channels/{}/members", self.id), &json!({"userId": person.id})));
    }

    pub fn remove(&self, person: &Person) {
        expect_status(204, self.owner.http.delete(&format!("/api/channels/{}/members/{}", self.id, person.id)));
    }

    /// `message:send` here.
    pub fn say(&self, content: &str) -> Value {
        json!({"type": "message:send", "targetId": self.id, "targetType": "channel", "content": content})
    }

    pub fn typing(&self, kind: &str) -> Value {
        json!({"type": kind, "targetId": self.id, "targetType": "channel"})
    }

    /// The messages after this `sequence`, page by page as this person reads them.
    pub fn messages_after(&self, person: &Person, mut sequence: u64) -> Vec<Value> {
        let mut messages = Vec::new();
        loop {
            let path = format!("/api/channels/{}/messages?after={sequence}&limit=200", self.id);
            let mut page = expect_status(200, person.http.get(&path));
            let Value::Array(more) = page["messages"].take() else { panic!("a page has messages: {page}") };
            if let Some(last) = more.last() {
                sequence = last["sequence"].as_u64().expect("a message has a sequence");
            }
            messages.extend(more);
            if page["hasMore"] == false {
                return messages;
            }
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("awaited a text; {value} came")).to_owned()
}
