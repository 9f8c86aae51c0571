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

#[cfg(test)]
mod tests {
    use super::shows_what_was_hidden_since as shows;

    const REVEALED: &str = r#"{"type":"hex:revealed","hexKeys":["0,0","1,1"],"terrain":[{"key":"0,0","terrain":"forest"}],"seq":5}"#;
    const HIDDEN: &str = r#"{"type":"hex:hidden","hexKeys":["9,9","1,1"],"seq":6}"#;
    const CREATED: &str = r##"{"type":"token:created","token":{"id":"t","hexKey":"3,3","ownerId":null,"label":"l","icon":"i","color":"#000000","tokenType":"pc","visible":true},"seq":5}"##;
    const MOVED: &str = r#"{"type":"token:moved","tokenId":"t","fromHexKey":"3,3","toHexKey":"4,4","movedBy":"u","seq":6}"#;
    const DELETED: &str = r#"{"type":"token:deleted","tokenId":"t","seq":7}"#;
    const UPDATED: &str = r#"{"type":"hex:updated","changes":[{"key":"9,9","terrain":"forest"}],"seq":4}"#;
    const STAGED: &str =
        r#"{"type":"staged:changes","changes":[{"id":"9,9","description":"","type":"hex:reveal","data":{"hexKeys":["9,9"]}}],"seq":4}"#;

    #[test]
    fn a_hex_or_token_that_is_named_and_hidden_after_is_shown_too_much() {
        assert!(shows(&[REVEALED, HIDDEN]));
        assert!(shows(&[UPDATED, HIDDEN]));
        assert!(shows(&[CREATED, DELETED]));
        assert!(shows(&[MOVED, DELETED]));
        assert!(shows(&[MOVED, r#"{"type":"hex:hidden","hexKeys":["3,3"],"seq":9}"#]));
        assert!(shows(&["no JSON"]));
    }

    #[test]
    fn what_is_hidden_before_it_is_named_or_never_named_is_no_matter() {
        assert!(!shows(&[]));
        assert!(!shows(&[HIDDEN, REVEALED]));
        assert!(!shows(&[DELETED, CREATED, REVEALED, STAGED, MOVED]));
        assert!(!shows(&[STAGED, HIDDEN]));
        assert!(!shows(&[REVEALED, DELETED]));
        assert!(!shows(&[r#"{"type":"session:statusChanged","status":"active","seq":1}"#, HIDDEN]));
    }
}
