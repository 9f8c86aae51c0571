//! `moothall demo`: a campaign to look at, so that a newcomer sees something at once.
//!
//! The campaign is played, not made up: the room's own rules decide every command, and the journal's writer writes what they say, in one
//! transaction with the accounts. So it looks as if four people had been at the table, log and all. No server and no actor runs for it.

mod map;
mod people;
mod play;
mod scene;

use std::fmt::Write;
use std::path::Path;

use chrono::Utc;
use uuid::Uuid;

use crate::exit::Exit;
use crate::protocol::ids::CampaignId;
use crate::protocol::time::Timestamp;
use crate::settings::Settings;
use crate::settings::data_dir::Lock;
use crate::settings::value::{Host, Migrate};
use crate::store::campaigns::{self, NewCampaign};
use crate::store::db::Db;
use crate::store::migrate;
use crate::store::pool::{self, DatabaseUrl};

use people::Person;

const NAME: &str = "The Sunken Stair";

/// Makes the demo and returns what to tell about it. Every call makes one more campaign; the four people stay the same.
pub fn fill(settings: &Settings, file: Option<&Path>) -> Result<String, Exit> {
    let map = map::read(file, settings.max_upload_bytes)?;
    // A server would not hear of rooms that somebody else plays in its SQLite file, and is the only one to write there.
    let _lock = matches!(settings.database_url, DatabaseUrl::Sqlite(_)).then(|| Lock::take(settings)).transpose()?;
    let mut db = pool::open_writer(&settings.database_url).map_err(|error| Exit::unreachable(&settings.database_url, &error))?;
    match settings.migrate {
        Migrate::Auto => drop(migrate::up(&mut db)?),
        Migrate::Check => migrate::check(&mut db)?,
    }
    let now = Timestamp::from_ms(Utc::now().timestamp_millis());
    let people = people::find(&mut db)?;
    let campaign = db.write(|db| make(db, &map, &people, now))?;
    Ok(tell(settings, &campaign, &people, &map))
}

fn make(db: &mut Db, map: &map::Map, people: &[Person], now: Timestamp) -> Result<CampaignId, Exit> {
    people.iter().try_for_each(|person| people::make(db, person, now))?;
    let campaign = CampaignId::new(Uuid::new_v4().to_string());
    let dm = &people[0];
    let new =
        NewCampaign { id: campaign.clone(), name: NAME.to_owned(), owner: dm.id.clone(), membership: Uuid::new_v4().to_string(), at: now };
    campaigns::create(db, &new)?;
    play::play(db, &campaign, scene::of(map, people, now), now)?;
    Ok(campaign)
}

