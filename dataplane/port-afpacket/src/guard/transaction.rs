//! A batch of nf_tables messages that the kernel applies as a whole or not at all

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use libc::{
    NFNL_MSG_BATCH_BEGIN, NFNL_MSG_BATCH_END, NFNL_SUBSYS_NFTABLES, NFPROTO_NETDEV,
    NFT_MSG_DELTABLE, NFT_MSG_GETTABLE, NFT_MSG_NEWCHAIN, NFT_MSG_NEWRULE, NFT_MSG_NEWTABLE,
    NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REQUEST,
};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, sendto,
    socket,
};

use super::expression::Expression;
use super::message::{Attributes, FAMILY_HEADER_LEN, Messages, attributes, messages};
use crate::error::{Context, SetupError};

/// The step in which a kernel without owned tables fails.
pub(super) const ADD_TABLE: &str = "add an nftables table";
/// The step in which a kernel that has kept the chain of a removed interface finds it there.
pub(super) const ADD_CHAIN: &str = "add a chain on the ingress hook";

const TABLE_NAME: u16 = 1;
const TABLE_FLAGS: u16 = 2;
const TABLE_OWNED: u32 = 2;
const HOOK_INGRESS: u32 = 0;
/// Before what an administrator may have there, so that it sees only what the kernel is to have.
const HOOK_PRIORITY: i32 = -300;
/// Answers are a few octets each, with the message that they answer where it was refused.
const ANSWER_OCTETS: usize = 1 << 16;

/// A socket of netfilter's netlink family. A table that is made over it may be owned by it.
pub(super) fn open() -> io::Result<OwnedFd> {
    let socket = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
        SockProtocol::NetlinkNetFilter,
    )?;
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
    Ok(socket)
}

/// Messages that are to be applied together, and what each of them is for.
#[derive(Debug)]
pub(super) struct Transaction {
    batch: Messages,
    /// The step of message `n` has sequence number `n + 1`; the batch's beginning has 0.
    steps: Vec<&'static str>,
}

impl Transaction {
    pub(super) fn new() -> Self {
        let mut batch = Messages::default();
        let resource = NFNL_SUBSYS_NFTABLES as u16;
        batch.add(
            NFNL_MSG_BATCH_BEGIN as u16,
            NLM_F_REQUEST as u16,
            0,
            0,
            resource,
            |_| {},
        );
        Self {
            batch,
            steps: Vec::new(),
        }
    }

    pub(super) fn add_table(&mut self, name: &str, owned: bool) {
        let flags = NLM_F_CREATE | NLM_F_EXCL;
        self.add(ADD_TABLE, NFT_MSG_NEWTABLE, flags, |body| {
            body.put_text(TABLE_NAME, name);
            body.put_u32(TABLE_FLAGS, if owned { TABLE_OWNED } else { 0 });
        });
    }

    pub(super) fn delete_table(&mut self, name: &str) {
        self.add("delete an nftables table", NFT_MSG_DELTABLE, 0, |body| {
            body.put_text(TABLE_NAME, name);
        });
    }

    /// A chain on the ingress hook of `interface`, which accepts what no rule drops.
    pub(super) fn add_chain(&mut self, table: &str, chain: &str, interface: &str) {
        self.add(
            ADD_CHAIN,
            NFT_MSG_NEWCHAIN,
            NLM_F_CREATE | NLM_F_EXCL,
            |body| {
                body.put_text(1, table);
                body.put_text(3, chain);
                body.nest(4, |hook| {
                    hook.put_u32(1, HOOK_INGRESS);
                    hook.put_u32(2, HOOK_PRIORITY.cast_unsigned());
                    hook.put_text(3, interface);
                });
                body.put_u32(5, libc::NF_ACCEPT.cast_unsigned());
                body.put_text(7, "filter");
            },
        );
    }

    /// A rule at the end of `chain`, with a comment that `nft list ruleset` shows.
    pub(super) fn add_rule(
        &mut self,
        table: &str,
        chain: &str,
        rule: &[Expression],
        comment: &str,
    ) {
        self.add(
            "add a rule",
            NFT_MSG_NEWRULE,
            NLM_F_CREATE | NLM_F_APPEND,
            |body| {
                body.put_text(1, table);
                body.put_text(2, chain);
                body.nest(4, |list| {
                    rule.iter().for_each(|expression| expression.write(list))
                });
                // User data of nft: type 0 is a comment, then its length with the final zero.
                let mut user_data = vec![0, comment.len() as u8 + 1];
                user_data.extend_from_slice(comment.as_bytes());
                user_data.push(0);
                body.put(7, &user_data);
            },
        );
    }

