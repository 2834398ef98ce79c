//! Where the links of the local folder lead: bytes in and out, for whoever holds a token that we signed (TAL-43). With a
//! bucket the links lead there, and these routes refuse every token.

use std::sync::Arc;
use std::time::Duration;

use actix_web::body::SizedStream;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ContentEncoding};
use actix_web::web::{Bytes, Data, Payload};
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{TimeDelta, Utc};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use holdfast_files::{ContentType, Files, FilesError, Refusal, UploadTarget, attachment};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::QuerySide;
use crate::connection::Connection;
use crate::error::ApiError;
use crate::long_answer::long_answer;
use crate::request::PathId;
use crate::routes::{Kind, RouteSpec};
use crate::state::{CommandSide, Shared};

pub(crate) const PATH: &str = "/v1/files/{token}";

pub(crate) const ROUTES: &[RouteSpec] = &[
    RouteSpec::signed("PUT", PATH, Kind::Command, || web::put().to(take_file)),
    RouteSpec::signed("GET", PATH, Kind::Query, || web::get().to(give_file)),
];

/// A file may take its time as long as something comes.
const PIECE_TIMEOUT: Duration = Duration::from_secs(20);
/// Pieces that wait for the disk.
const PIECES_AHEAD: usize = 8;

/// Send the bytes that the ticket announced, as its `upload` says. There whole or not at all; again replaces it, until it is
/// confirmed. Fails with `FILE_LINK_INVALID`, `FILE_LINK_EXPIRED`, `FILE_TYPE_DIFFERS`, `FILE_SIZE_DIFFERS`, `FILE_TOO_LARGE`.
#[utoipa::path(put, path = "/v1/files/{token}", tag = "assets", params(("token" = String, Path)),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"), responses((status = 204)))]
pub(crate) async fn take_file(
    token: PathId<String>,
    request: HttpRequest,
    body: Payload,
    shared: Shared,
    side: Data<CommandSide>,
) -> Result<HttpResponse, ApiError> {
    let target = side.files.open_upload(&token.0, Utc::now()).map_err(|refusal| ApiError::by_rule(&refusal))?;
    as_announced(&request, &target)?;
    // On the process's runtime, so that an upload whose client goes away is cleaned up.
    let (pieces, arriving) = mpsc::channel(PIECES_AHEAD);
    let files = Arc::clone(&side.files);
    let written = shared.tasks.run(async move {
        let body = stream::unfold(arriving, |mut arriving| async move { Some((arriving.recv().await?, arriving)) });
        files.write(&target, body).await.map_err(refused)
    });
    let ((), written) = futures::join!(hand_over(body, pieces), written);
    written.map(|()| HttpResponse::NoContent().finish())
}

/// What the head says already; the body is counted as it comes.
fn as_announced(request: &HttpRequest, target: &UploadTarget) -> Result<(), ApiError> {
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let sent = header(CONTENT_TYPE).unwrap_or_default();
    let (found, announced) = (sent.chars().take(100).collect(), target.content_type);
    if ContentType::of(sent) != Ok(announced) || header(CONTENT_ENCODING).is_some() {
        return Err(ApiError::by_rule(&Refusal::TypeDiffers { announced, found }));
    }
    match header(CONTENT_LENGTH).and_then(|length| length.parse().ok()) {
        Some(size) if size > target.size => Err(ApiError::by_rule(&Refusal::TooLarge { size, max: target.size })),
        Some(_) | None => Ok(()),
    }
}

struct BrokeOff;

/// Ends when the body does, when it breaks off or pauses too long, or when nobody takes more of it.
async fn hand_over(mut body: Payload, pieces: mpsc::Sender<Result<Bytes, BrokeOff>>) {
    loop {
        let piece = tokio::select! {
            () = pieces.closed() => return,
            piece = tokio::time::timeout(PIECE_TIMEOUT, body.next()) => piece,
        };
        let piece = match piece {
            Ok(Some(Ok(piece))) => Ok(piece),
            Ok(None) => return,
            Ok(Some(Err(_))) | Err(_) => Err(BrokeOff),
        };
        let broken = piece.is_err();
        if pieces.send(piece).await.is_err() || broken {
            return;
        }
    }
}

/// The bytes of a file, always as a download. Fails with `FILE_LINK_INVALID`, `FILE_LINK_EXPIRED`, `FILE_NOT_FOUND`.
#[utoipa::path(get, path = "/v1/files/{token}", tag = "assets", params(("token" = String, Path)),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream")))]
pub(crate) async fn give_file(
    token: PathId<String>,
    connection: Connection,
    shared: Shared,
    side: Data<QuerySide>,
) -> Result<HttpResponse, ApiError> {
    let download = side.files.open_download(&token.0, Utc::now()).map_err(|refusal| ApiError::by_rule(&refusal))?;
    let (files, key) = (Arc::clone(&side.files), download.key.clone());
    let content = shared.tasks.run(async move { files.read(&key).await.map_err(refused) }).await?;
    let pieces = content.pieces.map_err(|error| {
        tracing::warn!(error = &error as &dyn std::error::Error, "a download broke off");
        std::io::Error::other("the file cannot be read any further")
    });
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, download.content_type.mime()))
        .insert_header((CONTENT_DISPOSITION, attachment(&download.file_name)))
        .insert_header((CACHE_CONTROL, "private, no-store"))
        // As it is, with its length.
        .insert_header(ContentEncoding::Identity)
        .body(SizedStream::new(content.size, long_answer(&shared.tasks, connection, pieces))))
}

/// A refusal of the storage, or that it does not answer.
pub(crate) fn refused(error: FilesError) -> ApiError {
    match error {
        FilesError::Refused(refusal) => ApiError::by_rule(&refusal),
        FilesError::Unavailable(_) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the file storage failed");
            ApiError::files_unavailable()
        }
    }
}

const SWEEP_EVERY: Duration = Duration::from_secs(3_600);

/// Deletes what was uploaded and never confirmed, for as long as the process runs. `oldest`: of a ticket that is still good.
pub(crate) async fn keep_swept(files: Arc<Files>, oldest: TimeDelta, shutdown: CancellationToken) {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(SWEEP_EVERY) => {}
        }
        match files.sweep(Utc::now() - oldest.max(TimeDelta::days(1))).await {
            Ok(0) => {}
            Ok(deleted) => tracing::info!(deleted, "files that nobody confirmed are deleted"),
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "the file storage cannot be swept"),
        }
    }
}
