//! The files of the repository, read once, for the checks that look at all of them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Folders that are made, not written.
const MADE: [&str; 4] = ["target", "node_modules", ".git", ".daybook"];

/// One file; the text is empty where it is not UTF-8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// From the root, with `/` between the parts.
    pub path: String,
    pub text: String,
}

/// All files, sorted by path.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    pub sources: Vec<Source>,
}

/// The root of the repository this was built in.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

impl Tree {
    /// # Errors
    /// When a file or folder cannot be read.
    pub fn read(root: &Path) -> io::Result<Self> {
        let mut sources = Vec::new();
        let mut folders = vec![root.to_path_buf()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                let path = entry.path();
                let kind = entry.file_type()?;
                if kind.is_dir() && !MADE.iter().any(|made| entry.file_name() == *made) {
                    folders.push(path);
                } else if kind.is_file() {
                    let text = String::from_utf8(fs::read(&path)?).unwrap_or_default();
                    let path = path.strip_prefix(root).map_err(io::Error::other)?.to_string_lossy().into_owned();
                    sources.push(Source { path, text });
                }
            }
        }
        sources.sort_by(|left, right| left.path.cmp(&right.path));
        Ok(Self { sources })
    }

    /// A tree that exists only here, so that a check can be shown something broken.
    pub fn of(files: &[(&str, &str)]) -> Self {
        let source = |(path, text): &(&str, &str)| Source { path: (*path).to_owned(), text: (*text).to_owned() };
        Self { sources: files.iter().map(source).collect() }
    }

    pub fn text(&self, path: &str) -> Option<&str> {
        self.sources.iter().find(|source| source.path == path).map(|source| source.text.as_str())
    }

    /// The files under a folder that end so; an empty folder is the root.
    pub fn under<'a>(&'a self, folder: &'a str, ending: &'a str) -> impl Iterator<Item = &'a Source> {
        self.sources.iter().filter(move |source| source.path.starts_with(folder) && source.path.ends_with(ending))
    }
}
