//! Sessions end before their tokens do (docs/domain/session.md).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::Duration;

use holdfast_domain::kernel::{PartyId, Role, TenantId};
use holdfast_tests::{Client, Flow, System};
use serde_json::json;
use uuid::Uuid;

/// Waits until the client's commands and queries are refused.
async fn is_refused(client: &Client) -> anyhow::Result<()> {
    for _ in 0..300 {
        let answer = client.get("/v1/escrows").await?;
        if answer.status != 200 {
            assert_eq!((answer.status, answer.code()), (401, "SESSION_REVOKED"), "{}", answer.text);
            let command = client.post("/v1/jobs", &json!({ "title": "too late" })).await?;
            assert_eq!((command.status, command.code()), (401, "SESSION_REVOKED"), "{}", command.text);
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("a revoked session goes on")
}

fn two_sessions(system: &System, tenant_id: TenantId, role: Role) -> anyhow::Result<(Client, Client)> {
    let user = PartyId(Uuid::new_v4());
    Ok((system.client(tenant_id, user, &[role])?, system.client(tenant_id, user, &[role])?))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_session_is_refused_everywhere_and_the_users_other_one_is_not() -> anyhow::Result<()> {
    // IDN-11: also in a process that has verified the token before and did not take the command.
    let system = System::start().await?;
    let flow = Flow::new(&system, system.tenant("")?)?;
    let (lost, kept) = two_sessions(&system, flow.parties.tenant_id, Role::Ops)?;
    for client in [&lost, &kept] {
        assert_eq!(client.get("/v1/escrows").await?.status, 200);
    }
    let body = json!({ "sessionId": lost.session_id()?, "reason": "device_lost" });
    let revoked = flow.parties.staff.post("/v1/admin/sessions/revoke", &body).await?;
    assert_eq!((revoked.status, revoked.body["status"].as_str()), (200, Some("revoked")), "{}", revoked.text);
    assert_eq!(revoked.id(), lost.session_id()?);
    is_refused(&lost).await?;
    assert_eq!(kept.post("/v1/jobs", &json!({ "title": "goes on" })).await?.status, 201);
    let again = flow.parties.staff.post("/v1/admin/sessions/revoke", &body).await?;
    assert_eq!((again.status, again.body["version"].as_i64()), (200, Some(1)), "{}", again.text);
    // The same id at another tenant is another session.
    let other = system.tenant("")?;
    let stranger = system.client(other, PartyId(Uuid::new_v4()), &[Role::TenantAdmin])?;
    let body = json!({ "sessionId": kept.session_id()?, "reason": "suspected_misuse" });
    assert_eq!(stranger.post("/v1/admin/sessions/revoke", &body).await?.status, 200);
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(kept.get("/v1/escrows").await?.status, 200);
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_signs_out_and_operators_end_sessions_from_the_command_line() -> anyhow::Result<()> {
    // IDN-22
    let system = System::start().await?;
    let tenant_id = system.tenant("")?;
    let (mine, other) = two_sessions(&system, tenant_id, Role::Ops)?;
    let out = mine.post("/v1/sessions/current/revoke", &json!({})).await?;
    assert_eq!((out.status, out.id()), (200, mine.session_id()?), "{}", out.text);
    is_refused(&mine).await?;
    let session = other.session_id()?.to_string();
    assert_eq!(other.get("/v1/escrows").await?.status, 200);
    system.run(&["session", "revoke", "--tenant", &tenant_id.to_string(), "--session", &session])?;
    is_refused(&other).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_revocations_are_refused_and_change_nothing() -> anyhow::Result<()> {
    // IDN-11, NFR-08
    let system = System::start().await?;
    let flow = Flow::new(&system, system.tenant("")?)?;
    let session = flow.parties.payer.session_id()?;
    let wrong = [
        (json!({ "reason": "device_lost" }), "sessionId"),
        (json!({ "sessionId": "x", "reason": "device_lost" }), "sessionId"),
        (json!({ "sessionId": session, "reason": "because" }), "reason"),
        (json!({ "sessionId": session, "reason": "device_lost", "note": "x" }), "note"),
    ];
    for (body, field) in wrong {
        let answer = flow.parties.staff.post("/v1/admin/sessions/revoke", &body).await?;
        assert_eq!((answer.status, answer.body["error"]["details"]["field"].as_str()), (400, Some(field)), "{}", answer.text);
    }
    let body = json!({ "sessionId": session, "reason": "device_lost" });
    let denied = flow.parties.payee.post("/v1/admin/sessions/revoke", &body).await?;
    assert_eq!((denied.status, denied.code()), (403, "POLICY_DENIED"), "{}", denied.text);
    let rows: i64 =
        sqlx::query_scalar("SELECT count(*) FROM events WHERE aggregate_type = 'session'").fetch_one(&system.log_database().await?).await?;
    assert_eq!(rows, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_let_in_for_long_on_what_was_known_when_the_read_models_are_away() -> anyhow::Result<()> {
    // IDN-11: the last known list counts for the patience of the settings, then writes are refused, and come back by themselves.
    let system = System::start_set("[sessions]\nrefresh_s = 1\npatience_s = 10\n").await?;
    let flow = Flow::new(&system, system.tenant("")?)?;
    let staff = &flow.parties.staff;
    assert_eq!(staff.get("/v1/escrows").await?.status, 200);
    let read = system.read_database().await?;
    let rights = |verb: &str, word: &str| format!("{verb} SELECT ON revoked_sessions {word} holdfast_reader");
    sqlx::raw_sql(&rights("REVOKE", "FROM")).execute(&read).await?;
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(staff.post("/v1/jobs", &json!({ "title": "known" })).await?.status, 201, "the last known list counts");
    let mut refused = staff.post("/v1/jobs", &json!({ "title": "known" })).await?;
    for _ in 0..30 {
        if refused.status != 201 {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        refused = staff.post("/v1/jobs", &json!({ "title": "known" })).await?;
    }
    assert_eq!((refused.status, refused.code()), (503, "UNAVAILABLE"), "{}", refused.text);
    sqlx::raw_sql(&rights("GRANT", "TO")).execute(&read).await?;
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(staff.post("/v1/jobs", &json!({ "title": "back" })).await?.status, 201);
    Ok(())
}
