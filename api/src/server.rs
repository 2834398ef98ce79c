//! The HTTP server: routes of the sides that this process has, behind the edge and the guard (docs/settings.md, "HTTP").

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_cors::Cors;
use actix_service::IntoServiceFactory as _;
use actix_web::dev::{AppConfig, Server, ServerHandle, Service as _, ServiceFactory as _};
use actix_web::middleware::{Compress, from_fn};
use actix_web::web::{Data, PayloadConfig, ServiceConfig};
use actix_web::{App, HttpServer, web};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tracing_actix_web::TracingLogger;
use utoipa_swagger_ui::{Config as SwaggerConfig, SwaggerUi};

use crate::admin::AdminSide;
use crate::audit::AuditSide;
use crate::auth::{Keyring, Revocations, TokenPolicy, Verifier, guard};
use crate::commands::batch::{Door, Opened};
use crate::connection;
use crate::edge::edge;
use crate::error::ApiError;
use crate::health::Check;
use crate::in_flight::{InFlight, InFlightLimits};
use crate::platform;
use crate::queries::QuerySide;
use crate::root_span::RequestSpan;
use crate::routes::{self, Access, Kind, RouteSpec};
use crate::state::{CommandSide, Shared, SharedState, Tasks};

/// Whole request bodies; JSON bodies have a lower limit of their own.
const MAX_PAYLOAD_BYTES: usize = 256 * 1024;
/// `connection` does it, and better: this timer starts with the connection, and never again on it.
const HEAD_TIMEOUT: Duration = Duration::ZERO;
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const MAX_CONNECTIONS_PER_WORKER: usize = 2_000;
/// Longer than the slowest statement may take.
const SHUTDOWN_S: u64 = 15;

/// How the server is reached and whom it lets in.
#[derive(Debug)]
pub struct ServerConfig {
    pub listen: SocketAddr,
    pub workers: usize,
    /// Origins that browsers may call from; wildcards do not exist.
    pub cors_origins: Vec<String>,
    /// Serve `/docs` and all below it.
    pub docs: bool,
    /// `production`, `dev` or `test`: shown by `/readyz`.
    pub profile: String,
    pub keys: Arc<Keyring>,
    pub tokens: TokenPolicy,
    pub revocations: Arc<Revocations>,
    /// Fingerprints of requests are made with it; it never changes.
    pub request_hash_key: [u8; 32],
    pub in_flight: InFlightLimits,
}

/// What the server serves: its sides, and what tells how they are.
#[derive(Default)]
pub struct Parts {
    pub commands: Option<CommandSide>,
    pub queries: Option<QuerySide>,
    /// For auditors, who read the log itself.
    pub audit: Option<AuditSide>,
    /// For the platform's operators.
    pub admin: Option<AdminSide>,
    pub checks: Vec<Check>,
    pub metrics: Option<PrometheusHandle>,
}

/// Listens, and has not begun to serve.
pub struct BoundServer {
    server: Server,
    addresses: Vec<SocketAddr>,
    tasks: Tasks,
    upkeep: Option<PrometheusHandle>,
}

