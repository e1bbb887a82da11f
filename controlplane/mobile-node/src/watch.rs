//! `dhp-mn status --watch`: the state on the whole terminal, drawn again each second and when something happens.

use std::io::{IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

use anyhow::Context;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};

use crate::api::{Answer, Question};
use crate::client::{ask, described};

/// Milliseconds from one drawing to the next.
const INTERVAL: u16 = 1000;
/// Clears the screen, with the cursor at its upper left corner (ECMA-48: ED, CUP).
const CLEAR: &str = "\x1b[2J\x1b[H";

/// Keys that end it: q and Ctrl-C.
const ENDS: [u8; 2] = [b'q', 0x03];

/// Draws until q or Ctrl-C is pressed, the terminal is closed or the agent ends.
///
/// # Errors
/// No agent answers.
pub fn watch(socket: &Path) -> anyhow::Result<()> {
    let mut events = UnixStream::connect(socket)
        .with_context(|| format!("{}: no agent answers", socket.display()))?;
    let question = Question::Events { replay: false };
    writeln!(events, "{}", serde_json::to_string(&question)?)?;
    let keys = Keys::listen();
    loop {
        if let Answer::Status(status) = ask(socket, &Question::Status)? {
            let mut out = std::io::stdout().lock();
            // A reader that has seen enough closes the pipe.
            let drawn = write!(out, "{CLEAR}{}", described(&status)).and_then(|()| out.flush());
            if drawn.is_err() {
                return Ok(());
            }
        }
        let stdin = std::io::stdin();
        let mut waiting = vec![PollFd::new(events.as_fd(), PollFlags::POLLIN)];
        if keys.is_some() {
            waiting.push(PollFd::new(stdin.as_fd(), PollFlags::POLLIN));
        }
        poll(&mut waiting, PollTimeout::from(INTERVAL))?;
        let ready: Vec<bool> = waiting.iter().map(|one| one.any() == Some(true)).collect();
        if ready.first() == Some(&true) && events.read(&mut [0; 65_536])? == 0 {
            return Ok(());
        }
        if ready.get(1) == Some(&true) {
            let mut pressed = [0; 64];
            let length = stdin.lock().read(&mut pressed)?;
            let pressed = pressed.get(..length).unwrap_or_default();
            if length == 0 || pressed.iter().any(|key| ENDS.contains(key)) {
                return Ok(());
            }
        }
    }
}

/// Keys are read one by one, and not shown; all is as before when this is dropped.
struct Keys {
    before: Termios,
}

impl Keys {
    /// `None`: there is no keyboard.
    fn listen() -> Option<Self> {
        let stdin = std::io::stdin();
        if !stdin.is_terminal() {
            return None;
        }
        let before = tcgetattr(&stdin).ok()?;
        let mut single = before.clone();
        // Without ISIG Ctrl-C is a key too, so that the terminal is restored whichever of the two is pressed.
        let cooked = LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG;
        single.local_flags.remove(cooked);
        tcsetattr(&stdin, SetArg::TCSANOW, &single).ok()?;
        Some(Self { before })
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        // The terminal may be gone.
        let _ = tcsetattr(std::io::stdin(), SetArg::TCSANOW, &self.before);
    }
}
