//! What a document may cost, and what of YAML is not taken.

use serde_yaml::{DuplicateKeyPolicy, MergeKeyPolicy, Options};

/// Bytes that a file may have; larger ones are refused before they are parsed.
pub const LARGEST: usize = 256 * 1024;

/// Levels of lists and maps that a file may have.
pub(super) const DEEPEST: usize = 32;

/// Anchors, and aliases, that a file may have.
pub(super) const MOST_ALIASES: usize = 500;

/// Values that a file may have.
pub(super) const MOST_VALUES: usize = 50_000;

/// Values that anchors may hold, and that aliases may repeat.
pub(super) const MOST_REPEATED: usize = 10_000;

/// How documents are read.
pub(super) fn options(duplicate_keys: DuplicateKeyPolicy) -> Options {
    serde_yaml::options! {
        budget: serde_yaml::budget! {
            max_depth: DEEPEST,
            flow_nesting_limit: DEEPEST,
            max_nodes: MOST_VALUES,
            max_aliases: MOST_ALIASES,
            max_anchors: MOST_ALIASES,
            max_recorded_anchor_events: MOST_REPEATED,
            max_total_scalar_bytes: 4 * LARGEST,
        },
        alias_limits: serde_yaml::alias_limits! {
            max_total_replayed_events: MOST_REPEATED,
            max_replay_stack_depth: DEEPEST,
        },
        duplicate_keys: duplicate_keys,
        merge_keys: MergeKeyPolicy::Error,
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}