fn tell(settings: &Settings, campaign: &CampaignId, people: &[Person], map: &map::Map) -> String {
    let mut text = format!("The campaign \"{NAME}\" is ready, with a session in progress.\n\n  campaign  {campaign}\n");
    for person in people {
        let password = person.password.as_deref().unwrap_or("(as it was: the account is from an earlier demo)");
        // Writing to a String does not fail.
        let _ = writeln!(text, "  {:<8}  {:<18}  {password}", person.role, person.email);
    }
    if map.skipped > 0 {
        let _ = writeln!(text, "\n{} places of the map file became no hex.", map.skipped);
    }
    let (http, socket) = address(settings);
    let player = &people[1];
    let password = player.password.as_deref().unwrap_or("PASSWORD");
    let _ = write!(
        text,
        "
Start the server with `moothall`, then look at it as {name} does:

  TOKEN=$(curl -s {http}/api/auth/sign-in/email -H 'content-type: application/json' \\
    -d '{{\"email\":\"{email}\",\"password\":\"{password}\"}}' | sed 's/.*\"token\":\"\\([^\"]*\\)\".*/\\1/')
  curl -s {http}/api/campaigns/{campaign}/map -H \"authorization: Bearer $TOKEN\"
  npx wscat -c '{socket}/ws?campaignId={campaign}' -H \"authorization: Bearer $TOKEN\"

Sign in as the DM in the same way, and send (each in one line) what the players are to see:

  {{\"type\":\"hex:reveal\",\"id\":\"1\",\"hexKeys\":[\"{unseen}\"],\"targets\":\"all\"}}
",
        name = player.name,
        email = player.email,
        unseen = scene::unseen(map),
    );
    if people.iter().any(|person| person.password.is_none()) {
        text.push_str("\nA password that is lost is made anew with: moothall user password EMAIL --generate\n");
    }
    text
}

/// Where the server will be, for HTTP and for sockets.
fn address(settings: &Settings) -> (String, String) {
    let http = match (&settings.base_url, &settings.host) {
        (Some(url), _) => url.to_string(),
        (None, Host::Ip(ip)) if ip.is_unspecified() => format!("http://127.0.0.1:{}", settings.port),
        (None, host) => format!("http://{}:{}", host.in_url(), settings.port),
    };
    let socket = http.replacen("http", "ws", 1);
    (http, socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::password;
    use crate::protocol::ids::UserId;
    use crate::rooms::campaign::rows::SessionStatus;
    use crate::settings::source::Source;
    use crate::store::{accounts, campaign};

    fn settings(dir: &tempfile::TempDir) -> Settings {
        Settings::from_source(&Source::of(&[("DATA_DIR", dir.path().to_str().unwrap())])).unwrap()
    }

    /// The ids in what was told: the campaign's.
    fn campaign_of(told: &str) -> CampaignId {
        let line = told.lines().find_map(|line| line.trim().strip_prefix("campaign")).expect("the campaign is told");
        CampaignId::new(line.trim())
    }

    #[test]
    fn a_demo_has_four_people_a_session_in_progress_and_fog_that_differs_by_player() {
        let dir = tempfile::tempdir().unwrap();
        let settings = settings(&dir);
        let told = fill(&settings, None).unwrap();
        let mut db = pool::open_writer(&settings.database_url).unwrap();

        let stored = campaign::load_campaign(&mut db, &campaign_of(&told)).unwrap().expect("the campaign is there");
        assert_eq!(stored.session.expect("a session").status, SessionStatus::Active);
        assert_eq!(stored.members.len(), 4);
        assert_eq!((stored.board.hexes.len(), stored.board.tokens.len()), (108, 5));
        let sees = |at: usize| stored.board.fog.iter().filter(|(_, seen)| seen.shows(stored.members[at].no)).count();
        assert!(sees(1) > sees(2) && sees(2) > 0 && sees(2) == sees(3), "{} {} {}", sees(1), sees(2), sees(3));

        for (user, hash) in
            accounts::list_users(&mut db).unwrap().iter().map(|user| accounts::user_by_email(&mut db, &user.email).unwrap().unwrap())
        {
            let line = told.lines().find(|line| line.contains(&format!(" {} ", user.email))).expect("everybody is told");
            let text = line.split_whitespace().last().unwrap();
            assert!(password::verify(text, &hash.expect("a password")), "{line}");
        }
    }

    #[test]
    fn a_second_demo_is_a_second_campaign_of_the_same_people_who_keep_their_passwords() {
        let dir = tempfile::tempdir().unwrap();
        let settings = settings(&dir);
        let first = fill(&settings, None).unwrap();
        let second = fill(&settings, None).unwrap();
        assert_ne!(campaign_of(&first), campaign_of(&second));
        assert_eq!(second.matches("(as it was: ").count(), 4, "{second}");
        let mut db = pool::open_writer(&settings.database_url).unwrap();
        let users = accounts::list_users(&mut db).unwrap();
        assert_eq!(users.len(), 4);
        let dm = UserId::new(users.iter().find(|user| user.email.starts_with("dm@")).unwrap().id.clone());
        for told in [&first, &second] {
            assert!(campaigns::one(&mut db, &campaign_of(told), &dm).unwrap().is_some());
        }
    }

    #[test]
    fn a_map_of_one_hex_is_enough() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tiny.txt");
        std::fs::write(&path, "0101 forest\n").unwrap();
        let settings = settings(&dir);
        let told = fill(&settings, Some(&path)).unwrap();
        let mut db = pool::open_writer(&settings.database_url).unwrap();
        assert_eq!(campaign::load_campaign(&mut db, &campaign_of(&told)).unwrap().unwrap().board.hexes.len(), 1);
    }

    #[test]
    fn a_demo_is_refused_while_a_server_holds_the_data_directory() {
        let dir = tempfile::tempdir().unwrap();
        let settings = settings(&dir);
        let _server = Lock::take(&settings).unwrap();
        assert!(fill(&settings, None).unwrap_err().reason().contains("stop it first"));
    }
}
