//! What mobile nodes get

use super::{NODES, World};
use crate::care_of::answer::Answer;
use crate::message::{Head, Read};
use crate::site::ANCHOR;
use crate::world::{Difference, ensure};

impl World<'_> {
    /// An answer comes to where it was sent.
    pub(super) fn hear(
        &mut self,
        message: Option<&Read>,
        read: &Read,
        answer: Answer,
    ) -> Result<(), Difference> {
        let request = message.expect("there are no answers to nothing");
        let auth = request.contents.auth.as_ref().expect("signed");
        let has_it = |node: &usize| self.nodes[*node].associations[0].spi() == auth.spi;
        let node = NODES.iter().position(has_it).expect("a mobile node");
        let security = &self.nodes[NODES[node]].associations[0];
        let named = request.contents.alternate.first().copied();
        let care_of = named.unwrap_or(request.source);
        let home = request.home.unwrap_or(ANCHOR);
        let is_authentic = read.contents.auth.as_ref().is_some_and(|auth| {
            let covered = &read.octets[..auth.covered];
            security.verify(&care_of, &home, covered, &auth.data)
        });
        ensure(is_authentic, || {
            format!("the MAC of the answer is wrong: {read:?}")
        })?;
        let echoes = !request.contents.cookies.is_empty();
        match answer.head {
            Head::Dmip { status: 16, .. } if answer.cookie.is_none() => {
                self.note("accepted while others are under test");
            }
            Head::Dmip { status: 16, .. } => {
                self.note("status 16");
                if echoes {
                    self.note("echo in vain");
                }
            }
            Head::Dmip { status: 0, .. } => self.note("status 0"),
            Head::Dmip {
                status: 135,
                lifetime: highest,
                ..
            } => {
                self.note("status 135");
                // After a stop without warning the anchor has counted on.
                self.next[node] = self.next[node].max(highest + 1);
            }
            Head::Dmip { status: 144, .. } => self.note("status 144"),
            Head::Dmip { status: 145, .. } => {
                self.note("status 145");
                self.is_dated[node] = true;
            }
            Head::Dmip { status: 194, .. } => self.note("status 194"),
            Head::Dmip { status: 195, .. } => self.note("status 195"),
            _ => {}
        }
        for (status, _, address, _) in answer.dhoas {
            if status != 0 {
                self.note("DHoA is refused");
            } else if !self.assigned.contains(&(node, address)) {
                self.assigned.push((node, address));
            }
        }
        if let Some(cookie) = answer.cookie {
            self.cookies.push((node, answer.to, cookie));
        }
        Ok(())
    }
}
