//! One client connection and its server connection, and the faults between them.

use std::collections::VecDeque;
use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::answer;
use super::faults::{Counts, Ending, Fault, Faults, Forged, Weather};
use super::frame::{Frame, Frames, client, server};
use super::request::{Request, Requests};
use super::upstream::{Server, Upstream};

/// What becomes of the answer to a request; in the order of the requests.
enum Answer {
    Pass { started: bool },
    Hold { kept: Vec<u8> },
    Lose { ending: Ending, failed: bool },
    Forge(Forged),
}

/// Whether the link goes on, or how it ends.
enum Next {
    On,
    End(Ending),
}

struct Link {
    client: TcpStream,
    server: Server,
    faults: Faults,
    weather: watch::Receiver<Weather>,
    from_client: Frames,
    from_server: Frames,
    requests: Requests,
    answers: VecDeque<Answer>,
    in_transaction: bool,
}

/// Runs until either side ends or a fault ends it.
pub(super) async fn run(client: TcpStream, upstream: Upstream, faults: Faults) {
    let mut weather = faults.watch();
    let cuts = weather.borrow().cuts;
    let ending = match open(client, &upstream, faults.clone()).await {
        Ok(Some(mut link)) => {
            let ending = tokio::select! {
                ended = link.relay() => ended.unwrap_or_default(),
                Ok(weather) = weather.wait_for(|weather| weather.cuts > cuts) => {
                    faults.count(|counts| counts.cut += 1);
                    weather.ending
                }
            };
            link.server.abandon();
            Some((link.client, ending))
        }
        Ok(None) | Err(_) => None,
    };
    if let Some((client, Ending::Reset)) = ending {
        // A failure to set it leaves an ordinary close, which a client must bear as well.
        client.set_zero_linger().ok();
    }
}

/// Answers requests for encryption with no, passes a cancel request on, and opens a session.
async fn open(mut client: TcpStream, upstream: &Upstream, faults: Faults) -> io::Result<Option<Link>> {
    client.set_nodelay(true)?;
    let mut weather = faults.watch();
    let mut from_client = Frames::default();
    loop {
        let Some(frame) = from_client.opening()? else {
            if client.read_buf(from_client.tail()).await? == 0 {
                return Ok(None);
            }
            continue;
        };
        until(&mut weather, |weather| !weather.black_hole).await?;
        match frame.code() {
            Some(client::TLS_CODE | client::GSS_CODE) => client.write_all(b"N").await?,
            Some(client::CANCEL_CODE) => {
                let mut server = upstream.connect().await?;
                server.writer.write_all(&frame.bytes).await?;
                server.abandon();
                return Ok(None);
            }
            _ => {
                let mut server = upstream.connect().await?;
                server.writer.write_all(&frame.bytes).await?;
                let mut link = Link {
                    client,
                    server,
                    faults,
                    weather,
                    from_client,
                    from_server: Frames::default(),
                    requests: Requests::default(),
                    answers: VecDeque::new(),
                    in_transaction: false,
                };
                link.answers.push_back(Answer::Pass { started: false });
                return Ok(Some(link));
            }
        }
    }
}

async fn until(weather: &mut watch::Receiver<Weather>, fair: impl FnMut(&Weather) -> bool) -> io::Result<()> {
    weather.wait_for(fair).await.map(drop).map_err(io::Error::other)
}

impl Link {
    async fn relay(&mut self) -> io::Result<Ending> {
        loop {
            let client_spoke = tokio::select! {
                read = self.client.read_buf(self.from_client.tail()) => (read? > 0).then_some(true),
                read = self.server.reader.read_buf(self.from_server.tail()) => (read? > 0).then_some(false),
            };
            until(&mut self.weather, |weather| !weather.black_hole).await?;
            let next = match client_spoke {
                Some(true) => self.pass_requests().await?,
                Some(false) => self.pass_answers().await?,
                None => return Ok(Ending::Close),
            };
            match next {
                Next::On => {}
                Next::End(ending) => return Ok(ending),
            }
        }
    }

    async fn pass_requests(&mut self) -> io::Result<Next> {
        while let Some(frame) = self.from_client.message()? {
            let Some(request) = self.requests.push(&frame) else { continue };
            let fault = if request.executed.is_empty() { None } else { self.faults.decide(&request.executed) };
            if let Next::End(ending) = self.pass_request(request, fault).await? {
                return Ok(Next::End(ending));
            }
        }
        Ok(Next::On)
    }

