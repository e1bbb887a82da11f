//! Why something cannot be in the segment

use dhp_segment::SegmentError;

/// Why something cannot be in the segment.
#[derive(Debug, thiserror::Error)]
pub enum ForwardingError {
    /// The workers still hold what was replaced before: try again within a millisecond.
    #[error("the workers have not let go of what was replaced")]
    Busy,
    /// Too much for the segment, or the segment is not ours to write.
    #[error(transparent)]
    Segment(SegmentError),
}

impl From<SegmentError> for ForwardingError {
    fn from(error: SegmentError) -> Self {
        match error {
            SegmentError::Busy { .. } => Self::Busy,
            other => Self::Segment(other),
        }
    }
}
