//! Files of recorded frames

use std::path::Path;

/// A recording in the classic format: a header, then each frame behind four numbers (seconds, microseconds, octets twice).
pub fn recording(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut file = Vec::new();
    for number in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 1] {
        file.extend(number.to_ne_bytes());
    }
    for frame in frames {
        let octets = u32::try_from(frame.len()).expect("short");
        for number in [0, 0, octets, octets] {
            file.extend(number.to_ne_bytes());
        }
        file.extend(frame);
    }
    file
}

/// The frames of a recording.
pub fn recorded(path: &Path) -> Vec<Vec<u8>> {
    let file = std::fs::read(path).expect("the recording");
    let mut rest = &file[24..];
    let mut frames = Vec::new();
    while let Some((header, behind)) = rest.split_at_checked(16) {
        let octets = u32::from_ne_bytes(header[8..12].try_into().expect("four octets"));
        let (frame, next) = behind.split_at(octets as usize);
        frames.push(frame.to_vec());
        rest = next;
    }
    frames
}
