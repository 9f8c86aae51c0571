//! A campaign with people in it, made as people make one: through the REST API, with an invite link.

use serde_json::{Value, json};

use super::http::{Person, expect_status};
use super::server::Server;
use super::ws::{Connect, Entry, Socket};

pub struct Campaign {
    pub id: String,
    pub dm: Person,
    pub players: Vec<Person>,
}

impl Campaign {
    /// Signs everybody up, has `dm` make the campaign and the others accept a link.
    pub fn new<const N: usize>(server: &Server, dm: &str, players: [&str; N]) -> Self {
        let dm = Person::sign_up(server, dm);
        let made = expect_status(201, dm.http.post("/api/campaigns", &json!({"name": "The Sunless Vale"})));
        let id = made["id"].as_str().expect("a campaign has an id").to_owned();
        let mut campaign = Self { id, dm, players: Vec::new() };
        for name in players {
            let player = Person::sign_up(server, name);
            campaign.admit(&player);
            campaign.players.push(player);
        }
        campaign
    }

    /// Makes somebody a player through a link of his or her own.
    pub fn admit(&self, person: &Person) {
        let link = expect_status(201, self.dm.http.post(&format!("/api/campaigns/{}/invite-links", self.id), &json!({"maxUses": 1})));
        let code = link["code"].as_str().expect("a link has a code");
        let accepted = expect_status(200, person.http.post(&format!("/api/invite-links/{code}/accept"), &json!({})));
        assert_eq!(accepted, json!({"campaignId": self.id, "role": "player"}));
    }

    pub fn remove(&self, person: &Person) {
        expect_status(204, self.dm.http.delete(&format!("/api/campaigns/{}/members/{}", self.id, person.id)));
    }

    /// `n` counts from 0, in the order of the names.
    pub fn player(&self, n: usize) -> &Person {
        &self.players[n]
    }

    /// A connection about to be made by this person.
    pub fn connect(&self, server: &Server, person: &Person) -> Connect {
        Connect::to(server).campaign(&self.id).person(person)
    }

    /// A connection past its first frames.
    pub fn enter(&self, server: &Server, person: &Person) -> (Socket, Entry) {
        self.connect(server, person).enter()
    }

    pub fn socket(&self, server: &Server, person: &Person) -> Socket {
        self.enter(server, person).0
    }

    pub fn dm_socket(&self, server: &Server) -> Socket {
        self.socket(server, &self.dm)
    }

    /// `GET …/map` as this person sees it.
    pub fn map(&self, person: &Person) -> Value {
        expect_status(200, person.http.get(&format!("/api/campaigns/{}/map", self.id)))
    }

    /// The map as the DM sees it through a player's eyes.
    pub fn map_as(&self, player: &Person) -> Value {
        expect_status(200, self.dm.http.get(&format!("/api/campaigns/{}/map?as={}", self.id, player.id)))
    }

    /// Posts terrain, one kind for all of `keys`.
    pub fn post_map(&self, terrain: &str, keys: &[&str]) {
        let hexes: Vec<_> = keys.iter().map(|key| json!({"key": key, "terrain": terrain})).collect();
        expect_status(200, self.dm.http.post(&format!("/api/campaigns/{}/map", self.id), &json!({"hexes": hexes})));
    }
}

/// `hex:reveal` to everybody.
pub fn reveal(keys: &[&str]) -> Value {
    json!({"type": "hex:reveal", "hexKeys": keys, "targets": "all"})
}

pub fn reveal_to(person: &Person, keys: &[&str]) -> Value {
    json!({"type": "hex:reveal", "hexKeys": keys, "targets": {"playerIds": [person.id]}})
}

pub fn hide(keys: &[&str]) -> Value {
    json!({"type": "hex:hide", "hexKeys": keys, "targets": "all"})
}

pub fn hide_from(person: &Person, keys: &[&str]) -> Value {
    json!({"type": "hex:hide", "hexKeys": keys, "targets": {"playerIds": [person.id]}})
}

pub fn update(key: &str, terrain: &str) -> Value {
    json!({"type": "hex:update", "changes": [{"key": key, "terrain": terrain}]})
}

pub fn mode(mode: &str) -> Value {
    json!({"type": "broadcast:mode", "mode": mode})
}

/// A visible token without an owner.
pub fn token(key: &str) -> Value {
    json!({"type": "token:create", "hexKey": key, "label": "Wolf", "icon": "w", "color": "#aa0011", "tokenType": "npc"})
}

/// A command that has no fields.
pub fn plain(kind: &str) -> Value {
    json!({"type": kind})
}
