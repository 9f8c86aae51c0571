//! Whether the process runs, and whether it can serve.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpResponse, web};
use schemars::JsonSchema;
use serde::Serialize;

use crate::http::Api;
use crate::http::access::answer;
use crate::http::routes::Routes;
use crate::store::campaigns;

/// How long `/api/ready` waits for the database.
const DATABASE_TIMEOUT: Duration = Duration::from_secs(3);

pub fn routes(routes: &mut Routes) {
    let tag = "health";
    routes.call(tag, Method::GET, "/api/health", health, "Whether the process runs", |call| call.open().gives::<Health>(200, "It runs"));
    routes.call(tag, Method::GET, "/api/ready", ready, "Whether it can serve", |call| {
        call.open().gives::<Ready>(200, "It can").gives::<Ready>(503, "It cannot: what is missing")
    });
    routes.call(tag, Method::GET, "/api/ws-status", ws_status, "How many sockets and rooms there are", |call| {
        call.open().gives::<WsStatus>(200, "The numbers")
    });
}

/// What the other parts of the process know of their state. All is well until somebody says otherwise.
#[derive(Debug, Default)]
pub struct Readiness {
    writes_fail: AtomicBool,
    bus_lost: AtomicBool,
    draining: AtomicBool,
}

impl Readiness {
    /// Told by the journal after each batch: a failed one means that the database is gone or full. While it is so, `/api/ready` tries a write.
    pub fn set_writes_fail(&self, fail: bool) {
        self.writes_fail.store(fail, Relaxed);
    }

    /// The bus between nodes, when there is to be one.
    pub fn set_bus_lost(&self, lost: bool) {
        self.bus_lost.store(lost, Relaxed);
    }

    /// The process is going down.
    pub fn set_draining(&self) {
        self.draining.store(true, Relaxed);
    }

    pub fn is_draining(&self) -> bool {
        self.draining.load(Relaxed)
    }
}

#[derive(Serialize, JsonSchema)]
struct Health {
    status: &'static str,
}

async fn health() -> HttpResponse {
    answer(StatusCode::OK).json(Health { status: "ok" })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Missing {
    Database,
    Redis,
    Draining,
}

#[derive(Serialize, JsonSchema)]
struct Ready {
    /// `ready` or `unavailable`.
    status: &'static str,
    missing: Vec<Missing>,
}

async fn ready(api: web::Data<Api>) -> HttpResponse {
    let mut missing = Vec::new();
    if !database_answers(&api).await {
        missing.push(Missing::Database);
    }
    if api.readiness.bus_lost.load(Relaxed) {
        missing.push(Missing::Redis);
    }
    if api.readiness.is_draining() {
        missing.push(Missing::Draining);
    }
    match missing.is_empty() {
        true => answer(StatusCode::OK).json(Ready { status: "ready", missing }),
        false => answer(StatusCode::SERVICE_UNAVAILABLE).json(Ready { status: "unavailable", missing }),
    }
}

async fn database_answers(api: &Api) -> bool {
    let probe = async {
        api.db.read(campaigns::probe).await?;
        if api.readiness.writes_fail.load(Relaxed) {
            api.db.write(campaigns::probe_write).await?;
            api.readiness.set_writes_fail(false);
        }
        Ok::<(), crate::actors::executor::StoreError>(())
    };
    matches!(tokio::time::timeout(DATABASE_TIMEOUT, probe).await, Ok(Ok(())))
}

#[derive(Serialize, JsonSchema)]
struct WsStatus {
    connections: u64,
    rooms: u64,
}

async fn ws_status(api: web::Data<Api>) -> HttpResponse {
    answer(StatusCode::OK).json(WsStatus { connections: api.counts.connections(), rooms: api.counts.rooms() })
}