    fn add(
        &mut self,
        step: &'static str,
        message: libc::c_int,
        flags: libc::c_int,
        body: impl FnOnce(&mut Attributes<'_>),
    ) {
        self.steps.push(step);
        let sequence = self.steps.len() as u32;
        let flags = (NLM_F_REQUEST | NLM_F_ACK | flags) as u16;
        self.batch.add(
            table_message(message),
            flags,
            sequence,
            NFPROTO_NETDEV as u8,
            0,
            body,
        );
    }

    /// Apply it. The kernel has answered each message when `sendto` returns.
    pub(super) fn commit(
        mut self,
        socket: BorrowedFd<'_>,
        subject: &str,
    ) -> Result<(), SetupError> {
        let end = self.steps.len() as u32 + 1;
        let resource = NFNL_SUBSYS_NFTABLES as u16;
        self.batch.add(
            NFNL_MSG_BATCH_END as u16,
            NLM_F_REQUEST as u16,
            end,
            0,
            resource,
            |_| {},
        );
        send(socket, &self.batch).context(subject, "talk to nftables")?;
        let mut acknowledged = 0;
        let mut buffer = vec![0; ANSWER_OCTETS];
        while let Some(datagram) =
            receive(socket, &mut buffer).context(subject, "talk to nftables")?
        {
            for answer in messages(datagram) {
                if i32::from(answer.kind) != libc::NLMSG_ERROR {
                    continue;
                }
                let code = answer
                    .body
                    .first_chunk()
                    .copied()
                    .map_or(0, i32::from_ne_bytes);
                if code != 0 {
                    let step = (answer.sequence as usize)
                        .checked_sub(1)
                        .and_then(|number| self.steps.get(number));
                    let step = step.copied().unwrap_or("commit an nftables transaction");
                    return Err(Errno::from_raw(code.wrapping_neg())).context(subject, step);
                }
                acknowledged += 1;
            }
        }
        match acknowledged < self.steps.len() {
            false => Ok(()),
            true => Err(Errno::ENODATA).context(subject, "get all answers of nftables"),
        }
    }
}

/// The names of all tables of the `netdev` family.
pub(super) fn tables(socket: BorrowedFd<'_>) -> io::Result<Vec<String>> {
    let mut request = Messages::default();
    let flags = (NLM_F_REQUEST | NLM_F_DUMP) as u16;
    let family = NFPROTO_NETDEV as u8;
    request.add(table_message(NFT_MSG_GETTABLE), flags, 0, family, 0, |_| {});
    send(socket, &request)?;
    let mut names = Vec::new();
    let mut buffer = vec![0; ANSWER_OCTETS];
    while let Some(datagram) = receive(socket, &mut buffer)? {
        for message in messages(datagram) {
            if message.kind == table_message(NFT_MSG_NEWTABLE) {
                let body = message.body.get(FAMILY_HEADER_LEN..).unwrap_or_default();
                let name = attributes(body).find(|(kind, _)| *kind == TABLE_NAME);
                let name = name.map(|(_, value)| value.split(|octet| *octet == 0).next());
                if let Some(Ok(name)) = name.flatten().map(std::str::from_utf8) {
                    names.push(name.to_owned());
                }
            }
        }
    }
    Ok(names)
}

fn table_message(message: libc::c_int) -> u16 {
    ((NFNL_SUBSYS_NFTABLES << 8) | message) as u16
}

fn send(socket: BorrowedFd<'_>, messages: &Messages) -> io::Result<()> {
    let kernel = NetlinkAddr::new(0, 0);
    sendto(
        socket.as_raw_fd(),
        messages.octets(),
        &kernel,
        MsgFlags::empty(),
    )?;
    Ok(())
}

/// The next answer. `None`: all have been read.
fn receive<'b>(socket: BorrowedFd<'_>, buffer: &'b mut [u8]) -> io::Result<Option<&'b [u8]>> {
    match recv(socket.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT) {
        Ok(length) => Ok(buffer.get(..length)),
        Err(Errno::EAGAIN) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
