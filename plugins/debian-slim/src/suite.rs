// SPDX-License-Identifier: Apache-2.0
//! The signed head of a suite (`InRelease`): what it is, when it was made, and the digests of its indexes.

use std::collections::BTreeMap;

/// A file that a suite lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    /// SHA-256 in lower-case hexadecimal digits.
    pub(crate) sha256: String,
    /// Length in bytes.
    pub(crate) size: u64,
}

/// What an `InRelease` says, after its signature was verified.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Suite {
    /// The name that never changes, as `bookworm-security`.
    pub(crate) codename: String,
    /// When it was made, in seconds since 1970-01-01.
    pub(crate) date: u64,
    /// When it ends to be valid; none for a release that gets no more updates.
    pub(crate) valid_until: Option<u64>,
    /// Whether its files can be fetched by their digest, so that an update between two requests does no harm.
    pub(crate) by_hash: bool,
    /// Whether packages for all architectures stand in indexes of their own.
    pub(crate) splits_all: bool,
    files: BTreeMap<String, Listed>,
}

impl Suite {
    /// Reads the fields. `Err` says which one is missing or wrong.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let field =
            |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
        let date_field = |name: &'static str| match field(name) {
            None => Ok(None),
            Some(date) => {
                date::parse(date).map(Some).ok_or_else(|| format!("its {name} `{}` is no date", date.escape_debug()))
            }
        };
        let words = |name: &str| field(name).unwrap_or_default().split_ascii_whitespace();
        Ok(Self {
            codename: field("Codename").ok_or("it has no Codename")?.to_owned(),
            date: date_field("Date")?.ok_or("it has no Date")?,
            valid_until: date_field("Valid-Until")?,
            by_hash: field("Acquire-By-Hash") == Some("yes"),
            splits_all: words("Architectures").any(|word| word == "all")
                && !words("No-Support-for-Architecture-all").any(|word| word == "Packages"),
            files: files(text)?,
        })
    }

    /// Returns the entry of a file, by its path below the suite.
    pub(crate) fn file(&self, path: &str) -> Option<&Listed> {
        self.files.get(path)
    }
}

fn files(text: &str) -> Result<BTreeMap<String, Listed>, String> {
    let lines = text.lines().skip_while(|line| line.trim_end() != "SHA256:").skip(1);
    let mut files = BTreeMap::new();
    for line in lines.take_while(|line| line.starts_with(' ')) {
        let entry = || {
            let mut words = line.split_ascii_whitespace();
            let (sha256, size, path) = (words.next()?, words.next()?.parse().ok()?, words.next()?);
            is_sha256(sha256).then(|| (path.to_owned(), Listed { sha256: sha256.to_owned(), size }))
        };
        let (path, listed) = entry().ok_or_else(|| format!("its list of digests has `{}`", line.escape_debug()))?;
        files.insert(path, listed);
    }
    if files.is_empty() { Err("it has no SHA-256 digests".to_owned()) } else { Ok(files) }
}

/// Returns whether the text is a SHA-256 digest as it is written in indexes.
pub(crate) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The dates of an archive, such as `Sat, 11 Jul 2026 10:16:37 UTC`.
pub(crate) mod date {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    const DAY: u64 = 86_400;

    /// Reads a date as seconds since 1970-01-01. The day of the week is not looked at.
    pub(crate) fn parse(text: &str) -> Option<u64> {
        let (_, text) = text.split_once(", ")?;
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let [day, month, year, time, "UTC" | "GMT" | "+0000"] = words[..] else { return None };
        let month = MONTHS.iter().position(|name| *name == month)? as u64 + 1;
        let (day, year) = (digits(day, 1..=31)?, digits(year, 1970..=9999)?);
        let [hour, minute, second] = time.split(':').collect::<Vec<_>>()[..] else { return None };
        let seconds = digits(hour, 0..=23)? * 3600 + digits(minute, 0..=59)? * 60 + digits(second, 0..=60)?;
        Some(days(year, month, day) * DAY + seconds)
    }

    /// Reads a snapshot's time stamp, such as `20261101T000000Z`.
    pub(crate) fn parse_stamp(text: &str) -> Option<u64> {
        let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
        if date.len() != 8 || time.len() != 6 || !text.is_ascii() {
            return None;
        }
        let (year, month, day) =
            (digits(&date[..4], 1970..=9999)?, digits(&date[4..6], 1..=12)?, digits(&date[6..], 1..=31)?);
        let (hour, minute, second) =
            (digits(&time[..2], 0..=23)?, digits(&time[2..4], 0..=59)?, digits(&time[4..], 0..=60)?);
        Some(days(year, month, day) * DAY + hour * 3600 + minute * 60 + second)
    }

