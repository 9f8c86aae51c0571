//! Users with sessions, and the campaigns that they are members of, written straight into the tables: signing ten thousand people in would be
//! minutes of scrypt.

use std::time::Duration;

use diesel::prelude::*;
use uuid::Uuid;

use super::LoadError;
use crate::protocol::time::Timestamp;
use crate::store::db::{Db, on};
use crate::store::schema;
use crate::store::types::At;

/// A campaign and its members' session tokens; the first is its DM's.
#[derive(Clone, Debug)]
pub struct Campaign {
    pub id: String,
    pub tokens: Vec<String>,
}

/// Rows of one INSERT. SQLite takes 32,766 values.
const ROWS_MAX: usize = 1_000;

/// Campaigns whose rows are made at once, to bound memory.
const CAMPAIGNS_MAX: usize = 50;

const SESSION_LIFE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Hexes of a map's row; longer maps have more rows.
const MAP_WIDTH: i32 = 100;

pub fn connect(url: &str) -> Result<Db, LoadError> {
    let connection = match url.strip_prefix("sqlite://") {
        Some(path) => SqliteConnection::establish(path).map(Db::Sqlite),
        None => PgConnection::establish(url).map(Db::Pg),
    };
    connection.map_err(|error| LoadError::Failed(format!("the database cannot be reached: {error}")))
}

/// Makes `campaigns` campaigns of `members` new people each, and a map of which a half is revealed to everybody.
pub fn seed(db: &mut Db, campaigns: usize, members: usize, map_hexes: u32, now: Timestamp) -> Result<Vec<Campaign>, LoadError> {
    let cast: Vec<Campaign> =
        (0..campaigns).map(|_| Campaign { id: Uuid::new_v4().to_string(), tokens: (0..members).map(|_| random_32()).collect() }).collect();
    db.write(|db| cast.chunks(CAMPAIGNS_MAX).try_for_each(|campaigns| write(db, campaigns, map_hexes, now)))
        .map_err(|error: diesel::result::Error| LoadError::Failed(format!("the people and campaigns could not be written: {error}")))?;
    Ok(cast)
}

fn random_32() -> String {
    Uuid::new_v4().simple().to_string()
}

#[derive(Insertable)]
#[diesel(table_name = schema::user)]
struct User {
    id: String,
    name: String,
    email: String,
    email_verified: bool,
    created_at: At,
    updated_at: At,
}

#[derive(Insertable)]
#[diesel(table_name = schema::session)]
struct Session<'a> {
    id: String,
    expires_at: At,
    token: &'a str,
    created_at: At,
    updated_at: At,
    user_id: &'a str,
}

#[derive(Insertable)]
#[diesel(table_name = schema::campaign)]
struct CampaignRow<'a> {
    id: &'a str,
    name: &'static str,
    owner_id: &'a str,
    broadcast_mode: &'static str,
    grid_width: i32,
    grid_height: i32,
    created_at: At,
}

#[derive(Insertable)]
#[diesel(table_name = schema::campaign_member)]
struct Member<'a> {
    id: String,
    campaign_id: &'a str,
    user_id: &'a str,
    role: &'static str,
    member_no: i32,
    joined_at: At,
    joined_seq: i64,
}

#[derive(Insertable)]
#[diesel(table_name = schema::campaign_hex)]
struct Hex<'a> {
    campaign_id: &'a str,
    hex_q: i32,
    hex_r: i32,
    terrain: &'static str,
    variant: i32,
}

#[derive(Insertable)]
#[diesel(table_name = schema::hex_visibility)]
struct Fog<'a> {
    campaign_id: &'a str,
    hex_q: i32,
    hex_r: i32,
    everyone: bool,
    members: &'a [u8],
}

macro_rules! insert {
    ($db:expr, $table:ident, $rows:expr) => {
        for rows in $rows.chunks(ROWS_MAX) {
            on!($db, c => diesel::insert_into(schema::$table::table).values(rows).execute(c))?;
        }
    };
}

