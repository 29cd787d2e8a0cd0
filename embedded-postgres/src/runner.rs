//! Who the server runs as: ourselves, or an unprivileged user when we are root.

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, chown, lchown},
        process::CommandExt,
    },
    path::Path,
    process::{Command, Stdio},
};

use crate::error::{Attempt as _, Error, Result};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Runner {
    uid: u32,
    gid: u32,
    /// We are root, and children change to `uid` before they run.
    switches: bool,
}

impl Runner {
    /// Ourselves; as root the user `postgres`, or else `nobody`.
    pub(crate) fn preferred() -> Result<Self> {
        let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
        if !uid.is_root() {
            return Ok(Self { uid: uid.as_raw(), gid: gid.as_raw(), switches: false });
        }
        let users = fs::read_to_string("/etc/passwd").attempt(|| "reading /etc/passwd".to_owned())?;
        ["postgres", "nobody"]
            .iter()
            .find_map(|name| user(&users, name))
            .map(|(uid, gid)| Self { uid, gid, switches: true })
            .ok_or(Error::NoUnprivilegedUser)
    }

    /// Whoever owns what is already there. What root owns goes to the preferred user.
    pub(crate) fn owner_of(path: &Path) -> Result<Self> {
        let preferred = Self::preferred()?;
        let metadata = fs::metadata(path).attempt(|| format!("looking at {}", path.display()))?;
        match (preferred.switches, metadata.uid()) {
            (true, 0) => {
                preferred.give_all(path)?;
                Ok(preferred)
            }
            (true, uid) => Ok(Self { uid, gid: metadata.gid(), switches: true }),
            (false, owner) if owner == preferred.uid => Ok(preferred),
            (false, owner) => Err(Error::OtherOwner { path: path.to_path_buf(), owner, current: preferred.uid }),
        }
    }

    pub(crate) fn uid(&self) -> u32 {
        self.uid
    }

    /// A command run as this user, out of reach of a Ctrl-C meant for us.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir("/").stdin(Stdio::null()).process_group(0);
        if self.switches {
            command.uid(self.uid).gid(self.gid);
        }
        command
    }

    /// Whether this user can enter the directory and write in it, with everything on the way to it.
    pub(crate) fn can_use(&self, directory: &Path) -> bool {
        !self.switches || self.holds("-w", directory)
    }

    /// Whether this user can run the program.
    pub(crate) fn can_run(&self, program: &Path) -> bool {
        !self.switches || self.holds("-x", program)
    }

    fn holds(&self, test: &str, path: &Path) -> bool {
        let said = self.command(Path::new("/bin/sh")).args(["-c", "test \"$1\" \"$2\"", "sh", test]).arg(path).status();
        said.is_ok_and(|status| status.success())
    }

    pub(crate) fn give(&self, path: &Path) -> Result<()> {
        if self.switches {
            chown(path, Some(self.uid), Some(self.gid)).attempt(|| format!("giving {} to its user", path.display()))?;
        }
        Ok(())
    }

    /// Gives a whole tree; links in it are given, not followed.
    fn give_all(&self, path: &Path) -> Result<()> {
        lchown(path, Some(self.uid), Some(self.gid)).attempt(|| format!("giving {} to its user", path.display()))?;
        if path.is_symlink() || !path.is_dir() {
            return Ok(());
        }
        for entry in fs::read_dir(path).attempt(|| format!("reading {}", path.display()))? {
            self.give_all(&entry.attempt(|| format!("reading {}", path.display()))?.path())?;
        }
        Ok(())
    }
}

fn user(users: &str, name: &str) -> Option<(u32, u32)> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let uid_and_gid = (fields.next()? == name).then(|| (fields.nth(1), fields.next()))?;
        Some((uid_and_gid.0?.parse().ok()?, uid_and_gid.1?.parse().ok()?))
    })
}
