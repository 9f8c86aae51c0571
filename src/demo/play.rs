//! Plays commands in a campaign without a server: decide, apply, and write what follows as the journal would.

use uuid::Uuid;

use super::scene::Line;
use crate::actors::parts;
use crate::exit::Exit;
use crate::protocol::ids::{CampaignId, RoomId};
use crate::protocol::time::Timestamp;
use crate::rooms::campaign::Campaign;
use crate::rooms::kernel::{Moment, RoomLogic};
use crate::store::campaign::load_campaign;
use crate::store::db::Db;
use crate::store::journal::{self, Acquire, Commit, DomainRows, EventRow, Outcome};

/// In the caller's transaction. The room belongs to nobody before and after.
pub fn play(db: &mut Db, id: &CampaignId, lines: Vec<Line>, now: Timestamp) -> Result<(), Exit> {
    let room = RoomId::campaign(id);
    let node = format!("demo-{}", Uuid::new_v4());
    let Acquire::Acquired { epoch, head } = journal::acquire(db, &room, &node)? else {
        return Err(Exit::Failed("the new campaign is taken by a server already".to_owned()));
    };
    let stored = load_campaign(db, id)?.ok_or_else(|| Exit::Failed("the new campaign is gone".to_owned()))?;
    let mut table = Table { campaign: Campaign::from_stored(stored), room: room.clone(), epoch, head, now };
    let mut commits = Vec::new();
    for line in lines {
        commits.extend(table.take(line)?);
    }
    let refused = journal::write_batch(db, &node, &commits).into_iter().find(|outcome| *outcome != Outcome::Done);
    if let Some(outcome) = refused {
        return Err(Exit::Failed(format!("the demo could not be written: {outcome:?}")));
    }
    journal::release(db, &room, &node, epoch)?;
    Ok(())
}

struct Table {
    campaign: Campaign,
    room: RoomId,
    epoch: i64,
    head: i64,
    now: Timestamp,
}

impl Table {
    /// `None` for a command that changes nothing.
    fn take(&mut self, (by, command): Line) -> Result<Option<Commit>, Exit> {
        let fresh = Uuid::new_v4().to_string();
        let at = Moment { now: self.now, fresh: &fresh, seq: self.head + 1 };
        let member = by.as_ref().and_then(|user| self.campaign.member(user));
        let decision = self.campaign.decide(at, member.as_ref(), &command);
        let decision = decision.map_err(|rejection| Exit::Failed(format!("`{}` was refused: {}", command.name(), rejection.message)))?;
        let Some(event) = decision.event else { return Ok(None) };
        let effects = self.campaign.apply(at, member.as_ref(), event);
        let commit = Commit {
            room: self.room.clone(),
            epoch: self.epoch,
            expected_head: self.head,
            seq: at.seq,
            event: Some(EventRow { user: by, parts: parts::encode(&effects.parts, Some(at.seq)).stored }),
            command: None,
            rows: DomainRows::Campaign(self.campaign.id().clone(), effects.rows),
            at: self.now,
        };
        self.head = at.seq;
        Ok(Some(commit))
    }
}
