//! `dhp-mn exec`: one program whose connections get a session type of their own, whatever the policy says.
//!
//! The program runs in a control group, and a BPF program of that group marks each socket as it is made. The mark is there when the
//! socket is connected, so rules of the kernel's choose its source (`ip vrf exec` works in the same way). All of it ends with the
//! program.

mod cgroup;
mod mark_program;
mod marking;
mod object_file;
mod preference_program;

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitCode, ExitStatus};
use std::time::Duration;

use anyhow::Context;
use clap::ValueEnum;
use dhp_proto::mobile_node::Session;
use dhp_proto::mobile_node::policy::{Rule, Selector, Treatment};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

use crate::api::{Answer, Question};
use crate::client;
use cgroup::ControlGroup;

pub use marking::{Marking, mark_of};
pub use preference_program::{PREFERS_CARE_OF, PREFERS_HOME};

/// How long the agent keeps the rules for marked sockets without being asked again.
pub const LEASE: Duration = Duration::from_secs(60);
/// How often it is asked again.
const RENEWAL: Duration = Duration::from_secs(20);
/// The marks, one for each session type from here on, and then one for each preference: "MN" and a number.
const FIRST_MARK: u32 = 0x4d4e_0001;

/// Session types (RFC 8653 §3).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum SessionType {
    /// An address of a DHP near the correspondent.
    SessionLasting,
    /// The same.
    GracefulReplacement,
    /// The home address.
    Fixed,
    /// The care-of address.
    NonPersistent,
}

impl SessionType {
    /// The mark of its sockets.
    pub fn mark(self) -> u32 {
        let number = match self {
            Self::SessionLasting => 0,
            Self::GracefulReplacement => 1,
            Self::Fixed => 2,
            Self::NonPersistent => 3,
        };
        FIRST_MARK + number
    }

    /// What its flows get, wherever they go.
    pub fn rule(self) -> Rule {
        let treatment = match self {
            Self::SessionLasting => Treatment::Anchored(Session::SessionLasting.into()),
            Self::GracefulReplacement => Treatment::Anchored(Session::GracefulReplacement.into()),
            Self::Fixed => Treatment::Anchored(Session::Fixed.into()),
            Self::NonPersistent => Treatment::NonPersistent,
        };
        Rule {
            selector: Selector::default(),
            treatment,
            prepare: false,
            optimize: false,
        }
    }
}

/// Runs a command until it ends, and ends as it does.
///
/// # Errors
/// The agent does not answer, or the kernel does not take the control group or its program.
pub fn exec(socket: &Path, session: SessionType, command: &[OsString]) -> anyhow::Result<ExitCode> {
    let [program, arguments @ ..] = command else {
        anyhow::bail!("no command");
    };
    lease(socket, session)?;
    let mut group = ControlGroup::create()?;
    // It is detached when it is dropped.
    let attached = mark_program::attach(group.directory(), session.mark(), None)
        .context("have the sockets of a control group marked")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let status = runtime.block_on(async {
        let child = group.with(|| Command::new(program).args(arguments).spawn())?;
        let child = child.with_context(|| program.display().to_string())?;
        supervise(child, || lease(socket, session)).await
    })?;
    drop(attached);
    Ok(exit_code(status))
}

/// Has the agent keep the rules for marked sockets.
fn lease(socket: &Path, session: SessionType) -> anyhow::Result<()> {
    match client::ask(socket, &Question::Exec { session })? {
        Answer::Refused(reason) => anyhow::bail!(reason),
        Answer::Done | Answer::Status(_) | Answer::Explained(_) | Answer::Reloaded { .. } => Ok(()),
    }
}

/// Waits for the child. What the terminal sends reaches it without us; who ends us means the child.
async fn supervise(
    mut child: Child,
    renew: impl Fn() -> anyhow::Result<()>,
) -> anyhow::Result<ExitStatus> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut quit = signal(SignalKind::quit())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut renewal = tokio::time::interval(RENEWAL);
    loop {
        tokio::select! {
            status = child.wait() => return Ok(status?),
            _ = interrupt.recv() => {}
            _ = quit.recv() => {}
            _ = terminate.recv() => {
                let id = child.id().and_then(|id| i32::try_from(id).ok());
                if let Some(id) = id {
                    // It may have ended in this moment.
                    let _ = kill(Pid::from_raw(id), Signal::SIGTERM);
                }
            }
            _ = renewal.tick() => {
                // The agent may be starting again: what is connected stays connected meanwhile.
                if let Err(error) = renew() {
                    eprintln!("dhp-mn: {error:#}");
                }
            }
        }
    }
}

/// As shells have it: 128 and the signal, where one has ended the command.
fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .and_then(|code| u8::try_from(code).ok());
    code.map_or(ExitCode::FAILURE, ExitCode::from)
}
