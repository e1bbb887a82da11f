//! The agent's Unix socket: one JSON line asks, JSON lines answer.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{mpsc, oneshot};

use crate::event::EventLog;
use crate::exec::SessionType;
use crate::explanation::{Connection, Explanation};
use crate::status::Status;

/// The longest question.
const LONGEST: u64 = 4096;
/// Questions that wait for the agent.
const WAITING: usize = 16;

/// A question.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Question {
    /// The present state.
    Status,
    /// Events, one a line, until either side closes.
    Events {
        /// The past ones, too.
        replay: bool,
    },
    /// What becomes of a connection, and why?
    Explain(Connection),
    /// For a while, programs mark their sockets with this session type.
    Exec {
        /// The session type.
        session: SessionType,
    },
    /// Read the configuration again, for another key.
    Reload,
    /// End. The connection is closed when that is done.
    Stop {
        /// For a restart: sessions are to live on.
        keep: bool,
    },
    /// Prefer an access interface; `None`: the order of the configuration.
    Move {
        /// Its name.
        to: Option<String>,
    },
}

/// An answer to anything but events.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The present state.
    Status(Box<Status>),
    /// What becomes of a connection.
    Explained(Box<Explanation>),
    /// It is done.
    Done,
    /// The configuration was read again.
    Reloaded {
        /// The security association that is used now; `None`: the same as before.
        spi: Option<u32>,
    },
    /// It cannot be done.
    Refused(String),
}

/// A question that the agent is to answer.
#[derive(Debug)]
pub struct Request {
    /// What is asked.
    pub question: Question,
    /// Where the answer goes.
    pub answer: oneshot::Sender<Answer>,
}

/// The socket; it is removed with this.
#[derive(Debug)]
pub struct Api {
    path: PathBuf,
}

impl Api {
    /// Listens, and answers from now on; others may ask by what is returned as well. A socket that a killed agent has left behind is replaced.
    ///
    /// # Errors
    /// Another agent listens there, or the socket cannot be made.
    pub fn listen(
        path: &Path,
        events: EventLog,
    ) -> io::Result<(Self, mpsc::Sender<Request>, mpsc::Receiver<Request>)> {
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory)?;
        }
        match std::os::unix::net::UnixStream::connect(path) {
            Ok(_) => return Err(io::Error::other("another agent listens there")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(_) => std::fs::remove_file(path)?,
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
        let (sender, receiver) = mpsc::channel(WAITING);
        tokio::task::spawn_local(accept(listener, sender.clone(), events));
        let path = path.to_owned();
        Ok((Self { path }, sender, receiver))
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        // Gone already: that is what is wanted.
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn accept(listener: UnixListener, agent: mpsc::Sender<Request>, events: EventLog) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let (agent, events) = (agent.clone(), events.clone());
                tokio::task::spawn_local(async move {
                    if let Err(error) = serve(stream, agent, events).await {
                        tracing::debug!(%error, "a client of the API went away");
                    }
                });
            }
            Err(error) => {
                // Out of file descriptors, for one: the next attempt must not follow at once.
                tracing::warn!(%error, "cannot accept a client of the API");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}

async fn serve(
    mut stream: UnixStream,
    agent: mpsc::Sender<Request>,
    events: EventLog,
) -> io::Result<()> {
    let (reading, mut writing) = stream.split();
    let mut line = String::new();
    BufReader::new(reading.take(LONGEST))
        .read_line(&mut line)
        .await?;
    let mut stays_open = false;
    let answer = match serde_json::from_str(&line) {
        Ok(Question::Events { replay }) => {
            return stream_events(&mut writing, &events, replay).await;
        }
        Ok(question) => {
            stays_open = matches!(question, Question::Stop { .. });
            let (answer, answered) = oneshot::channel();
            let asked = agent.send(Request { question, answer }).await.is_ok();
            let answered = if asked { answered.await.ok() } else { None };
            answered.unwrap_or_else(|| Answer::Refused("the agent is ending".to_owned()))
        }
        Err(error) => Answer::Refused(format!("not a question: {error}")),
    };
    write_line(&mut writing, &answer).await?;
    if stays_open && matches!(answer, Answer::Done) {
        // It is closed with this process.
        std::future::pending::<()>().await;
    }
    Ok(())
}

async fn stream_events(
    writing: &mut (impl AsyncWriteExt + Unpin),
    events: &EventLog,
    replay: bool,
) -> io::Result<()> {
    let (past, mut coming) = events.watch();
    for record in past.iter().filter(|_| replay) {
        write_line(writing, record).await?;
    }
    loop {
        match coming.recv().await {
            Ok(record) => write_line(writing, &record).await?,
            // The watcher was too slow; it goes on with what there is.
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return Ok(()),
        }
    }
}

async fn write_line(
    writing: &mut (impl AsyncWriteExt + Unpin),
    value: &impl Serialize,
) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    writing.write_all(&line).await
}
