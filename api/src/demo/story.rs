//! Tells one story: sends its requests in order and checks every answer.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use futures::future::try_join_all;
use holdfast_domain::kernel::{PartyId, TenantId};
use reqwest::Method;
use serde_json::Value;
use uuid::Uuid;

use super::cast::Cast;
use super::client::{Answer, Call, Http};
use super::scenario::{Role, Step, Story};
use super::words::Words;

/// So long a story waits for what reactions and deadlines do.
const PATIENCE: Duration = Duration::from_secs(90);

/// The escrow may be past what a repeated story waits for: after this it goes on all the same.
const PATIENCE_WHEN_REPEATED: Duration = Duration::from_secs(15);

/// One telling: a story with its tenant, parties and amount.
pub(super) struct Telling<'a> {
    pub(super) story: &'a Story,
    pub(super) number: u32,
    pub(super) words: Words,
    pub(super) http: &'a Http,
    pub(super) cast: &'a Cast,
    /// Position of the last accepted command: what the next query must have seen.
    seen: i64,
    last_key: String,
    /// Some answer came from an earlier telling of the same run (or from a try whose answer was lost).
    repeated: bool,
}

/// What became of the escrow.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) requests: u64,
    /// Of the last sight of it.
    pub(super) status: String,
    pub(super) outcome: String,
}

impl<'a> Telling<'a> {
    pub(super) fn new(story: &'a Story, number: u32, words: Words, http: &'a Http, cast: &'a Cast) -> Self {
        Self { story, number, words, http, cast, seen: 0, last_key: String::new(), repeated: false }
    }

    pub(super) async fn tell(&mut self) -> anyhow::Result<Ending> {
        let mut requests = 0;
        for (index, step) in self.story.steps.iter().enumerate() {
            let copies = u64::from(step.times) * u64::from(step.at_once) * u64::from(step.race);
            requests += copies;
            self.step(index, step).await.with_context(|| self.place(index, step))?;
        }
        let ends = &self.story.ends;
        let seen = if self.words.escrow.is_some() { self.wait_for(ends, false).await.context("in the end")? } else { Value::Null };
        let text = |key: &str| seen[key].as_str().unwrap_or_default().to_owned();
        Ok(Ending { requests, status: text("status"), outcome: text("outcome") })
    }

    fn place(&self, index: usize, step: &Step) -> String {
        let what = [&step.post, &step.get, &step.put, &step.patch, &step.delete].into_iter().flatten().next().map_or("", String::as_str);
        let escrow = self.words.escrow.map(|id| format!(", escrow {id}")).unwrap_or_default();
        format!(
            "story {:?} ({} of tenant {}{escrow}), step {} ({:?} {what})",
            self.story.name,
            self.words.amount,
            self.words.tenant,
            index + 1,
            step.actor
        )
    }

    async fn step(&mut self, index: usize, step: &Step) -> anyhow::Result<()> {
        let call = self.call(index, step)?;
        let answer = if step.race > 1 {
            self.race(step, &call).await?
        } else if step.at_once > 1 {
            self.at_once(step, &call).await?
        } else {
            self.one_after_the_other(step, &call).await?
        };
        self.remember(step, &answer);
        self.keep(step, &answer.body)?;
        matches_all(&self.words, &answer.body, &step.shows)
            .map_err(|problem| anyhow::anyhow!("{problem}; the answer was {}", answer.describe()))?;
        if !step.until.is_empty() {
            let seen = match &step.at {
                None => self.wait_for(&step.until, self.repeated).await?,
                Some(path) => self.wait_at(path, step.actor, &step.until, self.repeated).await?,
            };
            self.keep(step, &seen)?;
        }
        Ok(())
    }

    async fn one_after_the_other(&self, step: &Step, call: &Call) -> anyhow::Result<Answer> {
        let first = self.http.call(call).await?;
        expect(step, &first)?;
        for _ in 1..step.times {
            let again = self.http.call(call).await?;
            expect(step, &again)?;
            ensure!(
                again.replayed && same(&again, &first),
                "the repeated request got {} instead of {}",
                again.describe(),
                first.describe()
            );
        }
        Ok(first)
    }

