//! Lists that may be as long as there are mobile nodes: in pages, each made of pieces between which signalling goes on

use std::net::Ipv6Addr;
use std::sync::Arc;

use dhp_proto::security_association::MnId;
use dhpctl::{Bindings, Flows, LARGEST_PAGE, MobileNodes};

use super::Inspector;
use crate::binding_row::BindingRow;
use crate::control::Stopped;
use crate::flow_row::{self, Wanted};
use crate::mobile_node_row;

/// Pieces of one page. Where few are found among many, what is found is told without waiting for a full page.
const PIECES_OF_A_PAGE: usize = 64;
/// Flows and their care-of addresses, or associations and addresses, of one page, so that it fits an answer's line: each is a few
/// hundred octets at most.
const DETAILS_OF_A_PAGE: usize = 1024;

impl Inspector {
    /// Bindings behind one of a home address, or of a correspondent.
    pub(super) async fn bindings(
        &self,
        after: Option<Ipv6Addr>,
        after_correspondent: Option<Ipv6Addr>,
        limit: usize,
    ) -> Result<Bindings, Stopped> {
        let limit = limit.clamp(1, LARGEST_PAGE);
        let (rows, more) = self
            .operator
            .control()
            .ask(move |signalling| BindingRow::page(signalling, after, after_correspondent, limit))
            .await?;
        let rows = rows.iter();
        Ok(Bindings {
            bindings: rows
                .map(|row| row.describe(|port| self.port_name(port)))
                .collect(),
            more,
        })
    }

    /// Mobile nodes from a number on.
    pub(super) async fn mobile_nodes(
        &self,
        node: Option<String>,
        from: u32,
        limit: usize,
    ) -> Result<MobileNodes, Stopped> {
        let limit = limit.clamp(1, LARGEST_PAGE);
        let wanted = node.map(|node| Arc::new(MnId::nai(&node)));
        let mut page = MobileNodes {
            mobile_nodes: Vec::new(),
            next: Some(from),
        };
        let mut details = 0;
        for _ in 0..PIECES_OF_A_PAGE {
            let left = limit.saturating_sub(page.mobile_nodes.len());
            let Some(next) = page
                .next
                .filter(|_| left > 0 && details < DETAILS_OF_A_PAGE)
            else {
                break;
            };
            let wanted = wanted.clone();
            let (rows, next) = self
                .operator
                .control()
                .ask(move |signalling| {
                    mobile_node_row::some(signalling, next, wanted.as_deref(), left)
                })
                .await?;
            let sizes = rows
                .iter()
                .map(|row| row.associations.len() + row.home_addresses.len());
            details += sizes.sum::<usize>();
            page.mobile_nodes.extend(rows);
            page.next = next;
        }
        Ok(page)
    }

    /// Flows of the home addresses behind one.
    pub(super) async fn flows(
        &self,
        node: Option<String>,
        home_address: Option<Ipv6Addr>,
        after: Option<Ipv6Addr>,
        limit: usize,
    ) -> Result<Flows, Stopped> {
        let limit = limit.clamp(1, LARGEST_PAGE);
        let wanted = Arc::new(Wanted {
            node: node.as_deref().map(MnId::nai),
            home_address,
        });
        let mut page = Flows::default();
        let mut details = 0;
        let mut after = after;
        for _ in 0..PIECES_OF_A_PAGE {
            let wanted = Arc::clone(&wanted);
            let (rows, next) = self
                .operator
                .control()
                .ask(move |signalling| flow_row::some(signalling, after, &wanted))
                .await?;
            details += rows.iter().map(|row| row.targets.len() + 1).sum::<usize>();
            page.flows.extend(rows);
            page.next = next;
            after = next;
            if next.is_none() || page.flows.len() >= limit || details >= DETAILS_OF_A_PAGE {
                break;
            }
        }
        Ok(page)
    }
}
