//! The format `text-mapper`: one hex a line, `XXYY types "label"`, as Text Mapper draws it.
//!
//! Column and row have two digits each and may be negative, or any number with a dot between them (`100.02`); a third pair is a
//! level, of which only 00 is read. The columns of a flat-top map with odd numbers stand half a hex higher. The first type is the
//! terrain, as a slug. Roads and rivers between hexes (`0101-0203 river`), drawing instructions and includes are skipped: no
//! file and no URL is ever opened.

use super::collect::Collector;
use super::{ImportError, Imported, slug};
use crate::protocol::hex::Terrain;

pub(super) fn import(text: &str) -> Result<Imported, ImportError> {
    let mut collector = Collector::default();
    let mut has_hexes = false;
    for (line, content) in (1..).zip(text.lines()) {
        let content = content.trim();
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        match hex(content) {
            Ok((place, terrain)) => {
                has_hexes = true;
                collector.put_at(line, place, terrain, 0)?;
            }
            Err(reason) => collector.skip(line, reason),
        }
    }
    if has_hexes { Ok(collector.finish(None)) } else { Err(ImportError::NoHexes) }
}

type Place = (i64, i64);

fn hex(content: &str) -> Result<(Place, Terrain), &'static str> {
    let (start, rest) = content.split_once(char::is_whitespace).unwrap_or((content, ""));
    let Some((column, row, level)) = coordinates(start) else { return Err(other_line(start, rest)) };
    if level != 0 {
        return Err("only level 00 is read");
    }
    let terrain = first_type(rest).and_then(slug::terrain).ok_or("names no terrain")?;
    let r = row - (column + column.rem_euclid(2)) / 2;
    Ok(((column, r), terrain))
}

/// Why a line that is no hex was skipped.
fn other_line(start: &str, rest: &str) -> &'static str {
    let is_path = start.starts_with(|char: char| char.is_ascii_digit() || char == '-') && start.contains('-');
    let second = rest.split_whitespace().next().unwrap_or("");
    if is_path {
        "a line between hexes is no terrain"
    } else if start == "include" {
        "includes are not followed"
    } else if start.starts_with('<')
        || ["text", "glow", "label", "license", "other", "url"].contains(&start)
        || ["attributes", "path", "lib", "xml"].contains(&second)
    {
        "drawing instructions are not read"
    } else {
        "is neither a hex nor a comment"
    }
}

/// Column, row and level of `0102`, `-01-02`, `010203`, `100.02` or `100.02.03`.
fn coordinates(text: &str) -> Option<(i64, i64, i64)> {
    if text.contains('.') {
        let mut parts = text.split('.');
        let (column, row) = (number(parts.next()?)?, number(parts.next()?)?);
        let level = parts.next().map_or(Some(0), number)?;
        return parts.next().is_none().then_some((column, row, level));
    }
    let (column, rest) = two_digits(text)?;
    let (row, rest) = two_digits(rest)?;
    let (level, rest) = if rest.is_empty() { (0, rest) } else { two_digits(rest).filter(|&(level, _)| level >= 0)? };
    rest.is_empty().then_some((column, row, level))
}

/// A number of two digits or more, perhaps negative. One with too many for any map is cut to a place beyond all maps.
fn number(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_number = digits.len() >= 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let value = digits.parse().unwrap_or(i64::from(i32::MAX)).min(i64::from(i32::MAX));
    is_number.then_some(if digits.len() < text.len() { -value } else { value })
}

fn two_digits(text: &str) -> Option<(i64, &str)> {
    let digits_at = usize::from(text.starts_with('-'));
    let (digits, rest) = text.split_at_checked(digits_at + 2)?;
    Some((number(digits)?, rest))
}

/// The first word that is no label (`"…"` with a size and transformations behind it) and no `name="…"`.
fn first_type(rest: &str) -> Option<&str> {
    let mut rest = rest.trim_start();
    let mut after_label = false;
    while !rest.is_empty() {
        let end = rest.find(|char: char| char.is_whitespace() || is_quote(char)).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end);
        let is_label = behind.starts_with(is_quote) && (word.is_empty() || word.ends_with('='));
        let is_label_part = after_label && (word.bytes().all(|byte| byte.is_ascii_digit()) || word.contains('('));
        if is_label {
            let mut quoted = behind.splitn(3, is_quote);
            rest = quoted.nth(2)?.trim_start();
            after_label = true;
        } else if is_label_part {
            rest = behind.trim_start();
        } else {
            return Some(word);
        }
    }
    None
}

