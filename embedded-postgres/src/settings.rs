//! The server's settings: durable, in UTC, with room for a bench or a test to differ.

use std::path::Path;

/// Settings laid over the defaults, by name; the last of a name wins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings(Vec<(String, String)>);

/// Durability is never traded for speed: what a test or bench sees is what production does.
const DEFAULTS: &[(&str, &str)] = &[
    ("fsync", "on"),
    ("full_page_writes", "on"),
    ("synchronous_commit", "on"),
    ("timezone", "UTC"),
    ("log_timezone", "UTC"),
    ("listen_addresses", ""),
    ("max_connections", "100"),
    ("shared_buffers", "256MB"),
    ("wal_level", "replica"),
    ("max_wal_size", "4GB"),
    ("wal_compression", "on"),
    ("idle_in_transaction_session_timeout", "15s"),
    // One file per weekday, emptied when the day comes round again.
    ("logging_collector", "on"),
    ("log_directory", "log"),
    ("log_filename", "postgres-%a.log"),
    ("log_rotation_age", "1d"),
    ("log_rotation_size", "0"),
    ("log_truncate_on_rotation", "on"),
    ("log_line_prefix", "%m [%p] %q%u@%d "),
];

impl Settings {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.push((name.into(), value.into()));
        self
    }

    /// As arguments of `postgres`: later ones win there too.
    pub(crate) fn arguments(&self, socket_dir: &Path, port: u16) -> Vec<String> {
        let quoted = format!("\"{}\"", socket_dir.display().to_string().replace('"', "\"\""));
        let fixed = [("unix_socket_directories".to_owned(), quoted), ("port".to_owned(), port.to_string())];
        let defaults = DEFAULTS.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        defaults
            .chain(self.0.iter().cloned())
            .chain(fixed)
            .flat_map(|(name, value)| ["-c".to_owned(), format!("{name}={value}")])
            .collect()
    }
}
