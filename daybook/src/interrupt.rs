//! SIGINT and SIGTERM: the first asks for an orderly end, the second ends at once.

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

use crate::failure::{Attempt as _, Result};

/// What a shell shows for a program ended by Ctrl-C.
const ENDED_AT_ONCE: i32 = 130;

/// A flag that turns once. Cheap to clone; every part that must end holds one.
#[derive(Clone)]
pub(crate) struct Interrupt(watch::Receiver<bool>);

impl Interrupt {
    /// Listens from now on. Call it before anything that must not be left half done.
    pub(crate) fn listen() -> Result<Self> {
        let (interrupt, terminate) = (listen_for(SignalKind::interrupt())?, listen_for(SignalKind::terminate())?);
        let (asked, receiver) = watch::channel(false);
        tokio::spawn(watch_signals(interrupt, terminate, asked));
        Ok(Self(receiver))
    }

    pub(crate) fn is_asked(&self) -> bool {
        *self.0.borrow()
    }

    /// Turns once it is asked for.
    pub(crate) fn flag(&self) -> watch::Receiver<bool> {
        self.0.clone()
    }

    pub(crate) async fn asked(&mut self) {
        if self.0.wait_for(|asked| *asked).await.is_err() {
            tracing::error!("nobody listens for signals any more: ending");
        }
    }
}

fn listen_for(kind: SignalKind) -> Result<Signal> {
    signal(kind).attempt(|| "listening for signals".to_owned())
}

async fn watch_signals(mut interrupt: Signal, mut terminate: Signal, asked: watch::Sender<bool>) {
    either(&mut interrupt, &mut terminate).await;
    tracing::info!("ending in good order; a second signal ends at once");
    asked.send_replace(true);
    either(&mut interrupt, &mut terminate).await;
    tracing::warn!("ending at once");
    std::process::exit(ENDED_AT_ONCE);
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
