//! State, decisions, and how events change it.

use std::collections::BTreeSet;

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use cqrs_es::event_sink::EventSink;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::asset::{
    Announce, AssetAction, AssetCommand, AssetError, AssetEvent, AssetKind, AssetOwner, AssetStatus, OwnerType, UPLOAD_DEADLINE,
};
use crate::kernel::{Actor, Claim, Context, PartyId, Personal, Role, TenantAggregate};

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Asset {
    status: AssetStatus,
    about: Option<About>,
    /// SHA-256 of the confirmed content; stays when the content is deleted.
    sha256: Option<String>,
    /// What refers to it.
    kept_by: BTreeSet<Uuid>,
}

/// What was announced; of confirmed content it is true.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct About {
    pub owner: AssetOwner,
    pub kind: AssetKind,
    pub mime: String,
    /// Bytes.
    pub size: u64,
    /// None where none was given, and when there is no content any more.
    pub file_name: Option<Personal<String>>,
    pub uploaded_by: PartyId,
    pub shared_with: Vec<PartyId>,
    pub expires_at: DateTime<Utc>,
    pub confirm_by: DateTime<Utc>,
}

impl Asset {
    #[must_use]
    pub fn asset_status(&self) -> AssetStatus {
        self.status
    }

    /// None before the first event.
    #[must_use]
    pub fn about(&self) -> Option<&About> {
        self.about.as_ref()
    }

    /// Its content is confirmed, can be read, and stays what it is.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.status == AssetStatus::Ready
    }

    /// Of the confirmed content: 64 hexadecimal digits.
    #[must_use]
    pub fn sha256(&self) -> Option<&str> {
        self.sha256.as_deref()
    }

    #[must_use]
    pub fn mime(&self) -> Option<&str> {
        self.about.as_ref().map(|about| about.mime.as_str())
    }

    /// Bytes.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        self.about.as_ref().map(|about| about.size)
    }

    #[must_use]
    pub fn owner(&self) -> Option<AssetOwner> {
        self.about.as_ref().map(|about| about.owner)
    }

    #[must_use]
    pub fn uploaded_by(&self) -> Option<PartyId> {
        self.about.as_ref().map(|about| about.uploaded_by)
    }

    /// Something refers to it, or something that does may be on its way.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        !self.kept_by.is_empty() || (self.is_ready() && self.owner().is_some_and(|owner| owner.owner_type.is_proof()))
    }

    /// What `actor` would confirm: asked before the storage is, and again by the command.
    ///
    /// # Errors
    /// As [`AssetCommand::Confirm`], before anything is known of the content.
    pub fn to_confirm(&self, actor: &Actor) -> Result<&About, AssetError> {
        let about = self.about.as_ref().ok_or(AssetError::NotFound)?;
        if actor.id != about.uploaded_by && !actor.is_system() {
            return Err(AssetError::NotPermitted);
        }
        match self.status {
            AssetStatus::PendingUpload | AssetStatus::Ready => Ok(about),
            AssetStatus::Unannounced | AssetStatus::Deleted | AssetStatus::Expired => Err(self.illegal(AssetAction::Confirm)),
        }
    }

    fn decide(&self, command: AssetCommand, context: &Context) -> Result<Vec<AssetEvent>, AssetError> {
        match command {
            AssetCommand::Announce(new) => self.announce(*new, context),
            AssetCommand::Confirm { sha256, mime, size } => self.confirm(sha256, mime, size, &context.actor),
            AssetCommand::Keep { by } => self.keep(by, &context.actor),
            AssetCommand::Delete => self.delete(&context.actor),
            AssetCommand::MeetDeadline { key, .. } => self.meet(&key, context),
        }
    }

    fn announce(&self, new: Announce, context: &Context) -> Result<Vec<AssetEvent>, AssetError> {
        if self.exists() {
            return Err(AssetError::Exists);
        }
        if new.owner.owner_type == OwnerType::ContractArtifact && !context.actor.is_system() {
            return Err(AssetError::NotPermitted);
        }
        let Announce { owner, kind, mime, size, file_name, shared_with, expires_at } = new;
        // Deadlines are kept in microseconds. Who uploads in the last moment has as long again to confirm it.
        let expires_at = expires_at.trunc_subsecs(6);
        let confirm_by = (expires_at + (expires_at - context.now).max(TimeDelta::zero())).trunc_subsecs(6);
        let uploaded_by = context.actor.id;
        Ok(vec![AssetEvent::Announced { owner, kind, mime, size, file_name, uploaded_by, shared_with, expires_at, confirm_by }])
    }

    fn confirm(&self, sha256: String, mime: String, size: u64, actor: &Actor) -> Result<Vec<AssetEvent>, AssetError> {
        let about = self.to_confirm(actor)?;
        if about.mime != mime || about.size != size {
            return Err(AssetError::NotAsAnnounced);
        }
        match &self.sha256 {
            None => Ok(vec![AssetEvent::Confirmed { sha256, mime, size }]),
            Some(confirmed) if *confirmed == sha256 => Ok(Vec::new()),
            Some(_) => Err(AssetError::AlreadyConfirmed),
        }
    }

    /// What refers to the file has been written down already: nothing is refused that must not get lost.
    fn keep(&self, by: Uuid, actor: &Actor) -> Result<Vec<AssetEvent>, AssetError> {
        only_system(actor)?;
        let news = self.status.after(AssetAction::Keep).is_some() && !self.kept_by.contains(&by);
        Ok(news.then_some(AssetEvent::Kept { by }).into_iter().collect())
    }

    fn delete(&self, actor: &Actor) -> Result<Vec<AssetEvent>, AssetError> {
        let about = self.about.as_ref().ok_or(AssetError::NotFound)?;
        if actor.id != about.uploaded_by && !actor.roles.contains(&Role::TenantAdmin) && !actor.is_system() {
            return Err(AssetError::NotPermitted);
        }
        if self.status == AssetStatus::Deleted {
            return Ok(Vec::new());
        }
        if self.is_kept() {
            return Err(AssetError::InUse);
        }
        self.status.after(AssetAction::Delete).map(|_| vec![AssetEvent::Deleted]).ok_or_else(|| self.illegal(AssetAction::Delete))
    }

    fn meet(&self, key: &str, context: &Context) -> Result<Vec<AssetEvent>, AssetError> {
        only_system(&context.actor)?;
        let is_over = self.about.as_ref().is_some_and(|about| about.confirm_by <= context.now);
        let due = key == UPLOAD_DEADLINE && is_over && self.status.after(AssetAction::MeetDeadline).is_some();
        Ok(due.then_some(AssetEvent::Expired).into_iter().collect())
    }

    fn illegal(&self, action: AssetAction) -> AssetError {
        AssetError::IllegalTransition { status: self.status, action }
    }

    /// Its name says something about a person, and nothing that it could be the name of is left.
    fn forget_name(&mut self) {
        if let Some(about) = &mut self.about {
            about.file_name = None;
        }
    }
}

