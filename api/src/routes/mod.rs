//! Every route as data: what it is reached by, who may come in, and who handles it. Routing, the guard, the OpenAPI
//! document and the tests all read this table, so a route cannot exist without an answer to "who may".

mod cases; // one case of each kind per route, for tests

use actix_web::Route;
use actix_web::http::Method;

use crate::auth::Capability;
pub use cases::{AccessCase, Foreign, ForeignId, all_cases};
pub(crate) use cases::{get, post, with};

/// A command or a query, its door and its key.
#[derive(Debug, Clone, Copy)]
pub struct RouteSpec {
    /// `GET`, `POST`, `PUT`.
    pub method: &'static str,
    /// With `{name}` for ids.
    pub path: &'static str,
    pub access: Access,
    pub kind: Kind,
    /// True: it can move money, so it needs an `Idempotency-Key`.
    pub money: bool,
    pub(crate) handler: fn() -> Route,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Public,
    /// Without a token of ours: what the request itself carries, under a signature, says what it may do. Its handler checks it.
    Signed,
    /// Whoever has a token; what else is needed is decided command by command behind it.
    Authenticated,
    /// Any one of these lets in.
    Requires(&'static [Capability]),
}

/// Which side serves it (NFR-06).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Command,
    Query,
    /// Served by every process: health, keys, documents.
    Platform,
}

pub(crate) const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

impl RouteSpec {
    /// A command that can move money.
    pub(crate) const fn money(path: &'static str, may: &'static [Capability], handler: fn() -> Route) -> Self {
        Self { method: "POST", path, access: Access::Requires(may), kind: Kind::Command, money: true, handler }
    }

    /// A command that cannot.
    pub(crate) const fn command(method: &'static str, path: &'static str, may: &'static [Capability], handler: fn() -> Route) -> Self {
        Self { method, path, access: Access::Requires(may), kind: Kind::Command, money: false, handler }
    }

    pub(crate) const fn authenticated(method: &'static str, path: &'static str, handler: fn() -> Route) -> Self {
        Self { method, path, access: Access::Authenticated, kind: Kind::Command, money: false, handler }
    }

    pub(crate) const fn query(path: &'static str, may: &'static [Capability], handler: fn() -> Route) -> Self {
        Self { method: "GET", path, access: Access::Requires(may), kind: Kind::Query, money: false, handler }
    }

    pub(crate) const fn signed(method: &'static str, path: &'static str, kind: Kind, handler: fn() -> Route) -> Self {
        Self { method, path, access: Access::Signed, kind, money: false, handler }
    }

    pub(crate) const fn platform(path: &'static str, handler: fn() -> Route) -> Self {
        Self { method: "GET", path, access: Access::Public, kind: Kind::Platform, money: false, handler }
    }
}

/// In the order in which they are matched.
const TABLES: &[&[RouteSpec]] = &[
    crate::commands::escrow::ROUTES,
    crate::commands::dispute::ROUTES,
    crate::commands::wallet::ROUTES,
    crate::commands::credits::ROUTES,
    crate::commands::bank_receipt::ROUTES,
    crate::commands::tenant::ROUTES,
    crate::commands::dead_letter::ROUTES,
    crate::commands::projection::ROUTES,
    crate::commands::template::ROUTES,
    crate::commands::contract::ROUTES,
    crate::commands::signing::ROUTES,
    crate::commands::esign_webhook::ROUTES,
    crate::commands::asset::ROUTES,
    crate::commands::person::ROUTES,
    crate::commands::session::ROUTES,
    crate::commands::job::ROUTES,
    crate::commands::booking::ROUTES,
    crate::commands::booking_work::ROUTES,
    crate::commands::call_sheet::ROUTES,
    crate::commands::batch::ROUTES,
    crate::queries::escrow::ROUTES,
    crate::queries::dispute::ROUTES,
    crate::queries::wallet::ROUTES,
    crate::queries::statement::ROUTES,
    crate::queries::credits::ROUTES,
    crate::queries::ledger::ROUTES,
    crate::queries::audit::ROUTES,
    crate::queries::replay::ROUTES,
    crate::queries::proof::ROUTES,
    crate::queries::contract::ROUTES,
    crate::queries::job::ROUTES,
    crate::queries::booking::ROUTES,
    crate::queries::asset::ROUTES,
    crate::queries::person::ROUTES,
    crate::queries::dead_letter::ROUTES,
    crate::queries::projection::ROUTES,
    crate::queries::push::ROUTES,
    crate::files::ROUTES,
    crate::platform::ROUTES,
    crate::queries::proof::PUBLIC,
    crate::event_pages::ROUTES,
];

/// The access cases that stand beside their routes.
const CONTEXT_CASES: &[&[AccessCase]] = &[
    crate::commands::template::CASES,
    crate::commands::contract::CASES,
    crate::commands::signing::CASES,
    crate::queries::contract::CASES,
    crate::commands::wallet::CASES,
    crate::commands::credits::CASES,
    crate::queries::wallet::CASES,
    crate::queries::statement::CASES,
    crate::queries::credits::CASES,
    crate::commands::asset::CASES,
    crate::commands::person::CASES,
    crate::commands::session::CASES,
    crate::queries::person::CASES,
    crate::queries::push::CASES,
    crate::queries::asset::CASES,
    crate::commands::dispute::CASES,
    crate::queries::dispute::CASES,
    crate::commands::job::CASES,
    crate::commands::booking::CASES,
    crate::commands::booking_work::CASES,
    crate::commands::call_sheet::CASES,
    crate::queries::job::CASES,
    crate::queries::booking::CASES,
    crate::queries::audit::CASES,
    crate::queries::replay::CASES,
    crate::queries::proof::CASES,
    crate::commands::dead_letter::CASES,
    crate::commands::projection::CASES,
    crate::queries::dead_letter::CASES,
    crate::queries::projection::CASES,
];

