//! In which workspace a channel, a conversation or a message is. That never changes, so what was found once is remembered.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::actors::executor::{Database, StoreError};
use crate::protocol::chat::Target;
use crate::protocol::ids::{MessageId, WorkspaceId};
use crate::store::chat::{workspace_of_channel, workspace_of_conversation, workspace_of_message};
use crate::store::db::Db;

/// Channels and conversations that are remembered; beyond, all are forgotten and asked for again.
const REMEMBERED_MAX: usize = 100_000;

#[derive(Default)]
pub struct Directory {
    by_target: Mutex<HashMap<Target, WorkspaceId>>,
}

impl Directory {
    /// The workspace of a channel or conversation that was asked for before.
    pub fn remembered(&self, target: &Target) -> Option<WorkspaceId> {
        self.by_target.lock().unwrap_or_else(PoisonError::into_inner).get(target).cloned()
    }

    pub async fn of_target(&self, target: Target, database: &Database) -> Result<Option<WorkspaceId>, StoreError> {
        if let Some(workspace) = self.remembered(&target) {
            return Ok(Some(workspace));
        }
        let asked = target.clone();
        let read = move |db: &mut Db| match &asked {
            Target::Channel(id) => workspace_of_channel(db, id),
            Target::Dm(id) => workspace_of_conversation(db, id),
        };
        let found = database.read(read).await?;
        if let Some(workspace) = &found {
            let mut by_target = self.by_target.lock().unwrap_or_else(PoisonError::into_inner);
            if by_target.len() >= REMEMBERED_MAX {
                by_target.clear();
            }
            by_target.insert(target, workspace.clone());
        }
        Ok(found)
    }

    pub async fn of_message(&self, message: MessageId, database: &Database) -> Result<Option<WorkspaceId>, StoreError> {
        database.read(move |db| workspace_of_message(db, &message)).await
    }
}
