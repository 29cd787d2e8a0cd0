//! The one secret everything is derived from, and what is derived from it.

use std::{fmt, fs, io::Write as _, path::Path, sync::Arc};

use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::random::random;

/// Thirty-two bytes, as 64 hexadecimal digits outside. Whoever has them can open everything: they never stand in the
/// database, in a log or in an error.
#[derive(Clone)]
pub struct MasterKey(Zeroizing<[u8; 32]>);

#[derive(Debug, thiserror::Error)]
pub enum MasterKeyFailure {
    #[error("the master key is not 64 hexadecimal digits; make one with `openssl rand -hex 32`")]
    Malformed,
    #[error("the master key is too plain to be a secret; make one with `openssl rand -hex 32`")]
    Weak,
    #[error("the file of the master key, {file}, cannot be used: {source}")]
    File {
        file: String,
        #[source]
        source: std::io::Error,
    },
}

impl MasterKey {
    /// # Errors
    /// Anything but 64 hexadecimal digits, or digits nobody drew at random.
    pub fn parse(text: &str) -> Result<Self, MasterKeyFailure> {
        let mut bytes = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text.trim(), bytes.as_mut_slice()).map_err(|_not_hex| MasterKeyFailure::Malformed)?;
        let mut different = bytes.to_vec();
        different.sort_unstable();
        different.dedup();
        // Thirty-two random bytes with fewer than 16 different ones among them come once in 10^20 times.
        if different.len() < 16 { Err(MasterKeyFailure::Weak) } else { Ok(Self(bytes)) }
    }

    /// Reads the key from a file.
    ///
    /// # Errors
    /// The file cannot be read, or holds no key.
    pub fn read(file: &Path) -> Result<Self, MasterKeyFailure> {
        let text = fs::read_to_string(file).map_err(|source| unusable(file, source))?;
        Self::parse(&Zeroizing::new(text))
    }

    /// Reads the key from a file; where there is no such file, draws a key and writes it there for its owner alone.
    ///
    /// # Errors
    /// The file cannot be read or written, or holds no key.
    pub fn read_or_draw(file: &Path) -> Result<Self, MasterKeyFailure> {
        if file.exists() {
            return Self::read(file);
        }
        let bytes = random::<32>();
        write_privately(file, &Zeroizing::new(hex::encode(bytes.as_slice())))
            .map_err(|source| unusable(file, source))?;
        Self::read(file)
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[master key]")
    }
}

fn unusable(file: &Path, source: std::io::Error) -> MasterKeyFailure {
    MasterKeyFailure::File { file: file.display().to_string(), source }
}

/// Whole or not at all: under another name first, so that no half a key is ever read.
fn write_privately(file: &Path, text: &str) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let draft = file.with_extension(format!("draft-{}", std::process::id()));
    let mut open = fs::OpenOptions::new();
    let mut written = open.write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    writeln!(written, "{text}")?;
    written.sync_all()?;
    // Whoever was first, wins: a key in use is never replaced.
    let linked = fs::hard_link(&draft, file);
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    }
}

/// The derived keys, one a purpose. Cheap to clone.
#[derive(Clone)]
pub struct Vault(Arc<Keys>);

/// Those that only hash are kept as HMACs that have taken in their key already.
struct Keys {
    credentials: Hmac<Sha256>,
    signing: Hmac<Sha256>,
    fingerprints: Hmac<Sha256>,
    persons: Hmac<Sha256>,
    wrapping: Zeroizing<[u8; 32]>,
    secrets: Zeroizing<[u8; 32]>,
    mark: [u8; 32],
}

impl Vault {
    pub fn new(master: &MasterKey) -> Self {
        let master = keyed(&master.0);
        // These names never change: with another name everything would be lost that was sealed, hashed or signed.
        let derived = |purpose: &str| Zeroizing::new(mac(&master, &[b"daybook", purpose.as_bytes()]));
        Self(Arc::new(Keys {
            credentials: keyed(&derived("credential hashes")),
            signing: keyed(&derived("signing secrets")),
            fingerprints: keyed(&derived("request fingerprints")),
            persons: keyed(&derived("indexes of persons")),
            wrapping: derived("data keys"),
            secrets: derived("secrets taken over"),
            mark: *derived("mark"),
        }))
    }

    /// What is kept of a credential.
    pub fn credential_hash(&self, credential: &str) -> String {
        hex::encode(mac(&self.0.credentials, &[credential.as_bytes()]))
    }

    /// Whether this is the credential of which that was kept; in constant time.
    pub fn is_credential(&self, credential: &str, kept: &str) -> bool {
        self.credential_hash(credential).as_bytes().ct_eq(kept.as_bytes()).into()
    }

