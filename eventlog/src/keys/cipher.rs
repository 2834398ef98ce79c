//! AES-256-GCM. Stored shapes (final): a value is the ciphertext of its JSON; a wrapped key is nonce ‖ ciphertext of its 32
//! bytes; the associated data of both is tenant ‖ subject ‖ key id, of a tenant's key tenant ‖ key id.

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use holdfast_domain::kernel::{Sealed, TenantId};
use uuid::Uuid;

use crate::keys::{KeyRef, KeysError};

/// The bytes of a key.
pub type Secret = [u8; 32];

pub(super) const NONCE_BYTES: usize = 12;

/// Seals `plaintext` for the key's person.
///
/// # Errors
/// `Random` or `Seal`; nothing was sealed.
pub fn seal(tenant_id: TenantId, key: KeyRef, secret: &Secret, plaintext: &[u8]) -> Result<Sealed, KeysError> {
    let (nonce, ciphertext) = encrypt(secret, plaintext, &of_person(tenant_id, key))?;
    Ok(Sealed { subject: key.subject, key_id: key.key_id, nonce: BASE64.encode(nonce), ciphertext: BASE64.encode(ciphertext) })
}

/// The bytes that were sealed.
///
/// # Errors
/// `Open`: another key, or moved to another person or tenant, or changed.
pub fn open(tenant_id: TenantId, sealed: &Sealed, secret: &Secret) -> Result<Vec<u8>, KeysError> {
    let key = KeyRef::of(sealed);
    let nonce = BASE64.decode(&sealed.nonce).ok().and_then(|bytes| bytes.try_into().ok());
    let ciphertext = BASE64.decode(&sealed.ciphertext).ok();
    let plain = nonce.zip(ciphertext).and_then(|(nonce, bytes)| decrypt(secret, nonce, &bytes, &of_person(tenant_id, key)));
    plain.ok_or(KeysError::Open(key))
}

/// nonce ‖ ciphertext.
pub(super) fn wrap(outer: &Secret, data: &[u8], inner: &Secret) -> Result<Vec<u8>, KeysError> {
    let (nonce, ciphertext) = encrypt(outer, inner, data)?;
    Ok([nonce.as_slice(), &ciphertext].concat())
}

/// None: another key or other data.
pub(super) fn unwrap(outer: &Secret, data: &[u8], wrapped: &[u8]) -> Option<Secret> {
    let (nonce, ciphertext) = wrapped.split_first_chunk::<NONCE_BYTES>()?;
    decrypt(outer, *nonce, ciphertext, data)?.try_into().ok()
}

/// A value moved to another person or tenant does not open.
pub(super) fn of_person(tenant_id: TenantId, key: KeyRef) -> Vec<u8> {
    [tenant_id.uuid().as_bytes().as_slice(), key.subject.uuid().as_bytes(), key.key_id.as_bytes()].concat()
}

pub(super) fn of_tenant(tenant_id: TenantId, key_id: Uuid) -> Vec<u8> {
    [tenant_id.uuid().as_bytes().as_slice(), key_id.as_bytes()].concat()
}

pub(super) fn random<const N: usize>() -> Result<[u8; N], KeysError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| KeysError::Random)?;
    Ok(bytes)
}

fn encrypt(secret: &Secret, plaintext: &[u8], data: &[u8]) -> Result<([u8; NONCE_BYTES], Vec<u8>), KeysError> {
    let nonce = random::<NONCE_BYTES>()?;
    let payload = Payload { msg: plaintext, aad: data };
    let ciphertext = Aes256Gcm::new(secret.into()).encrypt(&Nonce::from(nonce), payload).map_err(|_| KeysError::Seal)?;
    Ok((nonce, ciphertext))
}

fn decrypt(secret: &Secret, nonce: [u8; NONCE_BYTES], ciphertext: &[u8], data: &[u8]) -> Option<Vec<u8>> {
    Aes256Gcm::new(secret.into()).decrypt(&Nonce::from(nonce), Payload { msg: ciphertext, aad: data }).ok()
}

#[cfg(test)]
mod tests {
    use holdfast_domain::kernel::PartyId;

    use super::*;

    #[test]
    fn a_value_opens_only_for_its_person_tenant_and_key() {
        // protocols 10
        let (tenant, other) = (TenantId(Uuid::from_u128(1)), TenantId(Uuid::from_u128(2)));
        let key = KeyRef { subject: PartyId(Uuid::from_u128(3)), key_id: Uuid::from_u128(4) };
        let sealed = seal(tenant, key, &[7; 32], b"\"Ada\"").unwrap();
        assert_eq!(open(tenant, &sealed, &[7; 32]).unwrap(), b"\"Ada\"");
        assert!(matches!(open(tenant, &sealed, &[8; 32]), Err(KeysError::Open(of)) if of == key));
        assert!(open(other, &sealed, &[7; 32]).is_err());
        let moved = Sealed { subject: PartyId(Uuid::from_u128(5)), ..sealed.clone() };
        assert!(open(tenant, &moved, &[7; 32]).is_err());
        assert!(open(tenant, &Sealed { nonce: "no".to_owned(), ..sealed }, &[7; 32]).is_err());
    }

    #[test]
    fn a_wrapped_key_comes_back_only_with_its_wrapper_and_data() {
        let wrapped = wrap(&[1; 32], b"data", &[2; 32]).unwrap();
        assert_eq!(unwrap(&[1; 32], b"data", &wrapped), Some([2; 32]));
        assert_eq!(unwrap(&[3; 32], b"data", &wrapped), None);
        assert_eq!(unwrap(&[1; 32], b"other", &wrapped), None);
        assert_eq!(unwrap(&[1; 32], b"data", &wrapped[..5]), None);
    }
}
