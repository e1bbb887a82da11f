//! Talking to the daemon

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use dhpctl::{Answer, LARGEST_PAGE, LONGEST_LINE, Reply, Request};

/// An answer takes as long as the daemon's next turn, which is milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection to a daemon.
pub struct Client {
    stream: BufReader<UnixStream>,
}

impl Client {
    /// Connect to the daemon's socket.
    pub fn connect(socket: &Path) -> anyhow::Result<Self> {
        let stream = UnixStream::connect(socket).map_err(|error| {
            let path = socket.display();
            match error.kind() {
                ErrorKind::NotFound => anyhow::anyhow!(
                    "no socket {path}: is dhpd running? Its configuration may name another one, [api] socket; give that \
                     with --socket PATH"
                ),
                ErrorKind::ConnectionRefused => anyhow::anyhow!(
                    "nobody listens on {path}: dhpd has ended without removing it; start dhpd again"
                ),
                ErrorKind::PermissionDenied => anyhow::anyhow!(
                    "no permission for {path}: run dhpctl as root or as a member of the socket's group"
                ),
                _ => anyhow::anyhow!("{path}: {error}"),
            }
        })?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self {
            stream: BufReader::new(stream),
        })
    }

    /// Ask, and wait for the answer.
    pub fn ask(&mut self, request: &Request) -> anyhow::Result<Reply> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        self.stream
            .get_mut()
            .write_all(&line)
            .context("dhpd has closed the connection")?;
        let mut answer = Vec::new();
        let limit = u64::try_from(LONGEST_LINE).unwrap_or(u64::MAX);
        let mut limited = self.stream.by_ref().take(limit);
        limited
            .read_until(b'\n', &mut answer)
            .context("no answer from dhpd")?;
        if answer.last() != Some(&b'\n') {
            bail!("dhpd has ended the connection instead of answering");
        }
        match serde_json::from_slice(&answer)
            .context("dhpd answers in a way that this dhpctl does not understand")?
        {
            Answer::Ok(reply) => Ok(reply),
            Answer::Error(sentence) => bail!(sentence),
        }
    }

    /// Ask, and go on asking until all pages of a list are there.
    pub fn ask_all(&mut self, request: &Request) -> anyhow::Result<Reply> {
        let mut reply = self.ask(request)?;
        loop {
            let next = match &reply {
                Reply::Bindings(all) if all.more => Request::Bindings {
                    after: all.bindings.last().map(|binding| binding.home_address),
                    after_correspondent: all
                        .bindings
                        .last()
                        .and_then(|binding| binding.correspondent),
                    limit: LARGEST_PAGE,
                },
                Reply::Routes(all) if all.more => Request::Routes {
                    after: all.routes.last().map(|route| route.prefix),
                    limit: LARGEST_PAGE,
                },
                _ => return Ok(reply),
            };
            match (&mut reply, self.ask(&next)?) {
                (Reply::Bindings(all), Reply::Bindings(mut page)) if !page.bindings.is_empty() => {
                    all.bindings.append(&mut page.bindings);
                    all.more = page.more;
                }
                (Reply::Routes(all), Reply::Routes(mut page)) if !page.routes.is_empty() => {
                    all.routes.append(&mut page.routes);
                    all.more = page.more;
                }
                // It has become shorter meanwhile.
                _ => return Ok(reply),
            }
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use dhpctl::{Binding, Bindings, CareOf};
    use std::os::unix::net::UnixListener;

    fn page(address: &str, more: bool) -> String {
        let binding = Binding {
            home_address: address.parse().expect("an address"),
            role: "home".to_owned(),
            kind: "home".to_owned(),
            mobile_node: Some("mn1@example.net".to_owned()),
            correspondent: None,
            care_of: CareOf {
                address: "2001:db8:a::5".parse().expect("an address"),
                next_hop: None,
                port: None,
                tunnel_mtu: 1460,
            },
            remaining_seconds: None,
            packets: 0,
            octets: 0,
            care_ofs: Vec::new(),
            flows: Vec::new(),
        };
        let bindings = vec![binding];
        serde_json::to_string(&Answer::Ok(Reply::Bindings(Bindings { bindings, more })))
            .expect("JSON")
    }

    /// A daemon that gives these answers, one for each line, and then hangs up.
    pub fn daemon(
        answers: Vec<String>,
    ) -> (
        tempfile::TempDir,
        std::path::PathBuf,
        std::thread::JoinHandle<Vec<String>>,
    ) {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("dhpd.sock");
        let listener = UnixListener::bind(&path).expect("a socket");
        let server = std::thread::spawn(move || {
            let (stream, _) = listener.accept().expect("a client");
            let mut stream = BufReader::new(stream);
            let mut asked = Vec::new();
            for answer in answers {
                let mut line = String::new();
                stream.read_line(&mut line).expect("a line");
                asked.push(line);
                writeln!(stream.get_mut(), "{answer}").expect("written");
            }
            asked
        });
        (directory, path, server)
    }

    #[test]
    fn a_missing_socket_is_explained() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("dhpd.sock");
        let error = Client::connect(&path).err().expect("no daemon").to_string();
        assert!(
            error.contains("is dhpd running?") && error.contains("--socket"),
            "{error}"
        );
        drop(UnixListener::bind(&path).expect("a socket"));
        let error = Client::connect(&path).err().expect("no daemon").to_string();
        assert!(error.contains("nobody listens"), "{error}");
    }

    #[test]
    fn all_pages_are_asked_for() {
        let (_directory, path, server) =
            daemon(vec![page("2001:db8::1", true), page("2001:db8::2", false)]);
        let mut client = Client::connect(&path).expect("connected");
        let first = Request::Bindings {
            after: None,
            after_correspondent: None,
            limit: 1,
        };
        let Reply::Bindings(all) = client.ask_all(&first).expect("an answer") else {
            panic!("not bindings");
        };
        assert_eq!(all.bindings.len(), 2);
        let asked = server.join().expect("served");
        assert!(
            asked
                .last()
                .is_some_and(|line| line.contains(r#""after":"2001:db8::1""#)),
            "{asked:?}"
        );
    }

    #[test]
    fn refusals_and_hang_ups_are_errors() {
        let (_directory, path, server) = daemon(vec![r#"{"error":"no such binding"}"#.to_owned()]);
        let mut client = Client::connect(&path).expect("connected");
        let error = client
            .ask(&Request::Status)
            .expect_err("refused")
            .to_string();
        assert_eq!(error, "no such binding");
        server.join().expect("served");
        assert!(client.ask(&Request::Status).is_err());
    }
}
