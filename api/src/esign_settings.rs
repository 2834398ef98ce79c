//! Signing providers as an operator sets them (CTR-40, CTR-41): `[esign.sandbox]`, `[esign.http]`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use holdfast_commands::esign::{HttpProvider, HttpProviderSettings, SandboxFault, SandboxProvider, SigningProviders, WebhookSecret};
use holdfast_domain::contract::ESignProvider;
use secrecy::SecretString;
use serde::Deserialize;

use crate::commands::esign_webhook::WebhookSecrets;
use crate::settings::Profile;

/// None by default: then contracts are signed in the app only.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ESign {
    pub sandbox: Sandbox,
    pub http: Http,
}

/// A provider inside this process; not in production.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sandbox {
    /// Switches it on. 24 to 64 random bytes in base64.
    pub webhook_secret: Option<SecretString>,
    /// Our own `/v1/esign/webhook` as this process reaches it; on the address that it listens on when none is given.
    pub webhook_url: Option<String>,
    pub faults: Vec<SandboxFault>,
}

/// A provider that speaks JSON over HTTPS.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Switches it on. Without a slash at its end.
    pub base_url: Option<String>,
    pub api_key: Option<SecretString>,
    /// 24 to 64 random bytes in base64, as the provider shows it, with or without `whsec_` before it.
    pub webhook_secret: Option<SecretString>,
    pub timeout_s: u64,
}

impl Default for Http {
    fn default() -> Self {
        Self { base_url: None, api_key: None, webhook_secret: None, timeout_s: 30 }
    }
}

impl ESign {
    /// # Errors
    /// Names the key that is missing or wrong.
    pub(crate) fn providers(&self, profile: Profile, listen: SocketAddr) -> anyhow::Result<SigningProviders> {
        let mut providers = SigningProviders::default();
        if let Some(secret) = &self.sandbox.webhook_secret {
            ensure!(profile != Profile::Production, "esign.sandbox: signs whatever it gets and is not for the production profile");
            let secret = WebhookSecret::try_new(secret).context("esign.sandbox.webhook_secret")?;
            let url = self.sandbox.webhook_url.clone().unwrap_or_else(|| format!("http://{listen}/v1/esign/webhook"));
            let faults = self.sandbox.faults.iter().copied().collect();
            providers = providers.with(ESignProvider::Sandbox, Arc::new(SandboxProvider::new(url, secret, faults)));
        }
        if let Some(base_url) = &self.http.base_url {
            ensure!(base_url.starts_with("https://") || profile != Profile::Production, "esign.http.base_url: must be a https URL");
            let api_key = self.http.api_key.clone().context("esign.http.api_key is missing")?;
            let base_url = base_url.trim_end_matches('/').to_owned();
            let settings = HttpProviderSettings { base_url, api_key, timeout: Duration::from_secs(self.http.timeout_s) };
            let provider = HttpProvider::try_new(settings).context("esign.http")?;
            providers = providers.with(ESignProvider::Http, Arc::new(provider));
        }
        Ok(providers)
    }

    /// # Errors
    /// Names the key that is wrong.
    pub(crate) fn webhook_secrets(&self) -> anyhow::Result<WebhookSecrets> {
        let mut secrets = Vec::new();
        if let Some(secret) = &self.sandbox.webhook_secret {
            secrets.push((ESignProvider::Sandbox, WebhookSecret::try_new(secret).context("esign.sandbox.webhook_secret")?));
        }
        if let Some(secret) = &self.http.webhook_secret {
            secrets.push((ESignProvider::Http, WebhookSecret::try_new(secret).context("esign.http.webhook_secret")?));
        }
        Ok(WebhookSecrets(secrets))
    }
}
