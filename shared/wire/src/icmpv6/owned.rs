//! Messages of home links and home agents that outlive the packet they came in.

use alloc::vec::Vec;
use core::net::Ipv6Addr;

use super::body::Body;
use super::builder::Builder;
use super::message::Message;
use super::option::{NdOption, NdOptionError};

/// A message that owns all it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedMessage {
    /// What it says before its options.
    pub body: Body,
    /// The home agents of a Home Agent Address Discovery Reply, best first.
    pub addresses: Vec<Ipv6Addr>,
    /// Its options in their order.
    pub options: Vec<NdOption<Vec<u8>>>,
}

impl OwnedMessage {
    /// Keeps a message.
    ///
    /// # Errors
    /// The first option that is malformed.
    pub fn keep(message: &Message<'_>) -> Result<Self, NdOptionError> {
        let options = message.options.iter();
        Ok(Self {
            body: message.body,
            addresses: message.addresses.iter().collect(),
            options: options
                .map(|option| option.map(|option| option.to_owned_data()))
                .collect::<Result<_, _>>()?,
        })
    }

    /// The message in the making again.
    pub fn builder(&self) -> Builder {
        let start = Builder::new(&self.body);
        let named = self
            .addresses
            .iter()
            .fold(start, |builder, address| builder.address(address));
        self.options
            .iter()
            .fold(named, |builder, option| builder.option(option))
    }
}
