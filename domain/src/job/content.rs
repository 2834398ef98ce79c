//! What a job says: title, brief, budget, place and dates.

use chrono::{DateTime, SubsecRound, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::job::JobError;
use crate::kernel::check_free_json;

const MAX_TITLE_CHARACTERS: usize = 200;
const MAX_LOCATION_CHARACTERS: usize = 300;
const MAX_BRIEF_BYTES: usize = 64 * 1024;
const MAX_BUDGET_BYTES: usize = 8 * 1024;

/// JOB-01. Brief and budget are the tenant's own objects. Nothing here is personal: a brief names roles, not people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobContent {
    pub title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brief: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_ts: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_ts: Option<DateTime<Utc>>,
}

/// JOB-13: what is given replaces what was there.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct JobChanges {
    pub title: Option<String>,
    pub brief: Option<Value>,
    pub budget: Option<Value>,
    pub location: Option<String>,
    pub start_ts: Option<DateTime<Utc>>,
    pub end_ts: Option<DateTime<Utc>>,
}

impl JobContent {
    #[must_use]
    pub(super) fn with(&self, changes: JobChanges) -> Self {
        let old = self.clone();
        Self {
            title: changes.title.unwrap_or(old.title),
            brief: changes.brief.or(old.brief),
            budget: changes.budget.or(old.budget),
            location: changes.location.or(old.location),
            start_ts: changes.start_ts.or(old.start_ts),
            end_ts: changes.end_ts.or(old.end_ts),
        }
    }

    /// As it is stored: trimmed, instants to the microsecond.
    ///
    /// # Errors
    /// `JobError::Invalid` names the field.
    pub(super) fn checked(mut self) -> Result<Self, JobError> {
        let invalid = |field, problem: String| JobError::Invalid { field, problem };
        check_line(&self.title, MAX_TITLE_CHARACTERS).map_err(|problem| invalid("title", problem))?;
        if let Some(location) = &self.location {
            check_line(location, MAX_LOCATION_CHARACTERS).map_err(|problem| invalid("location", problem))?;
        }
        if let Some(brief) = &self.brief {
            check_free_json(brief, MAX_BRIEF_BYTES).map_err(|problem| invalid("brief", problem.to_string()))?;
        }
        if let Some(budget) = &self.budget {
            check_free_json(budget, MAX_BUDGET_BYTES).map_err(|problem| invalid("budget", problem.to_string()))?;
        }
        if let (Some(start), Some(end)) = (self.start_ts, self.end_ts)
            && end <= start
        {
            return Err(invalid("endTs", "must be after startTs".to_owned()));
        }
        self.title = self.title.trim().to_owned();
        self.location = self.location.map(|location| location.trim().to_owned());
        self.start_ts = self.start_ts.map(|at| at.trunc_subsecs(6));
        self.end_ts = self.end_ts.map(|at| at.trunc_subsecs(6));
        Ok(self)
    }

    /// What a published job needs and this one lacks (JOB-40).
    pub(super) fn missing(&self) -> Vec<&'static str> {
        let has_brief = self.brief.as_ref().and_then(Value::as_object).is_some_and(|brief| !brief.is_empty());
        let needed = [("brief", has_brief), ("startTs", self.start_ts.is_some()), ("endTs", self.end_ts.is_some())];
        needed.into_iter().filter(|(_, there)| !there).map(|(field, _)| field).collect()
    }
}

fn check_line(text: &str, max_characters: usize) -> Result<(), String> {
    let is_good = !text.trim().is_empty() && text.chars().count() <= max_characters && !text.chars().any(char::is_control);
    if is_good { Ok(()) } else { Err(format!("must be one line of 1 to {max_characters} characters, not blank")) }
}
