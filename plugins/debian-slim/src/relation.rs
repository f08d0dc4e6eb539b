// SPDX-License-Identifier: Apache-2.0
//! Relations between packages, as in `Depends: libc6 (>= 2.36), default-mta | mail-transport-agent`.

use std::cmp::Ordering;

use crate::version;

/// How a version has to stand to the one that a relation names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    /// `<<`
    Earlier,
    /// `<=`
    AtMost,
    /// `=`
    Exactly,
    /// `>=`
    AtLeast,
    /// `>>`
    Later,
}

impl Comparison {
    fn parse(sign: &str) -> Option<Self> {
        // `<` and `>` are the old spellings of `<=` and `>=`, as dpkg still reads them.
        Some(match sign {
            "<<" => Self::Earlier,
            "<=" | "<" => Self::AtMost,
            "=" => Self::Exactly,
            ">=" | ">" => Self::AtLeast,
            ">>" => Self::Later,
            _ => return None,
        })
    }

    fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Earlier => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::Exactly => order.is_eq(),
            Self::AtLeast => order.is_ge(),
            Self::Later => order.is_gt(),
        }
    }
}

impl std::fmt::Display for Comparison {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Earlier => "<<",
            Self::AtMost => "<=",
            Self::Exactly => "=",
            Self::AtLeast => ">=",
            Self::Later => ">>",
        })
    }
}

/// One alternative of a relation: a package name and the versions of it that will do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Relation<'a> {
    /// The name.
    pub(crate) name: &'a str,
    /// The architecture that it has to be of, where one is named: `any` says that all will do.
    pub(crate) architecture: Option<&'a str>,
    /// The bound on the version, where there is one.
    pub(crate) bound: Option<(Comparison, &'a str)>,
}

impl Relation<'_> {
    /// Returns whether a package of this architecture will do.
    pub(crate) fn is_for(&self, architecture: &str) -> bool {
        self.architecture.is_none_or(|named| named == "any" || named == architecture)
    }

    /// Returns whether this version will do.
    pub(crate) fn admits(&self, version: &str) -> bool {
        self.bound.is_none_or(|(comparison, bound)| comparison.holds(version::compare(version, bound)))
    }

    /// Returns whether a `Provides` of this version will do: an unversioned one only where no version is asked for.
    pub(crate) fn admits_provided(&self, version: Option<&str>) -> bool {
        // What a package provides, it provides for its own architecture.
        self.architecture.is_none_or(|named| named == "any")
            && match version {
                Some(version) => self.admits(version),
                None => self.bound.is_none(),
            }
    }
}

impl std::fmt::Display for Relation<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name)?;
        if let Some(architecture) = self.architecture {
            write!(formatter, ":{architecture}")?;
        }
        match self.bound {
            None => Ok(()),
            Some((comparison, version)) => write!(formatter, " ({comparison} {version})"),
        }
    }
}

/// Reads a list of groups; a group holds if one of its alternatives does. `Err` is the text that is not a relation.
pub(crate) fn parse(field: &str) -> Result<Vec<Vec<Relation<'_>>>, &str> {
    field
        .split(',')
        .map(str::trim)
        .filter(|group| !group.is_empty())
        .map(|group| group.split('|').map(|text| alternative(text.trim()).ok_or(text.trim())).collect())
        .collect()
}

fn alternative(text: &str) -> Option<Relation<'_>> {
    let (name, bound) = match text.split_once('(') {
        None => (text, None),
        Some((name, bound)) => {
            let bound = bound.strip_suffix(')')?.trim();
            let sign_end = bound.find(|character| !"<=>".contains(character))?;
            let (sign, version) = bound.split_at(sign_end);
            let version = Some(version.trim()).filter(|version| !version.is_empty())?;
            (name.trim_end(), Some((Comparison::parse(sign)?, version)))
        }
    };
    let (name, architecture) =
        name.split_once(':').map_or((name, None), |(name, architecture)| (name, Some(architecture)));
    is_package_name(name).then_some(Relation { name, architecture, bound })
}

/// Returns whether the text may name a package: it then is safe as a file name and as an argument.
pub(crate) fn is_package_name(name: &str) -> bool {
    name.len() >= 2
        && name.len() <= 128
        && name.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_and_alternatives_are_read() {
        let read =
            parse("libc6 (>= 2.36), python3:any (<<3.12) | python3-all , , debconf (>= 0.5) | debconf-2.0").unwrap();
        let plain = |name| Relation { name, architecture: None, bound: None };
        let bound = |name, comparison, version| Relation { bound: Some((comparison, version)), ..plain(name) };
        let python = Relation { architecture: Some("any"), ..bound("python3", Comparison::Earlier, "3.12") };
        assert_eq!(
            read,
            [
                vec![bound("libc6", Comparison::AtLeast, "2.36")],
                vec![python, plain("python3-all")],
                vec![bound("debconf", Comparison::AtLeast, "0.5"), plain("debconf-2.0")],
            ]
        );
    }

    #[test]
    fn what_is_no_relation_is_named() {
        for wrong in ["Upper", "a", "-flag", "../x", "lib (2.0)", "lib (>= )", "lib (>= 1", "lib (=> 1)", "lib a"] {
            assert_eq!(parse(wrong), Err(wrong));
        }
    }

    #[test]
    fn an_unversioned_provision_meets_no_versioned_relation() {
        let relation = &parse("mail (>= 2)").unwrap()[0][0];
        assert_eq!([None, Some("1"), Some("2")].map(|version| relation.admits_provided(version)), [false, false, true]);
    }
}
