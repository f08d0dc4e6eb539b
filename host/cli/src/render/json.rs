// SPDX-License-Identifier: Apache-2.0
//! A JSON object a line, on standard error: for machines. The shape is that of [`wythe_solve::Event`].

use std::io::Write as _;

use wythe_solve::{Event, EventSink};

/// Writes events as JSON lines.
pub(crate) struct Json;

impl EventSink for Json {
    fn event(&self, event: Event) {
        let mut line = serde_json::to_vec(&event).expect("an event is representable as JSON");
        line.push(b'\n');
        // Nobody reads any more: that is no reason to stop a build.
        let _gone = std::io::stderr().lock().write_all(&line);
    }
}
