//! The schema of both databases: how it comes, goes and is guarded, and the copy of a SQLite database.

use std::collections::BTreeSet;
use std::sync::Barrier;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::Text;
use moothall::store::backup::{BackupError, backup};
use moothall::store::db::{Db, on};
use moothall::store::migrate::{self, MigrateError};
use moothall::store::pool::{DatabaseUrl, open_writer};

use crate::support::postgres::{TestDatabase, both};

fn open(database: &TestDatabase) -> Db {
    open_writer(&DatabaseUrl::parse(&database.url()).expect("is a URL")).expect("the database is there")
}

fn execute(db: &mut Db, sql: &str) {
    on!(db, c => c.batch_execute(sql)).expect("is SQL");
}

#[derive(QueryableByName, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

fn lines(db: &mut Db, sql: &str) -> BTreeSet<String> {
    let rows: Vec<Line> = on!(db, c => sql_query(sql).load(c)).expect("is SQL");
    rows.into_iter().map(|row| row.line).collect()
}

fn tables(db: &mut Db) -> BTreeSet<String> {
    let sql = match db {
        Db::Pg(_) => "SELECT tablename::text AS line FROM pg_tables WHERE schemaname = 'public'",
        Db::Sqlite(_) => "SELECT name AS line FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
    };
    lines(db, sql)
}

/// Every column with its type in SQLite's words, whether it may be null and whether it has a default.
fn columns(db: &mut Db) -> BTreeSet<String> {
    let sql = match db {
        Db::Pg(_) => {
            "SELECT table_name || '.' || column_name || ' ' || CASE \
                 WHEN data_type IN ('timestamp without time zone', 'USER-DEFINED', 'jsonb') THEN 'text' WHEN data_type = 'bytea' THEN 'blob' ELSE data_type END \
                 || CASE WHEN is_nullable = 'YES' THEN '' ELSE ' not null' END || CASE WHEN column_default IS NULL THEN '' ELSE ' default' END AS line \
             FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> '__diesel_schema_migrations'"
        }
        // SQLite lets a key of text be null, and does not say so of it.
        Db::Sqlite(_) => {
            "SELECT t.name || '.' || c.name || ' ' || lower(c.type) \
                 || CASE WHEN c.\"notnull\" OR c.pk > 0 THEN ' not null' ELSE '' END || CASE WHEN c.dflt_value IS NULL THEN '' ELSE ' default' END AS line \
             FROM sqlite_master t JOIN pragma_table_info(t.name) c \
             WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' AND t.name <> '__diesel_schema_migrations'"
        }
    };
    lines(db, sql)
}

/// Every index, those of keys and unique columns too, by its columns and not by its name.
fn indexes(db: &mut Db) -> BTreeSet<String> {
    let sql = match db {
        Db::Pg(_) => {
            "SELECT t.relname || '(' || (SELECT string_agg(a.attname, ',' ORDER BY k.n) FROM unnest(i.indkey) WITH ORDINALITY k (attnum, n) \
                 JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.attnum) || ')' || CASE WHEN i.indisunique THEN ' unique' ELSE '' END AS line \
             FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace n ON n.oid = t.relnamespace \
             WHERE n.nspname = 'public' AND t.relname <> '__diesel_schema_migrations'"
        }
        Db::Sqlite(_) => {
            "SELECT t.name || '(' || (SELECT group_concat(name, ',') FROM (SELECT name FROM pragma_index_info(i.name) ORDER BY seqno)) || ')' \
                 || CASE WHEN i.\"unique\" THEN ' unique' ELSE '' END AS line \
             FROM sqlite_master t JOIN pragma_index_list(t.name) i WHERE t.type = 'table' AND t.name <> '__diesel_schema_migrations'"
        }
    };
    lines(db, sql)
}

