//! Questions about monthly statements (LED-19, LED-20, LED-74): as JSON, CSV or PDF. Owners without `wallet.read` see their own.

use std::sync::Arc;

use actix_web::http::header::{ACCEPT, CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::Utc;
use futures::StreamExt as _;
use futures::stream::try_unfold;
use holdfast_documents::{RenderError, StatementDocument, StatementLine};
use holdfast_domain::kernel::{Role, TenantId, WalletId};
use holdfast_eventlog::db::Pool;
use holdfast_projections::query::{List, Page, Read};
use holdfast_projections::statement::{Month, Statement, StatementId, StatementSummary, StatementsWanted, line_page};
use holdfast_projections::wallet::WalletEntry;
use holdfast_projections::{ledger, statement, wallet};
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;

use crate::auth::Capability::{WalletRead, WalletReadOwn};
use crate::connection::Connection;
use crate::error::ApiError;
use crate::in_flight::InFlight;
use crate::long_answer::long_answer;
use crate::queries::{MinPosition, Shown, Side, ask, found, page, refused};
use crate::request::{Caller, PathId, QueryParameters};
use crate::routes::{AccessCase, Foreign, ForeignId, RouteSpec, get};
use crate::state::Shared;

pub(crate) const ROUTES: &[RouteSpec] = &[
    RouteSpec::query("/v1/statements", &[WalletRead, WalletReadOwn], || web::get().to(list_statements)),
    RouteSpec::query("/v1/statements/{statementId}", &[WalletRead, WalletReadOwn], || web::get().to(statement_detail)),
];

pub(crate) const CASES: &[AccessCase] = &[
    get("/v1/statements", Role::Casting, Role::Finance, Foreign::Parameter("walletId")),
    get("/v1/statements/{statementId}", Role::Casting, Role::Finance, Foreign::Path(ForeignId::Statement)),
];

const PROJECTIONS: &[&str] = &[wallet::PROJECTION, ledger::PROJECTION];

/// A PDF is for people to read; more lines than this are a table for a program.
const MAX_PDF_LINES: usize = 2_000;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListWanted {
    /// The months of this wallet, newest first.
    #[param(value_type = Option<Uuid>)]
    wallet_id: Option<WalletId>,
    /// This month of every wallet that the caller may see. At least one of both.
    #[param(example = "2026-03")]
    period: Option<String>,
    cursor: Option<String>,
    /// 1 to 200; 50 when none is given.
    limit: Option<usize>,
}

/// Statements of complete months, by wallet or by month (LED-19).
#[utoipa::path(get, path = "/v1/statements", tag = "wallet", params(ListWanted), responses((status = 200, body = List<StatementSummary>)))]
pub(crate) async fn list_statements(
    caller: Caller,
    wanted: QueryParameters<ListWanted>,
    minimum: MinPosition,
    shared: Shared,
    side: Side,
) -> Result<Shown<List<StatementSummary>>, ApiError> {
    let wanted = wanted.0;
    let month = wanted.period.map(|text| text.parse::<Month>().map_err(|error| ApiError::validation("period", error))).transpose()?;
    let which = match (wanted.wallet_id, month) {
        (Some(wallet_id), month) => StatementsWanted::OfWallet(wallet_id, month),
        (None, Some(month)) => StatementsWanted::OfMonth(month),
        (None, None) => return Err(ApiError::validation("walletId", "or period must be named")),
    };
    let (tenant_id, own, page) = (caller.tenant_id, caller.restricted_to(WalletRead), page(wanted.limit, wanted.cursor)?);
    let question = |pool| async move { statement::list(&pool, tenant_id, which, own, Utc::now(), &page).await };
    ask(&shared, &side, &caller, minimum, PROJECTIONS, question).await.map(Shown)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Format {
    Json,
    Csv,
    Pdf,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DetailWanted {
    /// `json` (the default), `csv` or `pdf`; the `Accept` header is understood too. CSV has all lines, PDF up to 2000.
    #[param(value_type = Option<String>)]
    format: Option<Format>,
    /// True: also the month that is not over; it is marked.
    provisional: Option<bool>,
    /// Of the lines, in JSON.
    cursor: Option<String>,
    /// 1 to 200 lines; 50 when none is given.
    limit: Option<usize>,
}

/// One month of a wallet with its lines (LED-20). Opening is the closing of the month before, and closing is opening + totalIn -
/// totalOut (MNY-55). Fails with `STATEMENT_NOT_FOUND`, also for a month that is not over unless `provisional` is asked for.
#[utoipa::path(get, path = "/v1/statements/{statementId}", tag = "wallet", params(("statementId" = String, Path), DetailWanted),
    responses((status = 200, content((Statement = "application/json"), (String = "text/csv"), (Vec<u8> = "application/pdf")))))]
pub(crate) async fn statement_detail(
    caller: Caller,
    id: PathId<String>,
    wanted: QueryParameters<DetailWanted>,
    minimum: MinPosition,
    request: HttpRequest,
    shared: Shared,
    side: Side,
) -> Result<HttpResponse, ApiError> {
    let connection = Connection::of(&request);
    let wanted = wanted.0;
    // An id of another shape names nothing.
    let id: StatementId = id.0.parse().map_err(|_| ApiError::not_found("STATEMENT_NOT_FOUND", "statement"))?;
    let format = wanted.format.unwrap_or_else(|| accepted(request.headers().get(ACCEPT)));
    let page = if format == Format::Json { page(wanted.limit, wanted.cursor)? } else { page(Some(Page::MAX), None)? };
    let (tenant_id, own, provisional) = (caller.tenant_id, caller.restricted_to(WalletRead), wanted.provisional.unwrap_or(false));
    let question = |pool| async move { statement::statement(&pool, tenant_id, id, own, provisional, Utc::now(), &page).await };
    let read = ask(&shared, &side, &caller, minimum, PROJECTIONS, question).await?;
    let Shown(Read { position, value }) = found(read, "STATEMENT_NOT_FOUND", "statement")?;
    let mut response = HttpResponse::Ok();
    response.insert_header(("X-Position", position.to_string()));
    match format {
        Format::Json => Ok(response.json(value)),
        Format::Csv => {
            response.insert_header((CONTENT_TYPE, "text/csv; charset=utf-8")).insert_header(attachment(&value.summary, "csv"));
            Ok(response.streaming(long_answer(&shared.tasks, connection, csv(side.pool.clone(), tenant_id, value))))
        }
        Format::Pdf => {
            let (pool, in_flight) = (side.pool.clone(), Arc::clone(&shared.in_flight));
            let (pdf, summary) = shared.tasks.run(async move { pdf(&pool, &in_flight, tenant_id, value).await }).await?;
            let attachment = attachment(&summary, "pdf");
            Ok(response.insert_header((CONTENT_TYPE, "application/pdf")).insert_header(attachment).body(pdf))
        }
    }
}

/// The first of our formats that the header names; JSON otherwise.
fn accepted(header: Option<&HeaderValue>) -> Format {
    let text = header.and_then(|header| header.to_str().ok()).unwrap_or_default();
    let named = text.split(',').map(|range| range.split(';').next().unwrap_or_default().trim());
    named
        .filter_map(|range| match range {
            "text/csv" => Some(Format::Csv),
            "application/pdf" => Some(Format::Pdf),
            "application/json" => Some(Format::Json),
            _ => None,
        })
        .next()
        .unwrap_or(Format::Json)
}

fn attachment(statement: &StatementSummary, extension: &str) -> (actix_web::http::header::HeaderName, String) {
    (CONTENT_DISPOSITION, format!("attachment; filename=\"statement-{}-{}.{extension}\"", statement.wallet_id, statement.period))
}

/// Every line, read page by page while it is sent: a month of any length costs little memory.
fn csv(pool: Pool, tenant_id: TenantId, statement: Statement) -> impl futures::Stream<Item = Result<Bytes, ApiError>> {
    const HEAD: &str = "recordedAt,valueAt,position,line,kind,account,place,direction,amount,placeBalance,balance,currency,refType,refId\n";
    let Statement { summary, lines, .. } = statement;
    let opening = format!("{HEAD}{}", balance_row(&summary, "opening"));
    let rest = try_unfold(Some((summary, lines)), move |state| {
        let pool = pool.clone();
        async move {
            let Some((summary, List { items, next_cursor })) = state else { return Ok(None) };
            let mut text: String = items.iter().map(csv_row).collect();
            let next = match next_cursor {
                Some(cursor) => {
                    let page = page(Some(Page::MAX), Some(cursor))?;
                    let lines = line_page(&pool, tenant_id, &summary, &page).await.map_err(refused)?;
                    Some((summary, lines))
                }
                None => {
                    text += &balance_row(&summary, "closing");
                    None
                }
            };
            Ok(Some((Bytes::from(text), next)))
        }
    });
    futures::stream::once(async move { Ok(Bytes::from(opening)) }).chain(rest)
}

fn balance_row(statement: &StatementSummary, kind: &str) -> String {
    let (time, position, place) = match kind {
        "opening" => (statement.from, statement.from_position, &statement.opening),
        _ => (statement.to, statement.to_position, &statement.closing),
    };
    let (time, currency) = (time.to_rfc3339_opts(chrono::SecondsFormat::Micros, true), &statement.currency);
    format!("{time},,{position},,{kind},,,,,,{},{currency},,\n", place.total)
}

/// Ids, numbers and names of our own: nothing in it needs quoting.
fn csv_row(line: &WalletEntry) -> String {
    let time = |time: chrono::DateTime<Utc>| time.to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
    let WalletEntry { line: number, position, kind, account, place, direction, amount, currency, place_balance, balance, .. } = line;
    format!(
        "{},{},{position},{number},{kind},{account},{place},{direction},{amount},{place_balance},{balance},{currency},{},{}\n",
        time(line.recorded_at),
        time(line.occurred_at),
        line.ref_type,
        line.ref_id
    )
}

async fn pdf(
    pool: &Pool,
    in_flight: &InFlight,
    tenant_id: TenantId,
    statement: Statement,
) -> Result<(Vec<u8>, StatementSummary), ApiError> {
    let Statement { summary, total_in, total_out, lines, .. } = statement;
    let List { mut items, mut next_cursor } = lines;
    while let Some(cursor) = next_cursor {
        if items.len() > MAX_PDF_LINES {
            return Err(too_large());
        }
        let more = line_page(pool, tenant_id, &summary, &page(Some(Page::MAX), Some(cursor))?).await.map_err(refused)?;
        items.extend(more.items);
        next_cursor = more.next_cursor;
    }
    if items.len() > MAX_PDF_LINES {
        return Err(too_large());
    }
    let document = StatementDocument {
        tenant: tenant_id.to_string(),
        owner_id: summary.owner_id.to_string(),
        wallet_id: summary.wallet_id.to_string(),
        currency: summary.currency.clone(),
        period: summary.period.clone(),
        from_position: summary.from_position.unsigned_abs(),
        to_position: summary.to_position.unsigned_abs(),
        dated: summary.to,
        opening_balance: summary.opening.total.to_string(),
        lines: items.iter().map(pdf_line).collect(),
        total_in: total_in.to_string(),
        total_out: total_out.to_string(),
        closing_balance: summary.closing.total.to_string(),
    };
    match in_flight.make_document(move || holdfast_typesetting::statement_pdf(&document)).await? {
        Ok(pdf) => Ok((pdf, summary)),
        Err(RenderError::TooLarge) => Err(too_large()),
        Err(error @ RenderError::Failed(_)) => Err(ApiError::internal(&error)),
    }
}

fn pdf_line(line: &WalletEntry) -> StatementLine {
    let amount = line.amount.to_string();
    let (amount_in, amount_out) = if line.direction == "credit" { (Some(amount), None) } else { (None, Some(amount)) };
    StatementLine {
        recorded_at: line.recorded_at,
        value_at: line.occurred_at,
        what: format!("{} ({})", line.kind, line.place),
        reference: format!("{} {}", line.ref_type, line.ref_id),
        amount_in,
        amount_out,
        balance_after: line.balance.to_string(),
    }
}

fn too_large() -> ApiError {
    let details = json!({ "mostLines": MAX_PDF_LINES });
    ApiError::invalid("STATEMENT_TOO_LARGE", "this month has too many lines for a PDF: ask for CSV", details)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_format_that_accept_names_is_given() {
        let given = |text: &'static str| accepted(Some(&HeaderValue::from_static(text)));
        assert_eq!((given("text/csv"), given("text/html, application/pdf;q=0.9")), (Format::Csv, Format::Pdf));
        assert_eq!((given("*/*"), given(""), accepted(None)), (Format::Json, Format::Json, Format::Json));
    }
}
