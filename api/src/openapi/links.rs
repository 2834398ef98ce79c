//! Where an id that was just made can be used: OpenAPI links, found by how paths are built. `POST /v1/escrows` makes what
//! `{escrowId}` stands for behind `/escrows/`.

use utoipa::openapi::link::{Link, LinkBuilder};
use utoipa::openapi::{OpenApi, RefOr};

use super::operation_of;
use crate::routes::{self, RouteSpec};

/// Adds a link from every answer 201 to every operation that takes its id.
pub(super) fn add(document: &mut OpenApi) {
    for spec in routes::all().filter(|spec| spec.method == "POST") {
        let links: Vec<_> =
            routes::all().filter_map(|next| Some((operation_id(document, next)?, parameters(spec.path, next.path)?))).collect();
        let operation = document.paths.paths.get_mut(spec.path).and_then(|item| operation_of(item, spec.method));
        let Some(RefOr::T(created)) = operation.and_then(|operation| operation.responses.responses.get_mut("201")) else { continue };
        for (operation_id, parameters) in links {
            created.links.insert(operation_id.clone(), RefOr::T(link(operation_id, parameters)));
        }
    }
}

fn operation_id(document: &mut OpenApi, spec: &RouteSpec) -> Option<String> {
    document.paths.paths.get_mut(spec.path).and_then(|item| operation_of(item, spec.method))?.operation_id.clone()
}

fn link(operation_id: String, parameters: Vec<(String, String)>) -> Link {
    parameters.into_iter().fold(LinkBuilder::new().operation_id(operation_id), |link, (name, from)| link.parameter(name, from)).build()
}

/// How the places of `next` are filled after `made` has answered; `None` when what was made is not in it, or something else is.
fn parameters(made: &str, next: &str) -> Option<Vec<(String, String)>> {
    let collection = made.rsplit('/').next().filter(|last| !last.starts_with('{'))?;
    let (mut found, mut before, mut takes_it) = (Vec::new(), "", false);
    for segment in next.split('/') {
        if let Some(name) = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            let from = if before == collection {
                takes_it = true;
                "$response.body#/id".to_owned()
            } else if made.contains(segment) {
                format!("$request.path.{name}")
            } else {
                return None;
            };
            found.push((name.to_owned(), from));
        }
        before = segment;
    }
    takes_it.then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_fits_where_its_collection_stands_in_front() {
        let own = |name: &str| (name.to_owned(), "$response.body#/id".to_owned());
        assert_eq!(parameters("/v1/escrows", "/v1/escrows/{escrowId}/fund"), Some(vec![own("escrowId")]));
        assert_eq!(parameters("/v1/jobs/{jobId}/bookings", "/v1/bookings/{bookingId}"), Some(vec![own("bookingId")]));
        let of_a_job = Some(vec![("jobId".to_owned(), "$request.path.jobId".to_owned()), own("submissionId")]);
        assert_eq!(parameters("/v1/jobs/{jobId}/submissions", "/v1/jobs/{jobId}/submissions/{submissionId}"), of_a_job);
        assert_eq!(parameters("/v1/escrows", "/v1/wallets/{walletId}"), None);
        assert_eq!(parameters("/v1/escrows", "/v1/escrows"), None);
        assert_eq!(parameters("/v1/jobs", "/v1/jobs/{jobId}/submissions/{submissionId}"), None);
    }

    #[test]
    fn what_is_made_can_be_followed() {
        let document = serde_json::to_value(crate::openapi::document()).unwrap();
        for (path, next, place) in
            [("/v1/escrows", "fund_escrow", "escrowId"), ("/v1/jobs/{jobId}/bookings", "booking_detail", "bookingId")]
        {
            let link = &document["paths"][path]["post"]["responses"]["201"]["links"][next];
            assert_eq!((&link["operationId"], &link["parameters"][place]), (&next.into(), &"$response.body#/id".into()), "{path}: {link}");
        }
    }
}
