// SPDX-License-Identifier: Apache-2.0
//! The filter in the words of those who compile it themselves: names, and conditions on arguments.

use super::calls::CALLS;
use super::compile::{AUDIT, FAMILIES, NAMESPACES, NETLINK, NO_AUDIT, PERSONALITIES, TYPING, Verdict, verdict};

/// What holds for some calls. A call that no rule allows is refused with `EPERM`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The calls.
    pub names: Vec<&'static str>,
    /// What their arguments must be, each condition of another argument.
    pub conditions: Vec<Condition>,
    /// The error they fail with; without one they are allowed.
    pub errno: Option<u32>,
}

/// Holds if an argument has certain bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Which argument, from 0 on.
    pub argument: u32,
    /// The bits that are looked at.
    pub mask: u64,
    /// What they must be.
    pub equal: u64,
}

/// The whole filter for steps. Conditions on one call are alternatives.
#[must_use]
pub fn rules_of_steps() -> Vec<Rule> {
    let mut plain = Vec::new();
    let mut rules = Vec::new();
    for (name, _) in CALLS {
        let mut add = |conditions| rules.push(Rule { names: vec![*name], conditions, errno: None });
        match verdict(name) {
            Verdict::Allow => plain.push(*name),
            Verdict::Refuse => {}
            Verdict::Unknown => {
                let errno = u32::try_from(libc::ENOSYS).ok();
                rules.push(Rule { names: vec![*name], conditions: vec![], errno });
            }
            Verdict::Clone => add(vec![Condition { argument: 0, mask: NAMESPACES.into(), equal: 0 }]),
            Verdict::Socket => {
                let families = FAMILIES.iter().flat_map(|(first, last)| *first..=*last);
                families.filter(|family| *family != NETLINK).for_each(|family| add(vec![exactly(0, family)]));
                other_than(2, &[AUDIT]).into_iter().for_each(|other| add(vec![exactly(0, NETLINK), other]));
                let conditions = vec![exactly(0, NETLINK), exactly(2, AUDIT)];
                rules.push(Rule { names: vec![*name], conditions, errno: Some(NO_AUDIT) });
            }
            Verdict::Personality => PERSONALITIES.iter().for_each(|value| add(vec![exactly(0, *value)])),
            Verdict::Ioctl => other_than(1, TYPING).into_iter().for_each(|other| add(vec![other])),
        }
    }
    rules.insert(0, Rule { names: plain, conditions: vec![], errno: None });
    rules
}

fn exactly(argument: u32, value: u32) -> Condition {
    Condition { argument, mask: u32::MAX.into(), equal: value.into() }
}

/// Masks and values that together hold for every number but some: the tree of bits, without the paths to those. (An
/// order of numbers would not do: the kernel looks at 32 bits of the argument, and what compares at 64.)
fn other_than(argument: u32, values: &[u32]) -> Vec<Condition> {
    let mut open = vec![(0_u32, 0_u32)];
    for bit in (0..u32::BITS).rev().map(|bit| 1_u32 << bit) {
        let on_the_way = |mask: u32, equal: u32| values.iter().any(|value| value & mask == equal);
        open = open
            .into_iter()
            .flat_map(|(mask, equal)| match on_the_way(mask, equal) {
                true => vec![(mask | bit, equal), (mask | bit, equal | bit)],
                false => vec![(mask, equal)],
            })
            .collect();
    }
    open.retain(|(mask, equal)| !values.iter().any(|value| value & mask == *equal));
    open.into_iter().map(|(mask, equal)| Condition { argument, mask: mask.into(), equal: equal.into() }).collect()
}

#[cfg(test)]
mod tests {
    use super::{TYPING, other_than, rules_of_steps};

    #[test]
    fn all_numbers_but_some_are_covered_once() {
        let patterns = other_than(1, TYPING);
        let covers = |number: u32| patterns.iter().filter(|it| u64::from(number) & it.mask == it.equal).count();
        for number in TYPING {
            assert_eq!(covers(*number), 0, "{number:#x}");
        }
        for number in [0, 1, 0x5411, 0x5413, 0x541b, 0x541d, 0x5401, u32::MAX, 0x8000_5412, 0xd412] {
            assert_eq!(covers(number), 1, "{number:#x}");
        }
    }

    #[test]
    fn no_call_is_plainly_allowed_and_conditionally_too() {
        let rules = rules_of_steps();
        for rule in &rules[1..] {
            assert!(rule.names.iter().all(|name| !rules[0].names.contains(name)), "{rule:?}");
        }
        assert!(rules[0].names.len() > 300 && !rules[0].names.contains(&"mount"));
    }
}