fn write(db: &mut Db, campaigns: &[Campaign], map_hexes: u32, now: Timestamp) -> QueryResult<()> {
    let (at, until) = (At(now), At(now.plus(SESSION_LIFE)));
    let tokens: Vec<&String> = campaigns.iter().flat_map(|campaign| &campaign.tokens).collect();
    let users: Vec<User> = tokens.iter().map(|_| user(at)).collect();
    let people = tokens.iter().zip(&users);
    let sessions: Vec<Session> = people
        .map(|(token, user)| Session { id: random_32(), expires_at: until, token, created_at: at, updated_at: at, user_id: &user.id })
        .collect();
    let height = map_hexes.div_ceil(MAP_WIDTH as u32) as i32;
    let mut ids = users.iter().map(|user| user.id.as_str());
    let (mut rows, mut members) = (Vec::new(), Vec::new());
    for Campaign { id, tokens } in campaigns {
        for (no, user_id) in ids.by_ref().take(tokens.len()).enumerate() {
            let (is_dm, member_id) = (no == 0, Uuid::new_v4().to_string());
            if is_dm {
                let (broadcast_mode, name) = ("immediate", "Load");
                rows.push(CampaignRow {
                    id,
                    name,
                    owner_id: user_id,
                    broadcast_mode,
                    grid_width: MAP_WIDTH,
                    grid_height: height,
                    created_at: at,
                });
            }
            let role = if is_dm { "dm" } else { "player" };
            members.push(Member { id: member_id, campaign_id: id, user_id, role, member_no: no as i32, joined_at: at, joined_seq: 0 });
        }
    }
    let places = |every: usize| {
        let places = (0..map_hexes as i32).step_by(every).map(|hex| (hex % MAP_WIDTH, hex / MAP_WIDTH));
        campaigns.iter().flat_map(move |campaign| places.clone().map(move |(q, r)| (campaign.id.as_str(), q, r)))
    };
    let hexes: Vec<Hex> =
        places(1).map(|(campaign_id, hex_q, hex_r)| Hex { campaign_id, hex_q, hex_r, terrain: "forest", variant: 0 }).collect();
    let fog: Vec<Fog> =
        places(2).map(|(campaign_id, hex_q, hex_r)| Fog { campaign_id, hex_q, hex_r, everyone: true, members: &[] }).collect();
    insert!(db, user, users);
    insert!(db, session, sessions);
    insert!(db, campaign, rows);
    insert!(db, campaign_member, members);
    insert!(db, campaign_hex, hexes);
    insert!(db, hex_visibility, fog);
    Ok(())
}

fn user(at: At) -> User {
    let id = random_32();
    let (name, email) = (format!("Load {}", &id[..6]), format!("load-{id}@example.org"));
    User { id, name, email, email_verified: true, created_at: at, updated_at: at }
}

#[cfg(test)]
mod tests {
    use super::*;
    use diesel::connection::SimpleConnection;

    fn database() -> Db {
        let mut connection = SqliteConnection::establish(":memory:").expect("memory is always there");
        for migration in [
            include_str!("../../migrations/sqlite/2026-11-21-000001_accounts/up.sql"),
            include_str!("../../migrations/sqlite/2026-11-21-000002_kernel/up.sql"),
            include_str!("../../migrations/sqlite/2026-11-21-000003_campaigns/up.sql"),
            "PRAGMA foreign_keys = ON",
        ] {
            connection.batch_execute(migration).expect("the migrations are right");
        }
        Db::Sqlite(connection)
    }

    #[test]
    fn every_campaign_has_one_dm_and_people_with_sessions_of_their_own() {
        let mut db = database();
        let cast = seed(&mut db, 60, 3, 250, Timestamp::from_ms(1_000)).expect("the tables are empty");
        let mut count = |sql: &str| {
            #[derive(QueryableByName)]
            struct Count {
                #[diesel(sql_type = diesel::sql_types::BigInt)]
                n: i64,
            }
            let count: Count =
                on!(&mut db, c => diesel::sql_query(format!("SELECT count(*) AS n FROM {sql}")).get_result(c)).expect("it is SQL");
            count.n
        };
        assert_eq!(count("session JOIN \"user\" ON \"user\".id = user_id"), 180);
        assert_eq!(count("campaign JOIN campaign_member m ON owner_id = user_id AND role = 'dm' AND member_no = 0"), 60);
        assert_eq!(count("campaign_member WHERE role = 'player' AND member_no IN (1, 2)"), 120);
        assert_eq!((count("campaign_hex WHERE q < 100"), count("hex_visibility WHERE everyone")), (60 * 250, 60 * 125));
        let Campaign { id, tokens } = &cast[59];
        let of_token =
            |token: &str| format!("campaign_member m JOIN session s USING (user_id) WHERE campaign_id = '{id}' AND token = '{token}'");
        assert_eq!(count(&format!("{} AND role = 'dm'", of_token(&tokens[0]))), 1);
        assert_eq!(count(&format!("{} AND member_no = 2", of_token(&tokens[2]))), 1);
        assert!(cast.iter().flat_map(|campaign| &campaign.tokens).all(|token| token.len() == 32));
    }
}
