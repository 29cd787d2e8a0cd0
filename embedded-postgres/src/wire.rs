//! Just enough of the Postgres protocol to ask a local server something in text.

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use crate::error::{Attempt as _, Error, Result};

/// Version 3.0 of the protocol.
const PROTOCOL: i32 = 196_608;

/// No message of the few we read is longer.
const LONGEST_MESSAGE: usize = 1 << 20;

/// One row's columns as text, null as nothing.
pub type Row = Vec<Option<String>>;

/// A connection over a trusted local socket, for a handful of statements in text.
pub struct Connection {
    stream: UnixStream,
}

impl Connection {
    /// Connects as `user`; an answer that takes longer than `patience` is an error.
    ///
    /// # Errors
    /// Nobody listens, or the server refuses (code `57P03` while it starts or stops).
    pub fn open(socket_dir: &Path, port: u16, user: &str, database: &str, patience: Duration) -> Result<Self> {
        let socket = socket_dir.join(format!(".s.PGSQL.{port}"));
        let describe = || format!("connecting to {}", socket.display());
        let stream = UnixStream::connect(&socket).attempt(describe)?;
        stream.set_read_timeout(Some(patience)).attempt(describe)?;
        stream.set_write_timeout(Some(patience)).attempt(describe)?;
        let mut connection = Self { stream };
        let mut startup = PROTOCOL.to_be_bytes().to_vec();
        for text in ["user", user, "database", database, "client_encoding", "UTF8", "application_name", "daybook house"]
        {
            startup.extend_from_slice(text.as_bytes());
            startup.push(0);
        }
        startup.push(0);
        connection.send(None, &startup).attempt(describe)?;
        connection.answer()?;
        Ok(connection)
    }

    /// Runs one statement and returns its rows.
    ///
    /// # Errors
    /// The server refuses it, or the connection breaks.
    pub fn query(&mut self, sql: &str) -> Result<Vec<Row>> {
        let mut body = sql.as_bytes().to_vec();
        body.push(0);
        self.send(Some(b'Q'), &body).attempt(|| "sending a statement".to_owned())?;
        self.answer()
    }

    fn send(&mut self, kind: Option<u8>, body: &[u8]) -> io::Result<()> {
        let length = i32::try_from(body.len() + 4).map_err(io::Error::other)?;
        let mut message: Vec<u8> = kind.into_iter().collect();
        message.extend_from_slice(&length.to_be_bytes());
        message.extend_from_slice(body);
        self.stream.write_all(&message)
    }

    /// Reads until the server is ready for the next statement.
    fn answer(&mut self) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        let mut refusal = None;
        loop {
            let (kind, body) = self.receive().attempt(|| "reading the server's answer".to_owned())?;
            match kind {
                b'Z' => return refusal.map_or(Ok(rows), Err),
                b'D' => rows.push(row(&body).ok_or_else(malformed)?),
                b'E' => {
                    let error = refused(&body);
                    // A fatal refusal is the last thing said: no "ready" follows.
                    if field(&body, b'V').is_some_and(|severity| severity != "ERROR") {
                        return Err(error);
                    }
                    refusal = Some(error);
                }
                b'R' if body != 0_i32.to_be_bytes() => {
                    return Err(Error::Refused { code: "28000".into(), message: "it wants a password".into() });
                }
                _ => {}
            }
        }
    }

    fn receive(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let mut kind = [0_u8; 1];
        let mut length = [0_u8; 4];
        self.stream.read_exact(&mut kind)?;
        self.stream.read_exact(&mut length)?;
        let length = usize::try_from(i32::from_be_bytes(length)).map_err(io::Error::other)?;
        let length = length.checked_sub(4).filter(|length| *length <= LONGEST_MESSAGE);
        let mut body = vec![0; length.ok_or_else(|| io::Error::other("a message of impossible length"))?];
        self.stream.read_exact(&mut body)?;
        Ok((u8::from_be_bytes(kind), body))
    }
}

fn malformed() -> Error {
    Error::Io { what: "reading a row".to_owned(), source: io::ErrorKind::InvalidData.into() }
}

fn row(body: &[u8]) -> Option<Row> {
    let (count, mut rest) = body.split_first_chunk::<2>()?;
    let mut columns = Row::new();
    for _ in 0..i16::from_be_bytes(*count) {
        let (length, after) = rest.split_first_chunk::<4>()?;
        match usize::try_from(i32::from_be_bytes(*length)) {
            Ok(length) => {
                let (text, after) = after.split_at_checked(length)?;
                columns.push(Some(String::from_utf8_lossy(text).into_owned()));
                rest = after;
            }
            Err(_) => {
                columns.push(None);
                rest = after;
            }
        }
    }
    Some(columns)
}

fn refused(body: &[u8]) -> Error {
    let text = |kind| field(body, kind).unwrap_or_default();
    Error::Refused { code: text(b'C'), message: text(b'M') }
}

fn field(body: &[u8], kind: u8) -> Option<String> {
    let mut fields = body.split(|byte| *byte == 0);
    fields.find_map(|field| {
        let (first, text) = field.split_first()?;
        (*first == kind).then(|| String::from_utf8_lossy(text).into_owned())
    })
}
