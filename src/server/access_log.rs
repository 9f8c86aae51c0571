//! A line for each request: the route, never the path, which may hold an id or a code. Sockets have lines of their own.

use std::time::Instant;

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;

/// What a container asks all the time, and the polls of clients, whose connections have lines of their own.
const QUIET: [&str; 4] = ["/api/health", "/api/ready", "/metrics", "/socket.io/"];

pub async fn log<B: MessageBody>(request: ServiceRequest, next: Next<B>) -> Result<ServiceResponse<B>, Error> {
    let began = Instant::now();
    let response = next.call(request).await?;
    let request = response.request();
    let route = request.match_pattern().unwrap_or_else(|| "(none)".to_owned());
    if response.status().as_u16() != 101 {
        let level = if QUIET.contains(&route.as_str()) { log::Level::Debug } else { log::Level::Info };
        log::log!(level, "{} {route} {} {} ms", request.method(), response.status().as_u16(), began.elapsed().as_millis());
    }
    Ok(response)
}
