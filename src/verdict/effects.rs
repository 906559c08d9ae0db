//! What a comparison of effects says of the system under test, in a sentence.

use crate::measure::{EffectDifference, EffectResults};

/// Why the effects on a quantity count as broken; `None` when they agree.
pub fn effect_failure(effects: &EffectResults) -> Option<String> {
    let EffectResults { name, error, broken, differences, acknowledged, .. } = effects;
    if let Some(error) = error {
        return Some(format!("effects on {name} can't be compared: {error}"));
    }
    if !broken.is_empty() {
        let kinds: Vec<String> = broken
            .iter()
            .map(|one| {
                let keys = if one.keys == 1 { "key" } else { "keys" };
                format!("{} on {} {keys}, {} in all", one.kind.words(), one.keys, one.amount)
            })
            .collect();
        let first = differences.first().map(|one| format!("; {}", difference(effects, one)));
        return Some(format!(
            "effects on {name} are broken: {}{}",
            kinds.join("; "),
            first.unwrap_or_default()
        ));
    }
    (*acknowledged == 0 && effects.untold == 0).then(|| {
        format!("effects on {name}: no operation was acknowledged, so there is nothing to compare")
    })
}

/// Why the comparison proves nothing.
pub(super) fn effect_doubt(effects: &EffectResults) -> Option<String> {
    let EffectResults { name, untold, .. } = effects;
    (*untold > 0).then(|| {
        format!(
            "effects on {name} weren't compared: {untold} operations of unknown outcome couldn't say what they \
             would have changed"
        )
    })
}

/// The numbers of a key that doesn't agree: `id 17: acknowledged -400 by 400 operations, changed by -14`.
pub fn difference(effects: &EffectResults, one: &EffectDifference) -> String {
    let EffectDifference { before, after, acknowledged, operations, least, most, undone, .. } = one;
    let key: Vec<String> =
        effects.key.iter().zip(&one.key).map(|(column, value)| format!("{column} {value}")).collect();
    let key = if key.is_empty() { "in all".to_owned() } else { key.join(", ") };
    let mut text = format!(
        "{key}: from {before} to {after}, and {acknowledged} was acknowledged by {operations} operations"
    );
    if least != most {
        text.push_str(&format!("; with unknown outcomes from {least} to {most}"));
    }
    if let Some(undone) = undone {
        text.push_str(&format!("; what was rolled back is {undone}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{BrokenKeys, DifferenceKind};

    fn broken() -> EffectResults {
        EffectResults {
            name: "products.stock by id".into(),
            key: vec!["id".into()],
            acknowledged: 400,
            keys: 1,
            broken: vec![BrokenKeys { kind: DifferenceKind::LostUpdate, keys: 1, amount: "386".into() }],
            differences: vec![EffectDifference {
                kind: DifferenceKind::LostUpdate,
                key: vec!["1".into()],
                before: "10000".into(),
                after: "9986".into(),
                acknowledged: "-400".into(),
                operations: 400,
                least: "-400".into(),
                most: "-400".into(),
                difference: "386".into(),
                undone: None,
            }],
            ..EffectResults::default()
        }
    }

    #[test]
    fn a_difference_is_named_with_its_numbers() {
        assert_eq!(
            effect_failure(&broken()).as_deref(),
            Some(
                "effects on products.stock by id are broken: lost update on 1 key, 386 in all; id 1: from 10000 \
                 to 9986, and -400 was acknowledged by 400 operations"
            )
        );
        let agreeing = EffectResults { broken: Vec::new(), ..broken() };
        assert_eq!(effect_failure(&agreeing), None);
    }

    #[test]
    fn nothing_acknowledged_and_nothing_told_prove_nothing() {
        let nothing = EffectResults { name: "rows of payouts".into(), ..EffectResults::default() };
        assert!(
            effect_failure(&nothing).is_some_and(|reason| reason.contains("no operation was acknowledged"))
        );
        let untold = EffectResults { untold: 2, ..nothing };
        assert_eq!(effect_failure(&untold), None);
        assert!(
            effect_doubt(&untold).is_some_and(|reason| reason.contains("2 operations of unknown outcome"))
        );
    }
}