    /// The secret a merchant signs requests with: derived from the key's name and generation, stored nowhere.
    pub fn signing_secret(&self, key_id: domain::id::ApiKeyId, generation: u32) -> Zeroizing<String> {
        let secret = mac(&self.0.signing, &[key_id.uuid().as_bytes(), &generation.to_be_bytes()]);
        Zeroizing::new(format!("dbs_{}", hex::encode(secret)))
    }

    /// What the sandbox signs its reports with: the same in every process of a ledger.
    pub fn sandbox_secret(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("sbx_{}", hex::encode(mac(&self.0.signing, &[b"reports of the sandbox"]))))
    }

    /// What makes a request this request and no other.
    pub fn fingerprint(&self, parts: &[&[u8]]) -> [u8; 32] {
        mac(&self.0.fingerprints, parts)
    }

    /// Tells this key from another, and nothing about either.
    pub(crate) fn mark(&self) -> String {
        hex::encode(self.0.mark)
    }

    pub(crate) fn index(&self, parts: &[&[u8]]) -> String {
        hex::encode(mac(&self.0.persons, parts))
    }

    pub(crate) fn secrets_key(&self) -> &[u8; 32] {
        &self.0.secrets
    }

    pub(crate) fn wrapping_key(&self) -> &[u8; 32] {
        &self.0.wrapping
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[vault]")
    }
}

/// HMAC-SHA-256 that has taken in its key.
fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    // A short key is filled up with zeros, as HMAC has it.
    let mut block = Zeroizing::new([0; 64]);
    let (filled, _zeros) = block.split_at_mut(key.len());
    filled.copy_from_slice(key);
    Hmac::<Sha256>::new(block.as_slice().into())
}

/// The MAC of the parts, each with its length before it, so that no two lists of parts look alike.
fn mac(keyed: &Hmac<Sha256>, parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = keyed.clone();
    for part in parts {
        mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    #[test]
    fn what_is_derived_never_changes() {
        let vault = Vault::new(&MasterKey::parse(KEY).unwrap());
        let key_id = domain::id::ApiKeyId::new(uuid::Uuid::from_u128(1));
        assert_eq!(
            vault.credential_hash("dbk_test"),
            "a03194929fddbdd253b6ca8359f703a2b8070a1ed0b61d22385896d981eb49b5"
        );
        assert_eq!(
            vault.signing_secret(key_id, 1).as_str(),
            "dbs_73b4e761962124a128a1dff795213d72c3112930b96d80f0d9891d7d3a0091e5"
        );
        assert_ne!(vault.signing_secret(key_id, 1), vault.signing_secret(key_id, 2));
        assert_eq!(
            hex::encode(vault.fingerprint(&[b"POST", b"/"])),
            "69ca9fdbc751ce2ef21a19aa024961868014c86a0354c02f0f7f7487bfddab98"
        );
        assert_ne!(vault.fingerprint(&[b"ab", b"c"]), vault.fingerprint(&[b"a", b"bc"]));
    }

    #[test]
    fn a_credential_is_known_again_and_no_other() {
        let vault = Vault::new(&MasterKey::parse(KEY).unwrap());
        let kept = vault.credential_hash("this one");
        assert!(vault.is_credential("this one", &kept));
        assert!(!vault.is_credential("that one", &kept));
        assert!(!vault.is_credential("this one", ""));
    }

    #[test]
    fn a_plain_or_malformed_key_is_refused() {
        assert!(matches!(MasterKey::parse("abc"), Err(MasterKeyFailure::Malformed)));
        assert!(matches!(MasterKey::parse(&"0".repeat(64)), Err(MasterKeyFailure::Weak)));
        assert!(matches!(MasterKey::parse(&"0123456789abcdef".repeat(4)), Err(MasterKeyFailure::Weak)));
        assert!(MasterKey::parse(&format!(" {KEY}\n")).is_ok());
    }

    #[test]
    fn a_key_is_drawn_once_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = std::env::temp_dir().join(format!("daybook-vault-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let file = directory.join("master.key");
        let (first, second) = (MasterKey::read_or_draw(&file).unwrap(), MasterKey::read_or_draw(&file).unwrap());
        assert_eq!(first.0, second.0);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
        fs::remove_dir_all(&directory).unwrap();
        assert!(matches!(MasterKey::read(&file), Err(MasterKeyFailure::File { .. })));
    }

    #[test]
    fn no_key_is_shown() {
        let master = MasterKey::parse(KEY).unwrap();
        assert_eq!(format!("{master:?} {:?}", Vault::new(&master)), "[master key] [vault]");
    }
}
