//! What the stub resolver reads of the messages that it passes on.

use std::net::Ipv6Addr;
use std::time::Duration;

use simple_dns::rdata::RData;
use simple_dns::{
    CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, TYPE, header_buffer,
};

/// The shortest resource record: a root name, type, class, TTL and length (RFC 1035 §3.2.1).
const SHORTEST_RECORD: usize = 11;

/// Whether it asks for something.
pub(super) fn is_question(message: &[u8]) -> bool {
    header_buffer::has_flags(message, PacketFlag::RESPONSE) == Ok(false)
        && header_buffer::questions(message).is_ok_and(|questions| questions > 0)
}

/// Whether `message` answers `question`: its identifier, and what is asked.
pub(super) fn answers(message: &[u8], question: &[u8]) -> bool {
    let is_answer = header_buffer::has_flags(message, PacketFlag::RESPONSE) == Ok(true)
        && header_buffer::id(message).ok() == header_buffer::id(question).ok();
    is_answer
        && match (parse(message), parse(question)) {
            (Some(answer), Some(asked)) => {
                let mut names = asked.questions.iter().zip(&answer.questions);
                names.all(|(asked, answered)| {
                    asked
                        .qname
                        .to_string()
                        .eq_ignore_ascii_case(&answered.qname.to_string())
                })
            }
            // A kind of record that is not known here; the resolver that asks may know it.
            _ => true,
        }
}

/// The name that was asked for and its IPv6 addresses.
pub(super) fn addresses(message: &[u8]) -> Option<(String, Vec<(Ipv6Addr, Duration)>)> {
    let packet = parse(message)?;
    let name = packet.questions.first()?.qname.to_string();
    let found: Vec<_> = packet
        .answers
        .iter()
        .filter_map(|record| match &record.rdata {
            RData::AAAA(aaaa) => {
                let ttl = Duration::from_secs(record.ttl.into());
                Some((Ipv6Addr::from(aaaa.address), ttl))
            }
            _ => None,
        })
        .collect();
    (!found.is_empty()).then_some((name, found))
}

/// The name whose IPv6 addresses are asked for.
pub(super) fn asked_name(question: &[u8]) -> Option<String> {
    let packet = parse(question)?;
    let asked = packet.questions.first()?;
    let is_for_addresses = asked.qtype == QTYPE::TYPE(TYPE::AAAA);
    is_for_addresses.then(|| asked.qname.to_string())
}

/// A question for the IPv6 addresses of a name; `None` if it is no domain name.
pub(super) fn question(name: &str, id: u16) -> Option<Vec<u8>> {
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    packet.questions.push(Question::new(
        Name::new(name).ok()?,
        QTYPE::TYPE(TYPE::AAAA),
        QCLASS::CLASS(CLASS::IN),
        false,
    ));
    packet.build_bytes_vec().ok()
}

/// The answer that there is none.
pub(super) fn failure(question: &[u8]) -> Option<Vec<u8>> {
    let mut packet = parse(question)?.into_reply();
    *packet.rcode_mut() = RCODE::ServerFailure;
    packet.build_bytes_vec().ok()
}

/// A message that does not promise more records than it has room for: the parser makes room for as many as are promised.
fn parse(message: &[u8]) -> Option<Packet<'_>> {
    let counts = [
        header_buffer::answers(message).ok()?,
        header_buffer::name_servers(message).ok()?,
        header_buffer::additional_records(message).ok()?,
    ];
    let records: usize = counts.into_iter().map(usize::from).sum();
    let questions = header_buffer::questions(message).ok()?;
    let fits = questions <= 1 && records.saturating_mul(SHORTEST_RECORD) <= message.len();
    fits.then(|| Packet::parse(message).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `www.example` AAAA 2001:db8:c:1::80 with a TTL of 60 s, and the question that it answers.
    fn exchange() -> (Vec<u8>, Vec<u8>) {
        let asked = b"\x03www\x07example\x00\x00\x1c\x00\x01";
        let question = [&[7, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], asked].concat();
        let mut answer = [&[7, 9, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0][..], asked].concat();
        answer.extend([0xc0, 12, 0, 0x1c, 0, 1, 0, 0, 0, 60, 0, 16]);
        answer.extend([
            0x20, 1, 0x0d, 0xb8, 0, 0x0c, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0x80,
        ]);
        (question, answer)
    }

    #[test]
    fn an_answer_tells_the_name_and_its_addresses() {
        let (question, answer) = exchange();
        assert!(is_question(&question) && !is_question(&answer));
        assert!(answers(&answer, &question));
        assert_eq!(asked_name(&question).as_deref(), Some("www.example"));
        let mut other = question.clone();
        other[26] = 1;
        assert_eq!(asked_name(&other), None, "an A record");
        let address: Ipv6Addr = "2001:db8:c:1::80".parse().expect("an address");
        let expected = (
            "www.example".to_owned(),
            vec![(address, Duration::from_secs(60))],
        );
        assert_eq!(addresses(&answer), Some(expected));
        assert_eq!(addresses(&question), None);
        assert_eq!(super::question("www.example", 0x0709), Some(question));
        assert_eq!(super::question(&"a".repeat(64), 1), None);
    }

    #[test]
    fn an_answer_to_something_else_is_none() {
        let (question, answer) = exchange();
        let mut other = question.clone();
        other[1] ^= 1;
        assert!(!answers(&answer, &other), "another identifier");
        let mut other = question.clone();
        other[13] ^= 1;
        assert!(!answers(&answer, &other), "another name");
        let mut upper = question;
        upper[13] = b'W';
        assert!(answers(&answer, &upper), "letter case counts for nothing");
    }

    #[test]
    fn nothing_that_arrives_panics() {
        let (question, answer) = exchange();
        for at in 0..answer.len() {
            let _ = addresses(&answer[..at]);
            let _ = failure(&question[..at.min(question.len())]);
            for bits in 0..8 {
                let mut bad = answer.clone();
                bad[at] ^= 1 << bits;
                let _ = (addresses(&bad), answers(&bad, &question), failure(&bad));
            }
        }
        let many = [
            &[7, 9, 0x81, 0x80, 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff][..],
            &[0; 5],
        ];
        assert_eq!(addresses(&many.concat()), None);
    }

    #[test]
    fn a_failure_answers_the_question() {
        let (question, _) = exchange();
        let failure = failure(&question).expect("an answer");
        assert!(answers(&failure, &question));
        assert_eq!(failure[3] & 0x0f, 2, "SERVFAIL");
    }
}
