//! A small HTTP/1.1 client: signs as merchants do, keeps its connection, sends any bytes.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use chrono::Utc;
use hmac::{Hmac, Mac};
use serde_json::Value;
use sha2::Sha256;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// No answer takes longer, and no test waits longer for one.
const PATIENCE: Duration = Duration::from_secs(40);

/// Who asks.
#[derive(Clone, Debug)]
pub enum Caller {
    Nobody,
    Merchant { key_id: String, api_key: String, signing_secret: String },
    Token(String),
}

/// One request, as it will be written.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: &'static str,
    /// With the query.
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn get(path: impl Into<String>) -> Self {
        Self { method: "GET", path: path.into(), headers: Vec::new(), body: Vec::new() }
    }

    pub fn post(path: impl Into<String>, body: &Value) -> Self {
        Self::post_bytes(path, body.to_string())
    }

    pub fn post_bytes(path: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Self { method: "POST", path: path.into(), headers, body: body.into() }
    }

    /// One more header.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Without the headers of a name.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _value)| known != name);
        self
    }

    #[must_use]
    pub fn keyed(self, key: impl Into<String>) -> Self {
        self.with("idempotency-key", key)
    }

    /// Proves who asks, for the request as it stands now; what is changed afterwards is not signed.
    #[must_use]
    pub fn by(self, caller: &Caller) -> Self {
        self.by_at(caller, Utc::now().timestamp())
    }

    /// The same with another time in the signature.
    #[must_use]
    pub fn by_at(self, caller: &Caller, seconds: i64) -> Self {
        match caller {
            Caller::Nobody => self,
            Caller::Token(token) => self.with("authorization", format!("Bearer {token}")),
            Caller::Merchant { api_key, signing_secret, .. } => {
                let signature = self.signature(signing_secret, seconds);
                self.with("x-api-key", api_key).with("x-signature", format!("t={seconds},v1={signature}"))
            }
        }
    }

    /// As the contract has it: `{t}.{METHOD}.{path and query}.{key or empty}.{raw body}`.
    fn signature(&self, secret: &str, seconds: i64) -> String {
        let key = self.headers.iter().find(|(name, _value)| name == "idempotency-key");
        let key = key.map_or("", |(_name, value)| value.as_str());
        // HMAC takes a key of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
        mac.update(format!("{seconds}.{}.{}.{key}.", self.method, self.path).as_bytes());
        mac.update(&self.body);
        hex::encode(mac.finalize().into_bytes())
    }

    pub fn bytes(&self, host: SocketAddr) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nhost: {host}\r\n", self.method, self.path);
        if self.headers.iter().all(|(name, _value)| name != "content-length" && name != "transfer-encoding") {
            head.push_str(&format!("content-length: {}\r\n", self.body.len()));
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        [head.as_bytes(), b"\r\n", &self.body].concat()
    }
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    /// As text; what is no text is in `bytes`.
    pub body: String,
    pub bytes: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _value)| known == name).map(|(_name, value)| value.as_str())
    }

    /// Every value of a header, in order.
    pub fn headers_named(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(known, _value)| known == name).map(|(_name, value)| value.as_str()).collect()
    }

    /// Null where the body is no JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// A text of the answer's data; empty where there is none.
    pub fn data(&self, name: &str) -> String {
        self.json().pointer(&format!("/data/{name}")).and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// The code of a problem document; empty in any other answer.
    pub fn code(&self) -> String {
        self.json().get("code").and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// What is asserted most, as one word: `200` or `422 refund_amount_exceeded`.
    pub fn verdict(&self) -> String {
        format!("{} {}", self.status, self.code()).trim_end().to_owned()
    }
}

/// One connection, made when it is needed and again when it has ended.
#[derive(Debug)]
pub struct Client {
    pub address: SocketAddr,
    stream: Option<BufReader<TcpStream>>,
}

impl Client {
    pub fn new(address: SocketAddr) -> Self {
        Self { address, stream: None }
    }

    /// Sends a request and waits for its answer. One that finds its kept connection closed is sent again on a new one.
    ///
    /// # Errors
    /// There is no connection, no answer, or none in forty seconds.
    pub async fn send(&mut self, request: &Request) -> io::Result<Answer> {
        let bytes = request.bytes(self.address);
        let was_kept = self.stream.is_some();
        match self.exchange(&bytes).await {
            Err(error) if was_kept && is_hang_up(&error) => self.exchange(&bytes).await,
            answered => answered,
        }
    }

    /// Sends any bytes and reads one answer.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn exchange(&mut self, bytes: &[u8]) -> io::Result<Answer> {
        let mut stream = match self.stream.take() {
            Some(kept) => kept,
            None => BufReader::new(TcpStream::connect(self.address).await?),
        };
        let answering = async {
            // Who is turned away early may find the door closed while still speaking; the answer is there all the same.
            let written = stream.get_mut().write_all(bytes).await;
            match read_answer(&mut stream).await {
                Err(error) => Err(written.err().unwrap_or(error)),
                answered => answered,
            }
        };
        let answer = tokio::time::timeout(PATIENCE, answering).await??;
        if answer.header("connection") != Some("close") {
            self.stream = Some(stream);
        }
        Ok(answer)
    }
}

fn is_hang_up(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

/// Reads one answer, whose length its head tells.
///
/// # Errors
/// The connection ends before, or what comes is no answer.
pub async fn read_answer(stream: &mut BufReader<TcpStream>) -> io::Result<Answer> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| io::Error::other(format!("no status line: {line:?}")))?;
    let mut headers = Vec::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match line.trim_end().split_once(": ") {
            Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.to_owned())),
            None if line.trim_end().is_empty() => break,
            None => headers.push((line.trim_end().trim_end_matches(':').to_ascii_lowercase(), String::new())),
        }
    }
    let named = |name: &str| headers.iter().find(|(known, _value)| known == name).map(|(_name, value)| value.as_str());
    let body = if named("transfer-encoding") == Some("chunked") {
        read_chunks(stream).await?
    } else {
        let mut body = vec![0; named("content-length").and_then(|length| length.parse().ok()).unwrap_or(0)];
        stream.read_exact(&mut body).await?;
        body
    };
    // What is no text is looked at by its first and last letters alone.
    Ok(Answer { status, headers, body: String::from_utf8_lossy(&body).into_owned(), bytes: body })
}

/// A body whose length nobody knew when it began.
async fn read_chunks(stream: &mut BufReader<TcpStream>) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let length = usize::from_str_radix(line.trim_end(), 16).map_err(io::Error::other)?;
        let mut chunk = vec![0; length + 2];
        stream.read_exact(&mut chunk).await?;
        chunk.truncate(length);
        body.extend(chunk);
        if length == 0 {
            return Ok(body);
        }
    }
}
