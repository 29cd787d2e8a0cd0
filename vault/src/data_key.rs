//! A random key for the personal values of one stream, wrapped by the master key.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chacha20::{cipher::consts::U10, hchacha};
use domain::sealed::Sealed;
use event_store::DataKey;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{master_key::Vault, random::random};

/// How sealed values and wrapped keys are written today.
const FORM: u8 = 1;
const NONCE: usize = 24;
const ID: usize = 16;
const TAG: usize = 16;

/// A data key in hand, to seal values with.
pub struct Envelope {
    id: Uuid,
    key: Zeroizing<[u8; 32]>,
}

/// Why a sealed value stays closed. It never says what was inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenFailure {
    #[error("the sealed value is damaged, or was sealed under another master key")]
    Damaged,
    #[error("the sealed value has a form this program does not know")]
    UnknownForm,
}

impl Vault {
    /// Draws a key for one stream.
    pub fn envelope(&self) -> Envelope {
        Envelope { id: Uuid::now_v7(), key: random() }
    }

    /// What stands in the database of an envelope.
    ///
    /// # Panics
    /// Never: thirty-two bytes can always be sealed.
    pub fn wrapped(&self, envelope: &Envelope, person: Option<String>) -> DataKey {
        DataKey { id: envelope.id, wrapped: encrypt(self.wrapping_key(), envelope.id, envelope.key.as_slice()), person }
    }

    /// The envelope again.
    ///
    /// # Errors
    /// It was wrapped by another master key, or damaged.
    pub fn unwrap(&self, id: Uuid, wrapped: &[u8]) -> Result<Envelope, OpenFailure> {
        let opened = Zeroizing::new(decrypt(self.wrapping_key(), id, wrapped)?);
        let key = <[u8; 32]>::try_from(opened.as_slice()).map_err(|_length| OpenFailure::Damaged)?;
        Ok(Envelope { id, key: Zeroizing::new(key) })
    }
}

impl Envelope {
    /// Seals a value; `index` is the keyed index of its person.
    pub fn seal<T>(&self, value: &str, index: Option<String>) -> Sealed<T> {
        let mut bytes = self.id.as_bytes().to_vec();
        bytes.extend(encrypt(&self.key, self.id, value.as_bytes()));
        Sealed::new(URL_SAFE_NO_PAD.encode(bytes), index)
    }

    /// # Errors
    /// It was sealed with another key, or damaged.
    pub fn open<T>(&self, sealed: &Sealed<T>) -> Result<Zeroizing<String>, OpenFailure> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed.ciphertext()).map_err(|_not_base64| OpenFailure::Damaged)?;
        let (_id, rest) = bytes.split_at_checked(ID).ok_or(OpenFailure::Damaged)?;
        let text = String::from_utf8(decrypt(&self.key, self.id, rest)?).map_err(|_not_text| OpenFailure::Damaged)?;
        Ok(Zeroizing::new(text))
    }
}

/// Which data key opens it.
pub(crate) fn id_of<T>(sealed: &Sealed<T>) -> Result<Uuid, OpenFailure> {
    let bytes = URL_SAFE_NO_PAD.decode(sealed.ciphertext()).map_err(|_not_base64| OpenFailure::Damaged)?;
    let id = bytes.first_chunk::<ID>().ok_or(OpenFailure::Damaged)?;
    Ok(Uuid::from_bytes(*id))
}

/// Form, nonce, ciphertext, tag. The id is bound in: under another name nothing opens.
pub(crate) fn encrypt(key: &[u8; 32], id: Uuid, text: &[u8]) -> Vec<u8> {
    let nonce = random::<NONCE>();
    let mut sealed = Vec::with_capacity(text.len().saturating_add(1 + NONCE + TAG));
    sealed.push(FORM);
    sealed.extend_from_slice(nonce.as_slice());
    sealed.extend_from_slice(text);
    let tag = cipher(key, &nonce).and_then(|(cipher, nonce)| {
        let text = sealed.get_mut(1 + NONCE..).unwrap_or_default();
        cipher.seal_in_place_separate_tag(nonce, Aad::from(id.as_bytes()), text).ok()
    });
    match tag {
        Some(tag) => sealed.extend_from_slice(tag.as_ref()),
        // Only beyond 256 GiB of text; then nothing opens.
        None => sealed.clear(),
    }
    sealed
}

