//! `dhp-lab serve`: the correspondent's web server. `GET /N` gives a file of N pseudo-random octets.
//!
//! It knows HTTP/1.1 as far as a download needs it and nothing of mobility.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::content::Content;

/// The longest request line and header section accepted.
const MAX_REQUEST: u64 = 8192;

/// Serves until killed.
pub fn serve(listen: SocketAddr) -> Result<()> {
    let listener =
        TcpListener::bind(listen).with_context(|| format!("cannot listen on {listen}"))?;
    eprintln!("serving on {}", listener.local_addr()?);
    for connection in listener.incoming() {
        let connection = connection.context("cannot accept")?;
        thread::Builder::new().spawn(move || {
            let peer = connection.peer_addr();
            if let (Err(error), Ok(peer)) = (answer(connection), peer) {
                eprintln!("{peer}: {error:#}");
            }
        })?;
    }
    Ok(())
}

fn answer(mut connection: TcpStream) -> Result<()> {
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
    let Some(length) = requested_length(&request) else {
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
    loop {
        let block = content.next_block();
        if block.is_empty() {
            return Ok(());
        }
        connection
            .write_all(block)
            .context("the download broke off")?;
    }
}

/// The N of `GET /N HTTP/1.x`.
fn requested_length(request: &str) -> Option<u64> {
    let mut words = request.split_whitespace();
    if words.next()? != "GET" {
        return None;
    }
    words.next()?.strip_prefix('/')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn only_a_number_is_a_file() {
        assert_eq!(requested_length("GET /200 HTTP/1.1\r\n"), Some(200));
        assert_eq!(requested_length("GET /etc/passwd HTTP/1.1\r\n"), None);
        assert_eq!(requested_length("POST /200 HTTP/1.1\r\n"), None);
        assert_eq!(requested_length(""), None);
    }

    #[test]
    fn a_download_has_the_announced_length() {
        let listener = TcpListener::bind("[::1]:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client
            .write_all(b"GET /100000 HTTP/1.1\r\nHost: x\r\n\r\n")
            .unwrap();
        let server = thread::spawn(move || answer(listener.accept().unwrap().0));
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
}
