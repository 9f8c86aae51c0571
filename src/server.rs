//! `moothall serve`: puts the parts together, says that it is ready, and takes them apart again in order.

mod access_log;
mod drain;
mod upkeep;

use std::collections::HashSet;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use actix::{Actor, Addr, System};
use actix_web::dev::ServerHandle;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use sha2::{Digest, Sha256};
use tokio::signal::unix::{SignalKind, signal};

use crate::actors::connection::ConnectionContext;
use crate::actors::counts::Counts;
use crate::actors::engineio::sessions::{Engine, EngineSettings};
use crate::actors::executor::{Database, DbExecutor};
use crate::actors::hub::{EndSessions, HubSettings, Hubs};
use crate::actors::journal::Journal;
use crate::actors::lobby::{Lobby, Rooms};
use crate::actors::pace::Pace;
use crate::actors::registry::Registry;
use crate::actors::room::RoomContext;
use crate::auth;
use crate::auth::cors::cors;
use crate::auth::guard::guard;
use crate::auth::hashing::Hasher;
use crate::auth::origin::Origin;
use crate::auth::state::{AuthSettings, AuthState, SignUp};
use crate::cluster::node::{self, RegisterError};
use crate::exit::Exit;
use crate::http::{self, Api, Readiness};
use crate::protocol::limits::SESSIONS_PER_ADDRESS_MAX;
use crate::settings::data_dir::Lock;
use crate::settings::{self, Migrate, Settings, descriptors};
use crate::store::accounts::SessionRef;
use crate::store::db::Db;
use crate::store::migrate;
use crate::store::pool::{self, DatabaseUrl};
use crate::transport::engineio_echo::EchoEntrance;
use crate::transport::socketio::{self, Recoveries};
use crate::transport::{conformance, echo, engineio, socket, ws};

/// Connections that the kernel may hold ready to be accepted.
const BACKLOG: u32 = 4_096;
/// Threads that write the journal of a PostgreSQL database; one writer is all that SQLite has.
const POSTGRES_WRITERS: usize = 2;

/// Runs the server until it is told to stop.
pub fn serve(settings: Settings) -> Result<(), Exit> {
    let _lock = Lock::take(&settings)?;
    outlive_file_size_limits();
    descriptors::raise_limit();
    settings.warnings().iter().for_each(|warning| log::warn!("{warning}"));
    let secret = settings.session_secret()?;
    let mut db = open(&settings.database_url)?;
    bring_up_to_date(&mut db, settings.migrate)?;
    let listener = listen(&settings)?;
    let address = listener.local_addr().map_err(|error| Exit::Failed(format!("cannot listen: {error}")))?;
    let node = register(&mut db, address, &secret)?;
    drop(db);
    System::new().block_on(run(settings, secret, listener, address, node))
}

/// A file that may not grow is to fail the write, as a full disk does, and not to end the process.
fn outlive_file_size_limits() {
    // SAFETY: ignoring a signal runs no handler.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

/// A connection that may write, or the reason why there is none.
pub fn open(url: &DatabaseUrl) -> Result<Db, Exit> {
    pool::open_writer(url).map_err(|error| Exit::unreachable(url, &error))
}

fn bring_up_to_date(db: &mut Db, migrate: Migrate) -> Result<(), Exit> {
    let outcome = match migrate {
        Migrate::Auto => migrate::up(db).map(|steps| {
            if steps > 0 {
                log::info!("the database was brought up to date in {steps} steps");
            }
        }),
        Migrate::Check => migrate::check(db),
    };
    outcome.map_err(Exit::from)
}

fn listen(settings: &Settings) -> Result<TcpListener, Exit> {
    let wanted = format!("{}:{}", settings.host.in_url(), settings.port);
    let failed = |error: std::io::Error| Exit::Failed(format!("cannot listen on {wanted}: {error}"));
    let address = wanted.to_socket_addrs().map_err(failed)?.next().ok_or_else(|| Exit::Failed(format!("{wanted} is no address")))?;
    let domain = if address.is_ipv6() { socket2::Domain::IPV6 } else { socket2::Domain::IPV4 };
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None).map_err(failed)?;
    socket.set_reuse_address(true).map_err(failed)?;
    socket.bind(&address.into()).map_err(failed)?;
    socket.listen(BACKLOG as i32).map_err(failed)?;
    Ok(socket.into())
}

fn register(db: &mut Db, address: SocketAddr, secret: &str) -> Result<Node, Exit> {
    let addr = format!("{}:{}", hostname(), address.port());
    let secret_hash: String = Sha256::digest(format!("moothall node {secret}")).iter().map(|byte| format!("{byte:02x}")).collect();
    let id = node::register(db, &addr, &secret_hash).map_err(|error| match error {
        RegisterError::Database(error) => Exit::Unavailable(error.to_string()),
        stranger => Exit::Settings(stranger.to_string()),
    })?;
    Ok(Node { id: id.into(), addr, secret_hash })
}

