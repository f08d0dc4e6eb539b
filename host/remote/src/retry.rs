// SPDX-License-Identifier: Apache-2.0
//! How long to wait before the next attempt.

use std::time::Duration;

use crate::Failure;

/// When attempts are repeated. Doubling and without randomness: two runs against the same faults take the same time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Retry {
    pub(crate) attempts: u32,
    pub(crate) first_wait: Duration,
    pub(crate) longest_wait: Duration,
}

impl Retry {
    /// Returns how long to wait after the given attempt (counted from 1), or nothing if it was the last.
    ///
    /// A server that asks for more patience than the longest wait is not asked again: earlier is against its wish, and
    /// later against the user's.
    pub(crate) fn wait_after(&self, attempt: u32, failure: &Failure) -> Option<Duration> {
        if attempt >= self.attempts || !failure.is_transient() {
            return None;
        }
        let doubled = self.first_wait.saturating_mul(1 << (attempt - 1).min(20));
        let wait = doubled.min(self.longest_wait);
        match failure {
            Failure::Status { retry_after: Some(asked), .. } if *asked > self.longest_wait => None,
            Failure::Status { retry_after: Some(asked), .. } => Some(wait.max(*asked)),
            _ => Some(wait),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use reqwest::StatusCode;

    use super::Retry;
    use crate::Failure;

    const RETRY: Retry =
        Retry { attempts: 5, first_wait: Duration::from_millis(500), longest_wait: Duration::from_secs(2) };

    fn broken() -> Failure {
        Failure::Interrupted { reason: "reset".to_owned() }
    }

    fn status(code: u16, seconds: Option<u64>) -> Failure {
        let status = StatusCode::from_u16(code).unwrap();
        Failure::Status { status, retry_after: seconds.map(Duration::from_secs), message: String::new() }
    }

    #[test]
    fn waits_double_up_to_the_longest() {
        let waits: Vec<_> =
            (1..=5).map(|attempt| RETRY.wait_after(attempt, &broken()).map(|w| w.as_millis())).collect();
        assert_eq!(waits, [Some(500), Some(1000), Some(2000), Some(2000), None]);
    }

    #[test]
    fn a_server_that_names_a_time_gets_it_or_is_left_alone() {
        assert_eq!(RETRY.wait_after(1, &status(429, Some(1))), Some(Duration::from_secs(1)));
        assert_eq!(RETRY.wait_after(1, &status(503, Some(0))), Some(Duration::from_millis(500)));
        assert_eq!(RETRY.wait_after(1, &status(429, Some(3600))), None);
    }

    #[test]
    fn what_will_not_pass_is_not_repeated() {
        for code in [400, 401, 403, 404, 410, 416, 501, 505] {
            assert_eq!(RETRY.wait_after(1, &status(code, None)), None, "{code}");
        }
        assert_eq!(RETRY.wait_after(1, &Failure::Changed), None);
    }
}
