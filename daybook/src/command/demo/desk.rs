//! Where merchants and operators ask, one request after the other, over HTTP.

use load::{Caller, Wire};
use serde_json::Value;
use uuid::Uuid;

use crate::failure::{Failure, Result};

/// One kept connection, opened when it is needed.
pub(super) struct Desk {
    address: String,
    wire: Option<Wire>,
}

/// What came back.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Value,
}

impl Answer {
    pub(super) fn text(&self, at: &str) -> Result<String> {
        let text = self.body.pointer(at).and_then(Value::as_str).map(str::to_owned);
        text.ok_or_else(|| Failure::NotThere(format!("the answer has no {at}: {}", self.body)))
    }
}

impl Desk {
    pub(super) fn new(address: &str) -> Self {
        Self { address: address.to_owned(), wire: None }
    }

    /// Asks, under a key nobody has used; what is refused is an answer too.
    pub(super) async fn ask(&mut self, by: &Caller, path: &str, body: &Value) -> Result<Answer> {
        let (key, body) = (format!("demo-{}", Uuid::now_v7().simple()), body.to_string());
        let was_kept = self.wire.is_some();
        match self.exchange(by, path, &key, body.as_bytes()).await {
            // A connection that was kept for long may have been closed meanwhile: the same key makes it the same request.
            Err(_closed) if was_kept => self.exchange(by, path, &key, body.as_bytes()).await,
            answered => answered,
        }
    }

    async fn exchange(&mut self, by: &Caller, path: &str, key: &str, body: &[u8]) -> Result<Answer> {
        let failed = |trouble: load::Trouble| Failure::NotThere(format!("asking for {path}: {trouble}"));
        let mut wire = match self.wire.take() {
            Some(wire) => wire,
            None => Wire::open(&self.address).await.map_err(failed)?,
        };
        by.write("POST", path, key, body, &mut wire.request);
        let reply = wire.ask().await.map_err(failed)?;
        let answer = Answer { status: reply.status, body: serde_json::from_slice(reply.body).unwrap_or_default() };
        self.wire = Some(wire);
        Ok(answer)
    }

    /// The same where nothing but a success will do.
    pub(super) async fn must(&mut self, by: &Caller, path: &str, body: &Value) -> Result<Answer> {
        let answer = self.ask(by, path, body).await?;
        if answer.status == 200 {
            return Ok(answer);
        }
        Err(Failure::NotThere(format!("{path} was refused with {}: {}", answer.status, answer.body)))
    }
}
