//! `dhp-lab serve`: the correspondent's web server. `GET /N` gives a file of N pseudo-random octets, `GET /N?rate=R` the same at
//! R octets per second.
//!
//! It knows HTTP/1.1 as far as a download needs it and nothing of mobility.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::content::Content;

/// The longest request line and header section accepted.
const MAX_REQUEST: u64 = 8192;

/// Serves until killed, each download at most at `rate` octets per second if one is given.
pub fn serve(listen: SocketAddr, rate: Option<u64>) -> Result<()> {
    let listener =
        TcpListener::bind(listen).with_context(|| format!("cannot listen on {listen}"))?;
    eprintln!("serving on {}", listener.local_addr()?);
    for connection in listener.incoming() {
        let connection = connection.context("cannot accept")?;
        thread::Builder::new().spawn(move || {
            let peer = connection.peer_addr();
            if let (Err(error), Ok(peer)) = (answer(connection, rate), peer) {
                eprintln!("{peer}: {error:#}");
            }
        })?;
    }
    Ok(())
}

fn answer(mut connection: TcpStream, rate: Option<u64>) -> Result<()> {
    connection.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut reader = BufReader::new(std::io::Read::take(connection.try_clone()?, MAX_REQUEST));
    let mut request = String::new();
    reader.read_line(&mut request).context("no request")?;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim_end().is_empty() {
            break;
        }
    }
    let Some((length, asked_rate)) = requested(&request) else {
        connection.write_all(
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        )?;
        return Ok(());
    };
    eprintln!("{}: {}", connection.peer_addr()?, request.trim_end());
    write!(
        connection,
        "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    )?;
    let mut content = Content::new(length);
    let mut pace = Pace::new(asked_rate.or(rate));
    loop {
        let block = content.next_block();
        if block.is_empty() {
            return Ok(());
        }
        for chunk in block.chunks(CHUNK) {
            connection
                .write_all(chunk)
                .context("the download broke off")?;
            thread::sleep(pace.wait_after(chunk.len(), Instant::now()));
        }
    }
}

/// Octets written at once.
const CHUNK: usize = 16 * 1024;

/// Spaces writes so that their mean is a rate. What was missed in an outage is not caught up.
struct Pace {
    rate: Option<u64>,
    next: Option<Instant>,
}

impl Pace {
    fn new(rate: Option<u64>) -> Self {
        Self { rate, next: None }
    }

    /// How long to wait once so many octets were written.
    fn wait_after(&mut self, octets: usize, now: Instant) -> Duration {
        let Some(rate) = self.rate else {
            return Duration::ZERO;
        };
        let begun = self.next.filter(|next| *next + MISSED > now).unwrap_or(now);
        let next = begun + Duration::from_secs_f64(octets as f64 / rate.max(1) as f64);
        self.next = Some(next);
        next.saturating_duration_since(now)
    }
}

/// A writer that is later than this was held up by the network, not by the scheduler.
const MISSED: Duration = Duration::from_millis(20);

/// The N and the R of `GET /N?rate=R HTTP/1.x`; whatever else the query says is ignored.
fn requested(request: &str) -> Option<(u64, Option<u64>)> {
    let mut words = request.split_whitespace();
    if words.next()? != "GET" {
        return None;
    }
    let target = words.next()?.strip_prefix('/')?;
    let (length, query) = target.split_once('?').unwrap_or((target, ""));
    let rate = query
        .split('&')
        .find_map(|item| item.strip_prefix("rate=")?.parse().ok());
    Some((length.parse().ok()?, rate))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn only_a_number_is_a_file() {
        let get = |target: &str| requested(&format!("GET {target} HTTP/1.1\r\n"));
        assert_eq!(get("/200"), Some((200, None)));
        assert_eq!(get("/200?n=3&rate=5000"), Some((200, Some(5000))));
        assert_eq!(get("/etc/passwd"), None);
        assert_eq!(requested("POST /200 HTTP/1.1\r\n"), None);
        assert_eq!(requested(""), None);
    }

    #[test]
    fn a_download_has_the_announced_length() {
        let listener = TcpListener::bind("[::1]:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client
            .write_all(b"GET /100000 HTTP/1.1\r\nHost: x\r\n\r\n")
            .unwrap();
        let server = thread::spawn(move || answer(listener.accept().unwrap().0, None));
        let mut all = Vec::new();
        client.read_to_end(&mut all).unwrap();
        server.join().unwrap().unwrap();
        let body = all
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .unwrap()
            + 4;
        assert_eq!(all.len() - body, 100_000);
    }

    #[test]
    fn a_rate_is_kept_and_an_outage_is_not_caught_up() {
        let start = Instant::now();
        let mut pace = Pace::new(Some(1_000_000));
        assert_eq!(pace.wait_after(10_000, start), Duration::from_millis(10));
        let on_time = start + Duration::from_millis(10);
        assert_eq!(pace.wait_after(10_000, on_time), Duration::from_millis(10));
        let after_outage = start + Duration::from_secs(5);
        assert_eq!(
            pace.wait_after(10_000, after_outage),
            Duration::from_millis(10)
        );
        assert_eq!(Pace::new(None).wait_after(10_000, start), Duration::ZERO);
    }
}