/// This process in `cluster_node`.
#[derive(Clone)]
struct Node {
    id: Arc<str>,
    addr: String,
    secret_hash: String,
}

fn hostname() -> String {
    let mut name = [0u8; 256];
    // SAFETY: the buffer is as long as it is said to be, and one byte of it stays zero.
    let failed = unsafe { libc::gethostname(name.as_mut_ptr().cast(), name.len() - 1) } != 0;
    let text = name.split(|&byte| byte == 0).next().unwrap_or_default();
    if failed { "localhost".to_owned() } else { String::from_utf8_lossy(text).into_owned() }
}

/// What is running: all that has to be stopped.
struct Running {
    settings: Settings,
    node: Node,
    database: Database,
    journal: Addr<Journal>,
    hubs: Arc<Hubs>,
    /// Engine.IO, at each path where it is mounted.
    engines: Vec<Arc<Engine>>,
    recoveries: Option<Arc<Recoveries>>,
    room_context: Arc<RoomContext>,
    readiness: Arc<Readiness>,
    rooms: Rooms,
    server: ServerHandle,
}

async fn run(settings: Settings, secret: String, listener: TcpListener, address: SocketAddr, node: Node) -> Result<(), Exit> {
    // Before anybody is told that the server is there: who stops it at once stops it in order.
    let mut signals = Signals::new()?;
    let counts = Arc::new(Counts::default());
    let (database, journal_threads) = threads(&settings, counts.clone());
    let hub_settings = HubSettings { ping_interval: settings.ping_interval, ping_timeout: settings.ping_timeout };
    let hubs = Hubs::new(hub_settings, counts.clone());
    let readiness = Arc::new(Readiness::default());
    let told = readiness.clone();
    let journal =
        Journal::new(node.id.clone(), journal_threads, counts.clone()).on_writes_fail(move |fail| told.set_writes_fail(fail)).start();
    let room_context = Arc::new(RoomContext {
        database: database.clone(),
        journal: journal.clone(),
        node: node.id.clone(),
        counts: counts.clone(),
        ping_interval: settings.ping_interval,
        idle_timeout: settings.room_idle,
        draining: AtomicBool::new(false),
    });
    let registry = Arc::new(Registry::new(settings.connections_per_user));
    let rooms = Rooms::new(Lobby::new(settings.workers.div_ceil(2), room_context.clone()).start(), registry.clone());
    let connections = web::Data::new(ConnectionContext {
        rooms: rooms.clone(),
        room_context: room_context.clone(),
        registry,
        counts: counts.clone(),
        rate_limits: settings.rate_limits,
        message_bytes_max: settings.max_message_bytes,
        outbox_bytes_max: settings.send_queue_bytes,
        pace: Pace::default(),
    });
    let auth = web::Data::new(auth_state(&settings, secret, address, &database, &hubs));
    let api = web::Data::new(Api {
        base_url: settings.base_url.as_ref().map(|origin| origin.as_str().to_owned()),
        upload_bytes_max: settings.max_upload_bytes,
        metrics_elsewhere: settings.metrics_addr.is_some(),
        ..Api::new(database.clone(), Arc::new(rooms.clone()), counts.clone(), readiness.clone())
    });
    let shared_hubs = web::Data::from(hubs.clone());
    let recoveries = settings.connection_state_recovery.then(Arc::<Recoveries>::default);
    let shared = socketio::Shared {
        connections: connections.clone().into_inner(),
        database: database.clone(),
        authenticator: auth.authenticator().clone(),
        hubs: hubs.clone(),
        recoveries: recoveries.clone(),
        directory: Default::default(),
        silence_max: settings.ping_interval + settings.ping_timeout,
    };
    let engines = engines(&settings, shared);
    let mounted = engines.clone();
    let (protocol_test, workers) = (settings.protocol_test, settings.workers);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(auth.clone())
            .app_data(api.clone())
            .app_data(shared_hubs.clone())
            .app_data(connections.clone())
            .configure(auth::http::configure)
            .configure(http::configure)
            .route("/ws", web::get().to(ws::connect))
            .configure(|config| {
                mounted.iter().for_each(|(path, engine)| engineio::configure(config, path, engine.clone()));
                if protocol_test {
                    config.route("/echo", web::get().to(echo::connect));
                }
            })
            .default_service(web::to(http::no_such_call))
            .wrap(from_fn(guard))
            .wrap(from_fn(cors))
            .wrap(from_fn(access_log::log))
    })
    .workers(workers)
    .max_connections(settings.max_connections.div_ceil(workers))
    .backlog(BACKLOG)
    .tcp_nodelay(true)
    .disable_signals()
    .on_connect(socket::keep_duplicate)
    .listen(listener)
    .map_err(|error| Exit::Failed(format!("cannot listen: {error}")))?
    .run();
    if let Some(metrics_addr) = settings.metrics_addr {
        serve_metrics(metrics_addr, counts)?;
    }
    let engines = engines.into_iter().map(|(_, engine)| engine).collect();
    let running =
        Running { settings, node, database, journal, hubs, engines, recoveries, room_context, readiness, rooms, server: server.handle() };
    upkeep::start(&running);
    say_ready(&running.settings, address);
    let served = actix::spawn(server);
    tokio::select! {
        () = signals.next() => drain::drain(running).await,
        outcome = served => return Err(Exit::Failed(format!("the HTTP server ended by itself: {outcome:?}"))),
    }
    Ok(())
}