    async fn pass_request(&mut self, request: Request, fault: Option<Fault>) -> io::Result<Next> {
        let answer = match fault {
            None => Answer::Pass { started: false },
            Some(Fault::LoseRequest(ending)) => {
                self.faults.count(|counts| counts.requests_lost += 1);
                return Ok(Next::End(ending));
            }
            Some(Fault::LeaveUnknown(ending)) => {
                self.server.writer.write_all(&request.bytes).await?;
                self.faults.count(|counts| counts.left_unknown += 1);
                return Ok(Next::End(ending));
            }
            Some(Fault::LoseAnswer(ending)) => Answer::Lose { ending, failed: false },
            Some(Fault::HoldRequest) => {
                self.hold(|counts| counts.requests_held += 1).await?;
                Answer::Pass { started: false }
            }
            Some(Fault::HoldAnswer) => Answer::Hold { kept: Vec::new() },
            Some(Fault::Forge(forged)) => {
                self.answers.push_back(Answer::Forge(forged));
                return self.forge_what_is_due().await;
            }
        };
        self.delay().await;
        self.server.writer.write_all(&request.bytes).await?;
        if request.closes {
            self.answers.push_back(answer);
        }
        Ok(Next::On)
    }

    async fn pass_answers(&mut self) -> io::Result<Next> {
        let mut out = Vec::new();
        while let Some(frame) = self.from_server.message()? {
            let ready = frame.kind == server::READY;
            if ready {
                self.in_transaction = frame.body() != b"I";
            }
            if let Next::End(ending) = self.pass_answer(frame, &mut out).await? {
                self.client.write_all(&out).await?;
                return Ok(Next::End(ending));
            }
            if ready {
                self.answers.pop_front();
                self.client.write_all(&std::mem::take(&mut out)).await?;
                if let Next::End(ending) = self.forge_what_is_due().await? {
                    return Ok(Next::End(ending));
                }
            }
        }
        self.client.write_all(&out).await?;
        Ok(Next::On)
    }

    /// Gathers in `out` what the client may see now.
    async fn pass_answer(&mut self, frame: Frame, out: &mut Vec<u8>) -> io::Result<Next> {
        let ready = frame.kind == server::READY;
        match self.answers.front_mut() {
            Some(Answer::Pass { started }) => {
                if !std::mem::replace(started, true) {
                    self.delay().await;
                }
                out.extend(frame.bytes);
            }
            Some(Answer::Hold { kept }) => {
                kept.extend(frame.bytes);
                if ready {
                    out.append(kept);
                    self.hold(|counts| counts.answers_held += 1).await?;
                }
            }
            Some(Answer::Lose { ending, failed }) => {
                *failed |= frame.kind == server::ERROR;
                if ready {
                    let (ending, failed) = (*ending, *failed);
                    self.faults.count(|counts| match failed {
                        true => counts.errors_lost += 1,
                        false => counts.answers_lost += 1,
                    });
                    return Ok(Next::End(ending));
                }
            }
            // Between answers: notifications, notices, the farewell of a server that stops.
            Some(Answer::Forge(_)) | None => out.extend(frame.bytes),
        }
        Ok(Next::On)
    }

    /// A forged answer waits for its turn behind the answers the server still owes.
    async fn forge_what_is_due(&mut self) -> io::Result<Next> {
        while let Some(Answer::Forge(forged)) = self.answers.front() {
            let ends = forged.severity.ends_the_session();
            let bytes = answer::forged(forged, self.in_transaction);
            self.answers.pop_front();
            self.client.write_all(&bytes).await?;
            self.faults.count(|counts| counts.forged += 1);
            if ends {
                return Ok(Next::End(Ending::Close));
            }
        }
        Ok(Next::On)
    }

    /// Waits for the next release; one that comes as soon as the count shows the hold is not missed.
    async fn hold(&mut self, change: impl FnOnce(&mut Counts)) -> io::Result<()> {
        let before = self.weather.borrow().releases;
        self.faults.count(change);
        until(&mut self.weather, |weather| weather.releases > before).await
    }

    async fn delay(&mut self) {
        let latency = self.weather.borrow().latency;
        let delay = self.faults.delay(latency);
        if !delay.is_zero() {
            self.faults.count(|counts| counts.delayed += 1);
            tokio::time::sleep(delay).await;
        }
    }
}
