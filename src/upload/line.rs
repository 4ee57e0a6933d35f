//! The connection that bytes come over.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// A stream socket, to ask how it is.
#[derive(Debug, Clone)]
pub struct Line(Arc<OwnedFd>);

impl AsFd for Line {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Line {
    /// Of this socket, which stays open as long as this.
    pub fn new(socket: OwnedFd) -> Line {
        Line(Arc::new(socket))
    }

    /// The other side has closed it: nothing will come but what is here.
    pub fn is_cut(&self) -> bool {
        self.is(PollFlags::from_bits_retain(nix::libc::POLLRDHUP))
    }

    /// Something is here that was not taken yet.
    pub(super) fn has_more(&self) -> bool {
        self.is(PollFlags::POLLIN)
    }

    fn is(&self, state: PollFlags) -> bool {
        let mut asked = [PollFd::new(self.0.as_fd(), state)];
        poll(&mut asked, PollTimeout::ZERO).is_ok_and(|count| count > 0)
    }
}
