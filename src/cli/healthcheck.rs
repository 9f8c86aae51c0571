//! `moothall healthcheck`: one request to the server of the same settings, without a client library or a runtime.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use crate::exit::Exit;
use crate::settings::value::Host;

const TIMEOUT: Duration = Duration::from_secs(3);
/// Bytes of an answer that are looked at.
const ANSWER_MAX: u64 = 4096;

/// Succeeds if `GET /api/ready` is answered with 200 within the time.
pub fn check(host: &Host, port: u16) -> Result<(), Exit> {
    if port == 0 {
        return Err(Exit::Failed("PORT is 0: the port that the server took is not known here".to_owned()));
    }
    let answer = ask(host, port).map_err(|error| Exit::Failed(format!("no answer from {}:{port}: {error}", host.in_url())))?;
    match status(&answer) {
        Some(200) => Ok(()),
        Some(status) => {
            let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body).trim();
            Err(Exit::Failed(format!("not ready: status {status} {body}").trim_end().to_owned()))
        }
        None => Err(Exit::Failed(format!("what listens on port {port} does not speak HTTP"))),
    }
}

fn ask(host: &Host, port: u16) -> std::io::Result<String> {
    let mut stream = connect(host, port)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let request = format!("GET /api/ready HTTP/1.1\r\nHost: {}:{port}\r\nConnection: close\r\n\r\n", host.in_url());
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_MAX).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn connect(host: &Host, port: u16) -> std::io::Result<TcpStream> {
    let addresses: Vec<SocketAddr> = match host {
        Host::Ip(ip) => vec![SocketAddr::new(reachable(*ip), port)],
        Host::Name(name) => (name.as_str(), port).to_socket_addrs()?.collect(),
    };
    let mut last = std::io::Error::other("the name has no address");
    for address in addresses {
        match TcpStream::connect_timeout(&address, TIMEOUT) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Who listens everywhere is asked on the loopback address.
fn reachable(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        other => other,
    }
}

fn status(answer: &str) -> Option<u16> {
    answer.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// Answers one request with `answer`; returns the port.
    fn listen(answer: &'static str) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let length = stream.read(&mut request).unwrap();
            assert!(request[..length].starts_with(b"GET /api/ready HTTP/1.1\r\nHost: "));
            stream.write_all(answer.as_bytes()).unwrap();
        });
        port
    }

    fn everywhere() -> Host {
        Host::Ip(Ipv4Addr::UNSPECIFIED.into())
    }

    #[test]
    fn a_server_that_is_ready_is_healthy_also_when_it_listens_everywhere() {
        assert_eq!(check(&everywhere(), listen("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")), Ok(()));
    }

    #[test]
    fn a_server_that_lacks_something_is_not_healthy_and_says_what() {
        let refusal = check(&everywhere(), listen("HTTP/1.1 503 Service Unavailable\r\n\r\n{\"missing\":[\"database\"]}")).unwrap_err();
        assert_eq!((refusal.code(), refusal.reason()), (1, "not ready: status 503 {\"missing\":[\"database\"]}"));
    }

    #[test]
    fn nobody_and_something_else_on_the_port_are_not_healthy() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        assert_eq!(check(&everywhere(), free).unwrap_err().code(), 1);
        assert_eq!(check(&everywhere(), listen("220 mail\r\n")).unwrap_err().code(), 1);
        assert_eq!(check(&everywhere(), 0).unwrap_err().code(), 1);
    }
}
