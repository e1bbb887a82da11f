//! Netlink messages of nfnetlink, written octet by octet (`linux/netlink.h`, `linux/netfilter/nfnetlink.h`)

/// Octets of `struct nlmsghdr`.
pub(super) const HEADER_LEN: usize = 16;
/// Octets of `struct nfgenmsg`, which follows it.
pub(super) const FAMILY_HEADER_LEN: usize = 4;
const ATTRIBUTE_HEADER_LEN: usize = 4;
const NESTED: u16 = libc::NLA_F_NESTED as u16;

/// Some messages, one after the other.
#[derive(Debug, Default)]
pub(super) struct Messages {
    octets: Vec<u8>,
}

impl Messages {
    pub(super) fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// Add a message of type `kind` with the attributes that `body` writes.
    pub(super) fn add(
        &mut self,
        kind: u16,
        flags: u16,
        sequence: u32,
        family: u8,
        resource: u16,
        body: impl FnOnce(&mut Attributes<'_>),
    ) {
        let start = self.octets.len();
        self.octets.extend_from_slice(&[0; 4]);
        self.octets.extend_from_slice(&kind.to_ne_bytes());
        self.octets.extend_from_slice(&flags.to_ne_bytes());
        self.octets.extend_from_slice(&sequence.to_ne_bytes());
        // The port is filled in by the kernel.
        self.octets.extend_from_slice(&[0; 4]);
        self.octets
            .extend_from_slice(&[family, libc::NFNETLINK_V0 as u8]);
        self.octets.extend_from_slice(&resource.to_be_bytes());
        body(&mut Attributes {
            octets: &mut self.octets,
        });
        let length = (self.octets.len() - start) as u32;
        if let Some(field) = self.octets.get_mut(start..start + 4) {
            field.copy_from_slice(&length.to_ne_bytes());
        }
    }
}

/// The attributes of a message or of an attribute, as they are written.
#[derive(Debug)]
pub(super) struct Attributes<'m> {
    octets: &'m mut Vec<u8>,
}

impl Attributes<'_> {
    pub(super) fn put(&mut self, kind: u16, value: &[u8]) {
        self.with(kind, |octets| octets.extend_from_slice(value));
    }

    /// nf_tables has its numbers in network order.
    pub(super) fn put_u32(&mut self, kind: u16, value: u32) {
        self.put(kind, &value.to_be_bytes());
    }

    pub(super) fn put_text(&mut self, kind: u16, text: &str) {
        self.with(kind, |octets| {
            octets.extend_from_slice(text.as_bytes());
            octets.push(0);
        });
    }

    pub(super) fn nest(&mut self, kind: u16, body: impl FnOnce(&mut Attributes<'_>)) {
        self.with(kind | NESTED, |octets| body(&mut Attributes { octets }));
    }

    /// The length of an attribute leaves out the padding after it, to a multiple of 4.
    fn with(&mut self, kind: u16, body: impl FnOnce(&mut Vec<u8>)) {
        let start = self.octets.len();
        self.octets.extend_from_slice(&[0; 2]);
        self.octets.extend_from_slice(&kind.to_ne_bytes());
        body(self.octets);
        let length = (self.octets.len() - start) as u16;
        if let Some(field) = self.octets.get_mut(start..start + 2) {
            field.copy_from_slice(&length.to_ne_bytes());
        }
        self.octets.resize(self.octets.len().next_multiple_of(4), 0);
    }
}

/// A message that was received.
#[derive(Clone, Copy, Debug)]
pub(super) struct Received<'m> {
    pub(super) kind: u16,
    pub(super) sequence: u32,
    pub(super) body: &'m [u8],
}

/// The messages of a datagram; what is cut off at its end is left out.
pub(super) fn messages(mut datagram: &[u8]) -> impl Iterator<Item = Received<'_>> {
    std::iter::from_fn(move || {
        let length = u32::from_ne_bytes(*datagram.first_chunk()?) as usize;
        let kind = u16::from_ne_bytes(*datagram.get(4..)?.first_chunk()?);
        let sequence = u32::from_ne_bytes(*datagram.get(8..)?.first_chunk()?);
        let body = datagram.get(HEADER_LEN..length)?;
        datagram = datagram
            .get(length.next_multiple_of(4)..)
            .unwrap_or_default();
        Some(Received {
            kind,
            sequence,
            body,
        })
    })
}

/// The attributes in `octets`: type without flags, and value.
pub(super) fn attributes(mut octets: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes(*octets.first_chunk()?));
        let kind = u16::from_ne_bytes(*octets.get(2..)?.first_chunk()?);
        let value = octets.get(ATTRIBUTE_HEADER_LEN..length)?;
        octets = octets.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind & !NESTED, value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let mut written = Messages::default();
        written.add(0x0a00, 5, 7, 5, 0, |body| {
            body.put_text(1, "name");
            body.nest(4, |inner| inner.put_u32(1, 0x0102_0304));
        });
        written.add(0x11, 1, 8, 0, 10, |_| {});
        let read: Vec<_> = messages(written.octets()).collect();
        assert_eq!(read.len(), 2);
        assert_eq!((read[0].kind, read[0].sequence), (0x0a00, 7));
        assert_eq!((read[1].kind, read[1].body), (0x11, &[0, 0, 0, 10][..]));
        let fields: Vec<_> = attributes(&read[0].body[FAMILY_HEADER_LEN..]).collect();
        assert_eq!(fields[0], (1, &b"name\0"[..]));
        assert_eq!(fields[1].0, 4);
        assert_eq!(attributes(fields[1].1).next(), Some((1, &[1, 2, 3, 4][..])));
    }

    #[test]
    fn cut_off_messages_end_the_reading() {
        let mut written = Messages::default();
        written.add(1, 2, 3, 4, 5, |body| body.put(1, &[0; 9]));
        for length in 0..written.octets().len() {
            let complete = messages(&written.octets()[..length]).count();
            assert!(
                complete == 0 || length >= 33,
                "{complete} messages in {length} octets"
            );
        }
    }
}
