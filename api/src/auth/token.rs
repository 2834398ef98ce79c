//! Access tokens: signed here by [`Issuer`], checked here by [`Verifier`] (docs/settings.md, "Tokens").

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use holdfast_domain::kernel::{Actor, ActorKind, Money, PartyId, Role, Roles, TenantId};
use jsonwebtoken::{Algorithm, Header, Validation};
use lru::LruCache;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::auth::keys::Keyring;

/// RFC 9068: no other kind of token passes for an access token.
const TOKEN_TYPE: &str = "at+jwt";
const LEEWAY_S: u64 = 5;
/// Verified tokens that are remembered, so that a busy client costs one signature check per token.
const REMEMBERED: NonZeroUsize = match NonZeroUsize::new(16_384) {
    Some(count) => count,
    None => NonZeroUsize::MIN,
};
/// Longer ones are not looked at.
const MAX_TOKEN_BYTES: usize = 8_192;

/// Who signs, for whom, and how long a token may live.
#[derive(Debug, Clone)]
pub struct TokenPolicy {
    pub issuer: String,
    pub audience: String,
    /// `exp - iat` above this is refused: 300 for users.
    pub max_ttl_s: u64,
}

impl Default for TokenPolicy {
    fn default() -> Self {
        Self { issuer: "https://holdfast.localhost".to_owned(), audience: "holdfast".to_owned(), max_ttl_s: 300 }
    }
}

/// Who a token speaks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    iss: String,
    aud: String,
    /// The party that acts.
    sub: PartyId,
    /// The tenant it acts for; platform staff get one token per tenant that they act on.
    tid: TenantId,
    jti: Uuid,
    /// The session, by which tokens are revoked.
    sid: Uuid,
    iat: u64,
    nbf: u64,
    exp: u64,
    roles: BTreeSet<Role>,
    /// The largest release that the actor may authorise alone, per currency (IDN-70).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    limits: Vec<Money>,
}

/// A verified caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub tenant_id: TenantId,
    pub actor: Actor,
    pub session_id: Uuid,
    pub(crate) expires_at_s: u64,
}

impl From<Claims> for Identity {
    fn from(claims: Claims) -> Self {
        // Only ever a user: no token can speak for the system's own machinery.
        let actor = Actor { id: claims.sub, kind: ActorKind::User, roles: claims.roles, amount_limits: claims.limits };
        Self { tenant_id: claims.tid, actor, session_id: claims.sid, expires_at_s: claims.exp }
    }
}

/// Why a token does not count. Goes to the log; the client learns only that it does not.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("the token is too long")]
    TooLong,
    #[error("the token is no access token")]
    WrongType,
    #[error("the token is not signed by a key of ours")]
    UnknownKey,
    #[error("the token lives longer than allowed")]
    LivesTooLong,
    #[error("the token was issued in the future")]
    IssuedInFuture,
    #[error("the token is invalid")]
    Invalid(#[from] jsonwebtoken::errors::Error),
}

/// Checks tokens, and remembers those that passed until they expire.
pub struct Verifier {
    keys: Arc<Keyring>,
    policy: TokenPolicy,
    validation: Validation,
    verified: Mutex<LruCache<[u8; 32], Identity>>,
}

impl Verifier {
    #[must_use]
    pub fn new(keys: Arc<Keyring>, policy: TokenPolicy) -> Self {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.leeway = LEEWAY_S;
        validation.validate_nbf = true;
        validation.set_issuer(&[&policy.issuer]);
        validation.set_audience(&[&policy.audience]);
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        Self { keys, policy, validation, verified: Mutex::new(LruCache::new(REMEMBERED)) }
    }

    /// `now_s`: seconds since 1970.
    ///
    /// # Errors
    /// When anything about the token is not as it must be.
    pub fn verify(&self, token: &str, now_s: u64) -> Result<Identity, TokenError> {
        #[cfg(feature = "unchecked-tokens")]
        if let Some(believed) = unchecked::read(token) {
            return Ok(believed);
        }
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLong);
        }
        let fingerprint: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        if let Some(identity) = self.remembered(&fingerprint, now_s) {
            return Ok(identity);
        }
        let identity = self.check(token, now_s)?;
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        verified.put(fingerprint, identity.clone());
        metrics::gauge!("holdfast_tokens_remembered").set(f64::from(u32::try_from(verified.len()).unwrap_or(u32::MAX)));
        Ok(identity)
    }

    fn remembered(&self, fingerprint: &[u8; 32], now_s: u64) -> Option<Identity> {
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        let identity = verified.get(fingerprint)?;
        if now_s < identity.expires_at_s + LEEWAY_S {
            return Some(identity.clone());
        }
        verified.pop(fingerprint);
        None
    }

    fn check(&self, token: &str, now_s: u64) -> Result<Identity, TokenError> {
        let header = jsonwebtoken::decode_header(token)?;
        if !header.typ.is_some_and(|typ| typ.eq_ignore_ascii_case(TOKEN_TYPE)) {
            return Err(TokenError::WrongType);
        }
        let key = header.kid.as_deref().and_then(|key_id| self.keys.verifying(key_id)).ok_or(TokenError::UnknownKey)?;
        let claims = jsonwebtoken::decode::<Claims>(token, key, &self.validation)?.claims;
        if claims.iat > now_s + LEEWAY_S {
            return Err(TokenError::IssuedInFuture);
        }
        if claims.exp.saturating_sub(claims.iat) > self.policy.max_ttl_s {
            return Err(TokenError::LivesTooLong);
        }
        Ok(claims.into())
    }
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").field("policy", &self.policy).finish_non_exhaustive()
    }
}

