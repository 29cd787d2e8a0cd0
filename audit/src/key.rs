//! The keys of checkpoints, in the forms of C2SP signed notes: to sign, to verify.

use std::fmt;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::BoxFuture;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// Ed25519, as signed notes number it.
const ALGORITHM: u8 = 1;
const PRIVATE: &str = "PRIVATE+KEY+";
const NAME_MAX: usize = 200;

/// A public key with the name of whoever signs: `<name>+<key id>+<base64>`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct VerifierKey {
    name: String,
    id: [u8; 4],
    public: [u8; 32],
}

#[derive(Debug, thiserror::Error)]
pub enum KeyFailure {
    #[error("this is no checkpoint key: {0}")]
    Malformed(&'static str),
    #[error("the file of the checkpoint key, {file}, can be read by others than its owner: `chmod 600 {file}`")]
    Open { file: String },
    #[error("the file of the checkpoint key, {file}, cannot be used: {source}")]
    File {
        file: String,
        #[source]
        source: std::io::Error,
    },
    #[error("the system has no randomness to give")]
    NoRandomness,
}

/// Signs texts: with a key in a file, or far away in a vault of keys.
pub trait Signer: Send + Sync {
    fn key(&self) -> &VerifierKey;

    /// The Ed25519 signature of these bytes.
    fn sign<'s>(&'s self, text: &'s [u8]) -> BoxFuture<'s, Result<[u8; 64], SignFailure>>;
}

/// Nothing was signed, and why; asking again may help.
#[derive(Debug, thiserror::Error)]
#[error("the checkpoint was not signed: {0}")]
pub struct SignFailure(pub String);

impl VerifierKey {
    fn new(name: &str, public: [u8; 32]) -> Result<Self, KeyFailure> {
        let is_name =
            !name.is_empty() && name.len() <= NAME_MAX && !name.contains(|c: char| c.is_whitespace() || c == '+');
        if !is_name {
            return Err(KeyFailure::Malformed("its name is empty or too long, or has a space or a plus in it"));
        }
        let hash = Sha256::new().chain_update(name).chain_update([b'\n', ALGORITHM]).chain_update(public).finalize();
        let id = hash.first_chunk::<4>().copied().unwrap_or_default();
        Ok(Self { name: name.to_owned(), id, public })
    }

    /// Whose key it is: the origin of the checkpoints it signs.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Tells keys of one name apart; in signatures it stands before them.
    pub const fn id(&self) -> [u8; 4] {
        self.id
    }

    pub(crate) fn verifies(&self, text: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.public).verify(text, signature).is_ok()
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}+{}", self.name, hex::encode(self.id), STANDARD.encode(numbered(&self.public)))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for VerifierKey {
    type Err = KeyFailure;

    fn from_str(text: &str) -> Result<Self, KeyFailure> {
        let (name, id, public) = parts(text.trim())?;
        let key = Self::new(name, public)?;
        if hex::encode(key.id) == id {
            Ok(key)
        } else {
            Err(KeyFailure::Malformed("its id is not that of its name and key"))
        }
    }
}

fn numbered(key: &[u8; 32]) -> Vec<u8> {
    [&[ALGORITHM], key.as_slice()].concat()
}

/// Name, id and the 32 bytes of `<name>+<id>+<base64>`.
fn parts(text: &str) -> Result<(&str, &str, [u8; 32]), KeyFailure> {
    let form = || KeyFailure::Malformed("it is not of the form <name>+<8 hexadecimal digits>+<base64>");
    let (name, rest) = text.split_once('+').ok_or_else(form)?;
    let (id, key) = rest.split_once('+').ok_or_else(form)?;
    let bytes = Zeroizing::new(STANDARD.decode(key).map_err(|_not_base64| form())?);
    match bytes.split_first() {
        Some((&ALGORITHM, key)) => Ok((name, id, key.try_into().map_err(|_length| form())?)),
        Some(_) | None => Err(KeyFailure::Malformed("it is not an Ed25519 key")),
    }
}

/// A key of our own, from a file.
pub struct FileSigner {
    pair: Ed25519KeyPair,
    key: VerifierKey,
}