fn is_quote(char: char) -> bool {
    matches!(char, '"' | '“' | '”')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(text: &str) -> Vec<(String, String)> {
        let imported = import(text).expect("the text has hexes");
        imported.hexes.iter().map(|hex| (hex.key.to_string(), hex.terrain.as_str().to_owned())).collect()
    }

    fn reasons(text: &str) -> Vec<(u32, String)> {
        let imported = import(&format!("{text}\n0101 hill")).expect("the text has a hex");
        imported.skipped.into_iter().map(|skipped| (skipped.line, skipped.reason)).collect()
    }

    #[test]
    fn odd_columns_stand_half_a_hex_higher() {
        // The neighbours of 0202 in Text Mapper, clockwise from the north.
        let ring = ["0201", "0302", "0303", "0203", "0103", "0102"];
        let text: String = ring.iter().map(|place| format!("{place} hill\n")).collect();
        let (q, r) = (2, 1);
        let expected = [(q, r - 1), (q + 1, r - 1), (q + 1, r), (q, r + 1), (q - 1, r + 1), (q - 1, r)];
        let expected: Vec<String> = expected.iter().map(|(q, r)| format!("{q},{r}")).collect();
        assert_eq!(places("0202 hill"), [("2,1".into(), "hill".into())]);
        assert_eq!(places(&text).into_iter().map(|(key, _)| key).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_first_type_is_the_terrain() {
        let table = [
            ("0101 mountain cave \"The Pit\"", "mountain"),
            ("0101 Dark_Forest", "dark_forest"),
            ("0101 \"promised land\" grass", "grass"),
            ("0101 \"The Pit\" 20 translate(0,10) rotate(30) hill", "hill"),
            ("0101 name=\"Zürich\" city", "city"),
            ("0101 “Quoted” hill", "hill"),
            ("010100 sea", "sea"),
            ("01.01.00 sea", "sea"),
            ("0101\tsea\r", "sea"),
        ];
        for (line, terrain) in table {
            assert_eq!(places(line), [("1,0".into(), terrain.into())], "{line}");
        }
    }

    #[test]
    fn columns_and_rows_may_be_negative_and_long() {
        assert_eq!(
            places("-01-02 a\n100.100 b\n-03.04 c"),
            [("-1,-2".into(), "a".into()), ("100,50".into(), "b".into()), ("-3,5".into(), "c".into()),]
        );
    }

    #[test]
    fn what_is_no_hex_is_skipped_with_a_reason() {
        for (line, reason) in [
            ("0101-0203 river", "a line between hexes is no terrain"),
            ("-0101--0203 \"Long road\" road", "a line between hexes is no terrain"),
            ("include http://example.org/map.txt", "includes are not followed"),
            ("river path attributes stroke=\"blue\"", "drawing instructions are not read"),
            ("hill attributes fill=\"brown\"", "drawing instructions are not read"),
            ("<path d=\"M0,0\"/>", "drawing instructions are not read"),
            ("license CC0", "drawing instructions are not read"),
            ("010101 hill", "only level 00 is read"),
            ("0101", "names no terrain"),
            ("0101 \"only a label\"", "names no terrain"),
            ("0101 \"no end", "names no terrain"),
            ("0101 海", "names no terrain"),
            ("99999999999999999999.00 sea", "its place lies beyond ±9999"),
            ("101 hill", "is neither a hex nor a comment"),
            ("é101 hill", "is neither a hex nor a comment"),
            ("hello", "is neither a hex nor a comment"),
        ] {
            assert_eq!(reasons(line), [(1, reason.to_owned())], "{line}");
        }
        assert_eq!(reasons("# a comment\n\n  # another"), []);
    }

    #[test]
    fn the_last_of_two_lines_for_one_place_counts() {
        let imported = import("0101 hill\n0102 sea\n0101 city").expect("the text has hexes");
        assert_eq!(imported.skipped.iter().map(|skipped| skipped.line).collect::<Vec<_>>(), [1]);
        assert_eq!(places("0101 hill\n0102 sea\n0101 city"), [("1,0".into(), "city".into()), ("1,1".into(), "sea".into())]);
    }

    #[test]
    fn a_text_without_hexes_is_refused() {
        for text in ["", "{}", "# nothing", "include default.txt"] {
            assert_eq!(import(text), Err(ImportError::NoHexes), "{text}");
        }
    }
}