/// What a token costs that nobody checks: `make bench` compares with it.
#[cfg(feature = "unchecked-tokens")]
mod unchecked {
    use std::cell::RefCell;
    use std::collections::HashMap;

    use super::{Claims, Identity};

    thread_local! {
        static READ: RefCell<HashMap<String, Identity>> = RefCell::default();
    }

    /// What it says of itself, read once per thread; none when it cannot be read.
    pub(super) fn read(token: &str) -> Option<Identity> {
        READ.with_borrow_mut(|read| {
            if let Some(identity) = read.get(token) {
                return Some(identity.clone());
            }
            let claims = jsonwebtoken::dangerous::insecure_decode::<Claims>(token).ok()?.claims;
            let identity = Identity::from(claims);
            read.insert(token.to_owned(), identity.clone());
            Some(identity)
        })
    }
}

/// Signs tokens: for `holdfast token`, the demo and tests, until identity exists.
#[derive(Debug, Clone)]
pub struct Issuer {
    keys: Arc<Keyring>,
    policy: TokenPolicy,
}

/// For whom a token is made.
#[derive(Debug, Clone)]
pub struct Subject {
    pub tenant_id: TenantId,
    pub party_id: PartyId,
    pub roles: Roles,
    pub limits: Vec<Money>,
}

#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    #[error("this process has no key to sign tokens with")]
    NoSigningKey,
    #[error("the token cannot be signed")]
    Signing(#[from] jsonwebtoken::errors::Error),
}

impl Issuer {
    #[must_use]
    pub fn new(keys: Arc<Keyring>, policy: TokenPolicy) -> Self {
        Self { keys, policy }
    }

    /// A token from `now_s` on, for `ttl_s` seconds (servers refuse those beyond their `max_ttl_s`).
    ///
    /// # Errors
    /// When there is no signing key.
    pub fn issue(&self, subject: &Subject, now_s: u64, ttl_s: u64) -> Result<String, IssueError> {
        let (key_id, key) = self.keys.signing().ok_or(IssueError::NoSigningKey)?;
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(TOKEN_TYPE.to_owned());
        header.kid = Some(key_id.to_owned());
        let claims = Claims {
            iss: self.policy.issuer.clone(),
            aud: self.policy.audience.clone(),
            sub: subject.party_id,
            tid: subject.tenant_id,
            jti: Uuid::now_v7(),
            sid: Uuid::now_v7(),
            iat: now_s,
            nbf: now_s,
            exp: now_s + ttl_s,
            roles: subject.roles.clone(),
            limits: subject.limits.clone(),
        };
        Ok(jsonwebtoken::encode(&header, &claims, key)?)
    }
}

