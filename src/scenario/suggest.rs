//! "Did you mean …?": the known name that a mistyped one was probably meant to be.

/// Longer names aren't compared, so that a hostile file can't buy time with them.
const LONGEST_NAME: usize = 64;

/// The known name nearest to a mistyped one, when one is near enough.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > LONGEST_NAME {
        return None;
    }
    let allowed = (name.chars().count() / 3).max(1);
    known
        .into_iter()
        .filter(|candidate| candidate.len() <= LONGEST_NAME && *candidate != name)
        .map(|candidate| {
            let folded = |text: &str| text.to_lowercase().replace('-', "_");
            (strsim::damerau_levenshtein(&folded(name), &folded(candidate)), candidate)
        })
        .filter(|(distance, candidate)| *distance <= allowed && *distance < candidate.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// A hint for an unknown name: the nearest known one, else the list of the known ones, else
/// nothing.
pub fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> Option<String> {
    if let Some(candidate) = nearest(name, known.clone()) {
        return Some(format!("did you mean `{candidate}`?"));
    }
    let mut names: Vec<String> = known.into_iter().take(31).map(|name| format!("`{name}`")).collect();
    if names.len() > 30 {
        names.truncate(30);
        names.push("…".to_owned());
    }
    (!names.is_empty()).then(|| format!("known here: {}", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        let known = ["concurrency", "iterations", "p", "warmup"];
        assert_eq!(nearest("concurency", known), Some("concurrency"));
        assert_eq!(nearest("Warm-Up", known), Some("warmup"));
        assert_eq!(nearest("x", known), None);
        assert_eq!(nearest("duration", known), None);
        assert_eq!(nearest(&"a".repeat(1_000_000), known), None);
        assert_eq!(did_you_mean("zzz", ["a", "b"]).as_deref(), Some("known here: `a`, `b`"));
        assert_eq!(did_you_mean("zzz", []), None);
    }
}
