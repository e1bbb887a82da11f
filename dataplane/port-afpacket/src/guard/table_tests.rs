//! The life of a table, with an owner and without

use super::*;
use nix::sched::{CloneFlags, unshare};

/// Run `test` in a new network namespace, which goes with the thread.
fn in_new_namespace(test: impl FnOnce() + Send + 'static) {
    let thread = std::thread::spawn(|| match unshare(CloneFlags::CLONE_NEWNET) {
        Ok(()) => test(),
        Err(error) => {
            assert!(!nix::unistd::geteuid().is_root(), "{error}");
            eprintln!("skipped: network namespaces need root");
        }
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

fn table_names() -> Vec<String> {
    let socket = transaction::open().expect("a socket");
    transaction::tables(socket.as_fd()).expect("the tables")
}

#[test]
fn a_table_without_owner_goes_with_its_guard() {
    in_new_namespace(|| {
        let guard = KernelGuard::install(Profile::Anchor, &["lo"], false).expect("installed");
        assert_eq!(table_names(), [guard.table().to_owned()]);
        drop(guard);
        assert!(table_names().is_empty());
    });
}

#[test]
fn tables_of_processes_that_are_no_more_are_removed() {
    in_new_namespace(|| {
        let socket = transaction::open().expect("a socket");
        // Beyond the kernel's largest process identifier.
        let stale = format!("{TABLE_PREFIX}4194305_0");
        let other = "of_somebody_else".to_owned();
        for table in [&stale, &other] {
            let mut steps = transaction::Transaction::new();
            steps.add_table(table, false);
            steps.commit(socket.as_fd(), table).expect("added");
        }
        let live = KernelGuard::install(Profile::MobileNode, &["lo"], false).expect("installed");
        remove_stale_tables().expect("removed");
        let mut left = table_names();
        left.sort();
        assert_eq!(left, [live.table().to_owned(), other]);
    });
}

#[test]
fn an_owned_table_is_the_socket_s_alone() {
    in_new_namespace(|| {
        let guard = KernelGuard::install(Profile::Anchor, &["lo"], true).expect("installed");
        let mut steps = transaction::Transaction::new();
        steps.delete_table(guard.table());
        let other = transaction::open().expect("a socket");
        let refused = steps
            .commit(other.as_fd(), "test")
            .expect_err("not the owner");
        assert_eq!(refused.source.raw_os_error(), Some(libc::EPERM));
        drop(guard);
        assert!(table_names().is_empty());
    });
}

#[test]
fn an_interface_that_is_not_there_is_named() {
    in_new_namespace(|| {
        let error = KernelGuard::new(Profile::Anchor, &["lo", "absent0"]).expect_err("not there");
        assert!(error.to_string().contains("absent0"), "{error}");
        assert!(table_names().is_empty(), "all or nothing");
        let guard = KernelGuard::new(Profile::Anchor, &["lo"]).expect("there");
        guard.add("absent0").expect_err("not there");
        guard.add("lo").expect("guarded already");
    });
}
