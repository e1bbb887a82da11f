//! Medians and distributions.

/// The median; none of nothing.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.len() % 2, middle.checked_sub(1)) {
        (0, Some(below)) => Some((values.get(below)? + values.get(middle)?) / 2.0),
        _ => values.get(middle).copied(),
    }
}

/// The value that a part of all does not exceed, `part` of 0 to 1.
pub fn quantile(mut values: Vec<f64>, part: f64) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let rank = (part * values.len() as f64).ceil() as usize;
    values.get(rank.saturating_sub(1)).copied()
}

/// The cumulative distribution as a line of steps: (value, part of all that is not greater).
pub fn distribution(mut values: Vec<f64>) -> Vec<(f64, f64)> {
    values.sort_by(f64::total_cmp);
    let count = values.len() as f64;
    let mut points = Vec::new();
    for (index, value) in values.into_iter().enumerate() {
        points.push((value, index as f64 / count));
        points.push((value, (index + 1) as f64 / count));
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_odd_even_and_nothing() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(Vec::new()), None);
    }

    #[test]
    fn a_distribution_ends_at_one() {
        let points = distribution(vec![2.0, 1.0]);
        assert_eq!(points, [(1.0, 0.0), (1.0, 0.5), (2.0, 0.5), (2.0, 1.0)]);
        assert_eq!(quantile(vec![1.0, 2.0, 3.0, 4.0], 0.5), Some(2.0));
        assert_eq!(quantile(vec![1.0, 2.0, 3.0, 4.0], 1.0), Some(4.0));
    }
}
