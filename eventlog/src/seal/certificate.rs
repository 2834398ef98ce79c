//! Certificates of erasure (ADM-25, CNF-33): when a seal covers the end of a person's keys, the sealer signs what happened.
//! docs/privacy.md has every byte.

use std::fmt::Write as _;

use holdfast_domain::kernel::{PartyId, TenantId};
use holdfast_domain::person::{ErasureReason, Person, PersonEvent};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use uuid::Uuid;

use super::head::{Seal, SealKeys, SealingKey, Stamp};
use super::leaf::leaf_hash;
use super::store::stream;
use super::tree::{Hash, hex_hash};
use crate::LogError;
use crate::types::StoredEvent;

/// Of the streams of erasures, as stored.
const PERSON: &str = "person";

/// That everything sealed for a person can be opened by nobody any more. In this shape over HTTP and on the command line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ErasureCertificate {
    pub tenant_id: TenantId,
    pub subject: PartyId,
    pub requested_by: PartyId,
    pub reason: ErasureReason,
    pub erased_event_id: Uuid,
    pub erased_position: i64,
    pub erased_at: Stamp,
    pub keys_destroyed_event_id: Uuid,
    pub keys_destroyed_position: i64,
    pub keys_destroyed_at: Stamp,
    /// How many keys were destroyed.
    pub keys: u32,
    /// The leaf of `person.keys_destroyed` in the tenant's tree.
    #[serde(with = "hex_hash")]
    pub leaf_hash: Hash,
    /// The head that covers both events.
    pub seal: Seal,
    pub key_id: String,
    /// Ed25519, 64 bytes in base64.
    pub signature: String,
}

/// Why a certificate proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error("the certificate is not signed by the key that was given")]
    Signature,
    #[error("its seal is not signed by the key that was given")]
    Seal,
    #[error("its seal does not cover its events")]
    Coverage,
}

impl ErasureCertificate {
    /// The text under the signature.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = "holdfast-erasure/1\n".to_owned();
        let reason = serde_json::to_value(self.reason).unwrap_or_default();
        let lines: [&dyn std::fmt::Display; 15] = [
            &self.tenant_id.uuid(),
            &self.subject.uuid(),
            &self.requested_by.uuid(),
            &reason.as_str().unwrap_or_default(),
            &self.erased_event_id,
            &self.erased_position,
            &self.erased_at.as_str(),
            &self.keys_destroyed_event_id,
            &self.keys_destroyed_position,
            &self.keys_destroyed_at.as_str(),
            &self.keys,
            &hex::encode(self.leaf_hash),
            &self.seal.size,
            &hex::encode(self.seal.root),
            &self.seal.sealed_at.as_str(),
        ];
        for line in lines {
            let _ = writeln!(text, "{line}");
        }
        text
    }

    /// Needs nothing but the public keys.
    ///
    /// # Errors
    /// Says what does not hold.
    pub fn verify(&self, keys: &SealKeys) -> Result<(), CertificateError> {
        if !keys.signed(&self.key_id, &self.text(), &self.signature) {
            return Err(CertificateError::Signature);
        }
        if !keys.accept(&self.seal) {
            return Err(CertificateError::Seal);
        }
        let positions = [1, self.erased_position, self.keys_destroyed_position, self.seal.size];
        if self.seal.tenant_id != self.tenant_id || !positions.is_sorted() {
            return Err(CertificateError::Coverage);
        }
        Ok(())
    }

    /// None: the stream does not say that the keys are gone.
    fn made(key: &SealingKey, seal: &Seal, events: &[StoredEvent]) -> Result<Option<Self>, LogError> {
        let (mut erased, mut destroyed) = (None, None);
        for stored in events {
            let recorded = stored.decode()?;
            match recorded.event.of::<Person>() {
                Some(PersonEvent::Erased { subject, requested_by, reason }) => {
                    erased = Some((*subject, *requested_by, *reason, stored.position, recorded.metadata));
                }
                Some(PersonEvent::KeysDestroyed { keys, at, .. }) => destroyed = Some((*keys, *at, stored, recorded.metadata)),
                None => {}
            }
        }
        let Some(((subject, requested_by, reason, erased_position, first), (keys, at, stored, last))) = erased.zip(destroyed) else {
            return Ok(None);
        };
        let mut certificate = Self {
            tenant_id: seal.tenant_id,
            subject,
            requested_by,
            reason,
            erased_event_id: first.event_id.uuid(),
            erased_position,
            erased_at: Stamp::of(first.occurred_at),
            keys_destroyed_event_id: last.event_id.uuid(),
            keys_destroyed_position: stored.position,
            keys_destroyed_at: Stamp::of(at),
            keys,
            leaf_hash: leaf_hash(stored),
            seal: seal.clone(),
            key_id: String::new(),
            signature: String::new(),
        };
        (certificate.key_id, certificate.signature) = key.sign_text(&certificate.text());
        Ok(Some(certificate))
    }
}

/// Signs a certificate for each erasure of the tenant that `seal` covers and that has none. Returns how many.
pub(super) async fn certify(connection: &mut PgConnection, key: &SealingKey, seal: &Seal) -> Result<usize, LogError> {
    let wanting: Vec<Uuid> = sqlx::query_scalar(
        "SELECT e.aggregate_id FROM events e
         WHERE e.tenant_id = $1 AND e.aggregate_type = $2 AND e.event_type = 'person.keys_destroyed' AND e.position <= $3
         AND NOT EXISTS (SELECT FROM erasure_certificates c WHERE c.tenant_id = e.tenant_id AND c.subject = e.aggregate_id)",
    )
    .bind(seal.tenant_id.uuid())
    .bind(PERSON)
    .bind(seal.size)
    .fetch_all(&mut *connection)
    .await?;
    let mut made = 0;
    for subject in wanting {
        let events = stream(connection, seal.tenant_id, PERSON, subject).await?;
        let Some(certificate) = ErasureCertificate::made(key, seal, &events)? else { continue };
        // Two sealers for a moment: the first one's stands.
        sqlx::query(
            "INSERT INTO erasure_certificates (tenant_id, subject, certified_at, certificate) VALUES ($1, $2, now(), $3::json)
             ON CONFLICT DO NOTHING",
        )
        .bind(seal.tenant_id.uuid())
        .bind(subject)
        .bind(serde_json::json!(certificate).to_string())
        .execute(&mut *connection)
        .await?;
        made += 1;
    }
    Ok(made)
}

/// None until a seal covers the end of the person's keys.
///
/// # Errors
/// When the database does not answer, or does not hold a certificate there.
pub async fn erasure_certificate(
    connection: &mut PgConnection,
    tenant_id: TenantId,
    subject: PartyId,
) -> Result<Option<ErasureCertificate>, LogError> {
    let text: Option<String> =
        sqlx::query_scalar("SELECT certificate::text FROM erasure_certificates WHERE tenant_id = $1 AND subject = $2")
            .bind(tenant_id.uuid())
            .bind(subject.uuid())
            .fetch_optional(connection)
            .await?;
    let read = |text: String| serde_json::from_str(&text).map_err(|error| sqlx::Error::Decode(Box::new(error)));
    Ok(text.map(read).transpose()?)
}