/// Takes the address. Must be called on the runtime that commands and queries shall run on.
///
/// # Errors
/// When the address cannot be taken.
pub fn bind(config: ServerConfig, parts: Parts) -> std::io::Result<BoundServer> {
    let tasks = Tasks::new(Handle::current());
    let shared = Data::new(SharedState {
        verifier: Verifier::new(Arc::clone(&config.keys), config.tokens),
        revocations: config.revocations,
        keys: config.keys,
        request_hash_key: config.request_hash_key,
        profile: config.profile,
        checks: parts.checks,
        metrics: parts.metrics.clone(),
        tasks: tasks.clone(),
        in_flight: Arc::new(InFlight::new(&config.in_flight)),
    });
    let sides = Sides {
        commands: parts.commands.map(Data::new),
        queries: parts.queries.map(Data::new),
        audit: parts.audit.map(Data::new),
        admin: parts.admin.map(Data::new),
    };
    let (has_commands, has_queries) = (sides.commands.is_some(), sides.queries.is_some());
    let (origins, docs) = (config.cors_origins, config.docs);
    let server = HttpServer::new(move || {
        let (shared, sides) = (shared.clone(), sides.clone());
        let served = move |spec: &RouteSpec| match spec.kind {
            Kind::Command => has_commands,
            Kind::Query => has_queries,
            Kind::Platform => docs || !spec.path.starts_with(routes::DOCS),
        };
        App::new()
            .app_data(PayloadConfig::new(MAX_PAYLOAD_BYTES))
            .app_data(Door::new(&shared, &sides))
            .configure(|app| add_data(app, shared, sides))
            .configure(|app| add_routes(app, served))
            .configure(|app| {
                if docs {
                    add_docs(app)
                }
            })
            .default_service(web::to(nothing_here))
            .wrap(from_fn(guard))
            .wrap(Compress::default())
            .wrap(cors(&origins))
            .wrap(TracingLogger::<RequestSpan>::new())
            .wrap(from_fn(edge))
    })
    .on_connect(connection::remember)
    .workers(config.workers.max(1))
    .keep_alive(KEEP_ALIVE)
    .client_request_timeout(HEAD_TIMEOUT)
    .client_disconnect_timeout(DISCONNECT_TIMEOUT)
    .max_connections(MAX_CONNECTIONS_PER_WORKER)
    .shutdown_timeout(SHUTDOWN_S)
    .disable_signals()
    .bind(config.listen)?;
    let addresses = server.addrs();
    Ok(BoundServer { server: server.run(), addresses, tasks, upkeep: parts.metrics })
}

impl BoundServer {
    /// Where it listens: the port that was chosen when the configuration named 0.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.addresses.first().copied()
    }

    /// Serves until `shutdown`, then finishes what was begun.
    ///
    /// # Errors
    /// When the server cannot go on.
    pub async fn run(self, shutdown: CancellationToken) -> std::io::Result<()> {
        let handle = self.server.handle();
        let stopper = tokio::spawn(stop_when(shutdown.clone(), handle));
        let upkeep = self.upkeep.map(|metrics| tokio::spawn(keep_up(metrics)));
        let outcome = self.server.await;
        stopper.abort();
        if let Some(upkeep) = upkeep {
            upkeep.abort();
        }
        self.tasks.finish().await;
        outcome
    }
}

/// [`bind`] and [`BoundServer::run`] in one.
///
/// # Errors
/// When the address cannot be taken or the server cannot go on.
pub async fn run(config: ServerConfig, parts: Parts, shutdown: CancellationToken) -> std::io::Result<()> {
    bind(config, parts)?.run(shutdown).await
}

async fn stop_when(shutdown: CancellationToken, handle: ServerHandle) {
    shutdown.cancelled().await;
    handle.stop(true).await;
}

/// Histograms are folded now and then, also when nobody scrapes them.
async fn keep_up(metrics: PrometheusHandle) {
    let mut tick = tokio::time::interval(Duration::from_secs(5));
    loop {
        tick.tick().await;
        metrics.run_upkeep();
    }
}

/// What is behind the routes, as handlers reach it.
#[derive(Clone, Default)]
pub(crate) struct Sides {
    commands: Option<Data<CommandSide>>,
    queries: Option<Data<QuerySide>>,
    audit: Option<Data<AuditSide>>,
    admin: Option<Data<AdminSide>>,
}

fn add_data(app: &mut ServiceConfig, shared: Shared, sides: Sides) {
    app.app_data(shared);
    if let Some(commands) = sides.commands {
        app.app_data(commands);
    }
    if let Some(queries) = sides.queries {
        app.app_data(queries);
    }
    if let Some(audit) = sides.audit {
        app.app_data(audit);
    }
    if let Some(admin) = sides.admin {
        app.app_data(admin);
    }
}

/// The routes of the sides that this process has. The two trees share nothing but the guard. A scope per area: the library
/// tries one pattern after the other, several times per request, and a scope's is a plain prefix.
fn add_routes(app: &mut ServiceConfig, served: impl Fn(&RouteSpec) -> bool) {
    for (area, specs) in routes::grouped(routes::all().filter(|spec| served(spec)), routes::area) {
        let scope = routes::grouped(specs.into_iter(), |path| path).into_iter().fold(web::scope(area), |scope, (path, specs)| {
            let resource = web::resource(&path[area.len()..]).default_service(web::to(nothing_here));
            scope.service(specs.into_iter().fold(resource, |resource, spec| resource.route((spec.handler)())))
        });
        app.service(scope);
    }
}

