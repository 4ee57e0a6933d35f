//! The plain loop: receive up to 1 MiB, write it to the preallocated file, one
//! thread per connection.

use std::convert::Infallible;
use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use super::tus::{Request, SYNC_EVERY_BYTES, Uploads, patched};

const BUFFER_BYTES: usize = 1 << 20;

pub fn serve(data: &Path) -> io::Result<Infallible> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    eprintln!("listening on http://{}", listener.local_addr()?);
    let uploads = Arc::new(Uploads::new(data));
    loop {
        let (socket, _) = listener.accept()?;
        let uploads = Arc::clone(&uploads);
        thread::spawn(move || {
            if let Err(error) = connection(socket, &uploads) {
                eprintln!("connection: {error}");
            }
        });
    }
}

fn connection(mut socket: TcpStream, uploads: &Uploads) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let mut received = Vec::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let request = loop {
            if let Some(request) = Request::take(&mut received) {
                break request;
            }
            match socket.read(&mut buffer[..4096])? {
                0 => return Ok(()),
                read => received.extend_from_slice(&buffer[..read]),
            }
        };
        let answer = match request.method.as_str() {
            "PATCH" => patch(&mut socket, uploads, &request, &mut received, &mut buffer)?,
            _ => uploads.answer(&request)?,
        };
        socket.write_all(answer.as_bytes())?;
    }
}

fn patch(
    socket: &mut TcpStream,
    uploads: &Uploads,
    request: &Request,
    received: &mut Vec<u8>,
    buffer: &mut [u8],
) -> io::Result<String> {
    let mut state = uploads.get(&request.id).ok_or(io::ErrorKind::NotFound)?;
    let file = OpenOptions::new()
        .write(true)
        .open(uploads.path(&request.id))?;
    let end = state.offset + request.length;
    while state.offset < end {
        let most = buffer.len().min((end - state.offset) as usize);
        let read = match received.len() {
            0 => socket.read(&mut buffer[..most])?,
            early => {
                buffer[..early].copy_from_slice(received);
                received.clear();
                early
            }
        };
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        file.write_all_at(&buffer[..read], state.offset)?;
        state.offset += read as u64;
        state.unsynced += read as u64;
        if state.unsynced >= SYNC_EVERY_BYTES {
            file.sync_data()?;
            state.unsynced = 0;
        }
    }
    uploads.set(&request.id, state);
    Ok(patched(end))
}
