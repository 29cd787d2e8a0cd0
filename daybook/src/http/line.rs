//! A client's connection: no end without a word, no patience for who does not read.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use domain::refusal::Rule;
use gate::rules;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};

/// How long a client may leave unread what was sent.
const READ_WITHIN: Duration = Duration::from_secs(10);
/// Whoever takes so much at a time is slow, but reads.
const PROGRESS: usize = 16 * 1024;
const PREFACE_OF_HTTP_2: &[u8] = b"PRI * HTTP/2.0";

/// The stream under a conversation. What hyper refuses by itself it refuses without a word: the words are put in here.
pub(super) struct Line {
    stream: TcpStream,
    /// Requests that have no answer yet.
    serving: Arc<AtomicUsize>,
    is_begun: bool,
    is_http_2: bool,
    /// Something came that was not answered yet.
    is_waiting: bool,
    /// Our own answer, on its way in the place of hyper's.
    words: Option<(Vec<u8>, usize)>,
    /// Runs while the client does not read; and how much it has read since.
    stalled: Option<(Pin<Box<Sleep>>, usize)>,
}

impl Line {
    pub(super) fn new(stream: TcpStream, serving: Arc<AtomicUsize>) -> Self {
        let (is_begun, is_http_2, is_waiting) = (false, false, false);
        Self { stream, serving, is_begun, is_http_2, is_waiting, words: None, stalled: None }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(cx, bytes) {
            Poll::Ready(Ok(sent)) => {
                self.stalled = match self.stalled.take() {
                    Some((patience, before)) if sent < bytes.len() && before.saturating_add(sent) < PROGRESS => {
                        Some((patience, before.saturating_add(sent)))
                    }
                    Some(_) | None => None,
                };
                Poll::Ready(Ok(sent))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                let (patience, _sent) = self.stalled.get_or_insert_with(|| (Box::pin(sleep(READ_WITHIN)), 0));
                ready!(patience.as_mut().poll(cx));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

/// What hyper would answer by itself, as a rule of ours. Every answer of ours has a request id.
fn refused_by_hyper(bytes: &[u8]) -> Option<&'static Rule> {
    let rule = if bytes.starts_with(b"HTTP/1.1 400 ") {
        rules::REQUEST_MALFORMED
    } else if bytes.starts_with(b"HTTP/1.1 431 ") || bytes.starts_with(b"HTTP/1.1 414 ") {
        rules::HEAD_TOO_LARGE
    } else {
        return None;
    };
    let is_bare = bytes.ends_with(b"\r\n\r\n") && !bytes.windows(12).any(|part| part == b"x-request-id");
    is_bare.then_some(rule)
}

impl AsyncRead for Line {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let line = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut line.stream).poll_read(cx, buffer))?;
        let come = buffer.filled().get(before..).unwrap_or_default();
        if !line.is_begun && !come.is_empty() {
            line.is_begun = true;
            line.is_http_2 = come.starts_with(PREFACE_OF_HTTP_2.get(..come.len().min(14)).unwrap_or_default());
        }
        // Whoever has gone is not spoken to.
        line.is_waiting = !come.is_empty();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Line {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let line = self.get_mut();
        line.is_waiting = false;
        if line.words.is_none()
            && let Some(rule) = refused_by_hyper(bytes)
        {
            line.words = Some((gate::last_words(rule).into_bytes(), 0));
        }
        let Some((words, mut from)) = line.words.take() else { return line.poll_send(cx, bytes) };
        while let Some(rest) = words.get(from..).filter(|rest| !rest.is_empty()) {
            match line.poll_send(cx, rest) {
                Poll::Ready(sent) => from = from.saturating_add(sent?),
                Poll::Pending => {
                    line.words = Some((words, from));
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let line = self.get_mut();
        line.is_waiting = false;
        Pin::new(&mut line.stream).poll_shutdown(cx)
    }
}

impl Drop for Line {
    /// A head that began and never came to its end: hyper has let go of it.
    fn drop(&mut self) {
        if self.is_waiting && !self.is_http_2 && self.serving.load(Ordering::Relaxed) == 0 {
            // Whoever does not take even this has gone.
            drop(self.stream.try_write(gate::last_words(rules::HEAD_TOO_SLOW).as_bytes()));
        }
    }
}
