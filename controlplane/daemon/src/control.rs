//! The control thread, and how the rest of the daemon talks to it

use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam::channel::{Receiver, Sender, unbounded};
use tokio::sync::oneshot;

use crate::bell::Bell;
use crate::mirror::PlanChanges;
use crate::signalling::Signalling;

/// The longest sleep: the heartbeat in the segment is never older.
const LONGEST_SLEEP: Duration = Duration::from_millis(500);

enum Command {
    Network(PlanChanges),
    Call(Box<dyn FnOnce(&mut Signalling) + Send>),
    Stop,
}

/// The control thread has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the control plane has stopped")]
pub struct Stopped;

/// Speaks to the control thread, from any thread or task.
#[derive(Clone)]
pub struct ControlHandle {
    commands: Sender<Command>,
    bell: Bell,
}

impl ControlHandle {
    /// Have the workers follow the network.
    ///
    /// # Errors
    /// [`Stopped`].
    pub fn follow_network(&self, changes: PlanChanges) -> Result<(), Stopped> {
        self.send(Command::Network(changes))
    }

    /// Look at the control plane, or have it do something, between two of its turns. What it is asked should take
    /// microseconds: signalling waits for it.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Signalling) -> T + Send + 'static,
    ) -> Result<T, Stopped> {
        let (sender, answer) = oneshot::channel();
        self.send(Command::Call(Box::new(move |signalling| {
            // Whoever asked may have gone.
            let _ = sender.send(question(signalling));
        })))?;
        answer.await.map_err(|_| Stopped)
    }

    /// End the thread after its turn.
    pub fn stop(&self) {
        // It may have ended already.
        let _ = self.send(Command::Stop);
    }

    fn send(&self, command: Command) -> Result<(), Stopped> {
        self.commands.send(command).map_err(|_| Stopped)?;
        self.bell.ring();
        Ok(())
    }
}

/// Start the control thread. It is woken by `bell`, by commands, and when the protocol engine has something due.
///
/// # Errors
/// The system has no thread to give.
pub fn spawn(
    mut signalling: Signalling,
    bell: Bell,
) -> std::io::Result<(ControlHandle, JoinHandle<()>)> {
    let (commands, received) = unbounded();
    let handle = ControlHandle {
        commands,
        bell: bell.clone(),
    };
    let thread = std::thread::Builder::new()
        .name("dhpd-control".to_owned())
        .spawn(move || run(&mut signalling, &bell, &received))?;
    Ok((handle, thread))
}

fn run(signalling: &mut Signalling, bell: &Bell, commands: &Receiver<Command>) {
    loop {
        for command in commands.try_iter() {
            match command {
                Command::Network(changes) => signalling.follow_changes(changes),
                Command::Call(question) => question(signalling),
                Command::Stop => return,
            }
        }
        let turn = signalling.turn();
        let now_ns = signalling.now().mono_ns;
        let sleep = match turn.due_ns {
            Some(due_ns) => Duration::from_nanos(due_ns.saturating_sub(now_ns)).min(LONGEST_SLEEP),
            None => LONGEST_SLEEP,
        };
        if !sleep.is_zero() {
            bell.wait(sleep);
        }
    }
}