    /// The same request many times at once: one answer for all of them.
    async fn at_once(&self, step: &Step, call: &Call) -> anyhow::Result<Answer> {
        let answers = try_join_all((0..step.at_once).map(|_| self.http.call(call))).await?;
        let first = answers.first().context("at_once is at least 1")?.clone();
        for answer in &answers {
            expect(step, answer)?;
            ensure!(same(answer, &first), "the same request got {} and {}", first.describe(), answer.describe());
        }
        Ok(first)
    }

    /// Different requests for the same thing at once: one wins.
    async fn race(&self, step: &Step, call: &Call) -> anyhow::Result<Answer> {
        let calls: Vec<Call> =
            (0..step.race).map(|runner| Call { key: call.key.as_ref().map(|key| format!("{key}-{runner}")), ..call.clone() }).collect();
        let answers = try_join_all(calls.iter().map(|call| self.http.call(call))).await?;
        let wanted = expected_status(step);
        let (winners, losers): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == wanted);
        ensure!(
            winners.len() == 1,
            "{} of {} won the race; the others got {:?}",
            winners.len(),
            step.race,
            losers.iter().map(Answer::describe).collect::<Vec<_>>()
        );
        let odd = losers.iter().find(|loser| step.loser.is_some_and(|status| loser.status != status));
        if let Some(loser) = odd {
            bail!("a loser of the race got {}", loser.describe());
        }
        winners.into_iter().next().context("one has won")
    }

    fn call(&mut self, index: usize, step: &Step) -> anyhow::Result<Call> {
        let ways = [
            (Method::POST, &step.post),
            (Method::GET, &step.get),
            (Method::PUT, &step.put),
            (Method::PATCH, &step.patch),
            (Method::DELETE, &step.delete),
        ];
        let (method, path) = ways.into_iter().find_map(|(method, path)| Some((method, path.as_ref()?))).context("no method")?;
        let path = self.path(path)?;
        let is_command = method != Method::GET;
        if !step.same_key {
            self.last_key = format!("demo-{}-{}-{index}", self.words.seed, self.number);
        }
        let body = step.body.as_ref().map(|body| self.words.fill(body)).transpose()?;
        // A ticket's address says all by itself.
        let (tenant, token) = if step.file.is_some() { (self.words.tenant, None) } else { self.identity(step.actor)? };
        let is_command = is_command && step.file.is_none();
        Ok(Call {
            method,
            path,
            token,
            tenant: Some(tenant.to_string()),
            key: (is_command && !step.no_key).then(|| self.last_key.clone()),
            min_position: (!is_command && self.seen > 0 && tenant == self.words.tenant).then_some(self.seen),
            body: body.or_else(|| (is_command && step.file.is_none()).then(|| serde_json::json!({}))),
            file: step.file.clone(),
        })
    }

    fn path(&self, path: &str) -> anyhow::Result<String> {
        let path = match path {
            "create" => "/v1/escrows".to_owned(),
            "show" => "/v1/escrows/{escrow}".to_owned(),
            "case" => "/v1/disputes/{dispute}".to_owned(),
            "assign" | "decision" | "concede" | "close" | "widen" | "evidence" => format!("/v1/disputes/{{dispute}}/{path}"),
            _ if path.starts_with('/') || path.starts_with('{') => path.to_owned(),
            action => format!("/v1/escrows/{{escrow}}/{action}"),
        };
        self.words.text(&path)
    }

    /// Tenant header and token of whoever acts.
    fn identity(&self, role: Role) -> anyhow::Result<(TenantId, Option<String>)> {
        let (tenant, other) = (self.words.tenant, self.words.other_tenant);
        let token = |tenant, party| self.cast.token(tenant, party, role).map(Some);
        Ok(match role {
            Role::Payer => (tenant, token(tenant, PartyId(self.words.payer))?),
            Role::Payee => (tenant, token(tenant, PartyId(self.words.payee))?),
            Role::Bystander => (tenant, token(tenant, self.cast.party(tenant, "bystander"))?),
            Role::Stranger => (other, token(other, self.cast.staff(other, role))?),
            Role::Impostor => (tenant, token(other, self.cast.staff(other, role))?),
            Role::Nobody => (tenant, None),
            Role::Admin
            | Role::Ops
            | Role::Finance
            | Role::Viewer
            | Role::Auditor
            | Role::Platform
            | Role::PlatformFinance
            | Role::Judge
            | Role::Service => (tenant, token(tenant, self.cast.staff(tenant, role))?),
        })
    }

    fn remember(&mut self, step: &Step, answer: &Answer) {
        self.repeated |= answer.replayed;
        if step.get.is_some() || answer.status >= 300 {
            return;
        }
        if let Some(position) = answer.body["position"].as_i64() {
            self.seen = self.seen.max(position);
        }
        if matches!(step.post.as_deref(), Some("create" | "/escrow/create"))
            && let Some(id) = answer.body["id"].as_str().and_then(|id| Uuid::parse_str(id).ok())
        {
            self.words.escrow.get_or_insert(id);
        }
    }

    /// What is not in this answer may be in what is waited for.
    fn keep(&mut self, step: &Step, body: &Value) -> anyhow::Result<()> {
        for (name, pointer) in &step.keep {
            let kept = match body.pointer(pointer) {
                Some(Value::String(text)) => text.clone(),
                Some(Value::Number(number)) => number.to_string(),
                Some(_) | None => continue,
            };
            if name == "escrow" {
                self.words.escrow = Some(Uuid::parse_str(&kept).context("the escrow's id is no id")?);
            }
            self.words.kept.insert(name.clone(), kept);
        }
        Ok(())
    }

    /// Looks at the escrow until it shows everything that is wanted; `or_later`: or has gone past it.
    async fn wait_for(&self, wanted: &BTreeMap<String, Value>, or_later: bool) -> anyhow::Result<Value> {
        self.wait_at("show", Role::Admin, wanted, or_later).await
    }

    async fn wait_at(&self, path: &str, seer: Role, wanted: &BTreeMap<String, Value>, or_later: bool) -> anyhow::Result<Value> {
        let started = Instant::now();
        let mut pause = Duration::from_millis(25);
        loop {
            let (tenant, token) = self.identity(seer)?;
            let call = Call {
                method: Method::GET,
                path: self.path(path)?,
                token,
                tenant: Some(tenant.to_string()),
                key: None,
                min_position: Some(self.seen),
                body: None,
                file: None,
            };
            let answer = self.http.call(&call).await?;
            // What a reaction makes may not be there yet.
            if answer.status == 404 && started.elapsed() < PATIENCE {
                tokio::time::sleep(pause).await;
                continue;
            }
            ensure!(answer.status == 200, "{path} cannot be seen: {}", answer.describe());
            match matches_all(&self.words, &answer.body, wanted) {
                Ok(()) => return Ok(answer.body),
                Err(_) if or_later && (has_ended(&answer.body) || started.elapsed() > PATIENCE_WHEN_REPEATED) => return Ok(answer.body),
                Err(problem) if started.elapsed() > PATIENCE => {
                    bail!("{problem} even after {} s; {path} shows {}", PATIENCE.as_secs(), answer.body)
                }
                Err(_) => tokio::time::sleep(pause).await,
            }
            pause = (pause * 3 / 2).min(Duration::from_millis(500));
        }
    }
}