fn add_docs(app: &mut ServiceConfig) {
    app.service(web::resource(routes::DOCS).route(web::get().to(platform::to_docs)));
    app.service(SwaggerUi::new(routes::SWAGGER_UI).config(SwaggerConfig::from(routes::OPENAPI_DOCUMENT)));
}

/// The command routes for requests that came inside another one (`commands::batch`): no other route, and no batch in a batch.
pub(crate) async fn inner_door(shared: Shared, sides: Sides) -> Result<Opened, ()> {
    let is_inside = |spec: &RouteSpec| spec.kind == Kind::Command && matches!(spec.access, Access::Requires(_));
    let app = App::new()
        .configure(|app| add_data(app, shared, sides))
        .configure(|app| add_routes(app, is_inside))
        .default_service(web::to(nothing_here))
        .wrap(from_fn(guard))
        .wrap(from_fn(edge));
    let service = Rc::new(app.into_factory().new_service(AppConfig::default()).await?);
    Ok(Rc::new(move |request| {
        let service = Rc::clone(&service);
        Box::pin(async move { service.call(request).await })
    }))
}

/// Reached only for a route of the side that this process does not have: the guard answers for the others.
async fn nothing_here() -> Result<&'static str, ApiError> {
    Err(ApiError::route_not_found())
}

fn cors(origins: &[String]) -> Cors {
    let cors = origins.iter().fold(Cors::default(), |cors, origin| cors.allowed_origin(origin));
    cors.allowed_methods(["GET", "POST", "PUT", "PATCH", "DELETE"])
        .allowed_headers([
            "authorization",
            "content-type",
            "idempotency-key",
            "if-match",
            "last-event-id",
            "x-tenant-id",
            "x-min-position",
            "x-request-id",
        ])
        .expose_headers(["etag", "idempotency-replayed", "location", "retry-after", "x-position", "x-request-id"])
        .max_age(600)
}

#[cfg(test)]
mod tests {
    use actix_web::dev::ServiceResponse;
    use actix_web::http::header::{ALLOW, AUTHORIZATION, WWW_AUTHENTICATE};
    use actix_web::http::{Method, StatusCode};
    use actix_web::test::{TestRequest, call_service, init_service, read_body_json};
    use holdfast_domain::kernel::{PartyId, Role, Roles, TenantId};
    use serde_json::Value;
    use uuid::Uuid;

    use super::*;
    use crate::auth::{Issuer, Subject, now_s};
    use crate::routes::{Access, all_cases};

    fn keys() -> Arc<Keyring> {
        Arc::new(Keyring::try_new(Some([5; 32]), &[]).unwrap())
    }

    fn token(roles: Roles) -> String {
        let subject = Subject { tenant_id: tenant(), party_id: PartyId(Uuid::from_u128(2)), roles, limits: Vec::new() };
        let token = Issuer::new(keys(), TokenPolicy::default()).issue(&subject, now_s(), 60).unwrap();
        format!("Bearer {token}")
    }

    fn tenant() -> TenantId {
        TenantId(Uuid::from_u128(1))
    }

    /// All routes behind edge and guard, and nothing behind the routes: whoever gets in meets a 500.
    async fn answer(request: TestRequest) -> ServiceResponse {
        let shared = Data::new(SharedState {
            verifier: Verifier::new(keys(), TokenPolicy::default()),
            revocations: Revocations::none(),
            keys: keys(),
            request_hash_key: [3; 32],
            profile: "test".to_owned(),
            checks: vec![Check::new("sulking", false, || std::future::ready(Err(crate::health::Unwell("no".to_owned()))))],
            metrics: None,
            tasks: Tasks::new(Handle::current()),
            in_flight: Arc::new(InFlight::new(&InFlightLimits::default())),
        });
        let app = App::new()
            .configure(|app| add_data(app, shared, Sides::default()))
            .configure(|app| add_routes(app, |_| true))
            .configure(add_docs)
            .default_service(web::to(nothing_here))
            .wrap(from_fn(guard))
            .wrap(Compress::default())
            .wrap(cors(&["https://console.example".to_owned()]))
            .wrap(TracingLogger::<RequestSpan>::new())
            .wrap(from_fn(edge));
        call_service(&init_service(app).await, request.to_request()).await
    }