/// Every foreign key and what a deletion does with it.
fn references(db: &mut Db) -> BTreeSet<String> {
    let sql = match db {
        Db::Pg(_) => {
            "SELECT t.relname || '.' || a.attname || ' ' || f.relname || ' ' || CASE c.confdeltype \
                 WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' WHEN 'a' THEN 'NO ACTION' ELSE '?' END AS line \
             FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid JOIN pg_class f ON f.oid = c.confrelid \
             JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = c.conkey[1] WHERE c.contype = 'f'"
        }
        Db::Sqlite(_) => {
            "SELECT t.name || '.' || k.\"from\" || ' ' || k.\"table\" || ' ' || k.on_delete AS line \
             FROM sqlite_master t JOIN pragma_foreign_key_list(t.name) k WHERE t.type = 'table'"
        }
    };
    lines(db, sql)
}

const ADOPTED: [&str; 4] = ["user", "session", "account", "verification"];

#[test]
fn the_schema_comes_goes_and_comes_again() {
    both(|database| {
        let mut db = open(database);
        assert!(migrate::status(&mut db).expect("answers").iter().all(|step| !step.applied));
        assert!(matches!(migrate::check(&mut db), Err(MigrateError::Pending(5))));
        assert!(matches!(migrate::down(&mut db), Err(MigrateError::NothingApplied)));
        assert!(tables(&mut db).is_empty(), "looking changes nothing");
        assert_eq!(migrate::up(&mut db).expect("migrates"), 5);
        let whole = (tables(&mut db), columns(&mut db), indexes(&mut db), references(&mut db));
        assert_eq!(migrate::up(&mut db).expect("there is nothing to do"), 0);
        migrate::check(&mut db).expect("is whole");
        assert!(migrate::status(&mut db).expect("answers").iter().all(|step| step.applied));
        execute(&mut db, "INSERT INTO \"user\" (id, name, email) VALUES ('u', 'U', 'u@example.com')");
        assert_eq!(migrate::down(&mut db).expect("reverts"), "circles");
        assert!(matches!(migrate::check(&mut db), Err(MigrateError::Pending(1))));
        assert_eq!(migrate::down(&mut db).expect("reverts"), "messaging");
        assert_eq!(migrate::down(&mut db).expect("reverts"), "campaigns");
        assert_eq!(migrate::down(&mut db).expect("reverts"), "kernel");
        assert_eq!(migrate::down(&mut db).expect("reverts"), "accounts");
        let left: BTreeSet<String> = ADOPTED.into_iter().chain(["__diesel_schema_migrations"]).map(str::to_owned).collect();
        assert_eq!(tables(&mut db), left);
        assert_eq!(lines(&mut db, "SELECT id AS line FROM \"user\"").len(), 1);
        assert_eq!(migrate::up(&mut db).expect("migrates"), 5);
        assert_eq!((tables(&mut db), columns(&mut db), indexes(&mut db), references(&mut db)), whole);
    });
}

/// What the search is made of: PostgreSQL keeps the words of a message in a column with an index of its own kind, SQLite in a virtual table (and the
/// tables behind that) which knows a message by a number.
fn is_of_the_search(line: &str) -> bool {
    line.starts_with("message_fts") || ["message.search ", "message(search)", "message.row_no "].iter().any(|start| line.starts_with(start))
}

#[test]
fn both_databases_have_one_schema() {
    let of = |database: TestDatabase| {
        let mut db = open(&database);
        migrate::up(&mut db).expect("migrates");
        [tables(&mut db), columns(&mut db), indexes(&mut db), references(&mut db)]
    };
    let (sqlite, postgres) = (of(TestDatabase::sqlite()), of(TestDatabase::postgres()));
    for (sqlite, postgres) in sqlite.iter().zip(&postgres) {
        assert!(sqlite.len() >= 15);
        let only_one: Vec<_> = sqlite.symmetric_difference(postgres).filter(|line| !is_of_the_search(line)).collect();
        assert!(only_one.is_empty(), "{only_one:#?}");
    }
}