    /// Writes seconds since 1970-01-01 as `2026-07-11T10:16:37Z`.
    pub(crate) fn format(seconds: u64) -> String {
        // The years of the proleptic Gregorian calendar from March to February, so that a leap day comes last.
        let (days, time) = (seconds / DAY + 719_468, seconds % DAY);
        let (era, day_of_era) = (days / 146_097, days % 146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let (day, month) =
            (day_of_year - (153 * shifted + 2) / 5 + 1, if shifted < 10 { shifted + 3 } else { shifted - 9 });
        let year = era * 400 + year_of_era + u64::from(month <= 2);
        format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", time / 3600, time / 60 % 60, time % 60)
    }

    fn days(year: u64, month: u64, day: u64) -> u64 {
        let year = year - u64::from(month <= 2);
        let (era, year_of_era) = (year / 400, year % 400);
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
    }

    fn digits(text: &str, range: std::ops::RangeInclusive<u64>) -> Option<u64> {
        let number = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())??;
        range.contains(&number).then_some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Origin: Debian\nSuite: stable\nCodename: bookworm\nDate: Sat, 11 Jul 2026 10:16:37 UTC\n\
        Valid-Until: Sat, 18 Jul 2026 10:16:37 UTC\nAcquire-By-Hash: yes\nArchitectures: all amd64\nMD5Sum:\n abc 1 main/x\n\
        SHA256:\n e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855        0 main/binary-amd64/Packages.xz\n";

    #[test]
    fn the_fields_are_read() {
        let suite = Suite::parse(TEXT).unwrap();
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855".to_owned();
        assert_eq!(suite.file("main/binary-amd64/Packages.xz"), Some(&Listed { sha256: empty, size: 0 }));
        assert_eq!(suite.file("main/x"), None);
        assert_eq!((suite.codename.as_str(), suite.by_hash, suite.splits_all), ("bookworm", true, true));
        assert_eq!((suite.date, suite.valid_until), (1_783_764_997, Some(1_784_369_797)));
        assert!(!Suite::parse(&format!("No-Support-for-Architecture-all: Packages\n{TEXT}")).unwrap().splits_all);
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let table = [
            ("Codename: bookworm\n", "", "it has no Codename"),
            ("Date: Sat, 11", "Date: Sat, 41", "its Date `Sat, 41 Jul 2026 10:16:37 UTC` is no date"),
            (
                "Valid-Until: Sat, 18 Jul",
                "Valid-Until: Sat, 18 July",
                "its Valid-Until `Sat, 18 July 2026 10:16:37 UTC` is no date",
            ),
            ("SHA256:", "SHA1:", "it has no SHA-256 digests"),
            (
                " e3b0",
                " E3B0",
                "its list of digests has ` E3B0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855        0 main/binary-amd64/Packages.xz`",
            ),
        ];
        for (from, to, expected) in table {
            assert_eq!(Suite::parse(&TEXT.replacen(from, to, 1)).unwrap_err(), expected);
        }
    }

    #[test]
    fn dates_survive_both_ways() {
        let table = [
            ("Thu, 01 Jan 1970 00:00:00 UTC", "1970-01-01T00:00:00Z"),
            ("Tue, 29 Feb 2000 23:59:59 UTC", "2000-02-29T23:59:59Z"),
            ("Sat, 11 Jul 2026 10:16:37 UTC", "2026-07-11T10:16:37Z"),
            ("Fri, 31 Dec 2100 12:00:00 UTC", "2100-12-31T12:00:00Z"),
            ("Mon, 01 Mar 2100 00:00:00 UTC", "2100-03-01T00:00:00Z"),
        ];
        for (text, expected) in table {
            assert_eq!(date::format(date::parse(text).unwrap()), expected);
        }
        assert_eq!(date::parse_stamp("20260711T101637Z"), Some(1_783_764_997));
        for wrong in [
            "",
            "Sat, 11 Jul 2026 10:16:37",
            "Sat, 11 Jul 2026 10:16:37 CEST",
            "11 Jul 2026 10:16:37 UTC",
            "Sat, +1 Jul 2026 10:16:37 UTC",
        ] {
            assert_eq!(date::parse(wrong), None, "{wrong}");
        }
        for wrong in ["20260711", "20261311T000000Z", "2026071éT00000Z", "20260711T10163Z"] {
            assert_eq!(date::parse_stamp(wrong), None, "{wrong}");
        }
    }
}
