//! What keeps a shared value's encoding: its handles, and the jobs that mention it. When the last of them goes, the workers
//! forget it. It may go anywhere, under the driver's lock too: its end must never take that lock.

use std::fmt;
use std::sync::atomic::AtomicU8;
use std::sync::{Arc, Weak};

use procession_worker::Error;
use procession_worker::handle::{Parcel, next_id};
use procession_worker::shares::{Content, Given};

use crate::driver;
use crate::pool::Pool;

/// A shared value's encoding, in the process that shares it.
pub(crate) struct Share {
    id: u64,
    /// Of the pool that made it, which tells pools apart: while this is held no other pool's has its address.
    mark: Arc<AtomicU8>,
    home: Home,
}

/// Where the calls run that may mention it.
enum Home {
    /// In this process.
    Here(Arc<Given>),
    /// In workers. `None` at the very end.
    Workers(Option<Parcel>, Weak<driver::Shared>),
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Share")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Share {
    /// Keeps an encoding for the calls of `pool`.
    pub(crate) fn new(pool: &Pool, encoding: &[u8]) -> Result<Share, Error> {
        let id = next_id();
        let home = match &pool.shared {
            None => Home::Here(Arc::new(Given::new(Content::Here(encoding.to_vec())))),
            Some(shared) => {
                Home::Workers(Some(Parcel::pack(id, encoding)?), Arc::downgrade(shared))
            }
        };
        let mark = Arc::clone(pool.phase.mark());
        Ok(Share { id, mark, home })
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// The pool that made it, by the address of its mark.
    pub(super) fn pool(&self) -> usize {
        Arc::as_ptr(&self.mark).addr()
    }

    /// The encoding itself.
    pub(super) fn content(&self) -> Result<Arc<Content>, Error> {
        match &self.home {
            Home::Here(given) => given.bytes().map_err(Error::message),
            Home::Workers(Some(parcel), _) => parcel.content(),
            Home::Workers(None, _) => Err(Error::message("a shared value is gone")),
        }
    }

    /// What a worker has to be sent.
    pub(crate) fn parcel(&self) -> Option<&Parcel> {
        match &self.home {
            Home::Workers(parcel, _) => parcel.as_ref(),
            Home::Here(_) => None,
        }
    }

    /// What calls in this process find.
    pub(crate) fn given(&self) -> Option<&Arc<Given>> {
        match &self.home {
            Home::Here(given) => Some(given),
            Home::Workers(..) => None,
        }
    }
}

/// The pool's own thread tells the workers. A copy of this process made by `fork` has no business with them.
impl Drop for Share {
    fn drop(&mut self) {
        if let Home::Workers(parcel, pool) = &mut self.home
            && let Some(parcel) = parcel.take()
            && !procession_worker::is_forked_copy()
            && let Some(pool) = pool.upgrade()
        {
            pool.let_go(parcel);
        }
    }
}