pub(crate) fn decrypt(key: &[u8; 32], id: Uuid, sealed: &[u8]) -> Result<Vec<u8>, OpenFailure> {
    let (form, rest) = sealed.split_first().ok_or(OpenFailure::Damaged)?;
    if *form != FORM {
        return Err(OpenFailure::UnknownForm);
    }
    let (nonce, ciphertext) = rest.split_first_chunk::<NONCE>().ok_or(OpenFailure::Damaged)?;
    let (cipher, nonce) = cipher(key, nonce).ok_or(OpenFailure::Damaged)?;
    let mut text = ciphertext.to_vec();
    let opened = cipher.open_in_place(nonce, Aad::from(id.as_bytes()), &mut text);
    let length = opened.map_err(|_why_is_told_to_nobody| OpenFailure::Damaged)?.len();
    text.truncate(length);
    Ok(text)
}

/// XChaCha20-Poly1305: a nonce long enough to be drawn at random stands for a key of its own and a short nonce.
fn cipher(key: &[u8; 32], nonce: &[u8; NONCE]) -> Option<(LessSafeKey, Nonce)> {
    let (first, last) = nonce.split_first_chunk::<16>()?;
    let key = Zeroizing::new(<[u8; 32]>::from(hchacha::<U10>(key.into(), first.into())));
    let mut short = [0; 12];
    short.get_mut(4..)?.copy_from_slice(last);
    let key = UnboundKey::new(&CHACHA20_POLY1305, key.as_slice()).ok()?;
    Some((LessSafeKey::new(key), Nonce::assume_unique_for_key(short)))
}

#[cfg(test)]
mod tests {
    use domain::sealed::Email;

    use super::*;
    use crate::master_key::MasterKey;

    fn vault(first: &str) -> Vault {
        let key = format!("{first}0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
        Vault::new(&MasterKey::parse(&key).unwrap())
    }

    #[test]
    fn what_was_sealed_opens_with_its_key_and_with_no_other() {
        let (vault, other) = (vault("00"), vault("ff"));
        let (envelope, foreign) = (vault.envelope(), vault.envelope());
        let sealed: Sealed<Email> = envelope.seal("ann@example.com", Some("index".to_owned()));
        assert_eq!(sealed.blind_index(), Some("index"));
        assert!(!sealed.ciphertext().contains("ann"));
        let kept = vault.wrapped(&envelope, None);
        assert_eq!(id_of(&sealed).unwrap(), kept.id);
        let again = vault.unwrap(kept.id, &kept.wrapped).unwrap();
        assert_eq!(again.open(&sealed).unwrap().as_str(), "ann@example.com");
        assert_eq!(foreign.open(&sealed).unwrap_err(), OpenFailure::Damaged);
        assert_eq!(vault.unwrap(foreign.id, &kept.wrapped).err(), Some(OpenFailure::Damaged));
        assert_eq!(other.unwrap(kept.id, &kept.wrapped).err(), Some(OpenFailure::Damaged));
    }

    /// Another program's XChaCha20-Poly1305 reads what was sealed here, and the other way round.
    #[test]
    fn the_cipher_is_the_one_everybody_has() {
        use chacha20poly1305::{
            KeyInit as _, XChaCha20Poly1305, XNonce,
            aead::{Aead as _, Payload},
        };
        for length in [0, 1, 15, 16, 17, 63, 64, 65, 300] {
            let (key, id, text) = (*random::<32>(), Uuid::now_v7(), vec![7; length]);
            let (theirs, aad) = (XChaCha20Poly1305::new(&key.into()), id.as_bytes().as_slice());
            let sealed = encrypt(&key, id, &text);
            let (nonce, ciphertext) = sealed[1..].split_at(NONCE);
            let opened = theirs.decrypt(XNonce::from_slice(nonce), Payload { msg: ciphertext, aad }).unwrap();
            assert_eq!(opened, text);
            let nonce = random::<NONCE>();
            let sealed = theirs.encrypt(XNonce::from_slice(nonce.as_slice()), Payload { msg: &text, aad }).unwrap();
            assert_eq!(decrypt(&key, id, &[&[FORM], nonce.as_slice(), &sealed].concat()).unwrap(), text);
        }
    }

    #[test]
    fn no_value_is_sealed_twice_alike() {
        let envelope = vault("00").envelope();
        let [one, two] = [(); 2].map(|()| envelope.seal::<Email>("ann@example.com", None));
        assert_ne!(one.ciphertext(), two.ciphertext());
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let envelope = vault("00").envelope();
        let sealed: Sealed<Email> = envelope.seal("ann@example.com", None);
        let bytes = URL_SAFE_NO_PAD.decode(sealed.ciphertext()).unwrap();
        for at in ID..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                let damaged: Sealed<Email> = Sealed::new(URL_SAFE_NO_PAD.encode(damaged), None);
                assert!(envelope.open(&damaged).is_err(), "byte {at}, bit {bit}");
            }
        }
        for length in 0..bytes.len() {
            let cut: Sealed<Email> = Sealed::new(URL_SAFE_NO_PAD.encode(&bytes[..length]), None);
            assert!(envelope.open(&cut).is_err(), "cut to {length}");
        }
    }
}
