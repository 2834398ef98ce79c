//! Completion codes (JOB-33). None is stored: the n-th code of a booking follows from a key of the server, so that whoever
//! reads the log or a read model learns nothing, and a restart forgets nothing.

use hmac::{Hmac, KeyInit as _, Mac as _};
use holdfast_domain::booking::MOST_CODES;
use holdfast_domain::kernel::{BookingId, TenantId};
use sha2::Sha256;

/// Crockford's base 32: no letter looks like a digit.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const CHARACTERS: usize = 8;

/// What codes are made with: one server key, for this purpose alone.
pub(crate) struct CodeKey([u8; 32]);

impl CodeKey {
    pub(crate) fn of(server_key: &[u8; 32]) -> Self {
        Self(hmac(server_key, &[b"completion codes of bookings, 1"]))
    }

    /// The `number`-th code of the booking.
    pub(crate) fn code(&self, tenant_id: TenantId, booking_id: BookingId, number: u32) -> String {
        let mac = hmac(&self.0, &[tenant_id.uuid().as_bytes(), booking_id.uuid().as_bytes(), &number.to_be_bytes()]);
        let bits = mac.iter().take(5).fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
        let digit = |place: usize| ALPHABET[usize::try_from(bits >> (5 * (CHARACTERS - 1 - place)) & 31).unwrap_or_default()];
        (0..CHARACTERS).map(|place| char::from(digit(place))).collect()
    }

    /// Which of the codes up to `newest` was given; none when it is none of them.
    pub(crate) fn number_of(&self, tenant_id: TenantId, booking_id: BookingId, newest: u32, given: &str) -> Option<u32> {
        let given = as_written(given);
        let oldest = newest.saturating_sub(2 * MOST_CODES).max(1);
        (oldest..=newest).rev().find(|number| are_equal(&self.code(tenant_id, booking_id, *number), &given))
    }
}

/// As codes are read out and typed: any case, spaces and dashes, O for 0, I and L for 1.
fn as_written(given: &str) -> String {
    let letters = given.chars().filter(|letter| !matches!(letter, ' ' | '-'));
    let canonical = letters.map(|letter| match letter.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        letter => letter,
    });
    canonical.collect()
}

/// Takes as long for a near miss as for a far one.
fn are_equal(code: &str, given: &str) -> bool {
    let differences = code.bytes().zip(given.bytes()).fold(0, |differences, (a, b)| differences | (a ^ b));
    code.len() == given.len() && differences == 0
}

fn hmac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    // A key of 32 bytes is always accepted.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const TENANT: TenantId = TenantId(Uuid::from_u128(1));
    const BOOKING: BookingId = BookingId(Uuid::from_u128(2));

    fn key() -> CodeKey {
        CodeKey::of(&[7; 32])
    }

    #[test]
    fn a_code_is_eight_letters_that_follow_from_key_tenant_booking_and_number() {
        // JOB-33
        let code = key().code(TENANT, BOOKING, 1);
        assert!(code.len() == 8 && code.bytes().all(|letter| ALPHABET.contains(&letter)), "{code}");
        assert_eq!(code, key().code(TENANT, BOOKING, 1));
        assert_ne!(code, key().code(TENANT, BOOKING, 2));
        assert_ne!(code, key().code(TENANT, BookingId(Uuid::from_u128(3)), 1));
        assert_ne!(code, key().code(TenantId(Uuid::from_u128(3)), BOOKING, 1));
        assert_ne!(code, CodeKey::of(&[8; 32]).code(TENANT, BOOKING, 1));
    }

    #[test]
    fn a_code_is_found_however_it_is_written_down() {
        let code = key().code(TENANT, BOOKING, 2);
        let spoken = format!(" {}-{}", &code[..4].to_lowercase(), &code[4..]);
        for given in [code.clone(), spoken.replace('0', "o").replace('1', "l"), spoken] {
            assert_eq!(key().number_of(TENANT, BOOKING, 3, &given), Some(2), "{given}");
        }
        assert_eq!(key().number_of(TENANT, BOOKING, 1, &code), None, "it was not issued yet");
        for given in ["", "0", "00000000", &code[1..], &format!("{code}0")] {
            assert_eq!(key().number_of(TENANT, BOOKING, 3, given), None, "{given}");
        }
    }
}