#[test]
fn every_table_of_ours_is_guarded() {
    both(|database| {
        let mut db = open(database);
        migrate::up(&mut db).expect("migrates");
        let mut ours = tables(&mut db);
        ours.retain(|table| !ADOPTED.contains(&table.as_str()) && table != "__diesel_schema_migrations");
        if database.is_postgres() {
            ours.extend(["session_status".to_owned(), "session_event_type".to_owned()]);
        }
        for name in ours {
            let fresh = if database.is_postgres() { TestDatabase::postgres() } else { TestDatabase::sqlite() };
            let mut db = open(&fresh);
            let is_type = ["session_status", "session_event_type"].contains(&name.as_str());
            execute(
                &mut db,
                &if is_type { format!("CREATE TYPE {name} AS ENUM ('x')") } else { format!("CREATE TABLE {name} (x integer)") },
            );
            let before = tables(&mut db);
            for refused in [migrate::up(&mut db).map(drop), migrate::check(&mut db), migrate::down(&mut db).map(drop)] {
                assert!(matches!(&refused, Err(MigrateError::Foreign(found)) if *found == name), "{name}: {refused:?}");
            }
            assert_eq!(tables(&mut db), before);
        }
    });
}

#[test]
fn of_several_that_start_at_once_one_migrates() {
    both(|database| {
        const STARTERS: usize = 6;
        let start = Barrier::new(STARTERS);
        let mut done: Vec<usize> = std::thread::scope(|scope| {
            let starter = || {
                start.wait();
                migrate::up(&mut open(database)).expect("migrates or finds it done")
            };
            let threads: Vec<_> = (0..STARTERS).map(|_| scope.spawn(starter)).collect();
            threads.into_iter().map(|thread| thread.join().expect("does not panic")).collect()
        });
        done.sort_unstable();
        assert_eq!(done, [0, 0, 0, 0, 0, 5]);
    });
}

#[test]
fn the_accounts_of_another_app_are_adopted_as_they_are() {
    both(|database| {
        let mut db = open(database);
        // With a column that we do not know, and without some that we make.
        execute(
            &mut db,
            "CREATE TABLE \"user\" (id text PRIMARY KEY, name text NOT NULL, email text NOT NULL UNIQUE, shoe_size integer); \
             CREATE TABLE session (id text PRIMARY KEY, token text NOT NULL UNIQUE, user_id text NOT NULL REFERENCES \"user\" (id)); \
             INSERT INTO \"user\" VALUES ('u', 'U', 'u@example.com', 44); INSERT INTO session VALUES ('s', 't', 'u')",
        );
        let of_theirs = |db: &mut Db| -> Vec<String> {
            columns(db).into_iter().filter(|line| line.starts_with("user.") || line.starts_with("session.")).collect()
        };
        let before = of_theirs(&mut db);
        assert_eq!(migrate::up(&mut db).expect("migrates"), 5);
        assert_eq!(of_theirs(&mut db), before);
        assert!(tables(&mut db).contains("verification"));
        for _ in 0..5 {
            migrate::down(&mut db).expect("reverts");
        }
        assert_eq!(of_theirs(&mut db), before);
        assert_eq!(lines(&mut db, "SELECT token AS line FROM session").len(), 1);
    });
}

#[test]
fn a_newer_schema_is_refused() {
    both(|database| {
        let mut db = open(database);
        migrate::up(&mut db).expect("migrates");
        execute(&mut db, "INSERT INTO __diesel_schema_migrations (version) VALUES ('29990101000001')");
        for refused in [migrate::up(&mut db).map(drop), migrate::check(&mut db), migrate::down(&mut db).map(drop)] {
            assert!(matches!(&refused, Err(MigrateError::Newer(version)) if version == "29990101000001"), "{refused:?}");
        }
    });
}

