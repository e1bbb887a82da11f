//! What the kernel runs first where threads share a core

use thread_priority::{
    RealtimeThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};

/// Of the control thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Priority {
    /// It takes turns with all others of the machine, the kernel's own among them (SCHED_OTHER).
    #[default]
    Ordinary,
    /// Before all ordinary ones (SCHED_RR, the lowest level). The kernel keeps a twentieth of each second for those.
    RealTime,
}

impl Priority {
    /// As it is written in the file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ordinary => "ordinary",
            Self::RealTime => "real-time",
        }
    }

    /// Gives it to the calling thread, which is an ordinary one.
    ///
    /// # Errors
    /// Why the system does not allow it.
    pub fn take(self) -> Result<(), String> {
        let policy = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::RoundRobin);
        match self {
            Self::Ordinary => Ok(()),
            Self::RealTime => {
                set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, policy)
                    .map_err(|error| format!("{error}: that takes CAP_SYS_NICE"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Field 41 of proc_pid_stat(5): 0 for SCHED_OTHER, 2 for SCHED_RR.
    fn policy() -> String {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").expect("a stat file");
        let behind_name = stat.rsplit(')').next().expect("fields");
        let field = behind_name.split_whitespace().nth(41 - 3);
        field.expect("a policy").to_owned()
    }

    #[test]
    fn a_thread_becomes_what_it_asks_for_or_learns_why_not() {
        let thread = std::thread::spawn(|| {
            Priority::Ordinary.take().expect("as it is");
            assert_eq!(policy(), "0");
            match Priority::RealTime.take() {
                Ok(()) => assert_eq!(policy(), "2"),
                Err(error) => assert!(error.contains("CAP_SYS_NICE"), "{error}"),
            }
        });
        thread.join().expect("no panic");
    }
}
