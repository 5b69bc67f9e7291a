//! A keeper's work at a head, once what earns there was taken.

use super::{SearchError, Searcher, Sink};
use crate::{
    chain::HeadStream,
    engine::{Cancel, EngineError, Outcome},
};
use std::sync::Arc;

impl<S: Sink> Searcher<S> {
    /// What a keeper could do at a head of which the sink has taken what earns.
    pub(super) async fn keep(&mut self, head: Arc<Outcome>, heads: &mut HeadStream) -> Result<(), SearchError> {
        if !self.has_keeper() {
            return Ok(());
        }
        let cancel = Cancel::default();
        let job = self.session.chores(head, self.sink.ready(), cancel.clone());
        match self.unless_overtaken(job, &cancel, heads).await? {
            Some(chores) => self.kept(chores).await,
            None => Ok(()),
        }
    }

    pub(super) fn has_keeper(&self) -> bool {
        self.session.keepers().next().is_some()
    }

    /// Takes what a keeper could do, where there is anything to say.
    pub(super) async fn kept(&mut self, chores: Result<Outcome, EngineError>) -> Result<(), SearchError> {
        if !chores.as_ref().is_ok_and(|chores| chores.opportunities.is_empty() && chores.refusals.is_empty()) {
            self.finish(&[], chores).await?;
        }
        Ok(())
    }
}
