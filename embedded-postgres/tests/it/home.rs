//! A home for one test's cluster, stopped and removed afterwards.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use embedded_postgres::{Cluster, Options, Settings, Stop};

static HOME_COUNT: AtomicU32 = AtomicU32::new(0);

pub(crate) struct Home(PathBuf);

impl Home {
    pub(crate) fn new() -> Self {
        let number = HOME_COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("embedded-postgres-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(fs::canonicalize(path).unwrap())
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.join("postgres")
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.path().join("data")
    }

    pub(crate) fn start(&self) -> Cluster {
        self.try_start().unwrap()
    }

    pub(crate) fn try_start(&self) -> embedded_postgres::Result<Cluster> {
        Cluster::start(&self.path(), small())
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Ok(Some(cluster)) = Cluster::running(&self.path()) {
            cluster.stop(Stop::Immediate).unwrap();
        }
        fs::remove_dir_all(&self.0).unwrap();
    }
}

pub(crate) fn small() -> Options {
    Options { settings: Settings::new().with("shared_buffers", "16MB"), ..Options::default() }
}

pub(crate) fn ask(cluster: &Cluster, sql: &str) -> String {
    let rows = cluster.connect("daybook").unwrap().query(sql).unwrap();
    rows.into_iter().flatten().flatten().collect::<Vec<_>>().join(",")
}

/// Replaces what a file says and keeps whose it is.
pub(crate) fn rewrite(path: &Path, change: impl FnOnce(String) -> String) {
    let text = fs::read_to_string(path).unwrap();
    fs::write(path, change(text)).unwrap();
}
