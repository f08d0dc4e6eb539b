// SPDX-License-Identifier: Apache-2.0
//! How long to wait before the next attempt.

use std::time::Duration;

use wythe_image::Digest;

use crate::Failure;

/// When attempts are repeated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Retry {
    pub(crate) attempts: u32,
    pub(crate) first_wait: Duration,
    pub(crate) longest_wait: Duration,
    pub(crate) patience: Duration,
    pub(crate) salt: u64,
}

impl Retry {
    /// Returns how long to wait after the given attempt (counted from 1), or nothing if it was the last; `spent` is how
    /// long the fetch has taken so far.
    ///
    /// Waits double. Each is shortened by up to a half, by an amount that differs between addresses and between clients,
    /// so that those who were turned away together do not come back together.
    ///
    /// A server that asks for more patience than the longest wait is not asked again: earlier is against its wish, and
    /// later against the user's.
    pub(crate) fn wait_after(
        &self,
        attempt: u32,
        failure: &Failure,
        address: &str,
        spent: Duration,
    ) -> Option<Duration> {
        if attempt >= self.attempts || !failure.is_transient() {
            return None;
        }
        let doubled = self.first_wait.saturating_mul(1 << (attempt - 1).min(20));
        let wait = self.shortened(doubled.min(self.longest_wait), attempt, address);
        let wait = match failure {
            Failure::Status { retry_after: Some(asked), .. } if *asked > self.longest_wait => return None,
            Failure::Status { retry_after: Some(asked), .. } => wait.max(*asked),
            _ => wait,
        };
        (spent + wait <= self.patience).then_some(wait)
    }

    fn shortened(&self, wait: Duration, attempt: u32, address: &str) -> Duration {
        let digest = Digest::of(format!("{} {attempt} {address}", self.salt).as_bytes());
        let part = u8::from_str_radix(&digest.hex()[..2], 16).expect("a digest begins with two digits");
        wait - wait * u32::from(part) / 512
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use reqwest::StatusCode;

    use super::Retry;
    use crate::Failure;

    const RETRY: Retry = Retry {
        attempts: 5,
        first_wait: Duration::from_millis(500),
        longest_wait: Duration::from_secs(2),
        patience: Duration::from_secs(60),
        salt: 1,
    };

    fn wait_after(attempt: u32, failure: &Failure) -> Option<Duration> {
        RETRY.wait_after(attempt, failure, "http://host/a", Duration::ZERO)
    }

    fn broken() -> Failure {
        Failure::Interrupted { reason: "reset".to_owned() }
    }

    fn status(code: u16, seconds: Option<u64>) -> Failure {
        let status = StatusCode::from_u16(code).unwrap();
        Failure::Status { status, retry_after: seconds.map(Duration::from_secs), message: String::new() }
    }

    #[test]
    fn waits_double_up_to_the_longest_less_up_to_a_half() {
        for (attempt, whole) in [(1, 500), (2, 1000), (3, 2000), (4, 2000)] {
            let wait = wait_after(attempt, &broken()).unwrap().as_millis();
            assert!((whole / 2..=whole).contains(&wait), "{wait} after attempt {attempt}");
        }
        assert_eq!(wait_after(5, &broken()), None);
    }

    #[test]
    fn clients_and_addresses_wait_differently() {
        let wait = |salt, address| Retry { salt, ..RETRY }.wait_after(1, &broken(), address, Duration::ZERO).unwrap();
        let all: std::collections::BTreeSet<Duration> =
            (0..8).flat_map(|salt| ["http://host/a", "http://host/b"].map(|address| wait(salt, address))).collect();
        assert!(all.len() > 8, "{all:?}");
    }

    #[test]
    fn patience_ends() {
        let after = |spent| RETRY.wait_after(1, &broken(), "http://host/a", Duration::from_secs(spent));
        assert!(after(59).is_some());
        assert_eq!(after(60), None);
    }

    #[test]
    fn a_server_that_names_a_time_gets_it_or_is_left_alone() {
        assert_eq!(wait_after(1, &status(429, Some(1))), Some(Duration::from_secs(1)));
        assert_eq!(wait_after(1, &status(503, Some(0))), wait_after(1, &broken()));
        assert_eq!(wait_after(1, &status(429, Some(3600))), None);
    }

    #[test]
    fn what_will_not_pass_is_not_repeated() {
        for code in [400, 401, 403, 404, 410, 416, 501, 505] {
            assert_eq!(wait_after(1, &status(code, None)), None, "{code}");
        }
        assert_eq!(wait_after(1, &Failure::Changed), None);
    }
}
