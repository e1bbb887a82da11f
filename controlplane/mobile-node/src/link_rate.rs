//! What a link carries, as the kernel says.

use std::path::Path;

/// The rate of an interface in kbit/s; `None` where its driver does not tell, as those of wireless links do not.
pub fn link_rate_kbps(interface: &str) -> Option<u32> {
    let path = Path::new("/sys/class/net").join(interface).join("speed");
    // In Mbit/s, -1 for unknown; reading fails while there is no carrier.
    let text = std::fs::read_to_string(path).ok()?;
    kbps(&text)
}

fn kbps(text: &str) -> Option<u32> {
    let mbps: u32 = text.trim().parse().ok()?;
    mbps.checked_mul(1000).filter(|rate| *rate > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_rate_is_none() {
        assert_eq!(kbps("1000\n"), Some(1_000_000));
        for unknown in ["-1\n", "0", "", "fast", "4294967295"] {
            assert_eq!(kbps(unknown), None, "{unknown}");
        }
    }
}