impl FileSigner {
    /// Reads `PRIVATE+KEY+<name>+<key id>+<base64>`.
    ///
    /// # Errors
    /// Anything else.
    pub fn parse(text: &str) -> Result<Self, KeyFailure> {
        let text = text.trim().strip_prefix(PRIVATE);
        let (name, id, seed) = parts(text.ok_or(KeyFailure::Malformed("it does not begin with PRIVATE+KEY+"))?)?;
        let seed = Zeroizing::new(seed);
        let signer = Self::of_seed(name, &seed)?;
        if hex::encode(signer.key.id) == id {
            Ok(signer)
        } else {
            Err(KeyFailure::Malformed("its id is not that of its name and key"))
        }
    }

    fn of_seed(name: &str, seed: &[u8; 32]) -> Result<Self, KeyFailure> {
        let malformed = |_rejected| KeyFailure::Malformed("its bytes are no Ed25519 seed");
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(malformed)?;
        let public = pair.public_key().as_ref().try_into();
        let public = public.map_err(|_length| KeyFailure::Malformed("its bytes are no Ed25519 seed"))?;
        Ok(Self { key: VerifierKey::new(name, public)?, pair })
    }

    /// The keys in a file that nobody but its owner can read, one a line. Each of them signs; the first names the log.
    ///
    /// # Errors
    /// The file is open to others, cannot be read, or holds anything else.
    pub fn read(file: &Path) -> Result<Vec<Self>, KeyFailure> {
        let failed = |source| KeyFailure::File { file: file.display().to_string(), source };
        let mode = fs::metadata(file).map_err(failed)?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(KeyFailure::Open { file: file.display().to_string() });
        }
        let text = Zeroizing::new(fs::read_to_string(file).map_err(failed)?);
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let signers: Vec<Self> = lines.map(Self::parse).collect::<Result<_, _>>()?;
        let Some(first) = signers.first() else { return Err(KeyFailure::Malformed("the file is empty")) };
        if signers.iter().any(|signer| signer.key.name != first.key.name) {
            return Err(KeyFailure::Malformed("the keys of one log have one name"));
        }
        Ok(signers)
    }

    /// Draws a key and writes it to a file, which must not be there yet, for its owner alone.
    ///
    /// # Errors
    /// The name is no name, or the file cannot be written.
    pub fn draw(file: &Path, name: &str) -> Result<Self, KeyFailure> {
        let failed = |source| KeyFailure::File { file: file.display().to_string(), source };
        let mut seed = Zeroizing::new([0; 32]);
        SystemRandom::new().fill(seed.as_mut_slice()).map_err(|_unspecified| KeyFailure::NoRandomness)?;
        let signer = Self::of_seed(name, &seed)?;
        let encoded = Zeroizing::new(STANDARD.encode(Zeroizing::new(numbered(&seed)).as_slice()));
        // There as a whole or not at all, whenever this process dies.
        let draft = file.with_extension(format!("draft-{}", std::process::id()));
        let mut options = fs::OpenOptions::new();
        let mut written = options.write(true).create(true).truncate(true).mode(0o600).open(&draft).map_err(failed)?;
        let id = hex::encode(signer.key.id);
        let whole = writeln!(written, "{PRIVATE}{name}+{id}+{}", encoded.as_str())
            .and_then(|()| written.sync_all())
            .and_then(|()| fs::hard_link(&draft, file));
        fs::remove_file(&draft).map_err(failed)?;
        whole.map_err(failed)?;
        Ok(signer)
    }
}

impl Signer for FileSigner {
    fn key(&self) -> &VerifierKey {
        &self.key
    }

    fn sign<'s>(&'s self, text: &'s [u8]) -> BoxFuture<'s, Result<[u8; 64], SignFailure>> {
        let signature = self.pair.sign(text);
        let signature = signature.as_ref().try_into().map_err(|_length| SignFailure("its length is wrong".to_owned()));
        Box::pin(async move { signature })
    }
}

impl fmt::Debug for FileSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[signer of {}]", self.key)
    }
}