    async fn code(response: ServiceResponse) -> String {
        let request_id = response.headers().get("x-request-id").unwrap().to_str().unwrap().to_owned();
        let body: Value = read_body_json(response).await;
        assert_eq!(body["error"]["requestId"].as_str(), Some(request_id.as_str()), "{body}");
        assert!(body["error"]["message"].is_string() && body["error"]["details"].is_object(), "{body}");
        body["error"]["code"].as_str().unwrap().to_owned()
    }

    fn request(method: &str, path: &str) -> TestRequest {
        let path = path.split('/').map(|part| if part.starts_with('{') { Uuid::from_u128(9).to_string() } else { part.to_owned() });
        let path = path.collect::<Vec<_>>().join("/");
        TestRequest::with_uri(&path).method(method.parse().unwrap()).insert_header(("Idempotency-Key", "k"))
    }

    #[actix_web::test]
    async fn no_route_but_the_public_ones_answers_without_a_token() {
        for spec in routes::all() {
            let response = answer(request(spec.method, spec.path)).await;
            match spec.access {
                Access::Public => assert!(response.status().is_success(), "{}", spec.path),
                // The guard lets it through, what is behind it does not.
                Access::Signed => assert!(!response.status().is_success(), "{}", spec.path),
                Access::Requires(_) | Access::Authenticated => {
                    assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{}", spec.path);
                    assert!(response.headers().contains_key(WWW_AUTHENTICATE));
                    assert_eq!(code(response).await, "UNAUTHENTICATED");
                }
            }
        }
    }

    #[actix_web::test]
    async fn every_route_keeps_out_whom_its_case_denies_and_lets_in_whom_it_allows() {
        for case in all_cases() {
            let nobody = request(case.method, case.path).insert_header((AUTHORIZATION, token(Roles::from([case.denied]))));
            let response = answer(nobody).await;
            assert_eq!(response.status(), StatusCode::FORBIDDEN, "{}", case.path);
            assert_eq!(code(response).await, "POLICY_DENIED");
            let somebody = request(case.method, case.path).insert_header((AUTHORIZATION, token(Roles::from([case.allowed]))));
            let status = answer(somebody).await.status();
            assert!(status != StatusCode::FORBIDDEN && status != StatusCode::UNAUTHORIZED, "{}: {status}", case.path);
        }
    }

    #[actix_web::test]
    async fn another_tenant_in_the_header_is_refused_on_every_route() {
        for case in all_cases() {
            for (named, status) in [(TenantId(Uuid::from_u128(8)).to_string(), 403), ("x".to_owned(), 400)] {
                let request = request(case.method, case.path)
                    .insert_header((AUTHORIZATION, token(Roles::from([case.allowed]))))
                    .insert_header(("X-Tenant-Id", named));
                assert_eq!(answer(request).await.status().as_u16(), status, "{}", case.path);
            }
        }
    }

    #[actix_web::test]
    async fn a_command_that_can_move_money_needs_a_key() {
        for spec in routes::all().filter(|spec| spec.money) {
            let case = all_cases().find(|case| (case.method, case.path) == (spec.method, spec.path)).unwrap();
            let path = spec.path.replace(['{', '}'], "");
            let keyless =
                TestRequest::with_uri(&path).method(Method::POST).insert_header((AUTHORIZATION, token(Roles::from([case.allowed]))));
            let response = answer(keyless).await;
            assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{}", spec.path);
            assert_eq!(code(response).await, "IDEMPOTENCY_KEY_REQUIRED");
        }
    }

    #[actix_web::test]
    async fn unknown_paths_and_wrong_methods_answer_in_our_format() {
        for path in ["/", "/v1", "/v1/nothing", "/v1/escrows/a/b/c", "/%2e%2e/etc/passwd", "/v1/%65scrows"] {
            let response = answer(TestRequest::with_uri(path)).await;
            assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
            assert_eq!(code(response).await, "ROUTE_NOT_FOUND");
        }
        for method in [Method::DELETE, Method::PUT, Method::PATCH, Method::HEAD, Method::OPTIONS] {
            let response = answer(TestRequest::with_uri("/v1/escrows").method(method)).await;
            assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
            assert_eq!(response.headers().get(ALLOW).unwrap(), "POST, GET");
            assert_eq!(code(response).await, "METHOD_NOT_ALLOWED");
        }
    }

