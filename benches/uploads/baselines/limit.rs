//! The limit: no HTTP library, from the socket straight into registered,
//! aligned buffers (`read_fixed`), from there past the page cache to the disk
//! (`write_fixed`, O_DIRECT). Lengths must be multiples of the block size.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::rc::Rc;

use nix::fcntl::OFlag;
use tokio::task::JoinHandle;
use tokio_uring::buf::BoundedBuf;
use tokio_uring::buf::Slice;
use tokio_uring::buf::fixed::{FixedBuf, FixedBufPool};
use tokio_uring::fs::File;
use tokio_uring::net::{TcpListener, TcpStream};

use super::tus::{Request, SYNC_EVERY_BYTES, Uploads, patched};

const PIECE_BYTES: usize = 1 << 20;
const ALIGNMENT: usize = 4096;
/// Room for a piece at an aligned address.
const BUFFER_BYTES: usize = PIECE_BYTES + ALIGNMENT;
/// Writes in flight, for one upload.
const WRITES: usize = 4;
/// Enough for 8 connections.
const BUFFERS: usize = 8 * (WRITES + 1);

type Write = JoinHandle<io::Result<()>>;

pub fn serve(data: &Path) -> io::Result<Infallible> {
    tokio_uring::start(async {
        let pool = FixedBufPool::new((0..BUFFERS).map(|_| vec![0_u8; BUFFER_BYTES]));
        pool.register()?;
        let listener = TcpListener::bind(([127, 0, 0, 1], 0).into())?;
        eprintln!("listening on http://{}", listener.local_addr()?);
        let uploads = Rc::new(Uploads::new(data));
        loop {
            let (socket, _) = listener.accept().await?;
            let (uploads, pool) = (Rc::clone(&uploads), pool.clone());
            tokio_uring::spawn(async move {
                if let Err(error) = connection(&socket, &uploads, &pool).await {
                    eprintln!("connection: {error}");
                }
            });
        }
    })
}

async fn connection(
    socket: &TcpStream,
    uploads: &Uploads,
    pool: &FixedBufPool<Vec<u8>>,
) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let mut received = Vec::new();
    loop {
        let request = loop {
            if let Some(request) = Request::take(&mut received) {
                break request;
            }
            let (read, more) = socket.read(Vec::with_capacity(ALIGNMENT)).await;
            if read? == 0 {
                return Ok(());
            }
            received.extend_from_slice(&more);
        };
        let answer = match request.method.as_str() {
            "PATCH" => patch(socket, uploads, pool, &request, &mut received).await?,
            _ => uploads.answer(&request)?,
        };
        socket.write_all(answer.into_bytes()).await.0?;
    }
}

async fn patch(
    socket: &TcpStream,
    uploads: &Uploads,
    pool: &FixedBufPool<Vec<u8>>,
    request: &Request,
    received: &mut Vec<u8>,
) -> io::Result<String> {
    let mut state = uploads.get(&request.id).ok_or(io::ErrorKind::NotFound)?;
    let file = OpenOptions::new()
        .write(true)
        .custom_flags(OFlag::O_DIRECT.bits())
        .open(uploads.path(&request.id))?;
    let file = Rc::new(File::from_std(file));
    let end = state.offset + request.length;
    let mut writes = VecDeque::with_capacity(WRITES);
    while state.offset < end {
        let len = PIECE_BYTES.min((end - state.offset) as usize);
        let buffer = pool.next(BUFFER_BYTES).await;
        let piece = fill(socket, buffer, len, received).await?;
        if writes.len() == WRITES {
            finish(writes.pop_front()).await?;
        }
        writes.push_back(tokio_uring::spawn(write(
            Rc::clone(&file),
            piece,
            state.offset,
        )));
        state.offset += len as u64;
        state.unsynced += len as u64;
        if state.unsynced >= SYNC_EVERY_BYTES {
            while let Some(write) = writes.pop_front() {
                finish(Some(write)).await?;
            }
            file.sync_data().await?;
            state.unsynced = 0;
        }
    }
    while let Some(write) = writes.pop_front() {
        finish(Some(write)).await?;
    }
    uploads.set(&request.id, state);
    Ok(patched(end))
}

/// Receives exactly `len` bytes to an aligned place.
async fn fill(
    socket: &TcpStream,
    mut buffer: FixedBuf,
    len: usize,
    received: &mut Vec<u8>,
) -> io::Result<Slice<FixedBuf>> {
    let start = buffer.as_ptr().align_offset(ALIGNMENT);
    let mut at = start + received.len();
    buffer[start..at].copy_from_slice(received);
    received.clear();
    while at < start + len {
        let (read, slice) = socket.read_fixed(buffer.slice(at..start + len)).await;
        buffer = slice.into_inner();
        match read? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => at += read,
        }
    }
    Ok(buffer.slice(start..start + len))
}

async fn write(file: Rc<File>, piece: Slice<FixedBuf>, offset: u64) -> io::Result<()> {
    let len = piece.len();
    match file.write_fixed_at(piece, offset).await.0? {
        written if written == len => Ok(()),
        _ => Err(io::ErrorKind::WriteZero.into()),
    }
}

async fn finish(write: Option<Write>) -> io::Result<()> {
    match write {
        Some(write) => write.await.map_err(io::Error::other)?,
        None => Ok(()),
    }
}
