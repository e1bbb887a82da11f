//! One question after the other: to an upstream resolver, through the agent, back.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::{LONGEST, Lookup, PREPARED_ADDRESSES, Resolved, message};

/// How long one upstream resolver may take before the next is asked.
const UPSTREAM: Duration = Duration::from_secs(2);
/// How long a connection may be silent (RFC 7766 §6.2.3: "on the order of a few seconds").
const SILENCE: Duration = Duration::from_secs(10);
/// How long an answer waits for anchors. Two round trips, one to find a DHP and one to get an address there, seldom take longer;
/// else the first connection does without.
const PREPARATION: Duration = Duration::from_millis(300);

/// How a question came, and goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    Udp,
    Tcp,
}

/// Who is asked, and who is told.
#[derive(Debug)]
pub(super) struct Resolver {
    upstream: Vec<SocketAddr>,
    agent: mpsc::Sender<Lookup>,
}

impl Resolver {
    pub(super) fn new(upstream: Vec<SocketAddr>, agent: mpsc::Sender<Lookup>) -> Self {
        Self { upstream, agent }
    }

    /// The answer to a question, when anchors for its addresses are prepared; `None` if it is no question.
    pub(super) async fn resolve(&self, question: &[u8], transport: Transport) -> Option<Vec<u8>> {
        if !message::is_question(question) {
            return None;
        }
        if let Some(name) = message::asked_name(question) {
            // Full: the answer tells it, too.
            let _ = self.agent.try_send(Lookup::Asked(name));
        }
        let Some(answer) = self.ask(question, transport).await else {
            return message::failure(question);
        };
        self.prepare(&answer).await;
        Some(answer)
    }

    /// The first addresses of a name, for nobody in particular; none, too, where nobody knows.
    pub(super) async fn look_up(&self, name: &str) -> Vec<Ipv6Addr> {
        let mut id = [0; 2];
        // RFC 5452 §9.2: an identifier that is hard to guess.
        let question = getrandom::fill(&mut id).ok();
        let question = question.and_then(|()| message::question(name, u16::from_ne_bytes(id)));
        let Some(question) = question else {
            return Vec::new();
        };
        let answer = self.ask(&question, Transport::Udp).await;
        let resolved = answer.and_then(|answer| message::addresses(&answer));
        let addresses = resolved.into_iter().flat_map(|(_, addresses)| addresses);
        let addresses = addresses.map(|(address, _)| address);
        addresses.take(PREPARED_ADDRESSES).collect()
    }

    /// Answers the questions of a connection (RFC 1035 §4.2.2: each message after its length).
    pub(super) async fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        while let Some(question) = timeout(SILENCE, read(&mut stream))
            .await
            .unwrap_or(Ok(None))?
        {
            match self.resolve(&question, Transport::Tcp).await {
                Some(answer) => timeout(SILENCE, write(&mut stream, &answer)).await??,
                None => break,
            }
        }
        Ok(())
    }

    async fn ask(&self, question: &[u8], transport: Transport) -> Option<Vec<u8>> {
        for upstream in &self.upstream {
            let answer = async {
                match transport {
                    Transport::Udp => ask_by_udp(*upstream, question).await,
                    Transport::Tcp => ask_by_tcp(*upstream, question).await,
                }
            };
            match timeout(UPSTREAM, answer).await {
                Ok(Ok(answer)) => return Some(answer),
                Ok(Err(error)) => tracing::debug!(%error, %upstream, "no answer"),
                Err(_) => tracing::debug!(%upstream, "no answer in time"),
            }
        }
        None
    }

    async fn prepare(&self, answer: &[u8]) {
        let Some((name, addresses)) = message::addresses(answer) else {
            return;
        };
        let (prepared, done) = oneshot::channel();
        let resolved = Resolved {
            name,
            addresses,
            prepared,
        };
        let preparation = async {
            if self.agent.send(Lookup::Answered(resolved)).await.is_ok() {
                // Gone without an answer: it has nothing more to do either.
                let _ = done.await;
            }
        };
        let _ = timeout(PREPARATION, preparation).await;
    }
}

