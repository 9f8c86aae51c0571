//! Users with sessions, and the campaigns, the workspace or the circles that they are members of, written straight into the tables: signing ten thousand people in would be
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

/// A workspace, whose channels have its members dealt out to them in turn.
#[derive(Clone, Debug)]
pub struct Team {
    pub workspace: String,
    pub channels: Vec<String>,
    /// The members' session tokens; the first is the owner's.
    pub tokens: Vec<String>,
}

/// A circle and its members' session tokens; the first is its owner's.
#[derive(Clone, Debug)]
pub struct Circle {
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

/// Makes a workspace of new people. With one channel all of them are in it.
pub fn seed_team(db: &mut Db, channels: usize, members: usize, now: Timestamp) -> Result<Team, LoadError> {
    let new_id = || Uuid::new_v4().to_string();
    let team = Team {
        workspace: new_id(),
        channels: (0..channels).map(|_| new_id()).collect(),
        tokens: (0..members).map(|_| random_32()).collect(),
    };
    db.write(|db| write_team(db, &team, now)).map_err(|error: diesel::result::Error| {
        LoadError::Failed(format!("the people and their channels could not be written: {error}"))
    })?;
    Ok(team)
}

/// Makes circles of new people, who share where they are, exactly.
pub fn seed_circles(db: &mut Db, circles: usize, members: usize, now: Timestamp) -> Result<Vec<Circle>, LoadError> {
    let circle = |_| Circle { id: Uuid::new_v4().to_string(), tokens: (0..members).map(|_| random_32()).collect() };
    let circles: Vec<Circle> = (0..circles).map(circle).collect();
    db.write(|db| write_circles(db, &circles, now))
        .map_err(|error: diesel::result::Error| LoadError::Failed(format!("the people and their circles could not be written: {error}")))?;
    Ok(circles)
}

pub fn count_positions(db: &mut Db) -> Result<i64, LoadError> {
    let count = on!(db, c => schema::location::table.count().get_result(c));
    count.map_err(|error: diesel::result::Error| LoadError::Failed(format!("the positions could not be counted: {error}")))
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

#[derive(Insertable)]
#[diesel(table_name = schema::workspace)]
struct Workspace<'a> {
    id: &'a str,
    name: &'static str,
    created_by: &'a str,
    created_at: At,
}

#[derive(Insertable)]
#[diesel(table_name = schema::workspace_member)]
struct TeamMember<'a> {
    id: String,
    workspace_id: &'a str,
    user_id: &'a str,
    role: &'static str,
    member_no: i32,
    joined_at: At,
    joined_seq: i64,
}

#[derive(Insertable)]
#[diesel(table_name = schema::channel)]
struct Channel<'a> {
    id: &'a str,
    workspace_id: &'a str,
    no: i32,
    name: String,
    private: bool,
    created_by: &'a str,
    created_at: At,
}

#[derive(Insertable)]
#[diesel(table_name = schema::channel_member)]
struct ChannelMember<'a> {
    channel_id: &'a str,
    user_id: &'a str,
}

#[derive(Insertable)]
#[diesel(table_name = schema::circle)]
struct CircleRow<'a> {
    id: &'a str,
    name: &'static str,
    created_by: &'a str,
    created_at: At,
}

#[derive(Insertable)]
#[diesel(table_name = schema::circle_member)]
struct CircleMember<'a> {
    id: String,
    circle_id: &'a str,
    user_id: &'a str,
    role: &'static str,
    member_no: i32,
    joined_at: At,
    joined_seq: i64,
    sharing: bool,
    sharing_precision: &'static str,
}

macro_rules! insert {
    ($db:expr, $table:ident, $rows:expr) => {
        for rows in $rows.chunks(ROWS_MAX) {
            on!($db, c => diesel::insert_into(schema::$table::table).values(rows).execute(c))?;
        }
    };
}

fn write(db: &mut Db, campaigns: &[Campaign], map_hexes: u32, now: Timestamp) -> QueryResult<()> {
    let at = At(now);
    let tokens: Vec<&String> = campaigns.iter().flat_map(|campaign| &campaign.tokens).collect();
    let users = write_people(db, &tokens, now)?;
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
    insert!(db, campaign, rows);
    insert!(db, campaign_member, members);
    insert!(db, campaign_hex, hexes);
    insert!(db, hex_visibility, fog);
    Ok(())
}

/// People with a session each.
fn write_people(db: &mut Db, tokens: &[&String], now: Timestamp) -> QueryResult<Vec<User>> {
    let (at, until) = (At(now), At(now.plus(SESSION_LIFE)));
    let users: Vec<User> = tokens.iter().map(|_| user(at)).collect();
    let sessions: Vec<Session> = tokens
        .iter()
        .zip(&users)
        .map(|(token, user)| Session { id: random_32(), expires_at: until, token, created_at: at, updated_at: at, user_id: &user.id })
        .collect();
    insert!(db, user, users);
    insert!(db, session, sessions);
    Ok(users)
}

