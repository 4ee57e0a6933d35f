//! A WebSocket from its first message to its end (RFC 6455).

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::HEARTBEAT;
use super::feed::Feed;
use super::handshake::Session;
use super::message;
use crate::http::connection::io::Connection;
use crate::http::error::api::ApiError;

/// Longest message and frame of a client; it only sends pings.
const RECEIVE_MAX_BYTES: usize = 16 << 10;

/// Read buffer of a socket.
const BUFFER_BYTES: usize = 1 << 10;

/// A client that receives nothing for this long is disconnected.
const SEND_PATIENCE: Duration = Duration::from_secs(10);

/// Time for the closing handshake.
const CLOSE_PATIENCE: Duration = Duration::from_secs(3);

/// Pings without any response after which the connection is lost.
const UNANSWERED_MAX: u32 = 2;

/// Longest reason in a close frame (RFC 6455, section 5.5).
const REASON_MAX_BYTES: usize = 123;

type Socket = WebSocketStream<Connection>;

/// How a connection ends.
enum End {
    /// With this close frame.
    Close(CloseCode, String),
    /// The connection is lost.
    Lost,
}

/// Serves a client until one side closes. `received` are the bytes after its request.
pub async fn serve(
    connection: Connection,
    received: Bytes,
    session: Session,
    stopping: watch::Receiver<bool>,
) {
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(0)
        .max_message_size(Some(RECEIVE_MAX_BYTES))
        .max_frame_size(Some(RECEIVE_MAX_BYTES));
    let received = received.to_vec();
    let socket = Socket::from_partially_read(connection, received, Role::Server, Some(config));
    let mut socket = socket.await;
    let end = match session {
        Ok(feed) => exchange(&mut socket, feed, stopping).await,
        Err(busy @ (ApiError::Busy(_) | ApiError::Exceeded(..))) => {
            End::Close(CloseCode::Again, busy.to_string())
        }
        Err(refused) => End::Close(CloseCode::Policy, refused.to_string()),
    };
    if let End::Close(code, reason) = end {
        let close = close(&mut socket, code, &reason);
        // A slower client is cut.
        let _ = timeout(CLOSE_PATIENCE, close).await;
    }
}

async fn exchange(socket: &mut Socket, mut feed: Feed, mut stopping: watch::Receiver<bool>) -> End {
    let mut pings = interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut unanswered = 0;
    loop {
        let answer = tokio::select! {
            _ = stopping.wait_for(|stopping| *stopping) => {
                return End::Close(CloseCode::Away, "the server is stopping".into());
            }
            message = feed.next() => match message {
                Some(text) => Message::text(text),
                None => return End::Close(CloseCode::Normal, "the task has ended".into()),
            },
            received = socket.next() => {
                unanswered = 0;
                match received {
                    Some(Ok(Message::Text(text))) if is_ping(&text) => Message::text(message::pong()),
                    Some(Ok(Message::Close(_))) | None => return End::Lost,
                    Some(Ok(_)) => continue,
                    Some(Err(error)) => return end_after(&error),
                }
            }
            _ = pings.tick() => {
                if unanswered == UNANSWERED_MAX {
                    return End::Lost;
                }
                unanswered += 1;
                Message::Ping(Bytes::new())
            }
        };
        match timeout(SEND_PATIENCE, socket.send(answer)).await {
            Ok(Ok(())) => {}
            // Too slow, or gone.
            Ok(Err(_)) | Err(_) => return End::Lost,
        }
    }
}

fn is_ping(text: &str) -> bool {
    serde_json::from_str(text).is_ok_and(|message: Value| message["type"] == "ping")
}

fn end_after(error: &Error) -> End {
    match error {
        Error::Capacity(_) => End::Close(CloseCode::Size, "this message is too long".into()),
        Error::Utf8(_) => End::Close(CloseCode::Invalid, "this is not UTF-8".into()),
        Error::Protocol(error) => End::Close(CloseCode::Protocol, error.to_string()),
        _ => End::Lost,
    }
}

async fn close(socket: &mut Socket, code: CloseCode, reason: &str) -> Result<(), Error> {
    let end = reason.floor_char_boundary(REASON_MAX_BYTES);
    let reason = reason[..end].into();
    socket
        .send(Message::Close(Some(CloseFrame { code, reason })))
        .await?;
    while socket.next().await.transpose()?.is_some() {}
    Ok(())
}