/// Seconds since 1970, by this machine's clock.
#[must_use]
pub fn now_s() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use ed25519_dalek::pkcs8::EncodePrivateKey as _;
    use jsonwebtoken::EncodingKey;
    use serde_json::{Value, json};

    use super::*;

    const SEED: [u8; 32] = [7; 32];

    fn keys() -> Arc<Keyring> {
        Arc::new(Keyring::try_new(Some(SEED), &[]).unwrap())
    }

    fn verifier() -> Verifier {
        Verifier::new(keys(), TokenPolicy::default())
    }

    fn subject() -> Subject {
        let limits = vec![Money::try_from_minor(100_000, "EUR".parse().unwrap()).unwrap()];
        Subject {
            tenant_id: TenantId(Uuid::from_u128(1)),
            party_id: PartyId(Uuid::from_u128(2)),
            roles: Roles::from([Role::Finance]),
            limits,
        }
    }

    fn claims() -> Value {
        let now = now_s();
        json!({
            "iss": "https://holdfast.localhost", "aud": "holdfast", "sub": Uuid::from_u128(2), "tid": Uuid::from_u128(1),
            "jti": Uuid::from_u128(3), "sid": Uuid::from_u128(4), "iat": now, "nbf": now, "exp": now + 60, "roles": ["finance"],
        })
    }

    fn key_id() -> String {
        keys().signing().unwrap().0.to_owned()
    }

    /// Signed with our key, whatever header and claims say.
    fn signed(header: &Header, claims: &Value) -> String {
        let pkcs8 = ed25519_dalek::SigningKey::from_bytes(&SEED).to_pkcs8_der().unwrap();
        jsonwebtoken::encode(header, claims, &EncodingKey::from_ed_der(pkcs8.as_bytes())).unwrap()
    }

    fn header() -> Header {
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some("at+jwt".to_owned());
        header.kid = Some(key_id());
        header
    }

    #[test]
    fn a_token_of_ours_names_tenant_actor_roles_and_limits() {
        let token = Issuer::new(keys(), TokenPolicy::default()).issue(&subject(), now_s(), 300).unwrap();
        let verifier = verifier();
        for _ in 0..2 {
            let identity = verifier.verify(&token, now_s()).unwrap();
            assert_eq!(identity.tenant_id, subject().tenant_id);
            assert_eq!(identity.actor.id, subject().party_id);
            assert_eq!(identity.actor.kind, ActorKind::User);
            assert_eq!(identity.actor.roles, subject().roles);
            assert_eq!(identity.actor.amount_limits, subject().limits);
        }
    }

    #[test]
    fn a_remembered_token_still_expires() {
        let token = Issuer::new(keys(), TokenPolicy::default()).issue(&subject(), now_s(), 60).unwrap();
        let verifier = verifier();
        verifier.verify(&token, now_s()).unwrap();
        assert!(verifier.remembered(&Sha256::digest(token.as_bytes()).into(), now_s() + 66).is_none());
    }

    #[test]
    fn every_required_claim_is_required() {
        verifier().verify(&signed(&header(), &claims()), now_s()).unwrap();
        for name in ["exp", "nbf", "iat", "iss", "aud", "sub", "tid", "jti", "sid", "roles"] {
            let mut claims = claims();
            claims.as_object_mut().unwrap().remove(name);
            assert!(verifier().verify(&signed(&header(), &claims), now_s()).is_err(), "accepted without {name}");
        }
    }

    #[test]
    fn wrong_claims_are_refused() {
        let now = now_s();
        let wrong = [
            ("exp", json!(now - 6)),
            ("nbf", json!(now + 30)),
            ("iat", json!(now + 30)),
            ("iss", json!("https://elsewhere")),
            ("aud", json!("somebody")),
            ("exp", json!(now + 301)),
            ("roles", json!(["emperor"])),
            ("tid", json!("not a uuid")),
        ];
        for (name, value) in wrong {
            let mut claims = claims();
            claims[name] = value.clone();
            assert!(verifier().verify(&signed(&header(), &claims), now).is_err(), "accepted {name} = {value}");
        }
    }

    #[test]
    fn a_token_of_another_type_or_key_is_refused() {
        let mut id_token = header();
        id_token.typ = Some("JWT".to_owned());
        assert!(matches!(verifier().verify(&signed(&id_token, &claims()), now_s()), Err(TokenError::WrongType)));
        let mut unknown = header();
        unknown.kid = Some("other".to_owned());
        assert!(matches!(verifier().verify(&signed(&unknown, &claims()), now_s()), Err(TokenError::UnknownKey)));
        let mut without = header();
        without.kid = None;
        assert!(matches!(verifier().verify(&signed(&without, &claims()), now_s()), Err(TokenError::UnknownKey)));
    }

    #[test]
    fn a_token_signed_by_another_key_under_our_key_id_is_refused() {
        let pkcs8 = ed25519_dalek::SigningKey::from_bytes(&[8; 32]).to_pkcs8_der().unwrap();
        let forged = jsonwebtoken::encode(&header(), &claims(), &EncodingKey::from_ed_der(pkcs8.as_bytes())).unwrap();
        assert!(verifier().verify(&forged, now_s()).is_err());
    }

    #[test]
    fn none_and_hmac_are_refused() {
        let parts = |header: Value| {
            let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
            format!("{}.{}", part(&header), part(&claims()))
        };
        for alg in ["none", "None", "NONE"] {
            let unsigned = format!("{}.", parts(json!({ "alg": alg, "typ": "at+jwt", "kid": key_id() })));
            assert!(verifier().verify(&unsigned, now_s()).is_err());
        }
        // The classic mistake: the public key taken as an HMAC secret.
        let public = ed25519_dalek::SigningKey::from_bytes(&SEED).verifying_key().to_bytes();
        let mut hmac_header = Header::new(Algorithm::HS256);
        hmac_header.typ = Some("at+jwt".to_owned());
        hmac_header.kid = Some(key_id());
        let forged = jsonwebtoken::encode(&hmac_header, &claims(), &EncodingKey::from_secret(&public)).unwrap();
        assert!(verifier().verify(&forged, now_s()).is_err());
    }

    #[test]
    fn rubbish_is_refused() {
        for token in ["", ".", "..", "a.b.c", &"x".repeat(9_000)] {
            assert!(verifier().verify(token, now_s()).is_err());
        }
    }
}
