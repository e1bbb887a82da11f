//! Numbers, addresses and octets in records, all big-endian

use std::net::Ipv6Addr;

use dhp_proto::anchor::KeptTime;

/// Takes fields from the front of a record's body. Every method gives `None` where the body is too short.
pub struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    pub fn octets(&mut self, len: usize) -> Option<&'a [u8]> {
        let (field, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(field)
    }

    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }

    pub fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    pub fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    pub fn address(&mut self) -> Option<Ipv6Addr> {
        self.array::<16>().map(Ipv6Addr::from)
    }

    pub fn time(&mut self) -> Option<KeptTime> {
        self.u64().map(KeptTime)
    }

    /// As many as a count before them says.
    pub fn list<T>(&mut self, read: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.u16()?;
        (0..count).map(|_| read(self)).collect()
    }

    /// Nothing is left over.
    pub fn end(self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

/// Puts a count before a list, which is cut where it would not fit: no list of a binding comes near.
pub fn put_list<T>(
    body: &mut Vec<u8>,
    list: impl ExactSizeIterator<Item = T>,
    mut put: impl FnMut(&mut Vec<u8>, T),
) {
    let count = u16::try_from(list.len()).unwrap_or(u16::MAX);
    body.extend(count.to_be_bytes());
    for item in list.take(usize::from(count)) {
        put(body, item);
    }
}