fn only_system(actor: &Actor) -> Result<(), AssetError> {
    if actor.is_system() { Ok(()) } else { Err(AssetError::NotPermitted) }
}

impl cqrs_es::Aggregate for Asset {
    const TYPE: &'static str = "asset";
    type Command = AssetCommand;
    type Event = AssetEvent;
    type Error = AssetError;
    type Services = Context;

    async fn handle(&mut self, command: AssetCommand, context: &Context, sink: &EventSink<Self>) -> Result<(), AssetError> {
        for event in self.decide(command, context)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: AssetEvent) {
        match event {
            AssetEvent::Announced { owner, kind, mime, size, file_name, uploaded_by, shared_with, expires_at, confirm_by } => {
                self.status = AssetStatus::PendingUpload;
                self.about = Some(About { owner, kind, mime, size, file_name, uploaded_by, shared_with, expires_at, confirm_by });
            }
            // Type and size are those that were announced: nothing else is confirmed.
            AssetEvent::Confirmed { sha256, .. } => {
                self.status = AssetStatus::Ready;
                self.sha256 = Some(sha256);
            }
            AssetEvent::Kept { by } => {
                self.kept_by.insert(by);
            }
            AssetEvent::Deleted => {
                self.status = AssetStatus::Deleted;
                self.forget_name();
            }
            AssetEvent::Expired => {
                self.status = AssetStatus::Expired;
                self.forget_name();
            }
        }
    }
}

impl TenantAggregate for Asset {
    const FOLD_VERSION: u32 = 1;

    fn exists(&self) -> bool {
        self.about.is_some()
    }

    fn status(&self) -> &'static str {
        self.status.as_str()
    }

    /// An asset takes nothing that another could hold.
    fn claim_taken(_claim: &Claim, _holder: Uuid) -> AssetError {
        AssetError::Exists
    }
}
