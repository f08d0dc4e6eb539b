// SPDX-License-Identifier: Apache-2.0
//! From text to spec.

use super::{Code, Diagnostic, SourceText, Spec, SpecErrors};
use crate::Kind;

impl Spec {
    /// Parses a definition. `kinds` are those of the planner; the core kinds are always known.
    ///
    /// # Errors
    ///
    /// Returns everything that is wrong, not only the first thing; text that is not TOML stops at its first fault.
    pub fn parse(file_name: &str, text: &str, kinds: &[Kind]) -> Result<Self, SpecErrors> {
        let _ = kinds;
        let source = SourceText::new(file_name, text);
        Err(SpecErrors { source, diagnostics: vec![Diagnostic::error(Code::Syntax, "not written yet")] })
    }
}
