//! A client's state, folded from the frames that it was sent. What a fresh connection is told must equal it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::ws::{Cursor, Entry};

#[derive(Clone, Debug, Default, PartialEq)]
pub struct View {
    pub status: String,
    pub mode: String,
    /// A player's own; a DM's is told by `visibility` and stays empty here.
    pub revealed: BTreeSet<String>,
    /// Of a DM: who sees what.
    pub visibility: BTreeMap<String, Seen>,
    /// Terrain by hex. Unknown is absent. Empty until a map was taken in.
    pub terrain: BTreeMap<String, String>,
    pub tokens: BTreeMap<String, Value>,
    /// Of a DM: the queue, as sent last.
    pub staged: Vec<Value>,
    dm: bool,
}

/// Who sees a hex.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    AllBut(BTreeSet<String>),
    Only(BTreeSet<String>),
}

impl View {
    /// What the first frames tell.
    pub fn of(entry: &Entry) -> Self {
        let mut view = Self { dm: entry.connected["role"] == "dm", ..Self::default() };
        entry.state.iter().for_each(|frame| view.apply(frame));
        view
    }

    /// What the first frames and the map tell.
    pub fn with_map(entry: &Entry, map: &Value) -> Self {
        let mut view = Self::of(entry);
        view.take_map(map);
        view
    }

    pub fn take_map(&mut self, map: &Value) {
        self.terrain.clear();
        self.learn(&map["hexes"]);
    }

    /// Folds one frame in. Frames that change nothing a client keeps (acks, presence) are passed over.
    pub fn apply(&mut self, frame: &Value) {
        match text(&frame["type"]).as_str() {
            "session:state" => {
                self.status = text(&frame["status"]);
                self.mode = text(&frame["broadcastMode"]);
                if self.dm {
                    let visibility = frame["visibility"].as_object().expect("a DM is told who sees what");
                    self.visibility = visibility.iter().map(|(key, seen)| (key.clone(), Seen::read(seen))).collect();
                } else {
                    self.revealed = texts(&frame["revealedHexes"]);
                }
            }
            "session:statusChanged" => self.status = text(&frame["status"]),
            "dm:preparing" => self.mode = if frame["preparing"] == true { "staged" } else { "immediate" }.to_owned(),
            "hex:revealed" => {
                self.learn(&frame["terrain"]);
                for key in texts(&frame["hexKeys"]) {
                    if self.dm {
                        self.visibility.entry(key).or_insert(Seen::Only(BTreeSet::new())).reveal(&frame["targets"]);
                    } else {
                        self.revealed.insert(key);
                    }
                }
                self.forget_unseen();
            }
            "hex:hidden" => {
                for key in texts(&frame["hexKeys"]) {
                    if !self.dm {
                        self.revealed.remove(&key);
                        self.terrain.remove(&key);
                    } else if let Some(seen) = self.visibility.get_mut(&key) {
                        seen.hide(&frame["targets"]);
                    }
                }
                self.forget_unseen();
            }
            "hex:updated" => self.learn(&frame["changes"]),
            "staged:changes" => self.staged = frame["changes"].as_array().expect("the queue is a list").clone(),
            "token:state" => {
                let tokens = frame["tokens"].as_array().expect("tokens are a list");
                self.tokens = tokens.iter().map(|token| (text(&token["id"]), token.clone())).collect();
            }
            "token:created" => {
                let old = self.tokens.insert(text(&frame["token"]["id"]), frame["token"].clone());
                assert_eq!(old, None, "a token appeared that was there: {frame}");
            }
            "token:deleted" => {
                let gone = self.tokens.remove(&text(&frame["tokenId"]));
                assert!(gone.is_some(), "a token went that was not there: {frame}");
            }
            "token:moved" => {
                let token = self.token(frame);
                assert_eq!(token["hexKey"], frame["fromHexKey"], "a token moved from where it was not: {frame}");
                token["hexKey"] = frame["toHexKey"].clone();
            }
            "token:updated" => {
                let updates = frame["updates"].as_object().expect("updates are an object").clone();
                let token = self.token(frame);
                updates.into_iter().for_each(|(name, value)| token[name] = value);
            }
            _ => {}
        }
    }

    fn token(&mut self, frame: &Value) -> &mut Value {
        self.tokens.get_mut(&text(&frame["tokenId"])).unwrap_or_else(|| panic!("a token changed that was not there: {frame}"))
    }

    fn learn(&mut self, hexes: &Value) {
        for hex in hexes.as_array().expect("terrain is a list") {
            match text(&hex["terrain"]).as_str() {
                "unknown" => self.terrain.remove(&text(&hex["key"])),
                terrain => self.terrain.insert(text(&hex["key"]), terrain.to_owned()),
            };
        }
    }

    fn forget_unseen(&mut self) {
        self.visibility.retain(|_, seen| *seen != Seen::Only(BTreeSet::new()));
    }
}

impl Seen {
    fn read(value: &Value) -> Self {
        match value {
            Value::Array(_) => Self::Only(texts(value)),
            Value::Object(but) => Self::AllBut(texts(&but["except"])),
            _ => Self::AllBut(BTreeSet::new()),
        }
    }

    fn reveal(&mut self, targets: &Value) {
        if *targets == "all" {
            *self = Self::AllBut(BTreeSet::new());
            return;
        }
        for id in texts(&targets["playerIds"]) {
            match self {
                Self::AllBut(except) => except.remove(&id),
                Self::Only(list) => list.insert(id),
            };
        }
    }

    fn hide(&mut self, targets: &Value) {
        if *targets == "all" {
            *self = Self::Only(BTreeSet::new());
            return;
        }
        for id in texts(&targets["playerIds"]) {
            match self {
                Self::AllBut(except) => except.insert(id),
                Self::Only(list) => list.remove(&id),
            };
        }
    }
}

/// The cursor after this frame.
pub fn advance(cursor: &mut Cursor, frame: &Value) {
    if let Some(seq) = frame["seq"].as_u64().filter(|_| frame["type"] != "ack") {
        assert!(seq >= cursor.seq, "a frame came after one with a higher seq ({}): {frame}", cursor.seq);
        cursor.seq = seq;
    }
    if let Some(epoch) = frame["epoch"].as_str() {
        cursor.epoch = epoch.to_owned();
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("awaited a text; {value} came")).to_owned()
}

fn texts(value: &Value) -> BTreeSet<String> {
    value.as_array().unwrap_or_else(|| panic!("awaited a list; {value} came")).iter().map(text).collect()
}
