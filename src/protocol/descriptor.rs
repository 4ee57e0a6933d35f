//! Passing an open file over a Unix stream (`SCM_RIGHTS`, unix(7)).

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};

/// Sends bytes from the start of `frame`, with `descriptor` beside the first
/// one. Returns how many went; the rest of the frame follows without it.
pub fn send(stream: BorrowedFd<'_>, frame: &[u8], descriptor: BorrowedFd<'_>) -> io::Result<usize> {
    let rights = [descriptor.as_raw_fd()];
    let sent = sendmsg::<()>(
        stream.as_raw_fd(),
        &[IoSlice::new(frame)],
        &[ControlMessage::ScmRights(&rights)],
        MsgFlags::MSG_NOSIGNAL,
        None,
    )?;
    Ok(sent)
}

/// Receives bytes into `buffer` and at most one descriptor that came beside
/// them. Zero bytes: end of stream.
pub fn receive(stream: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<(usize, Option<OwnedFd>)> {
    let mut control = nix::cmsg_space!([std::os::fd::RawFd; 1]);
    let mut slices = [IoSliceMut::new(buffer)];
    let message = recvmsg::<()>(
        stream.as_raw_fd(),
        &mut slices,
        Some(&mut control),
        MsgFlags::MSG_CMSG_CLOEXEC,
    )?;
    let mut received = None;
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(descriptors) = control {
            for descriptor in descriptors {
                // SAFETY: the kernel has just installed this descriptor for us
                // and nothing else in this process knows it; surplus ones are
                // closed by the drop of the one replaced.
                #[allow(unsafe_code)]
                let owned = unsafe { OwnedFd::from_raw_fd(descriptor) };
                received = Some(owned);
            }
        }
    }
    Ok((message.bytes, received))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_file_arrives_with_its_frame() {
        let (left, mut right) = UnixStream::pair().unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"recording").unwrap();
        assert_eq!(send(left.as_fd(), b"frame", file.as_fd()).unwrap(), 5);

        let mut buffer = [0; 16];
        let (count, descriptor) = receive(right.as_fd(), &mut buffer).unwrap();
        assert_eq!(&buffer[..count], b"frame");
        let received = std::fs::File::from(descriptor.unwrap());
        let mut content = [0; 9];
        std::os::unix::fs::FileExt::read_exact_at(&received, &mut content, 0).unwrap();
        assert_eq!(&content, b"recording");

        drop(left);
        assert_eq!(right.read(&mut buffer).unwrap(), 0);
    }
}
