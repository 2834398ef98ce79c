//! `holdfast migrate`: databases, roles, tables, policies; safe to repeat.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection as _, PgConnection, PgPool};

use super::context::Global;
use super::print;
use crate::settings::{DatabaseRole, Needs, Settings, Side};

/// Bring both databases to the shape of this version.
///
/// Creates the databases and roles when they are missing, gives the roles the passwords of the settings, and runs the
/// migrations as `database.admin_user`. Forward only; a released migration is never edited.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {}

const NEEDS: Needs =
    Needs { tokens: false, secrets: false, database: &[(Side::Write, DatabaseRole::Admin), (Side::Read, DatabaseRole::Admin)] };

pub(super) async fn run(global: &Global, _arguments: Arguments) -> anyhow::Result<ExitCode> {
    let opened = global.open(NEEDS).await?;
    migrate(&opened.settings).await?;
    print::line("both databases are up to date")?;
    opened.close().await?;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn migrate(settings: &Settings) -> anyhow::Result<()> {
    let write = admin_pool(settings, Side::Write).await?;
    holdfast_eventlog::db::migrate_write(&write).await.context("cannot migrate the write database")?;
    let read = admin_pool(settings, Side::Read).await?;
    holdfast_projections::migrate(&read).await.context("cannot migrate the read database")?;
    set_passwords(settings, &write).await?;
    write.close().await;
    read.close().await;
    Ok(())
}

/// Makes the database if it is missing.
async fn admin_pool(settings: &Settings, side: Side) -> anyhow::Result<PgPool> {
    let options = settings.database.connect_options(side, DatabaseRole::Admin)?;
    if let Some(name) = options.get_database().map(str::to_owned) {
        create_database(&options, &name).await?;
    }
    PgPoolOptions::new().max_connections(2).connect_with(options).await.context("cannot reach the database as database.admin_user")
}

async fn create_database(options: &PgConnectOptions, name: &str) -> anyhow::Result<()> {
    if PgConnection::connect_with(options).await.is_ok() {
        return Ok(());
    }
    let mut connection = PgConnection::connect_with(&options.clone().database("postgres"))
        .await
        .context("cannot reach the database server as database.admin_user")?;
    let exists: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(name)
        .fetch_one(&mut connection)
        .await
        .context("cannot list the databases")?;
    if !exists {
        let quoted = name.replace('"', "\"\"");
        let sql = format!("CREATE DATABASE \"{quoted}\"");
        let mut tries = 0;
        while let Err(error) = sqlx::raw_sql(&sql).execute(&mut connection).await {
            tries += 1;
            if tries == TRIES {
                return Err(error).context("cannot create the database");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
    connection.close().await.context("cannot close the connection")
}

/// Roles and templates belong to the whole server: another migration on it may be in the way for a moment.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(150);

async fn persistently<F: Future<Output = Result<T, sqlx::Error>>, T>(mut attempt: impl FnMut() -> F) -> Result<T, sqlx::Error> {
    for _ in 1..TRIES {
        if let Ok(done) = attempt().await {
            return Ok(done);
        }
        tokio::time::sleep(PAUSE).await;
    }
    attempt().await
}

/// Sent as SCRAM verifiers: the server, and its log, never see a password.
async fn set_passwords(settings: &Settings, pool: &PgPool) -> anyhow::Result<()> {
    for &role in DatabaseRole::SERVICES {
        let (Some(name), Some(password)) = (role.name(), settings.database.password(role)) else { continue };
        let sql = format!("ALTER ROLE {name} LOGIN PASSWORD '{}'", scram_verifier(password.expose_secret())?);
        persistently(|| sqlx::raw_sql(&sql).execute(pool)).await.with_context(|| format!("cannot set the password of {name}"))?;
    }
    Ok(())
}

/// RFC 5803 as Postgres stores it. The password must be ASCII (no `SASLprep` is done).
fn scram_verifier(password: &str) -> anyhow::Result<String> {
    const ITERATIONS: u32 = 4096;
    anyhow::ensure!(password.is_ascii(), "database passwords must be ASCII");
    let mut salt = [0_u8; 16];
    getrandom::fill(&mut salt).map_err(|error| anyhow::anyhow!("the system has no random numbers: {error}"))?;
    let salted = pbkdf2_one_block(password.as_bytes(), &salt, ITERATIONS)?;
    let client_key = hmac(&salted, b"Client Key")?;
    let stored_key = Sha256::digest(client_key);
    let server_key = hmac(&salted, b"Server Key")?;
    Ok(format!("SCRAM-SHA-256${ITERATIONS}:{}${}:{}", BASE64.encode(salt), BASE64.encode(stored_key), BASE64.encode(server_key)))
}

fn pbkdf2_one_block(password: &[u8], salt: &[u8], iterations: u32) -> anyhow::Result<[u8; 32]> {
    let mut block = hmac(password, &[salt, &1_u32.to_be_bytes()].concat())?;
    let mut result = block;
    for _ in 1..iterations {
        block = hmac(password, &block)?;
        for (result, byte) in result.iter_mut().zip(block) {
            *result ^= byte;
        }
    }
    Ok(result)
}

fn hmac(key: &[u8], message: &[u8]) -> anyhow::Result<[u8; 32]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| anyhow::anyhow!("unusable HMAC key"))?;
    mac.update(message);
    Ok(mac.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_verifier_follows_the_test_vector_of_rfc_7677() {
        // Password "pencil", salt W22ZaJ0SNY7soEsUEjb6gQ==, 4096 iterations: the server key proves the whole chain.
        use base64::Engine as _;
        let salt = super::BASE64.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let salted = super::pbkdf2_one_block(b"pencil", &salt, 4096).unwrap();
        let server_key = super::hmac(&salted, b"Server Key").unwrap();
        let auth = "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let signature = super::hmac(&server_key, auth.as_bytes()).unwrap();
        assert_eq!(super::BASE64.encode(signature), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }
}
