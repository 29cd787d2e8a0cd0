//! A checkpoint: size and root of the tree, in the form of C2SP, with signatures.
//!
//! ```text
//! <origin>
//! <size>
//! <base64 of the root>
//!
//! — <origin> <base64 of key id and signature>
//! ```

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::hash::Hash;
use crate::key::{SignFailure, Signer, VerifierKey};

/// As much of a note as is ever read.
const NOTE_MAX: usize = 16 * 1024;
const SIGNATURES_MAX: usize = 16;
const DASH: &str = "\u{2014} ";

/// What was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Whose log it is.
    pub origin: String,
    pub size: u64,
    pub root: Hash,
}

/// A checkpoint as it was read, with signatures nobody has looked at yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    checkpoint: Checkpoint,
    /// Up to the empty line: what is signed.
    text: String,
    signatures: Vec<Signature>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Signature {
    name: String,
    key_id: [u8; 4],
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteFailure {
    #[error("this is no signed checkpoint: {0}")]
    Malformed(&'static str),
    #[error("the checkpoint is not signed by any of the keys that are trusted")]
    Unsigned,
    #[error("the checkpoint has a signature of a trusted key that is not true")]
    Forged,
}

impl Checkpoint {
    fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, self.root)
    }

    /// The note of it, signed by all of these.
    ///
    /// # Errors
    /// One of them did not sign.
    pub async fn sign(self, signers: &[Box<dyn Signer>]) -> Result<Note, SignFailure> {
        let text = self.text();
        let mut signatures = Vec::with_capacity(signers.len());
        for signer in signers {
            let bytes = signer.sign(text.as_bytes()).await?;
            let key = signer.key();
            signatures.push(Signature { name: key.name().to_owned(), key_id: key.id(), bytes: bytes.to_vec() });
        }
        Ok(Note { checkpoint: self, text, signatures })
    }
}

impl Note {
    /// What it says, once a key that is trusted has signed it. Signatures of other keys are passed over, as C2SP has it.
    ///
    /// # Errors
    /// No such key has signed it, or one has a signature here that it did not make.
    pub fn verify(&self, trusted: &[VerifierKey]) -> Result<&Checkpoint, NoteFailure> {
        let mut is_signed = false;
        for signature in &self.signatures {
            let keys = trusted.iter().filter(|key| key.name() == signature.name && key.id() == signature.key_id);
            for key in keys {
                if !key.verifies(self.text.as_bytes(), &signature.bytes) {
                    return Err(NoteFailure::Forged);
                }
                // Whoever signs checkpoints of a log has the name of the log.
                is_signed |= key.name() == self.checkpoint.origin;
            }
        }
        if is_signed { Ok(&self.checkpoint) } else { Err(NoteFailure::Unsigned) }
    }

    /// By which keys it claims to be signed: name and key id.
    pub fn signers(&self) -> Vec<String> {
        self.signatures.iter().map(|signed| format!("{}+{}", signed.name, hex::encode(signed.key_id))).collect()
    }

    /// What it says, whoever says so.
    pub const fn claimed(&self) -> &Checkpoint {
        &self.checkpoint
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        for Signature { name, key_id, bytes } in &self.signatures {
            let blob = [key_id.as_slice(), bytes].concat();
            writeln!(f, "{DASH}{name} {}", STANDARD.encode(blob))?;
        }
        Ok(())
    }
}

impl FromStr for Note {
    type Err = NoteFailure;

    fn from_str(note: &str) -> Result<Self, NoteFailure> {
        let malformed = NoteFailure::Malformed;
        if note.len() > NOTE_MAX {
            return Err(malformed("it is too long"));
        }
        if note.contains(|c: char| c.is_control() && c != '\n') {
            return Err(malformed("it has control characters in it"));
        }
        let (text, signed) = note.rsplit_once("\n\n").ok_or(malformed("it has no empty line"))?;
        let signed = signed.strip_suffix('\n').ok_or(malformed("its last line has no end"))?;
        let signatures = signed.split('\n').map(signature).collect::<Option<Vec<_>>>();
        let signatures = signatures.ok_or(malformed("a line is no signature"))?;
        if signatures.len() > SIGNATURES_MAX {
            return Err(malformed("it has too many signatures"));
        }
        let text = format!("{text}\n");
        let checkpoint = body(&text).ok_or(malformed("it does not say origin, size and root"))?;
        Ok(Self { checkpoint, text, signatures })
    }
}

fn signature(line: &str) -> Option<Signature> {
    let (name, blob) = line.strip_prefix(DASH)?.split_once(' ')?;
    let blob = STANDARD.decode(blob).ok()?;
    let (key_id, bytes) = blob.split_first_chunk::<4>()?;
    let is_name = !name.is_empty() && !name.contains('+');
    (is_name && !bytes.is_empty()).then(|| Signature { name: name.to_owned(), key_id: *key_id, bytes: bytes.to_vec() })
}

/// Lines after the third are extensions: signed with the rest, and nothing to us.
fn body(text: &str) -> Option<Checkpoint> {
    let mut lines = text.split('\n');
    let (origin, size, root) = (lines.next()?, lines.next()?, lines.next()?);
    let number: u64 = size.parse().ok()?;
    let is_plain = number.to_string() == size;
    (is_plain && !origin.is_empty() && i64::try_from(number).is_ok()).then_some(Checkpoint {
        origin: origin.to_owned(),
        size: number,
        root: root.parse().ok()?,
    })
}