#[test]
fn a_backup_holds_what_was_committed_and_is_a_database() {
    let database = TestDatabase::sqlite();
    let url = DatabaseUrl::parse(&database.url()).expect("is a URL");
    let mut db = open(&database);
    migrate::up(&mut db).expect("migrates");
    execute(&mut db, "INSERT INTO \"user\" (id, name, email) VALUES ('u', 'U', 'u@example.com')");
    // A write that is under way neither hinders the backup nor gets into it.
    execute(&mut db, "BEGIN IMMEDIATE; INSERT INTO \"user\" (id, name, email) VALUES ('v', 'V', 'v@example.com')");
    let folder = tempfile::tempdir().expect("there is a temporary directory");
    let copy = folder.path().join("copy.db");
    backup(&url, &copy).expect("is written");
    execute(&mut db, "COMMIT");
    let restored = DatabaseUrl::Sqlite(copy.clone());
    let mut restored = open_writer(&restored).expect("opens");
    migrate::check(&mut restored).expect("is whole");
    assert_eq!(lines(&mut restored, "SELECT id AS line FROM \"user\"").into_iter().collect::<Vec<_>>(), ["u"]);
    drop(restored);
    let before = std::fs::read(&copy).expect("is there");
    assert!(matches!(backup(&url, &copy), Err(BackupError::Exists(path)) if path == copy));
    assert_eq!(std::fs::read(&copy).expect("is there"), before);
    let names: Vec<_> = std::fs::read_dir(folder.path()).expect("is there").map(|entry| entry.expect("is there").file_name()).collect();
    assert_eq!(names, ["copy.db"]);
}

#[test]
fn what_is_searched_in_a_backup_is_what_was_said() {
    let database = TestDatabase::sqlite();
    let mut db = open(&database);
    migrate::up(&mut db).expect("migrates");
    execute(
        &mut db,
        "INSERT INTO \"user\" (id, name, email) VALUES ('u', 'U', 'u@example.com'); \
         INSERT INTO workspace VALUES ('w', 'W', 'u', 'now'); INSERT INTO channel VALUES ('c', 'w', 1, 'C', false, 'u', 'now', NULL)",
    );
    for (sequence, word) in ["anvil", "bellows", "chisel"].iter().enumerate() {
        execute(
            &mut db,
            &format!(
                "INSERT INTO message (id, workspace_id, channel_id, sequence, author_id, content, created_at, updated_at) \
                 VALUES ('m{word}', 'w', 'c', {sequence}, 'u', 'the {word}', 'now', 'now')"
            ),
        );
    }
    // A gap, which the copy would close if it gave the rows new numbers.
    execute(&mut db, "DELETE FROM message WHERE id = 'manvil'");
    let folder = tempfile::tempdir().expect("there is a temporary directory");
    let copy = folder.path().join("copy.db");
    backup(&DatabaseUrl::parse(&database.url()).expect("is a URL"), &copy).expect("is written");
    let mut restored = open_writer(&DatabaseUrl::Sqlite(copy)).expect("opens");
    execute(&mut restored, "INSERT INTO message_fts (message_fts, rank) VALUES ('integrity-check', 1)");
    let search =
        |word| format!("SELECT m.id AS line FROM message_fts f JOIN message m ON m.row_no = f.rowid WHERE message_fts MATCH '{word}'");
    assert_eq!(lines(&mut restored, &search("chisel")).into_iter().collect::<Vec<_>>(), ["mchisel"]);
    assert!(lines(&mut restored, &search("anvil")).is_empty());
}

#[test]
fn a_backup_that_cannot_be_made_leaves_no_file() {
    let folder = tempfile::tempdir().expect("there is a temporary directory");
    let none = DatabaseUrl::Sqlite(folder.path().join("none.db"));
    assert!(matches!(backup(&none, &folder.path().join("copy.db")), Err(BackupError::Io(_))));
    let garbage = folder.path().join("garbage.db");
    std::fs::write(&garbage, [b'x'; 8192]).expect("can be written");
    assert!(backup(&DatabaseUrl::Sqlite(garbage), &folder.path().join("copy.db")).is_err());
    let postgres = DatabaseUrl::parse("postgres://host/name").expect("is a URL");
    let refused = backup(&postgres, &folder.path().join("copy.db")).expect_err("is refused");
    assert!(refused.to_string().contains("pg_dump"));
    assert_eq!(std::fs::read_dir(folder.path()).expect("is there").count(), 1);
}