/// A socket of its own for each question: its port is as hard to guess as the identifier (RFC 5452 §9.2).
async fn ask_by_udp(upstream: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
    let any: SocketAddr = match upstream {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(upstream).await?;
    socket.send(question).await?;
    let mut buffer = vec![0; LONGEST];
    loop {
        let length = socket.recv(&mut buffer).await?;
        let answer = buffer.get(..length).unwrap_or_default();
        if message::answers(answer, question) {
            return Ok(answer.to_vec());
        }
    }
}

async fn ask_by_tcp(upstream: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(upstream).await?;
    write(&mut stream, question).await?;
    let answer = read(&mut stream).await?;
    answer
        .filter(|answer| message::answers(answer, question))
        .ok_or_else(|| io::Error::other("no answer to the question"))
}

/// A message; `None` at the end of the stream.
async fn read(stream: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let length = match stream.read_u16().await {
        Ok(length) => length,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut message = vec![0; length.into()];
    stream.read_exact(&mut message).await?;
    Ok(Some(message))
}

async fn write(stream: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(io::Error::other)?;
    // In one segment: the length alone would wait for the rest at the far end.
    let framed = [&length.to_be_bytes()[..], message].concat();
    stream.write_all(&framed).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    const QUESTION: &[u8] =
        b"\x07\x09\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03www\x07example\x00\x00\x1c\x00\x01";

    /// An answer with one address.
    fn answer() -> Vec<u8> {
        let mut answer = QUESTION.to_vec();
        answer[2] |= 0x80;
        answer[7] = 1;
        answer.extend([0xc0, 12, 0, 28, 0, 1, 0, 0, 0, 60, 0, 16]);
        answer.extend(Ipv6Addr::LOCALHOST.octets());
        answer
    }

    #[tokio::test]
    async fn the_next_resolver_is_asked_and_the_answer_waits_for_the_agent() {
        let gone = UdpSocket::bind("[::1]:0").await.expect("a socket");
        let nobody = gone.local_addr().expect("its address");
        drop(gone);
        let upstream = UdpSocket::bind("[::1]:0").await.expect("a socket");
        let somebody = upstream.local_addr().expect("its address");
        let (agent, mut names) = mpsc::channel(2);
        let resolver = Resolver::new(vec![nobody, somebody], agent);
        let answering = async {
            let mut question = [0; 512];
            let (length, from) = upstream.recv_from(&mut question).await.expect("a question");
            assert_eq!(&question[..length], QUESTION, "as it is");
            let asked = names.recv().await;
            assert!(matches!(asked, Some(Lookup::Asked(name)) if name == "www.example"));
            // Somebody guesses the port, and not the identifier.
            let mut forged = answer();
            forged[0] ^= 1;
            upstream.send_to(&forged, from).await.expect("sent");
            upstream.send_to(&answer(), from).await.expect("sent");
            let Some(Lookup::Answered(resolved)) = names.recv().await else {
                panic!("an answer")
            };
            assert_eq!(resolved.name, "www.example");
            assert_eq!(resolved.addresses[0].0, Ipv6Addr::LOCALHOST);
            resolved.prepared.send(()).expect("it waits");
        };
        let (given, ()) = tokio::join!(resolver.resolve(QUESTION, Transport::Udp), answering);
        assert_eq!(given, Some(answer()));
    }

    #[tokio::test]
    async fn connections_carry_questions_too_and_an_agent_that_is_gone_holds_nothing_up() {
        let upstream = TcpListener::bind("[::1]:0").await.expect("a socket");
        let address = upstream.local_addr().expect("its address");
        let (agent, names) = mpsc::channel(1);
        drop(names);
        let resolver = Resolver::new(vec![address], agent);
        let answering = async {
            let (mut stream, _) = upstream.accept().await.expect("a connection");
            let question = read(&mut stream).await.expect("a message");
            assert_eq!(question.as_deref(), Some(QUESTION));
            write(&mut stream, &answer()).await.expect("sent");
        };
        let (given, ()) = tokio::join!(resolver.resolve(QUESTION, Transport::Tcp), answering);
        assert_eq!(given, Some(answer()));
    }

    #[tokio::test]
    async fn nobody_upstream_is_a_failure_and_what_is_no_question_gets_no_answer() {
        let (agent, _names) = mpsc::channel(1);
        let resolver = Resolver::new(Vec::new(), agent);
        let failed = resolver.resolve(QUESTION, Transport::Udp).await;
        assert_eq!(failed.map(|failed| failed[3] & 0x0f), Some(2), "SERVFAIL");
        assert_eq!(resolver.resolve(&answer(), Transport::Udp).await, None);
        assert_eq!(resolver.resolve(b"", Transport::Udp).await, None);
    }
}