/// All routes.
pub fn all() -> impl Iterator<Item = &'static RouteSpec> {
    TABLES.iter().flat_map(|table| table.iter())
}

/// What a path begins with before any id: `/v1/escrows`, `/healthz`.
pub(crate) fn area(path: &str) -> &str {
    let second = path.match_indices('/').nth(2).map_or(path.len(), |(at, _)| at);
    let first_id = path.find("/{").unwrap_or(path.len());
    &path[..second.min(first_id)]
}

/// Those whose paths have the same `part` together, otherwise in the order of the table.
pub(crate) fn grouped(
    specs: impl Iterator<Item = &'static RouteSpec>,
    part: fn(&'static str) -> &'static str,
) -> Vec<(&'static str, Vec<&'static RouteSpec>)> {
    let mut groups: Vec<(&str, Vec<&RouteSpec>)> = Vec::new();
    for spec in specs {
        let name = part(spec.path);
        match groups.iter_mut().find(|(known, _)| *known == name) {
            Some((_, group)) => group.push(spec),
            None => groups.push((name, vec![spec])),
        }
    }
    groups
}

/// The route of a request; HEAD and OPTIONS are not served.
pub(crate) fn find(method: &Method, pattern: &str) -> Option<&'static RouteSpec> {
    all().find(|spec| spec.path == pattern && spec.method == method.as_str())
}

pub(crate) fn is_known(pattern: &str) -> bool {
    is_documentation(pattern) || all().any(|spec| spec.path == pattern)
}

/// For `Allow`.
pub(crate) fn methods_of(pattern: &str) -> String {
    let methods: Vec<_> = all().filter(|spec| spec.path == pattern).map(|spec| spec.method).collect();
    methods.join(", ")
}

/// Where Swagger UI is mounted; its files are public.
pub(crate) const SWAGGER_UI: &str = "/docs/{_:.*}";
/// Leads there.
pub(crate) const DOCS: &str = "/docs";
pub(crate) const OPENAPI_DOCUMENT: &str = "/docs/openapi.json";

pub(crate) fn is_documentation(pattern: &str) -> bool {
    pattern == SWAGGER_UI || pattern == DOCS
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::auth::granted;
    use crate::openapi;

    fn names() -> BTreeSet<(String, String)> {
        all().map(|spec| (spec.method.to_owned(), spec.path.to_owned())).collect()
    }

    #[test]
    fn no_route_is_listed_twice() {
        assert_eq!(names().len(), all().count());
    }

    #[test]
    fn an_area_ends_before_the_first_id() {
        let areas = ["/v1/escrows/{escrowId}/fund", "/v1/escrows", "/escrow/{escrowId}", "/healthz", "/docs/openapi.json"].map(area);
        assert_eq!(areas, ["/v1/escrows", "/v1/escrows", "/escrow", "/healthz", "/docs/openapi.json"]);
    }

    #[test]
    fn the_openapi_document_has_exactly_these_routes() {
        assert_eq!(openapi::operations(), names());
    }

    #[test]
    fn every_command_changes_and_every_query_reads() {
        // NFR-06.
        for spec in all() {
            assert_eq!(spec.method != "GET", spec.kind == Kind::Command, "{} {}", spec.method, spec.path);
        }
    }

    #[test]
    fn every_command_on_money_needs_a_key() {
        // NFR-15.
        let money = ["/v1/escrows", "/escrow/", "/v1/wallets", "/v1/ledger", "/v1/bank-receipts", "/v1/credits", "/v1/disputes"];
        for spec in all().filter(|spec| spec.kind == Kind::Command) {
            let is_about_money = money.iter().any(|prefix| spec.path.starts_with(prefix));
            assert!(spec.money || !is_about_money, "{} {} takes no key", spec.method, spec.path);
        }
    }

    #[test]
    fn only_the_platform_routes_are_public() {
        for spec in all() {
            assert_eq!(spec.access == Access::Public, spec.kind == Kind::Platform, "{}", spec.path);
            assert_ne!(spec.access, Access::Requires(&[]), "{} lets nobody in", spec.path);
        }
    }

    #[test]
    fn every_route_that_is_not_public_has_an_authorisation_and_a_foreign_tenant_case() {
        for spec in all() {
            let Access::Requires(any_of) = spec.access else { continue };
            let cases: Vec<_> = all_cases().filter(|case| (case.method, case.path) == (spec.method, spec.path)).collect();
            let [case] = cases[..] else { panic!("{} {} has {} cases in routes/cases.rs", spec.method, spec.path, cases.len()) };
            let has = |role| any_of.iter().any(|capability| granted(role).contains(capability));
            assert!(has(case.allowed), "{}: {:?} is not let in", spec.path, case.allowed);
            assert!(!has(case.denied), "{}: {:?} is let in", spec.path, case.denied);
            let has_id = spec.path.contains('{');
            assert_eq!(has_id, matches!(case.foreign, Foreign::Path(_)), "{}: a path with an id is tried with a foreign one", spec.path);
        }
        for case in all_cases() {
            assert!(all().any(|spec| (spec.method, spec.path) == (case.method, case.path)), "{} is no route", case.path);
        }
    }
}
