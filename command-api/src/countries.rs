//! Which country an address is in: a table of networks, from a file of the operator's.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufRead as _, BufReader, Read as _},
    net::IpAddr,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use domain::{country::Country, network::Network};
use tokio::sync::watch;

const ROWS_MAX: usize = 1_000_000;
const BYTES_MAX: u64 = 64 * 1024 * 1024;
/// How often is looked whether the file has changed.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Why a table cannot be used. What was in use before stays.
#[derive(Debug, thiserror::Error)]
pub enum CountriesFailure {
    #[error("the table of countries {file} cannot be read: {source}")]
    File {
        file: String,
        #[source]
        source: io::Error,
    },
    #[error("line {line} of the table of countries {file} is no `network,country` (as `192.0.2.0/24,DE`): {reason}")]
    Line { file: String, line: usize, reason: String },
    #[error("the table of countries {file} has more than {ROWS_MAX} lines or {BYTES_MAX} bytes; give a smaller one")]
    TooLong { file: String },
}

/// The table in use. Cheap to clone; empty where no file was named, and then no country is known.
#[derive(Clone, Debug, Default)]
pub struct Countries {
    table: Arc<RwLock<Arc<Table>>>,
}

type Table = BTreeMap<Network, Country>;

/// A file, and what it was like when it was read.
#[derive(Debug)]
pub struct Source {
    path: PathBuf,
    read: Option<(SystemTime, u64)>,
}

impl Countries {
    /// Reads the file; whoever follows it then notices changes.
    ///
    /// # Errors
    /// It cannot be read, or a line of it cannot.
    pub fn open(path: &Path) -> Result<(Self, Source), CountriesFailure> {
        let countries = Self::default();
        let mut source = Source { path: path.to_owned(), read: None };
        countries.refresh(&mut source)?;
        Ok((countries, source))
    }

    /// The country of the narrowest network around the address.
    pub fn of(&self, address: IpAddr) -> Option<Country> {
        let table = Arc::clone(&self.table.read().unwrap_or_else(PoisonError::into_inner));
        if table.is_empty() {
            return None;
        }
        Network::around(address).find_map(|network| table.get(&network).copied())
    }

    /// Reads the file again if it has changed; whether it had.
    ///
    /// # Errors
    /// As [`Countries::open`]; the table in use stays.
    pub fn refresh(&self, source: &mut Source) -> Result<bool, CountriesFailure> {
        let file = || source.path.display().to_string();
        let opened =
            File::open(&source.path).map_err(|reason| CountriesFailure::File { file: file(), source: reason })?;
        let stat = opened.metadata().and_then(|metadata| Ok((metadata.modified()?, metadata.len())));
        let stat = stat.map_err(|reason| CountriesFailure::File { file: file(), source: reason })?;
        if source.read == Some(stat) {
            return Ok(false);
        }
        // A file that is amiss is told of once, not every few seconds.
        source.read = Some(stat);
        if stat.1 > BYTES_MAX {
            return Err(CountriesFailure::TooLong { file: file() });
        }
        let table = read(opened, &source.path.display().to_string())?;
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
        Ok(true)
    }

    /// Looks for changes until told to stop.
    pub async fn follow(self, mut source: Source, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow_and_update() {
            tokio::select! {
                _stopping = stop.changed() => continue,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            let countries = self.clone();
            let looking = tokio::task::spawn_blocking(move || {
                let refreshed = countries.refresh(&mut source);
                (source, refreshed)
            });
            match looking.await {
                Ok((same, refreshed)) => {
                    source = same;
                    match refreshed {
                        Ok(true) => tracing::info!("the table of countries was read again"),
                        Ok(false) => {}
                        Err(failure) => tracing::error!(%failure, "the table of countries stays as it was"),
                    }
                }
                Err(reason) => {
                    tracing::error!(%reason, "nobody looks any more whether the table of countries has changed");
                    return;
                }
            }
        }
    }
}

/// `network,country` line by line. Empty lines, those that begin with `#`, and a first line of names are passed over.
fn read(opened: File, file: &str) -> Result<Table, CountriesFailure> {
    let mut table = Table::new();
    for (index, line) in BufReader::new(opened.take(BYTES_MAX)).lines().enumerate() {
        let line = line.map_err(|source| CountriesFailure::File { file: file.to_owned(), source })?;
        let text = line.trim();
        if text.is_empty() || text.starts_with('#') || (index == 0 && text == "network,country") {
            continue;
        }
        let amiss =
            |reason: String| CountriesFailure::Line { file: file.to_owned(), line: index.saturating_add(1), reason };
        let (network, country) = text.split_once(',').ok_or_else(|| amiss("it has no comma".to_owned()))?;
        let network: Network = network.trim().parse().map_err(|refusal| amiss(format!("{refusal}")))?;
        let country: Country = country.trim().parse().map_err(|refusal| amiss(format!("{refusal}")))?;
        table.insert(network, country);
        if table.len() > ROWS_MAX {
            return Err(CountriesFailure::TooLong { file: file.to_owned() });
        }
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, text: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("daybook-countries-{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        path
    }

    fn code(countries: &Countries, address: &str) -> Option<&'static str> {
        countries.of(address.parse().unwrap()).map(Country::code)
    }

    #[test]
    fn the_narrowest_network_around_an_address_counts() {
        let path = file("narrow", "network,country\n# ours\n\n192.0.2.0/24, DE\n192.0.2.7,FR\n2001:db8::/32,BR\n");
        let (countries, _source) = Countries::open(&path).unwrap();
        std::fs::remove_file(path).unwrap();
        assert_eq!(code(&countries, "192.0.2.7"), Some("FR"));
        assert_eq!(code(&countries, "::ffff:192.0.2.8"), Some("DE"));
        assert_eq!(code(&countries, "2001:db8::1"), Some("BR"));
        assert_eq!(code(&countries, "198.51.100.1"), None);
        assert_eq!(code(&Countries::default(), "192.0.2.7"), None);
    }

    #[test]
    fn a_changed_file_is_read_again_and_one_that_is_amiss_changes_nothing() {
        let path = file("change", "192.0.2.0/24,DE\n");
        let (countries, mut source) = Countries::open(&path).unwrap();
        assert!(!countries.refresh(&mut source).unwrap());
        file("change", "192.0.2.0/24,FRA\n");
        let failure = countries.refresh(&mut source).unwrap_err();
        assert!(failure.to_string().contains("line 1 "), "{failure}");
        assert_eq!(code(&countries, "192.0.2.7"), Some("DE"));
        assert!(!countries.refresh(&mut source).unwrap(), "it is told of once");
        file("change", "192.0.2.0/24,IT\n198.51.100.0/24,IT\n");
        assert!(countries.refresh(&mut source).unwrap());
        assert_eq!(code(&countries, "192.0.2.7"), Some("IT"));
        std::fs::remove_file(path).unwrap();
        assert!(matches!(countries.refresh(&mut source), Err(CountriesFailure::File { .. })));
        assert_eq!(code(&countries, "192.0.2.7"), Some("IT"));
    }

    #[test]
    fn each_line_that_is_amiss_is_named() {
        for (name, line) in [("comma", "192.0.2.0/24"), ("network", "192.0.2.1/24,DE"), ("wide", "0.0.0.0/0,DE")] {
            let path = file(name, &format!("198.51.100.0/24,DE\n{line}\n"));
            let failure = Countries::open(&path).unwrap_err();
            std::fs::remove_file(path).unwrap();
            assert!(matches!(failure, CountriesFailure::Line { line: 2, .. }), "{failure}");
        }
    }
}
