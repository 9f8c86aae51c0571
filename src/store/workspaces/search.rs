//! Search in messages: FTS5 in SQLite, a tsvector in PostgreSQL, with the same hits.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};

use crate::protocol::ids::{MessageId, UserId, WorkspaceId};
use crate::store::db::{Db, on};
use crate::store::schema;
use crate::store::types::At;
use crate::store::workspaces::messages::{MessageColumns, MessagePage, cut, messages, with_reactions};

/// What is searched for: all of some words, the last of which may be the beginning of one. Nothing of a word means anything to either database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words(Vec<String>);

impl Words {
    /// Splits at whitespace and at what is neither letter nor digit in ASCII. What else is neither is left to the databases: they make a phrase of
    /// what it divides.
    pub fn of(text: &str) -> Self {
        let divides = |c: char| c.is_whitespace() || c.is_control() || (c.is_ascii() && !c.is_ascii_alphanumeric());
        Self(text.split(divides).filter(|word| word.chars().any(char::is_alphanumeric)).map(str::to_lowercase).collect())
    }

    /// `"one" "two"*`
    fn for_fts5(&self) -> String {
        let quoted: Vec<String> = self.0.iter().map(|word| format!("\"{word}\"")).collect();
        quoted.join(" ") + "*"
    }

    /// `'one' & 'two':*`
    fn for_tsquery(&self) -> String {
        let quoted: Vec<String> = self.0.iter().map(|word| format!("'{word}'")).collect();
        quoted.join(" & ") + ":*"
    }
}

pub struct Search {
    pub workspace: WorkspaceId,
    pub user: UserId,
    pub words: Words,
    /// The message that the page begins after.
    pub before: Option<MessageId>,
    pub limit: u32,
}

/// As the column `search` is made of `content`, but for what divides the words of a query.
const MATCHES_TSQUERY: &str = "message.search @@ to_tsquery('simple', lower(regexp_replace(";
const AS_WORDS: &str = r#" COLLATE "und-x-icu", '[^[:alnum:]''&:*]+', ' ', 'g')))"#;
const MATCHES_FTS5: &str = "message.row_no IN (SELECT rowid FROM message_fts WHERE message_fts MATCH ";

/// What somebody may read at this moment, in the channels and conversations of a workspace.
macro_rules! readable {
    ($search:expr) => {{
        use schema::{channel_member as member, conversation_participant as participant, message, workspace_member};
        let user = $search.user.as_str();
        let channels = member::table.filter(member::user_id.eq(user)).select(member::channel_id.nullable());
        let conversations = participant::table.filter(participant::user_id.eq(user)).select(participant::conversation_id.nullable());
        let is_in_workspace = diesel::dsl::exists(
            workspace_member::table.filter(
                workspace_member::workspace_id
                    .eq($search.workspace.as_str())
                    .and(workspace_member::user_id.eq(user))
                    .and(workspace_member::left_at.is_null()),
            ),
        );
        messages!()
            .filter(message::workspace_id.eq($search.workspace.as_str()))
            .filter(is_in_workspace)
            .filter(message::channel_id.eq_any(channels).or(message::conversation_id.eq_any(conversations)))
    }};
}

/// Hits, newest first. `None` when the cursor names no message that the user may read.
pub fn find(db: &mut Db, search: &Search) -> QueryResult<Option<MessagePage>> {
    db.read(|db| {
        let before = match &search.before {
            None => None,
            Some(id) => match place_of(db, search, id)? {
                None => return Ok(None),
                place => place,
            },
        };
        if search.words.0.is_empty() {
            return Ok(Some(MessagePage { messages: Vec::new(), has_more: false }));
        }
        let (rows, has_more) = cut(hits(db, search, before)?, search.limit);
        Ok(Some(MessagePage { messages: with_reactions(db, rows)?, has_more }))
    })
}

fn place_of(db: &mut Db, search: &Search, id: &MessageId) -> QueryResult<Option<(At, String)>> {
    use schema::message as d;
    let row: Option<MessageColumns> = on!(db, c => readable!(search).filter(d::id.eq(id.as_str())).first(c).optional())?;
    Ok(row.map(|row| (row.8, row.0)))
}

/// One more than are wanted.
fn hits(db: &mut Db, search: &Search, before: Option<(At, String)>) -> QueryResult<Vec<MessageColumns>> {
    use schema::message as d;
    macro_rules! load {
        ($c:expr, $matches:expr) => {{
            let mut query = readable!(search).filter($matches).filter(d::deleted_at.is_null()).into_boxed();
            if let Some((at, id)) = before {
                query = query.filter(d::created_at.lt(at).or(d::created_at.eq(at).and(d::id.lt(id))));
            }
            query.order((d::created_at.desc(), d::id.desc())).limit(i64::from(search.limit) + 1).load($c)
        }};
    }
    on!(
        db,
        pg c => load!(c, sql::<Bool>(MATCHES_TSQUERY).bind::<Text, _>(search.words.for_tsquery()).sql(AS_WORDS)),
        sqlite c => load!(c, sql::<Bool>(MATCHES_FTS5).bind::<Text, _>(search.words.for_fts5()).sql(")")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_what_is_searched_for_is_syntax() {
        let words = Words::of(r#" NEAR("a" OR b*) -c:d ^e'f\ & g!<->|é-Ü 🎉 "#);
        assert_eq!(words.0, ["near", "a", "or", "b", "c", "d", "e", "f", "g", "é", "ü"]);
        assert_eq!(Words::of("Foo bar").for_fts5(), r#""foo" "bar"*"#);
        assert_eq!(Words::of("Foo bar").for_tsquery(), "'foo' & 'bar':*");
        assert_eq!(Words::of("\"'🎉—* "), Words::default());
    }
}
