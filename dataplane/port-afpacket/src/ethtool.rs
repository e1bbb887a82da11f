//! Features of an interface's driver

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use crate::interface::{control_channel, request_for};

/// `struct ethtool_value` of `linux/ethtool.h`: a command and its one number.
#[repr(C)]
struct EthtoolValue {
    command: u32,
    data: u32,
}

/// The way to the driver of an interface, for whatever thread uses it.
#[derive(Debug)]
pub(crate) struct Ethtool {
    channel: OwnedFd,
    interface: String,
}

impl Ethtool {
    /// For an interface of the calling thread's network namespace.
    pub(crate) fn new(interface: &str) -> io::Result<Self> {
        Ok(Self {
            channel: control_channel()?,
            interface: interface.to_owned(),
        })
    }

    /// The interface's name.
    pub(crate) fn interface(&self) -> &str {
        &self.interface
    }

    /// Ask for a value by one of the `ETHTOOL_G…` commands.
    pub(crate) fn get(&self, command: u32) -> io::Result<u32> {
        let mut value = EthtoolValue { command, data: 0 };
        self.request(&mut value)?;
        Ok(value.data)
    }

    /// Set a value by one of the `ETHTOOL_S…` commands.
    pub(crate) fn set(&self, command: u32, data: u32) -> io::Result<()> {
        self.request(&mut EthtoolValue { command, data })
    }

    fn request(&self, value: &mut EthtoolValue) -> io::Result<()> {
        let mut request = request_for(&self.interface)?;
        request.ifr_ifru.ifru_data = (&raw mut *value).cast();
        // SAFETY: SIOCETHTOOL reads the name and, for the commands with a `struct ethtool_value`, reads and writes that
        // structure, to which `ifru_data` points and which outlives the call.
        let answer = unsafe {
            libc::ioctl(
                self.channel.as_raw_fd(),
                libc::SIOCETHTOOL as _,
                &raw mut request,
            )
        };
        nix::errno::Errno::result(answer)?;
        Ok(())
    }
}