/// What is mounted of Engine.IO, and where. With `PROTOCOL_TEST` it is what the public protocol suites talk to, and nothing else.
fn engines(settings: &Settings, shared: socketio::Shared) -> Vec<(&'static str, Arc<Engine>)> {
    let engine_settings = EngineSettings {
        ping_interval: settings.ping_interval,
        ping_timeout: settings.ping_timeout,
        queue_bytes_max: settings.send_queue_bytes,
        // Without rate limits a load test comes from one address.
        sessions_per_address_max: if settings.rate_limits { SESSIONS_PER_ADDRESS_MAX } else { usize::MAX },
    };
    if settings.protocol_test {
        let echo = Engine::new(engine_settings, EchoEntrance);
        return vec![("/engine.io/", echo), ("/socket.io/", Engine::new(engine_settings, conformance::Open))];
    }
    vec![("/socket.io/", Engine::new(engine_settings, socketio::Door(Arc::new(shared))))]
}

fn auth_state(settings: &Settings, secret: String, address: SocketAddr, database: &Database, hubs: &Arc<Hubs>) -> AuthState {
    let hubs = hubs.clone();
    // One message a hub for each sign-out, which the rate limits of REST bound.
    let end_sockets = move |ended: &[SessionRef]| {
        let ids: Arc<HashSet<String>> = Arc::new(ended.iter().map(|session| session.id.clone()).collect());
        hubs.all().into_iter().for_each(|hub| hub.addr.do_send(EndSessions(ids.clone())));
    };
    let origin = |origin: &settings::value::Origin| Origin::of(origin.as_str());
    let _ = address;
    let auth_settings = AuthSettings {
        secret,
        base_url: settings.base_url.as_ref().and_then(origin),
        allowed_origins: settings.allowed_origins.iter().filter_map(origin).collect(),
        trusted_proxies: settings.trusted_proxies.clone(),
        sign_up: match settings.sign_up {
            settings::SignUp::Open => SignUp::Open,
            settings::SignUp::Invited => SignUp::Invited,
            settings::SignUp::Closed => SignUp::Closed,
        },
        rate_limit: settings.auth_rate_limit,
    };
    AuthState::new(auth_settings, database.clone(), Hasher::new(settings.workers), Arc::new(end_sockets))
}

fn serve_metrics(address: SocketAddr, counts: Arc<Counts>) -> Result<(), Exit> {
    let counts = web::Data::from(counts);
    let server = HttpServer::new(move || App::new().app_data(counts.clone()).configure(http::metrics::configure))
        .workers(1)
        .disable_signals()
        .bind(address)
        .map_err(|error| Exit::Failed(format!("cannot listen on {address} for METRICS_ADDR: {error}")))?
        .run();
    actix::spawn(server);
    Ok(())
}

/// The line that scripts wait for.
fn say_ready(settings: &Settings, address: SocketAddr) {
    let near = if settings.host.is_loopback() { " (reachable from this machine only; HOST=0.0.0.0 for your network)" } else { "" };
    println!("moothall ready on http://{}:{}{near}", settings.host.in_url(), address.port());
}

/// SIGTERM and SIGINT: the process is to go down.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> Result<Self, Exit> {
        let listen = |kind| signal(kind).map_err(|error| Exit::Failed(format!("cannot listen to signals: {error}")));
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// The threads that use the database: the readers' pool, and the journal's own.
fn threads(settings: &Settings, counts: Arc<Counts>) -> (Database, Vec<Addr<DbExecutor>>) {
    let url = &settings.database_url;
    let readers = DbExecutor::pooled(pool::pool(url, settings.database_pool), settings.database_pool as usize);
    match url {
        DatabaseUrl::Sqlite(_) => {
            let writer = DbExecutor::writer(url.clone());
            (Database::new(readers, writer.clone(), counts), vec![writer])
        }
        DatabaseUrl::Postgres(_) => {
            let writers = (0..POSTGRES_WRITERS).map(|_| DbExecutor::writer(url.clone())).collect();
            (Database::new(readers.clone(), readers, counts), writers)
        }
    }
}
