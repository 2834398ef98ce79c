//! IDN-80: a token counts only as we signed it, to the last bit, and only with claims that are right.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer as _, SigningKey};
use holdfast_domain::kernel::{PartyId, Role, Roles, TenantId};
use holdfast_fuzzing::{Dice, Target};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::auth::{Issuer, Keyring, Subject, TokenPolicy, Verifier};

const SEED: [u8; 32] = [7; 32];
/// Seconds; in the middle of the life of every good token here. The library asks the real clock as well.
fn now() -> u64 {
    crate::auth::now_s()
}

fn keys() -> Arc<Keyring> {
    Arc::new(Keyring::try_new(Some(SEED), &[]).unwrap())
}

fn verifier() -> Verifier {
    Verifier::new(keys(), TokenPolicy::default())
}

fn issued(role: Role) -> String {
    let subject = Subject {
        tenant_id: TenantId(Uuid::from_u128(1)),
        party_id: PartyId(Uuid::from_u128(2)),
        roles: Roles::from([role]),
        limits: Vec::new(),
    };
    Issuer::new(keys(), TokenPolicy::default()).issue(&subject, now(), 300).unwrap()
}

/// Signed by `seed`, whatever header and claims say.
fn signed(seed: [u8; 32], header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let signature = SigningKey::from_bytes(&seed).sign(message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
}

fn key_id() -> String {
    keys().signing().unwrap().0.to_owned()
}

fn header() -> Value {
    json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": key_id() })
}

fn claims() -> Value {
    json!({
        "iss": TokenPolicy::default().issuer, "aud": TokenPolicy::default().audience, "sub": Uuid::from_u128(2), "tid": Uuid::from_u128(1),
        "jti": Uuid::from_u128(3), "sid": Uuid::from_u128(4), "iat": now(), "nbf": now(), "exp": now() + 60, "roles": ["finance"],
    })
}

#[test]
fn fuzz_tokens() {
    let good = [issued(Role::Finance), issued(Role::Superadmin), signed(SEED, &header(), &claims())];
    let public = SigningKey::from_bytes(&SEED).verifying_key().to_bytes();
    let mut hmac = Header::new(Algorithm::HS256);
    (hmac.typ, hmac.kid) = (Some("at+jwt".to_owned()), Some(key_id()));
    let forged = [
        signed([8; 32], &header(), &claims()),
        jsonwebtoken::encode(&hmac, &claims(), &EncodingKey::from_secret(&public)).unwrap(),
        format!(
            "{}.{}.",
            URL_SAFE_NO_PAD.encode(header().to_string().replace("EdDSA", "none")),
            URL_SAFE_NO_PAD.encode(claims().to_string())
        ),
    ];
    let corpus = good.iter().chain(&forged).map(|token| token.clone().into_bytes()).collect();
    let verifier = verifier();
    let words = [".", "=", "-", "_", "A", "eyJ", "bm9uZQ", " "];
    Target { name: "tokens", corpus, words: &words }.run(|input| {
        let token = String::from_utf8_lossy(input);
        let accepted = verifier.verify(&token, now()).is_ok();
        assert!(!accepted || good.iter().any(|ours| *ours == token), "accepted, and not as we signed it: {token}");
        accepted
    });
}

#[test]
fn a_token_with_any_character_changed_is_refused() {
    let token = issued(Role::Finance).into_bytes();
    let verifier = verifier();
    for at in 0..token.len() {
        for other in *b"AQgwZz09-_.= " {
            let mut changed = token.clone();
            changed[at] = other;
            let changed = String::from_utf8(changed).unwrap();
            assert!(changed.as_bytes() == token || verifier.verify(&changed, now()).is_err(), "{changed}");
        }
    }
}

/// A claim or a field of the header: what is written, and whether a token with it may pass.
fn spoiled(dice: &mut Dice) -> (Value, Value, bool) {
    let now = now();
    let choices = [
        ("claim", "aud", json!("holdfast"), true),
        ("claim", "aud", json!(["holdfast"]), false),
        ("claim", "aud", json!("elsewhere"), false),
        ("claim", "aud", json!(["elsewhere"]), false),
        ("claim", "aud", json!([]), false),
        ("claim", "aud", Value::Null, false),
        ("claim", "iss", json!("https://elsewhere"), false),
        ("claim", "iss", json!(""), false),
        ("claim", "exp", json!(now - 60), false),
        ("claim", "exp", json!(now + 299), true),
        ("claim", "exp", json!(now + 3_000), false),
        ("claim", "exp", json!(u64::MAX), false),
        ("claim", "exp", json!(-1), false),
        ("claim", "exp", json!("never"), false),
        ("claim", "nbf", json!(now + 60), false),
        ("claim", "iat", json!(now + 60), false),
        ("claim", "iat", json!(0), false),
        ("claim", "tid", json!("*"), false),
        ("claim", "sub", Value::Null, false),
        ("claim", "roles", json!(["superadmin"]), true),
        ("claim", "roles", json!(["root"]), false),
        ("claim", "roles", json!("superadmin"), false),
        ("claim", "limits", json!([{ "amount": "1.001", "currency": "EUR" }]), false),
        ("claim", "limits", json!([{ "amount": "10.00", "currency": "EUR" }]), true),
        ("header", "alg", json!("none"), false),
        ("header", "alg", json!("HS256"), false),
        ("header", "alg", json!("ES256"), false),
        ("header", "typ", json!("JWT"), false),
        ("header", "typ", json!("AT+JWT"), true),
        ("header", "kid", json!("other"), false),
        ("header", "kid", json!("../../dev/null"), false),
        ("header", "jku", json!("https://elsewhere/keys"), true), // ignored: the key is ours
    ];
    let (mut header, mut claims, mut passes) = (header(), claims(), true);
    for _ in 0..=dice.below(2) {
        let (place, name, value, good) = dice.pick(&choices).unwrap().clone();
        if place == "claim" {
            claims[name] = value
        } else {
            header[name] = value
        }
        // A later choice may mend an earlier one: what it comes to is read off at the end.
        passes &= good;
    }
    (header, claims, passes)
}

#[test]
fn a_token_of_ours_counts_only_with_the_right_claims() {
    let (mut dice, verifier, mut accepted) = (Dice::new(1), verifier(), 0);
    for _ in 0..2_000 {
        let (header, claims, passes) = spoiled(&mut dice);
        let token = signed(SEED, &header, &claims);
        let read = verifier.verify(&token, now());
        if passes {
            assert!(read.is_ok(), "{header} {claims}: {read:?}");
            accepted += 1;
        } else if let Ok(identity) = read {
            // Only where a second choice took the place of a spoiled one.
            assert!(is_right(&header, &claims), "{header} {claims}: {identity:?}");
        }
    }
    assert!(accepted > 50);
}

fn is_right(header: &Value, claims: &Value) -> bool {
    let audience = claims["aud"] == "holdfast";
    let life = claims["exp"].as_u64().zip(claims["iat"].as_u64()).is_some_and(|(exp, iat)| exp > now() - 6 && exp - iat <= 300);
    audience && life && claims["iss"] == TokenPolicy::default().issuer && header["alg"] == "EdDSA" && header["kid"] == key_id()
}
