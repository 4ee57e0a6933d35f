//! The socket that bytes for an upload come over.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// A stream socket, to ask for its state. It is neither read nor written here.
#[derive(Debug, Clone)]
pub struct PeerSocket(Arc<OwnedFd>);

impl PeerSocket {
    /// The one of a connection; it stays open as long as this. Fails where
    /// descriptors ran out.
    pub fn of(socket: &impl AsFd) -> io::Result<PeerSocket> {
        Ok(PeerSocket(Arc::new(socket.as_fd().try_clone_to_owned()?)))
    }

    /// The peer has closed it: nothing will arrive but what is here.
    pub fn is_closed(&self) -> bool {
        self.is(PollFlags::from_bits_retain(nix::libc::POLLRDHUP))
    }

    /// Bytes have arrived that were not read yet.
    pub(super) fn has_unread(&self) -> bool {
        self.is(PollFlags::POLLIN)
    }

    fn is(&self, state: PollFlags) -> bool {
        let mut asked = [PollFd::new(self.0.as_fd(), state)];
        poll(&mut asked, PollTimeout::ZERO).is_ok_and(|count| count > 0)
    }
}
