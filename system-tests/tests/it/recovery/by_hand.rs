//! A Postgres with a library before libc's, which tells it what disks and clocks do.

use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use embedded_postgres::{Binaries, Cluster, Options, Settings, Stop};
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;
use system_tests::database::Ledger;
use system_tests::tree::root;

use crate::audit::Directory;
use crate::operations::{until, until_well};

const WITHIN: Duration = Duration::from_secs(60);

/// A library built of a file in `shims`, and the file that says what it does.
pub(super) struct Shim {
    pub(super) library: PathBuf,
    pub(super) switch: PathBuf,
    variable: &'static str,
}

impl Shim {
    pub(super) fn build(folder: &Path, name: &str, variable: &'static str) -> Self {
        let (library, switch) = (folder.join(format!("{name}.so")), folder.join(format!("{name}.switch")));
        let source = root().join(format!("system-tests/shims/{name}.c"));
        let mut command = Command::new("cc");
        command.args(["-O1", "-shared", "-fPIC", "-o"]).arg(&library).arg(source).arg("-ldl");
        assert!(command.status().unwrap().success(), "{command:?}");
        Self { library, switch, variable }
    }

    /// The same library, told by a file of its own.
    pub(super) fn another(&self, name: &str) -> Self {
        let switch = self.switch.with_file_name(format!("{name}.switch"));
        Self { library: self.library.clone(), switch, variable: self.variable }
    }

    pub(super) fn say(&self, word: &str) {
        // In one step: nobody reads half of it.
        let beside = self.switch.with_extension("next");
        std::fs::write(&beside, word).unwrap();
        std::fs::rename(beside, &self.switch).unwrap();
    }

    pub(super) fn be_silent(&self) {
        std::fs::remove_file(&self.switch).unwrap();
    }

    pub(super) fn environment(&self) -> [(&'static str, String); 2] {
        [("LD_PRELOAD", self.library.display().to_string()), (self.variable, self.switch.display().to_string())]
    }
}

/// Its directory was made as any; it is started by hand. Ends with its test.
pub(super) struct ByHand {
    place: Directory,
    cluster: Cluster,
    pub(super) ledger: Ledger,
    pub(super) shim: Shim,
    child: Option<Child>,
}

impl ByHand {
    pub(super) async fn start(shim: &str, variable: &'static str) -> Self {
        let place = Directory::fresh();
        let home = place.at("postgres");
        let settings = Settings::new().with("shared_buffers", "32MB").with("max_connections", "200");
        let options = Options { settings, ..Options::default() };
        let cluster = tokio::task::block_in_place(|| Cluster::start(&home, options)).unwrap();
        let ledger = Ledger::on(&cluster.url("postgres")).await.unwrap();
        tokio::task::block_in_place(|| cluster.stop(Stop::Fast)).unwrap();
        // Whoever runs the server reads them there.
        let shims = place.at("shims");
        std::fs::create_dir_all(&shims).unwrap();
        let owner = std::fs::metadata(cluster.data_dir()).unwrap();
        chown(&shims, Some(owner.uid()), Some(owner.gid())).unwrap();
        let shim = Shim::build(&shims, shim, variable);
        let mut by_hand = Self { place, cluster, ledger, shim, child: None };
        by_hand.bring_up().await;
        by_hand
    }

    /// As whoever looks after it would.
    pub(super) async fn bring_up(&mut self) {
        let binaries = Binaries::find(Some(&root().join(".daybook/postgres-dist"))).unwrap().directory;
        let data = self.cluster.data_dir();
        let mut command = Command::new(binaries.join("postgres"));
        command.arg("-D").arg(&data).arg("-k").arg(self.cluster.socket_dir());
        command.args(["-p", &self.cluster.port().to_string(), "-c", "listen_addresses=", "-c", "timezone=UTC"]);
        command.args(["-c", "shared_buffers=32MB", "-c", "max_connections=200"]);
        let log = std::fs::File::create(self.place.at("postgres.log")).unwrap();
        command.envs(self.shim.environment()).current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let owner = std::fs::metadata(&data).unwrap();
        if std::fs::metadata("/proc/self").unwrap().uid() != owner.uid() {
            command.uid(owner.uid()).gid(owner.gid());
        }
        self.child = Some(command.process_group(0).spawn().unwrap());
        let url = self.ledger.superuser_url().to_owned();
        until("it takes connections", WITHIN, async || PgConnection::connect(&url).await.ok().map(drop)).await;
    }

    /// It has given up, with these words.
    pub(super) async fn until_panicked(&self, words: &str) {
        until_well("Postgres gives up", WITHIN, async || {
            let log = std::fs::read_to_string(self.place.at("postgres.log")).unwrap();
            if log.lines().any(|line| line.contains("PANIC") && line.contains(words)) { Ok(()) } else { Err(log) }
        })
        .await;
    }

    /// It tries again by itself, or has ended, by its version; then whoever looks after it starts it.
    pub(super) async fn recover(&mut self) {
        if self.child.as_mut().is_none_or(|child| child.try_wait().unwrap().is_some()) {
            self.bring_up().await;
        }
        let url = self.ledger.superuser_url().to_owned();
        until("it takes connections", WITHIN, async || PgConnection::connect(&url).await.ok().map(drop)).await;
    }
}

impl Drop for ByHand {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(self.cluster.stop(Stop::Immediate));
            drop(child.wait());
        }
    }
}
