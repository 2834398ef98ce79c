//! Documents to render.

use chrono::{DateTime, Utc};
use holdfast_documents::*;

pub(crate) const SHA256: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

pub(crate) const AGREEMENT: &str = "# 1. Parties

This agreement is between **Nordlicht Produktion GmbH** (*the payer*) and **Zoë Œuvrard** (*the payee*).

# 2. Work

The payee delivers:

1. the score, in full;
2. two revisions, each within 5 days;
4. the stems:
   - strings,
   - brass.

## 2.1 Price

| Milestone | Amount | Due |
| --- | --- | --- |
| Score | 1,200.00 € | 2026-04-01 |
| Stems | 300.00 € | 2026-04-15 |

# 3. Law

Straße, Čeština, zażółć gęślą jaźń, ça va, “quoted” – 100 %. The courts of Łódź decide. The payer may end this agreement with
thirty days' notice; what was approved by then stays due. See [the rules](https://rules.example/terms) and <legal@rules.example>.

***

Done in two copies.";

pub(crate) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

pub(crate) fn draft(text: &str) -> ContractDocument {
    ContractDocument {
        title: "Agreement on a score".to_owned(),
        tenant: "Musterbühne".to_owned(),
        contract_id: "01937d5c-2b7e-7c3a-9d53-0d1f5f6a7b8c".to_owned(),
        version: 3,
        dated: at("2026-03-01T12:00:00Z"),
        text: text.to_owned(),
        text_sha256: SHA256.to_owned(),
        signatures: Vec::new(),
    }
}

pub(crate) fn signed(text: &str) -> ContractDocument {
    let in_app = Signature {
        name: "Zoë Œuvrard".to_owned(),
        email: Some("zoe@example.org".to_owned()),
        role: "payee".to_owned(),
        typed_name: Some("Zoë Œuvrard".to_owned()),
        consent: "I have read this agreement and sign it electronically; I know that this binds me like a signature by hand.".to_owned(),
        signed_at: at("2026-03-01T11:59:58.123456Z"),
        ip: Some("2001:db8::7".to_owned()),
        user_agent: Some("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0".to_owned()),
        signed_with: SignedWith::InApp,
    };
    let by_provider = Signature {
        name: "Jan Kowalczyk".to_owned(),
        email: None,
        role: "payer".to_owned(),
        typed_name: None,
        ip: None,
        user_agent: None,
        signed_with: SignedWith::Provider { provider: "Signwell".to_owned(), envelope_id: "env-7f3a".to_owned() },
        ..in_app.clone()
    };
    ContractDocument { signatures: vec![in_app, by_provider], ..draft(text) }
}

pub(crate) fn statement(lines: usize) -> StatementDocument {
    let line = |number: usize| StatementLine {
        recorded_at: at("2026-03-02T08:15:30Z"),
        value_at: at("2026-03-01T23:00:00Z"),
        what: if number.is_multiple_of(2) { "Released by escrow" } else { "Payout to bank account" }.to_owned(),
        reference: format!("01937d5c-2b7e-7c3a-9d53-{number:012}"),
        amount_in: number.is_multiple_of(2).then(|| "1,234,567.89".to_owned()),
        amount_out: (!number.is_multiple_of(2)).then(|| "10.00".to_owned()),
        balance_after: "12,345,678.90".to_owned(),
    };
    StatementDocument {
        tenant: "Musterbühne".to_owned(),
        owner_id: "01937d5c-2b7e-7c3a-9d53-000000000001".to_owned(),
        wallet_id: "01937d5c-2b7e-7c3a-9d53-000000000002".to_owned(),
        currency: "EUR".to_owned(),
        period: "2026-03".to_owned(),
        from_position: 17,
        to_position: 4711,
        dated: at("2026-04-01T00:00:00Z"),
        opening_balance: "100.00".to_owned(),
        lines: (1..=lines).map(line).collect(),
        total_in: "7,777.70".to_owned(),
        total_out: "660.00".to_owned(),
        closing_balance: "12,345,678.90".to_owned(),
    }
}

pub(crate) fn call_sheet() -> CallSheetDocument {
    let schedule = [("07:30", "Crew call"), ("09:00", "Rehearsal on stage, all musicians"), ("20:00–22:30", "Performance")];
    CallSheetDocument {
        title: "Night of the Harps".to_owned(),
        tenant: "Musterbühne".to_owned(),
        booking_id: "01937d5c-2b7e-7c3a-9d53-00000000000b".to_owned(),
        version: 2,
        published_at: at("2026-03-01T12:00:00Z"),
        location: "Große Halle, Hauptstraße 1, 10115 Berlin".to_owned(),
        schedule: schedule.map(|(time, what)| ScheduleLine { time: time.to_owned(), what: what.to_owned() }).to_vec(),
        sections: vec![
            Section { heading: "Access".to_owned(), text: "Gate 3, behind the theatre.\nBring the pass; *no* parking.".to_owned() },
            Section { heading: "Catering".to_owned(), text: "Vegetarian on request.".to_owned() },
        ],
        contacts: vec![Contact { name: "Ana Ruiz".to_owned(), role: "Stage manager".to_owned(), reach: "+49 30 1234567".to_owned() }],
    }
}
