//! `.prepared()`: statements that diesel would send as text each time, kept prepared on their connection.
//!
//! Diesel caches selects and plain inserts by itself. It does not cache UPDATE, ON CONFLICT DO UPDATE and `sql_query`, which then cost
//! PostgreSQL a second round trip and SQLite a compilation. The key is the SQL text, kept for the connection's life: a text that varies
//! (an IN-list, a batch of varying size) must not be wrapped.

// Hidden in diesel's docs, so a new minor version of diesel may move it; nothing else in the project uses it.
use diesel::internal::derives::multiconnection::AstPassHelper;
use diesel::pg::{Pg, PgQueryBuilder};
use diesel::query_builder::{AstPass, Query, QueryBuilder, QueryFragment, QueryId};
use diesel::sqlite::Sqlite;
use diesel::sqlite::query_builder::SqliteQueryBuilder;
use diesel::{QueryResult, RunQueryDsl};

pub struct Prepared<T>(T);

pub trait Prepare: Sized {
    /// Keeps this statement prepared on its connection. Its text must not vary.
    fn prepared(self) -> Prepared<Self> {
        Prepared(self)
    }
}

impl<T> Prepare for T {}

macro_rules! fragment {
    ($backend:ident, $builder:path) => {
        impl<T: QueryFragment<$backend>> QueryFragment<$backend> for Prepared<T> {
            fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, $backend>) -> QueryResult<()> {
                if let Some((binds, lookup)) = pass.bind_collector() {
                    return self.0.collect_binds(binds, lookup, &$backend);
                }
                if let Some((binds, backend)) = pass.debug_binds() {
                    return self.0.walk_ast(AstPass::<$backend>::collect_debug_binds_pass(binds, backend));
                }
                // Walked through here, the inner statement would mark the pass as not to be cached.
                let mut text = <$builder>::default();
                self.0.to_sql(&mut text, &$backend)?;
                pass.push_sql(&text.finish());
                Ok(())
            }
        }
    };
}

fragment!(Pg, PgQueryBuilder);
fragment!(Sqlite, SqliteQueryBuilder);

impl<T> QueryId for Prepared<T> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<T: Query> Query for Prepared<T> {
    type SqlType = T::SqlType;
}

impl<T, C> RunQueryDsl<C> for Prepared<T> {}
