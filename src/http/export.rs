//! A workspace as a file, for its owner: one JSON object a line, in this order: the workspace, its members, its channels, the owner's conversations,
//! and the messages of these, place by place.
//!
//! Owning a workspace opens nobody's letters: private channels and conversations that the owner is not in are left out, as everywhere.

use std::collections::VecDeque;

use actix_web::HttpRequest;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::http::{Method, StatusCode};
use actix_web::web::{Bytes, Data};
use diesel::QueryResult;
use futures_util::stream;
use serde::Serialize;

use crate::auth::session::SignedIn;
use crate::http::Api;
use crate::http::access::{Answer, answer};
use crate::http::channels::Channel;
use crate::http::conversations::Conversation;
use crate::http::refusal::Refusal;
use crate::http::routes::Routes;
use crate::http::workspace_access::{no_such_workspace, require_owner, workspace_of};
use crate::http::workspace_members::Member;
use crate::http::workspaces::Workspace;
use crate::protocol::chat::command::{Role, Target};
use crate::protocol::chat::messages::Message;
use crate::protocol::error::Rejection;
use crate::protocol::ids::{UserId, WorkspaceId};
use crate::store::campaigns::page::Page;
use crate::store::db::Db;
use crate::store::workspaces::messages::{self, MessagePage, Wanted};
use crate::store::workspaces::{self, channels, conversations};

/// Rows that are read at a time.
const ROWS_AT_A_TIME: u32 = 500;

pub fn routes(routes: &mut Routes) {
    routes.call(
        "workspaces",
        Method::GET,
        "/api/workspaces/{id}/export",
        export,
        "The workspace with its members, channels, conversations and messages, as far as its owner may read them; for the owner",
        |call| call.gives_file("application/x-ndjson", "One object a line; `type` tells what it is").refuses(&[403, 404]),
    );
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Line {
    Workspace(Workspace),
    Member(Member),
    Channel(Channel),
    Conversation(Conversation),
    Message(Message),
}

/// What is to be written next.
#[derive(Clone)]
enum Stage {
    Workspace,
    Members { after: Option<String> },
    Channels { after: Option<String> },
    Conversations { after: Option<String> },
    Messages { after: i64 },
}

/// How far the export has come.
#[derive(Clone)]
struct Progress {
    workspace: WorkspaceId,
    owner: UserId,
    stage: Stage,
    /// Whose messages are still to be written.
    places: VecDeque<Target>,
}

/// What was read at a time.
struct Step {
    lines: Vec<Line>,
    next: Option<Progress>,
}

async fn export(api: Data<Api>, me: SignedIn, request: HttpRequest) -> Answer {
    let workspace = workspace_of(&request)?;
    require_owner(&api, &workspace, &me.user).await?;
    let begin = Progress { workspace, owner: me.user, stage: Stage::Workspace, places: VecDeque::new() };
    let lines = stream::try_unfold(Some(begin), move |next| {
        let api = api.clone();
        async move {
            let Some(progress) = next else { return Ok::<_, Refusal>(None) };
            let Step { lines, next } = api.db.read(move |db| db.read(|db| step(db, progress))).await?.ok_or_else(no_such_workspace)?;
            let mut text = Vec::new();
            for line in &lines {
                serde_json::to_writer(&mut text, line).map_err(|_| Rejection::internal())?;
                text.push(b'\n');
            }
            Ok(Some((Bytes::from(text), next)))
        }
    });
    Ok(answer(StatusCode::OK).insert_header((CONTENT_TYPE, "application/x-ndjson")).streaming(lines))
}

/// Reads on, in one transaction with what the owner may read at that moment. `None` when that is not the
/// workspace any more, or not what the last row stood in: a file that breaks off is better than one that lacks something.
fn step(db: &mut Db, mut progress: Progress) -> QueryResult<Option<Step>> {
    let (workspace, owner) = (progress.workspace.clone(), progress.owner.clone());
    let Some(summary) = workspaces::one(db, &workspace, &owner)?.filter(|summary| summary.role == Role::Owner) else { return Ok(None) };
    let page = |after| Page { limit: ROWS_AT_A_TIME, after, before: None };
    let (lines, stage) = match progress.stage {
        Stage::Workspace => (vec![Line::Workspace(summary.into())], Some(Stage::Members { after: None })),
        Stage::Members { after } => {
            let Some(rows) = workspaces::members(db, &workspace, page(after))? else { return Ok(None) };
            let after = rows.last().map(|member| member.id.clone());
            let lines = rows.into_iter().map(|member| Line::Member(member.into())).collect();
            (lines, Some(after.map_or(Stage::Channels { after: None }, |id| Stage::Members { after: Some(id) })))
        }
        Stage::Channels { after } => {
            let Some(rows) = channels::of_workspace(db, &workspace, &owner, page(after))? else { return Ok(None) };
            let after = rows.last().map(|channel| channel.id.to_string());
            progress.places.extend(rows.iter().map(|channel| Target::Channel(channel.id.clone())));
            let lines = rows.into_iter().map(|channel| Line::Channel(channel.into())).collect();
            (lines, Some(after.map_or(Stage::Conversations { after: None }, |id| Stage::Channels { after: Some(id) })))
        }
        Stage::Conversations { after } => {
            let Some(rows) = conversations::of_workspace(db, &workspace, &owner, page(after))? else { return Ok(None) };
            let after = rows.last().map(|conversation| conversation.id.to_string());
            progress.places.extend(rows.iter().map(|conversation| Target::Dm(conversation.id.clone())));
            let lines = rows.into_iter().map(|conversation| Line::Conversation(conversation.into())).collect();
            (lines, Some(after.map_or(Stage::Messages { after: 0 }, |id| Stage::Conversations { after: Some(id) })))
        }
        Stage::Messages { after } => match progress.places.front().cloned() {
            None => (Vec::new(), None),
            Some(target) => {
                let MessagePage { messages, has_more } = readable(db, &owner, target, after)?;
                let last = messages.last().map(|message| message.sequence).filter(|_| has_more);
                if last.is_none() {
                    progress.places.pop_front();
                }
                (messages.into_iter().map(Line::Message).collect(), Some(Stage::Messages { after: last.unwrap_or(0) }))
            }
        },
    };
    Ok(Some(Step { lines, next: stage.map(|stage| Progress { stage, ..progress }) }))
}

/// Messages of a place that the owner may still know of: of a public channel also when he or she is not in it, since joining needs nobody's leave.
fn readable(db: &mut Db, owner: &UserId, target: Target, after: i64) -> QueryResult<MessagePage> {
    let is_known = match &target {
        Target::Channel(id) => channels::one(db, id, owner)?.is_some(),
        Target::Dm(id) => conversations::one(db, id, owner)?.is_some(),
    };
    if !is_known {
        return Ok(MessagePage { messages: Vec::new(), has_more: false });
    }
    messages::read(db, &Wanted { target, parent: None, page: Page { limit: ROWS_AT_A_TIME, after: Some(after), before: None } })
}
