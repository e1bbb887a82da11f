//! What the control plane holds of memory

use std::fs;

use anyhow::Context;

const PAGE: usize = 4096;

/// Octets of this process that are in memory and belong to no file, but for the mapping of `segment_octets`: malloc's own losses
/// are among them.
///
/// # Errors
/// The system does not tell.
pub fn resident(segment_octets: usize) -> anyhow::Result<u64> {
    let maps = fs::read_to_string("/proc/self/smaps").context("read /proc/self/smaps")?;
    Ok(resident_of(&maps, segment_octets))
}

fn resident_of(maps: &str, segment_octets: usize) -> u64 {
    let mapped = segment_octets.next_multiple_of(PAGE) as u64;
    let mut is_segment = false;
    let mut kilobytes = 0;
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        match (words.next(), words.next()) {
            (Some("Anonymous:"), Some(number)) if !is_segment => {
                kilobytes += number.parse::<u64>().unwrap_or(0);
            }
            (Some(range), Some(_)) => {
                if let Some(length) = length_of(range) {
                    is_segment = length == mapped;
                }
            }
            _ => {}
        }
    }
    kilobytes * 1024
}

/// Of a mapping such as `7f00-7fff`.
fn length_of(range: &str) -> Option<u64> {
    let (start, end) = range.split_once('-')?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    number(end)?.checked_sub(number(start)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &str = "\
7f0000000000-7f0000001000 rw-p 00000000 00:00 0 [heap]
Size:                  4 kB
Anonymous:             4 kB
7f0000002000-7f0000006000 rw-p 00000000 00:00 0
Anonymous:            16 kB
7f0000006000-7f0000007000 r--p 00000000 08:01 12 /lib/libc.so.6
Anonymous:             0 kB
";

    #[test]
    fn everything_but_files_and_the_segment_is_counted() {
        assert_eq!(resident_of(MAPS, 0x4000), 4096);
        assert_eq!(resident_of(MAPS, 0), 5 * 4096);
    }

    #[test]
    fn this_process_has_some() {
        assert!(resident(0).expect("smaps") > 4096);
    }
}
