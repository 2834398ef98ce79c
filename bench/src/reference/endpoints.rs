//! A process with three endpoints: one that does nothing, one that does nothing and asks for no token, and a transfer by the stock
//! library. Same HTTP library, same number of workers, same token check, same JSON in and out as the API's.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use actix_web::http::header::AUTHORIZATION;
use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use anyhow::Context as _;
use holdfast_api::auth::{Identity, Verifier, now_s};
use holdfast_api::settings::Sources;
use holdfast_domain::kernel::{Actor, Money, TenantId, WalletId};
use holdfast_domain::wallet::WalletCommand;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::environment::{Service, World, free_address, keyring, token_policy};
use crate::reference::stock::Stock;

/// Starts the process for a world; its stock streams are at their beginning.
///
/// # Errors
/// When it does not start.
pub(crate) async fn start(world: &World) -> anyhow::Result<Service> {
    let address = free_address()?;
    let program = std::env::current_exe().context("cannot find this program")?;
    let arguments = [
        "endpoints".to_owned(),
        world.settings_file.to_string_lossy().into_owned(),
        address.to_string(),
        serde_json::to_string(&world.cast.actor)?,
    ];
    Service::start(&program, &arguments, &world.folder.join("endpoints.log"), Some(address)).await
}

struct State {
    verifier: Verifier,
    stock: Stock,
}

/// What `POST /v1/ledger/transfer` takes.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Transfer {
    from_wallet_id: WalletId,
    to_wallet_id: WalletId,
    amount: String,
    currency: String,
    reason: String,
}

/// What it answers.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    ok: bool,
    id: Uuid,
    version: i64,
    position: i64,
    status: String,
    events: Vec<AnsweredEvent>,
}

#[derive(Serialize)]
struct AnsweredEvent {
    #[serde(rename = "type")]
    event_type: String,
    sequence: i64,
}

/// Serves until it is told to stop.
///
/// # Errors
/// When the address is taken or the database does not answer.
pub(crate) async fn serve(settings_file: &Path, listen: SocketAddr, actor: &str) -> anyhow::Result<()> {
    let settings = Sources { files: vec![settings_file.to_owned()], overrides: Vec::new() }.load()?;
    let actor: Actor = serde_json::from_str(actor)?;
    let verifier = Verifier::new(Arc::new(keyring(&settings)?), token_policy(&settings));
    let write = settings.database.connect_options(holdfast_api::settings::Side::Write, holdfast_api::settings::DatabaseRole::Admin)?;
    let pool = sqlx::postgres::PgPoolOptions::new().max_connections(1).connect_with(write).await?;
    let tenants: Vec<Uuid> = sqlx::query_scalar("SELECT tenant_id FROM tenant_heads").fetch_all(&pool).await?;
    pool.close().await;
    let tenants: Vec<TenantId> = tenants.into_iter().map(TenantId).collect();
    let stock = Stock::open(&settings, &tenants, &actor).await?;
    stock.reset().await?;
    let state = Data::new(State { verifier, stock });
    HttpServer::new(move || {
        App::new()
            .app_data(state.clone())
            .route("/healthz", web::get().to(async || HttpResponse::Ok().finish()))
            .route("/noop", web::get().to(nothing_read))
            .route("/noop", web::post().to(nothing))
            .route("/unchecked", web::post().to(nothing_unchecked))
            .route("/stock", web::post().to(stock_transfer))
            .route("/reset", web::post().to(reset))
    })
    .workers(settings.http.workers)
    .max_connections(2_000)
    .bind(listen)?
    .run()
    .await
    .context("the endpoints end")
}

fn identity(request: &HttpRequest, state: &State) -> Option<Identity> {
    let header = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    state.verifier.verify(header.strip_prefix("Bearer ")?, now_s()).ok()
}

fn answer(transfer: &Transfer) -> HttpResponse {
    let event = AnsweredEvent { event_type: "wallet.debited".to_owned(), sequence: 3 };
    let (id, status) = (transfer.from_wallet_id.uuid(), "active".to_owned());
    HttpResponse::Ok().json(Answer { ok: true, id, version: 3, position: 1, status, events: vec![event] })
}

async fn nothing(request: HttpRequest, body: Bytes, state: Data<State>) -> HttpResponse {
    if identity(&request, &state).is_none() {
        return HttpResponse::Unauthorized().finish();
    }
    serde_json::from_slice(&body).map_or_else(|_| HttpResponse::BadRequest().finish(), |transfer| answer(&transfer))
}

async fn nothing_unchecked(body: Bytes) -> HttpResponse {
    serde_json::from_slice(&body).map_or_else(|_| HttpResponse::BadRequest().finish(), |transfer| answer(&transfer))
}

async fn nothing_read(request: HttpRequest, state: Data<State>) -> HttpResponse {
    match identity(&request, &state) {
        Some(identity) => {
            HttpResponse::Ok().json(serde_json::json!({ "id": identity.session_id, "available": "100.00", "currency": "EUR" }))
        }
        None => HttpResponse::Unauthorized().finish(),
    }
}

async fn stock_transfer(request: HttpRequest, body: Bytes, state: Data<State>) -> HttpResponse {
    let Some(identity) = identity(&request, &state) else { return HttpResponse::Unauthorized().finish() };
    let Ok(transfer) = serde_json::from_slice::<Transfer>(&body) else { return HttpResponse::BadRequest().finish() };
    match execute(&state.stock, &identity, &transfer).await {
        Ok(()) => answer(&transfer),
        Err(error) => HttpResponse::InternalServerError().body(format!("{error:#}")),
    }
}

async fn execute(stock: &Stock, identity: &Identity, transfer: &Transfer) -> anyhow::Result<()> {
    let currency = transfer.currency.parse()?;
    let amount = Money::try_new(transfer.amount.parse()?, currency)?;
    let to = stock.owner_of(transfer.to_wallet_id.uuid()).await?;
    let command = WalletCommand::Transfer { amount, to_wallet_id: transfer.to_wallet_id, to, reason: transfer.reason.clone() };
    stock.execute(identity.tenant_id, transfer.from_wallet_id.uuid(), &command).await.map_err(anyhow::Error::msg)
}

async fn reset(state: Data<State>) -> HttpResponse {
    match state.stock.reset().await {
        Ok(()) => HttpResponse::Ok().finish(),
        Err(error) => HttpResponse::InternalServerError().body(format!("{error:#}")),
    }
}
