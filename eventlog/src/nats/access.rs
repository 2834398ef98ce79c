//! Who may do what on NATS: the accounts section of a server's configuration.
//!
//! Our own components share one account. Every outside consumer has an account of its own that imports what it may use,
//! because permissions alone do not hold it: a consumer that may ask for its next message chooses where the answer goes, and
//! in the account of the stream an answer can go to another tenant's subject or to the address that deletes the stream.

use std::fmt::Write as _;

use holdfast_domain::kernel::TenantId;
use serde::{Deserialize, Serialize};

use super::SEALS;

/// The account of our own components and of the streams.
pub const ACCOUNT: &str = "HOLDFAST";
/// What outside consumers put in the place of `$JS.API`.
pub const CONSUMER_API: &str = "HOLDFAST.API";
const CONNECTIONS_PER_CONSUMER: u32 = 8;
const SUBSCRIPTIONS_PER_CONSUMER: u32 = 64;

/// Public nkeys of our own users (or names of variables, in a file that an operator fills in).
#[derive(Debug, Clone)]
pub struct Identities<'a> {
    /// Publishes, and manages the streams.
    pub relay: &'a str,
    /// Reads events.
    pub subscriber: &'a str,
    /// Makes and deletes the durables of outside consumers.
    pub admin: &'a str,
}

/// An outside consumer of one tenant's events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Grant {
    pub tenant_id: TenantId,
    pub name: ConsumerName,
    /// Of an nkey user: `U…`.
    pub public_key: String,
}

/// 1 to 32 of `a-z`, `0-9` and `-`; unique within a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ConsumerName(String);

#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    #[error("a consumer's name is 1 to 32 of a-z, 0-9 and -")]
    Name,
    #[error("line {line} of the consumers file is not what holdfast wrote there")]
    Unreadable { line: usize },
}

impl std::str::FromStr for ConsumerName {
    type Err = AccessError;

    fn from_str(text: &str) -> Result<Self, AccessError> {
        let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if (1..=32).contains(&text.len()) && text.bytes().all(known) { Ok(Self(text.to_owned())) } else { Err(AccessError::Name) }
    }
}

impl TryFrom<String> for ConsumerName {
    type Error = AccessError;

    fn try_from(text: String) -> Result<Self, AccessError> {
        text.parse()
    }
}

impl From<ConsumerName> for String {
    fn from(name: ConsumerName) -> Self {
        name.0
    }
}

impl std::fmt::Display for ConsumerName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Grant {
    /// The durable pull consumer on the stream: `<tenant>_<name>`.
    #[must_use]
    pub fn durable(&self) -> String {
        format!("{}_{}", self.tenant_id, self.name)
    }

    #[must_use]
    pub fn inbox_prefix(&self) -> String {
        format!("_INBOX_{}", self.name)
    }

    /// What it may read.
    #[must_use]
    pub fn subject(&self) -> String {
        format!("events.{}.>", self.tenant_id)
    }

    /// The signed heads of its tenant's log.
    #[must_use]
    pub fn seals_subject(&self) -> String {
        format!("seals.{}", self.tenant_id)
    }

    /// `(permitted here, imported from there)` for every subject that it may publish to: what a pull consumer needs, on both streams.
    fn services(&self) -> Vec<(String, String)> {
        let durable = self.durable();
        let of_stream = |stream: &str| {
            let api = |call: &str| {
                let address = format!("CONSUMER.{call}.{stream}.{durable}");
                (format!("{CONSUMER_API}.{address}"), format!("$JS.API.{address}"))
            };
            // The address of an acknowledgement comes with the message and cannot be renamed.
            let ack = format!("$JS.ACK.{stream}.{durable}.>");
            [api("MSG.NEXT"), api("INFO"), (ack.clone(), ack)]
        };
        ["EVENTS", SEALS].map(of_stream).concat()
    }

    /// Its account, with one user.
    fn account(&self) -> String {
        let (durable, subject, seals) = (self.durable(), self.subject(), self.seals_subject());
        let (inbox, key, services) = (self.inbox_prefix(), &self.public_key, self.services());
        let publish: Vec<String> = services.iter().map(|(here, _)| format!("\"{here}\"")).collect();
        let mut text = format!("\"CONSUMER_{durable}\": {{\n");
        let _ = writeln!(
            text,
            "  limits: {{ max_connections: {CONNECTIONS_PER_CONSUMER}, max_subscriptions: {SUBSCRIPTIONS_PER_CONSUMER} }}\n  \
             users: [ {{ nkey: {key}, permissions: {{\n    publish: {{ allow: [ {} ] }}\n    \
             subscribe: {{ allow: [ \"{subject}\", \"{seals}\", \"{inbox}.>\" ] }}\n  }} }} ]\n  imports: [\n    \
             {{ stream: {{ account: {ACCOUNT}, subject: \"{subject}\" }} }}\n    \
             {{ stream: {{ account: {ACCOUNT}, subject: \"{seals}\" }} }}",
            publish.join(", "),
        );
        for (here, there) in services {
            let renamed = if here == there { String::new() } else { format!(", to: \"{here}\"") };
            let _ = writeln!(text, "    {{ service: {{ account: {ACCOUNT}, subject: \"{there}\" }}{renamed} }}");
        }
        text.push_str("  ]\n}\n");
        text
    }
}

