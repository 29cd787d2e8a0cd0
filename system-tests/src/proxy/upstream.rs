//! Where the real server listens, and how to get there.

use std::io;
use std::path::PathBuf;
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

/// The address of the real server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upstream {
    /// The socket file itself, such as `/run/postgresql/.s.PGSQL.5432`.
    Unix(PathBuf),
    Tcp {
        host: String,
        port: u16,
    },
}

impl Upstream {
    /// Reads the address out of a connection URL, as sqlx does.
    ///
    /// # Errors
    /// When sqlx cannot read the URL.
    pub fn from_url(url: &str) -> Result<Self, sqlx::Error> {
        let options = PgConnectOptions::from_str(url)?;
        let port = options.get_port();
        Ok(match options.get_socket() {
            Some(folder) => Self::Unix(folder.join(format!(".s.PGSQL.{port}"))),
            None => Self::Tcp { host: options.get_host().to_owned(), port },
        })
    }

    pub(super) async fn connect(&self) -> io::Result<Server> {
        match self {
            Self::Unix(path) => {
                let (reader, writer) = UnixStream::connect(path).await?.into_split();
                Ok(Server { reader: Box::new(reader), writer: Box::new(writer) })
            }
            Self::Tcp { host, port } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                let (reader, writer) = stream.into_split();
                Ok(Server { reader: Box::new(reader), writer: Box::new(writer) })
            }
        }
    }
}

/// One connection to the real server.
pub(super) struct Server {
    pub(super) reader: Box<dyn AsyncRead + Send + Unpin>,
    pub(super) writer: Box<dyn AsyncWrite + Send + Unpin>,
}

impl Server {
    /// Leaves the server to finish what it was sent: closing with unread answers could destroy the request on its way.
    pub(super) fn abandon(mut self) {
        tokio::spawn(async move {
            if self.writer.shutdown().await.is_ok() {
                let mut unread = [0_u8; 4096];
                while matches!(self.reader.read(&mut unread).await, Ok(count) if count > 0) {}
            }
        });
    }
}
