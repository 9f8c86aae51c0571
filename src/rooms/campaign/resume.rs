//! Whether frames that somebody missed may still be shown to him.

use std::borrow::Cow;
use std::collections::HashSet;

use serde::Deserialize;

/// The names in a frame: hexes and tokens.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default, borrow)]
    hex_keys: Vec<Cow<'a, str>>,
    #[serde(default, borrow)]
    changes: Vec<Place<'a>>,
    #[serde(default, borrow)]
    token: Option<Standing<'a>>,
    #[serde(default, borrow)]
    token_id: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    from_hex_key: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    to_hex_key: Option<Cow<'a, str>>,
}

/// An entry of `changes`: of `hex:updated` it has a key, of `staged:changes` it has none.
#[derive(Deserialize)]
struct Place<'a> {
    #[serde(default, borrow)]
    key: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Standing<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    hex_key: Cow<'a, str>,
}

/// True when a `hex:hidden` or a `token:deleted` follows a frame that names the same hex or token. A text that cannot be read counts too.
pub fn shows_what_was_hidden_since(missed: &[&str]) -> bool {
    let (mut hexes, mut tokens) = (HashSet::new(), HashSet::new());
    for text in missed {
        let Ok(frame) = serde_json::from_str::<Named<'_>>(text) else { return true };
        let hidden = match &*frame.kind {
            "hex:hidden" => frame.hex_keys.iter().any(|key| hexes.contains(key)),
            "token:deleted" => frame.token_id.as_ref().is_some_and(|id| tokens.contains(id)),
            _ => false,
        };
        if hidden {
            return true;
        }
        let (id, hex) = frame.token.map(|token| (token.id, token.hex_key)).unzip();
        hexes.extend(frame.hex_keys);
        hexes.extend(frame.changes.into_iter().filter_map(|place| place.key));
        hexes.extend([frame.from_hex_key, frame.to_hex_key, hex].into_iter().flatten());
        tokens.extend([frame.token_id, id].into_iter().flatten());
    }
    false
}