    #[actix_web::test]
    async fn commands_take_no_query_and_odd_headers_are_named() {
        let finance = || token(Roles::from([Role::Finance]));
        let base = |path: &str| TestRequest::with_uri(path).method(Method::POST).insert_header((AUTHORIZATION, finance()));
        let release = format!("/v1/escrows/{}/release", Uuid::from_u128(9));
        let wrong = [
            base(&format!("{release}?tenantId=1")).insert_header(("Idempotency-Key", "k")),
            base(&release).insert_header(("Idempotency-Key", "two words")),
            base(&release).insert_header(("Idempotency-Key", "k")).insert_header(("If-Match", "latest")),
        ];
        for request in wrong {
            let response = answer(request).await;
            assert_eq!(response.status(), StatusCode::BAD_REQUEST);
            assert_eq!(code(response).await, "VALIDATION_FAILED");
        }
    }

    #[actix_web::test]
    async fn what_is_said_once_is_not_said_twice() {
        let own = tenant().to_string();
        for (name, value) in [("X-Tenant-Id", own.as_str()), ("X-Min-Position", "1"), ("Authorization", "Bearer x")] {
            let request = TestRequest::with_uri("/v1/escrows")
                .append_header((AUTHORIZATION, token(Roles::from([Role::Finance]))))
                .append_header((name, value))
                .append_header((name, value));
            let response = answer(request).await;
            assert_eq!((response.status(), code(response).await.as_str()), (StatusCode::BAD_REQUEST, "VALIDATION_FAILED"), "{name}");
        }
    }

    #[actix_web::test]
    async fn the_clients_request_id_is_a_correlation_and_ours_is_ours() {
        let named = Uuid::from_u128(77).to_string();
        let response = answer(TestRequest::with_uri("/healthz").insert_header(("X-Request-Id", named.as_str()))).await;
        assert_eq!(response.headers().get("x-correlation-id").unwrap(), named.as_str());
        assert_ne!(response.headers().get("x-request-id").unwrap(), named.as_str());
        for name in ["content-security-policy", "x-content-type-options", "strict-transport-security", "cache-control"] {
            assert!(response.headers().contains_key(name), "{name}");
        }
    }

    #[actix_web::test]
    async fn browsers_of_listed_origins_only_can_call_and_read_errors() {
        let from = |origin: &str| TestRequest::with_uri("/v1/escrows").insert_header(("Origin", origin.to_owned()));
        let preflight = |origin| from(origin).method(Method::OPTIONS).insert_header(("Access-Control-Request-Method", "POST"));
        let allowed = "https://console.example";
        for request in [from(allowed), preflight(allowed)] {
            let response = answer(request).await;
            assert_eq!(response.headers().get("access-control-allow-origin").unwrap(), allowed, "{}", response.status());
        }
        for request in [from("https://elsewhere.example"), preflight("https://elsewhere.example")] {
            let response = answer(request).await;
            assert!(!response.headers().contains_key("access-control-allow-origin"), "{}", response.status());
        }
    }

    #[actix_web::test]
    async fn readiness_names_every_check_and_only_required_ones_count() {
        let response = answer(TestRequest::with_uri("/readyz")).await;
        assert_eq!(response.status(), StatusCode::OK);
        let body: Value = read_body_json(response).await;
        assert_eq!(body["profile"], "test");
        assert_eq!((&body["checks"][0]["name"], &body["checks"][0]["ok"]), (&"sulking".into(), &false.into()));
    }

    #[actix_web::test]
    async fn the_documents_are_served() {
        for path in [
            "/docs/",
            "/docs/index.html",
            "/docs/swagger-initializer.js",
            "/docs/openapi.json",
            "/docs/asyncapi.json",
            "/docs/events/",
            "/.well-known/jwks.json",
        ] {
            assert_eq!(answer(TestRequest::with_uri(path)).await.status(), StatusCode::OK, "{path}");
        }
        assert_eq!(answer(TestRequest::with_uri("/docs")).await.status(), StatusCode::PERMANENT_REDIRECT);
    }
}
