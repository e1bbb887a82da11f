//! "Did you mean …?"

/// The known name that a mistyped one most likely means: at most a third of its letters differ.
pub fn closest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = name.chars().count().div_ceil(3);
    known
        .map(|candidate| (edit_distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance in characters, one row at a time; `_` and `-` are the same letter.
fn edit_distance(left: &str, right: &str) -> usize {
    let fold = |character: char| if character == '_' { '-' } else { character };
    let right: Vec<char> = right.chars().map(fold).collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, from) in left.chars().map(fold).enumerate() {
        let mut diagonal = line;
        let mut left_of = line + 1;
        for (to, above) in right.iter().zip(row.iter_mut().skip(1)) {
            let cost = diagonal + usize::from(from != *to);
            diagonal = *above;
            left_of = cost.min(left_of + 1).min(*above + 1);
            *above = left_of;
        }
        if let Some(first) = row.first_mut() {
            *first = line + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_levenshteins() {
        assert_eq!(edit_distance("", ""), 0);
        assert_eq!(edit_distance("abc", ""), 3);
        assert_eq!(edit_distance("", "abc"), 3);
        assert_eq!(edit_distance("kitten", "sitting"), 3);
        assert_eq!(edit_distance("home_key", "home-key"), 0);
    }

    #[test]
    fn the_nearest_name_is_suggested_and_a_far_one_is_not() {
        let known = ["prefix", "kind", "quarantine"];
        assert_eq!(closest("prefx", known.into_iter()), Some("prefix"));
        assert_eq!(
            closest("quarrantine", known.into_iter()),
            Some("quarantine")
        );
        assert_eq!(closest("mtu", known.into_iter()), None);
    }
}
