//! The sections `[[mobile-node]]`

use std::path::Path;

use dhp_config::Section;

use super::MobileNode;
use super::check::MobileNodeDraft;

/// Read one.
pub(super) fn mobile_node(section: Section<'_>, directory: &Path) -> Option<MobileNodeDraft> {
    let association = section.association(directory);
    let home_address = section.address("home-address");
    let max_dhoas = section.integer("max-dhoas", 0..=65_535);
    let route_optimization = section.boolean("route-optimization").unwrap_or(false);
    section.finish();
    let spi = association.spi?;
    Some(MobileNodeDraft {
        node: MobileNode {
            id: association.id?,
            spi: spi.value,
            algorithm: association.algorithm?,
            key: association.key?,
            home_address: home_address.as_ref().map(|address| address.value),
            max_dhoas: max_dhoas
                .and_then(|number| usize::try_from(number.value).ok())
                .unwrap_or(16),
            route_optimization,
        },
        spi_span: spi.span,
        home_address_span: home_address.map(|address| address.span),
    })
}
