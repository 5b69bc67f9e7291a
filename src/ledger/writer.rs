//! The thread that owns the database. What waits together is committed together, so one disk flush serves many.

use super::{
    error::LedgerError,
    lock::{self, Lock},
    schema,
};
use rusqlite::{Connection, TransactionBehavior};
use std::{path::Path, sync::Arc};
use tokio::sync::{mpsc, oneshot};

/// Most pieces of work in one commit.
const MOST_TOGETHER: usize = 256;

/// What is told to whoever waits, once the commit is decided.
type After = Box<dyn FnOnce(Result<(), Arc<rusqlite::Error>>) + Send>;

/// One piece of work.
pub(super) type Work = Box<dyn FnOnce(&Connection) -> After + Send>;

/// Wraps `work` so that its failure undoes itself only, and its answer waits for the commit.
pub(super) fn piece<T: Send + 'static>(
    work: impl FnOnce(&Connection) -> Result<T, LedgerError> + Send + 'static,
) -> (Work, oneshot::Receiver<Result<T, LedgerError>>) {
    let (sender, receiver) = oneshot::channel();
    let work: Work = Box::new(move |connection| {
        let result = in_savepoint(connection, work);
        Box::new(move |committed| {
            // Whoever asked may have stopped waiting.
            let _ = sender.send(committed.map_err(LedgerError::Commit).and(result));
        })
    });
    (work, receiver)
}

fn in_savepoint<T>(connection: &Connection, work: impl FnOnce(&Connection) -> Result<T, LedgerError>) -> Result<T, LedgerError> {
    connection.execute_batch("SAVEPOINT piece")?;
    let result = work(connection);
    let end = if result.is_ok() { "RELEASE piece" } else { "ROLLBACK TO piece; RELEASE piece" };
    connection.execute_batch(end)?;
    result
}

/// Takes the ledger at `path`, tells the last identity in it, and works until every sender is gone; then the file is free for another process.
pub(super) fn run(path: &Path, opened: oneshot::Sender<Result<i64, LedgerError>>, mut queue: mpsc::Receiver<Work>) {
    let (lock, mut connection) = match open(path) {
        Ok((lock, connection, last_id)) => {
            // Whoever asked may have stopped waiting; then nothing is queued, and all ends at once.
            let _ = opened.send(Ok(last_id));
            (lock, connection)
        }
        Err(error) => {
            let _ = opened.send(Err(error));
            return;
        }
    };
    while let Some(first) = queue.blocking_recv() {
        let mut together = vec![first];
        while together.len() < MOST_TOGETHER
            && let Ok(next) = queue.try_recv()
        {
            together.push(next);
        }
        let mut waiting = Vec::with_capacity(together.len());
        let committed = commit(&mut connection, together, &mut waiting).map_err(Arc::new);
        if let Err(error) = &committed {
            tracing::error!(%error, pieces = waiting.len(), "the ledger could not commit");
        }
        for after in waiting {
            after(committed.clone());
        }
    }
    drop(connection);
    drop(lock);
}

fn open(path: &Path) -> Result<(Lock, Connection, i64), LedgerError> {
    let lock = lock::take(path)?;
    let connection = schema::open(path)?;
    let last_id = schema::last_id(&connection)?;
    Ok((lock, connection, last_id))
}

fn commit(connection: &mut Connection, together: Vec<Work>, waiting: &mut Vec<After>) -> Result<(), rusqlite::Error> {
    // Immediate: the lock is waited for here, not in the middle.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    waiting.extend(together.into_iter().map(|work| work(&transaction)));
    transaction.commit()
}