fn expected_status(step: &Step) -> u16 {
    let default = if matches!(step.post.as_deref(), Some("create" | "/escrow/create")) { 201 } else { 200 };
    step.expect.unwrap_or(default)
}

fn expect(step: &Step, answer: &Answer) -> anyhow::Result<()> {
    let wanted = expected_status(step);
    ensure!(answer.status == wanted, "expected {wanted}, got {}", answer.describe());
    if let Some(code) = &step.code {
        ensure!(answer.code() == code, "expected {code}, got {}", answer.describe());
    }
    Ok(())
}

fn has_ended(escrow: &Value) -> bool {
    matches!(escrow["status"].as_str(), Some("closed" | "cancelled"))
}

/// Request ids differ from try to try; everything else must not.
fn same(a: &Answer, b: &Answer) -> bool {
    let strip = |answer: &Answer| {
        let mut body = answer.body.clone();
        if let Some(error) = body.get_mut("error").and_then(Value::as_object_mut) {
            error.remove("requestId");
        }
        (answer.status, body)
    };
    strip(a) == strip(b)
}

fn matches_all(words: &Words, body: &Value, wanted: &BTreeMap<String, Value>) -> anyhow::Result<()> {
    for (pointer, value) in wanted {
        let value = words.fill(value)?;
        let found = body.pointer(pointer).unwrap_or(&Value::Null);
        ensure!(*found == value, "{pointer} is {found} instead of {value}");
    }
    Ok(())
}