fn write_team(db: &mut Db, team: &Team, now: Timestamp) -> QueryResult<()> {
    let at = At(now);
    let Team { workspace, channels, tokens } = team;
    let users = write_people(db, &tokens.iter().collect::<Vec<_>>(), now)?;
    let Some(owner) = users.first() else { return Ok(()) };
    let workspaces = [Workspace { id: workspace, name: "Load", created_by: &owner.id, created_at: at }];
    let members: Vec<TeamMember> = users
        .iter()
        .enumerate()
        .map(|(no, user)| TeamMember {
            id: Uuid::new_v4().to_string(),
            workspace_id: workspace,
            user_id: &user.id,
            role: if no == 0 { "owner" } else { "member" },
            member_no: no as i32,
            joined_at: at,
            joined_seq: 0,
        })
        .collect();
    let rows: Vec<Channel> = channels
        .iter()
        .enumerate()
        .map(|(no, id)| Channel {
            id,
            workspace_id: workspace,
            no: no as i32,
            name: format!("load-{no}"),
            private: false,
            created_by: &owner.id,
            created_at: at,
        })
        .collect();
    let in_channels: Vec<ChannelMember> = users
        .iter()
        .enumerate()
        .map(|(no, user)| ChannelMember { channel_id: &channels[no % channels.len()], user_id: &user.id })
        .collect();
    insert!(db, workspace, workspaces);
    insert!(db, workspace_member, members);
    insert!(db, channel, rows);
    insert!(db, channel_member, in_channels);
    Ok(())
}

fn write_circles(db: &mut Db, circles: &[Circle], now: Timestamp) -> QueryResult<()> {
    let at = At(now);
    let tokens: Vec<&String> = circles.iter().flat_map(|circle| &circle.tokens).collect();
    let users = write_people(db, &tokens, now)?;
    let mut ids = users.iter().map(|user| user.id.as_str());
    let (mut rows, mut members) = (Vec::new(), Vec::new());
    for Circle { id, tokens } in circles {
        for (no, user_id) in ids.by_ref().take(tokens.len()).enumerate() {
            let is_owner = no == 0;
            if is_owner {
                rows.push(CircleRow { id, name: "Load", created_by: user_id, created_at: at });
            }
            members.push(CircleMember {
                id: Uuid::new_v4().to_string(),
                circle_id: id,
                user_id,
                role: if is_owner { "owner" } else { "member" },
                member_no: no as i32,
                joined_at: at,
                joined_seq: 0,
                sharing: true,
                sharing_precision: "exact",
            });
        }
    }
    insert!(db, circle, rows);
    insert!(db, circle_member, members);
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
            include_str!("../../migrations/sqlite/2026-11-21-000004_messaging/up.sql"),
            include_str!("../../migrations/sqlite/2026-11-21-000005_circles/up.sql"),
            "PRAGMA foreign_keys = ON",
        ] {
            connection.batch_execute(migration).expect("the migrations are right");
        }
        Db::Sqlite(connection)
    }

    fn count(db: &mut Db, sql: &str) -> i64 {
        #[derive(QueryableByName)]
        struct Count {
            #[diesel(sql_type = diesel::sql_types::BigInt)]
            n: i64,
        }
        let count: Count = on!(db, c => diesel::sql_query(format!("SELECT count(*) AS n FROM {sql}")).get_result(c)).expect("it is SQL");
        count.n
    }

    #[test]
    fn everybody_of_a_team_is_in_one_of_its_channels() {
        let mut db = database();
        let team = seed_team(&mut db, 3, 7, Timestamp::from_ms(1_000)).expect("the tables are empty");
        let mut count = |sql: &str| count(&mut db, sql);
        assert_eq!(count("session JOIN workspace_member USING (user_id)"), 7);
        assert_eq!(count("workspace JOIN workspace_member m ON created_by = user_id AND role = 'owner' AND member_no = 0"), 1);
        let of = |channel: &str| format!("channel_member JOIN workspace_member USING (user_id) WHERE channel_id = '{channel}'");
        assert_eq!([0, 1, 2].map(|no| count(&of(&team.channels[no]))), [3, 2, 2]);
        assert_eq!(count(&format!("{} AND member_no = 4", of(&team.channels[1]))), 1);
    }

    #[test]
    fn every_circle_has_one_owner_and_people_with_sessions_who_share() {
        let mut db = database();
        let circles = seed_circles(&mut db, 300, 4, Timestamp::from_ms(1_000)).expect("the tables are empty");
        assert_eq!(count(&mut db, "circle JOIN circle_member m ON created_by = user_id AND role = 'owner' AND member_no = 0"), 300);
        let Circle { id, tokens } = &circles[299];
        let of_token = |no: usize| {
            let member = format!("circle_member JOIN session USING (user_id) WHERE circle_id = '{id}' AND member_no = {no} AND sharing");
            format!("{member} AND token = '{}'", tokens[no])
        };
        assert_eq!([0, 3].map(|no| count(&mut db, &of_token(no))), [1, 1]);
        assert_eq!(count_positions(&mut db).ok(), Some(0));
    }

    #[test]
    fn every_campaign_has_one_dm_and_people_with_sessions_of_their_own() {
        let mut db = database();
        let cast = seed(&mut db, 60, 3, 250, Timestamp::from_ms(1_000)).expect("the tables are empty");
        let mut count = |sql: &str| count(&mut db, sql);
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
