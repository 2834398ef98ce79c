//! The agreement of a booking whose tenant has no text of its own. A sober start, not legal advice: what must be in
//! a contract depends on the country (CTR-40), and a tenant's own template replaces it.

use crate::contract::Variable;

/// Used when no template is named (CTR-46).
pub const STANDARD_AGREEMENT: &str = "\
# Booking agreement

## 1. Parties

This agreement is between **{{payer}}** (the client) and **{{talent}}** (the talent). The booking was made through the
organisation named in the booking; its booking terms apply where this agreement says nothing.

## 2. Service

The talent performs the following for the client: {{title}}.

## 3. Time and place

From {{from}} to {{to}}. Place: {{location}}.

A change of time or place needs the consent of both parties and is recorded with the booking.

## 4. Price

The client pays **{{price}} {{currency}}** for the whole service. The fees of the organisation and of the platform and
the taxes on them are taken from this price as shown with the booking; nothing else is charged unless both parties agree.

## 5. Payment in escrow

The client pays the price into escrow before the service begins. It is held there for both parties: the talent can
rely on its being there, the client on its being released only for the service agreed here.

## 6. Delivery and release

The service is delivered when the talent has performed it and this has been confirmed, by the completion code or by
submitting the delivery. The client has the time shown with the escrow to approve or to object; where the rules of the
booking say so, silence counts as approval. The price is then released to the talent, less the fees named in section 4.

## 7. Disputes

Either party may raise a dispute before the price is released. The disputed amount stays in escrow until both parties
agree or the dispute is decided by the procedure of the platform, in which both are heard and may submit evidence. The
right to go to court is not limited by this.

## 8. Cancellation

Before the service begins, either party may cancel the booking. Money in escrow is then returned to the client as the
cancellation rules shown with the booking provide. Once the service has begun, it ends by agreement of both parties or by
the decision of a dispute.

## 9. Signature

This agreement is made when both parties have accepted or signed it. The text that was signed is identified by its SHA-256
fingerprint, which is recorded with each signature.
";

/// What the standard text asks for; the place may stay open.
#[must_use]
pub fn standard_variables() -> Vec<Variable> {
    let required = ["payer", "talent", "title", "from", "to", "price", "currency"];
    let variable = |name: &str, required, default| Variable { name: name.to_owned(), description: String::new(), required, default };
    let mut variables: Vec<Variable> = required.into_iter().map(|name| variable(name, true, None)).collect();
    variables.push(variable("location", false, Some("as agreed with the booking".to_owned())));
    variables
}
