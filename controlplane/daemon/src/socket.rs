//! The Unix socket of `dhpctl`

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dhpctl::{Answer, LONGEST_LINE, Request};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

use crate::inspector::Inspector;

/// Clients at a time; others wait to be accepted.
const MOST_CLIENTS: usize = 32;
/// How long a client may keep silent.
const PATIENCE: Duration = Duration::from_secs(300);

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Another daemon answers there.
    #[error("{0}: another dhpd listens there; give this one another path in [api] socket")]
    InUse(PathBuf),
    /// The path is something else.
    #[error("{0} exists and is no socket; remove it, or give another path in [api] socket")]
    NoSocket(PathBuf),
    /// The system refused.
    #[error("{path}: cannot {step}: {cause}")]
    Refused {
        /// The socket.
        path: PathBuf,
        /// What was tried.
        step: &'static str,
        /// The system's answer.
        cause: std::io::Error,
    },
}

/// The listening socket; its file is removed with it.
#[derive(Debug)]
pub struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl ControlSocket {
    /// Listen at `path`, for the user and the group of this process. What a daemon that was killed has left there is
    /// replaced. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`SocketError`].
    pub fn bind(path: &Path) -> Result<Self, SocketError> {
        let refused = |step| {
            move |cause| SocketError::Refused {
                path: path.to_owned(),
                step,
                cause,
            }
        };
        if let Some(directory) = path
            .parent()
            .filter(|directory| !directory.as_os_str().is_empty())
        {
            std::fs::create_dir_all(directory).map_err(refused("make its directory"))?;
        }
        match std::os::unix::net::UnixStream::connect(path) {
            Ok(_) => return Err(SocketError::InUse(path.to_owned())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                // Both a socket without a listener and any other file refuse a connection.
                let metadata = std::fs::symlink_metadata(path).map_err(refused("look at it"))?;
                if !std::os::unix::fs::FileTypeExt::is_socket(&metadata.file_type()) {
                    return Err(SocketError::NoSocket(path.to_owned()));
                }
            }
            Err(error) => return Err(refused("look at it")(error)),
        }
        // Nobody can connect before the permissions are right, since nobody knows the name before then.
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}", std::process::id()));
        let unready = path.with_file_name(name);
        let _ = std::fs::remove_file(&unready);
        let listener = UnixListener::bind(&unready).map_err(refused("listen"))?;
        let permissions = std::fs::Permissions::from_mode(0o660);
        std::fs::set_permissions(&unready, permissions).map_err(refused("set its permissions"))?;
        std::fs::rename(&unready, path).map_err(refused("name it"))?;
        Ok(Self {
            listener,
            path: path.to_owned(),
        })
    }

    /// Serve until the task is ended.
    pub async fn serve(self, inspector: Arc<Inspector>) {
        let places = Arc::new(Semaphore::new(MOST_CLIENTS));
        loop {
            // The semaphore is never closed.
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return;
            };
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let inspector = Arc::clone(&inspector);
                    tokio::spawn(async move {
                        if let Err(error) = converse(stream, &inspector).await {
                            tracing::debug!(%error, "a client of the control socket has left");
                        }
                        drop(place);
                    });
                }
                Err(error) => {
                    // Out of file descriptors, most likely: accepting at once again would be a busy loop.
                    tracing::warn!(%error, "the control socket does not accept");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // It may have been removed, or replaced by a successor's.
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn converse(stream: UnixStream, inspector: &Inspector) -> std::io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    let limit = u64::try_from(LONGEST_LINE).unwrap_or(u64::MAX);
    loop {
        let mut line = Vec::new();
        let mut limited = (&mut reader).take(limit);
        let read = tokio::time::timeout(PATIENCE, limited.read_until(b'\n', &mut line));
        match read.await {
            Ok(Ok(octets)) if octets > 0 && line.last() == Some(&b'\n') => {}
            Ok(Err(error)) => return Err(error),
            // It has hung up, keeps silent, or does not end its line.
            Ok(Ok(_)) | Err(_) => return Ok(()),
        }
        let answer = match serde_json::from_slice::<Request>(&line) {
            Ok(request) => inspector.answer(request).await,
            Err(error) => Answer::Error(format!("this is no request: {error}")),
        };
        let mut text = serde_json::to_vec(&answer)?;
        text.push(b'\n');
        writer.write_all(&text).await?;
    }
}
