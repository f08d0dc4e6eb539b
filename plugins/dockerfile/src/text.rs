// SPDX-License-Identifier: Apache-2.0
//! The language: from bytes to instructions, each with its place.
//!
//! ```text
//! bytes ──lines──► logical lines ──instruction──► flags, words, heredocs ──stages──► stages
//! ```
//!
//! Nothing here knows of a build: values are expanded while a stage is planned.

pub mod directive;
pub mod expand;
pub mod git;
pub mod glob;
pub mod heredoc;
pub mod instruction;
pub mod json;
pub mod lines;
pub mod mount;
pub mod parse;
pub mod shell;
pub mod stages;
pub mod words;