/// The section `accounts { … }` of a server's configuration, without the consumers, who are in the file that it includes.
#[must_use]
pub fn accounts(identities: &Identities<'_>, consumers_file: &str) -> String {
    let Identities { relay, subscriber, admin } = identities;
    format!(
        r#"accounts {{
  {ACCOUNT} {{
    jetstream: enabled
    users: [
      {{ nkey: {relay}, permissions: {{
        publish: {{ allow: [
          "events.>", "seals.>", "$JS.API.INFO",
          "$JS.API.STREAM.CREATE.EVENTS", "$JS.API.STREAM.UPDATE.EVENTS", "$JS.API.STREAM.INFO.EVENTS", "$JS.API.STREAM.MSG.GET.EVENTS",
          "$JS.API.STREAM.CREATE.SEALS", "$JS.API.STREAM.UPDATE.SEALS", "$JS.API.STREAM.INFO.SEALS"
        ] }}
        subscribe: {{ allow: [ "_INBOX.>" ] }}
      }} }}
      {{ nkey: {subscriber}, permissions: {{ publish: {{ deny: ">" }}, subscribe: {{ allow: [ "events.>" ] }} }} }}
      {{ nkey: {admin}, permissions: {{
        publish: {{ allow: [
          "$JS.API.STREAM.INFO.EVENTS", "$JS.API.CONSUMER.CREATE.EVENTS.>", "$JS.API.CONSUMER.DELETE.EVENTS.*",
          "$JS.API.CONSUMER.INFO.EVENTS.*", "$JS.API.CONSUMER.LIST.EVENTS", "$JS.API.CONSUMER.NAMES.EVENTS",
          "$JS.API.STREAM.INFO.SEALS", "$JS.API.CONSUMER.CREATE.SEALS.>", "$JS.API.CONSUMER.DELETE.SEALS.*"
        ] }}
        subscribe: {{ allow: [ "_INBOX.>" ] }}
      }} }}
    ]
    exports: [
      {{ stream: "events.>" }}
      {{ service: "$JS.API.CONSUMER.MSG.NEXT.EVENTS.>", response_type: stream }}
      {{ service: "$JS.API.CONSUMER.INFO.EVENTS.>" }}
      {{ service: "$JS.ACK.EVENTS.>" }}
      {{ stream: "seals.*" }}
      {{ service: "$JS.API.CONSUMER.MSG.NEXT.SEALS.>", response_type: stream }}
      {{ service: "$JS.API.CONSUMER.INFO.SEALS.>" }}
      {{ service: "$JS.ACK.SEALS.>" }}
    ]
  }}
  include "{consumers_file}"
}}
"#
    )
}

/// Before each account stands the grant that it was made from.
const MARK: &str = "# grant: ";

/// The file that [`accounts`] includes.
#[must_use]
pub fn consumers_file(grants: &[Grant]) -> String {
    let mut text = "# Written by `holdfast consumers`: who may read which tenant's events. Included in the accounts of NATS.\n".to_owned();
    for grant in grants {
        let json = serde_json::json!(grant);
        let _ = write!(text, "{MARK}{json}\n{}", grant.account());
    }
    text
}

/// The grants in such a file.
///
/// # Errors
/// When a grant in it was edited so that it cannot be read.
pub fn grants(consumers_file: &str) -> Result<Vec<Grant>, AccessError> {
    let lines = consumers_file.lines().enumerate().filter_map(|(at, line)| Some((at + 1, line.strip_prefix(MARK)?)));
    lines.map(|(line, json)| serde_json::from_str(json).map_err(|_| AccessError::Unreadable { line })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn a_consumers_file_says_what_it_was_made_from() {
        let grant = |name: &str| Grant { tenant_id: TenantId(Uuid::from_u128(1)), name: name.parse().unwrap(), public_key: "UABC".into() };
        let given = [grant("warehouse"), grant("bi-2")];
        assert_eq!(grants(&consumers_file(&given)).unwrap(), given);
        assert!(grants("# grant: {}").is_err());
        // Nothing that could end a line, a string or a subject gets into the file.
        for wrong in ["", "A", "a b", "a.b", "a*", "a>", "a\"", "a\n", "ä", &"a".repeat(33)] {
            assert!(wrong.parse::<ConsumerName>().is_err(), "{wrong:?}");
        }
        let json = r#"{"tenantId":"00000000-0000-0000-0000-000000000001","name":"a\"","publicKey":"U"}"#;
        assert!(grants(&format!("{MARK}{json}")).is_err());
    }

    #[test]
    fn the_file_for_own_servers_has_the_same_accounts() {
        let identities = Identities { relay: "$RELAY_PUBLIC_NKEY", subscriber: "$SUBSCRIBER_PUBLIC_NKEY", admin: "$ADMIN_PUBLIC_NKEY" };
        let deployed = include_str!("../../../deploy/nats.conf");
        assert!(
            deployed.ends_with(&accounts(&identities, "nats-consumers.conf")),
            "deploy/nats.conf should end with {}",
            accounts(&identities, "nats-consumers.conf")
        );
    }
}
