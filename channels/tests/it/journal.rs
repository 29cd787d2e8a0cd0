//! The sandbox's books outlive its server.

use std::{fs, io::Write as _, path::PathBuf, sync::Arc};

use channels::{
    Kind, Outcome, Secret,
    sandbox::{Books, Settings, serve},
};
use chrono::Utc;
use domain::{channel::Channel as Name, payment::attempt::Decline};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
};

use crate::stand::{Stand, capture, charge, done, hold, is_settled, refund, settled, usd};

/// A directory of its own, gone afterwards.
struct Directory(PathBuf);

impl Directory {
    fn new(test: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("sandbox-books-{}-{test}", std::process::id()));
        fs::remove_dir_all(&directory).ok();
        Self(directory)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

const STRIPE: Name = Name::Stripe;

// covers D6, I20
#[tokio::test]
async fn a_server_that_was_killed_finds_its_books_again() {
    let directory = Directory::new("restart");
    let (charged, refunded) = (charge(1, usd(1_000), "pm_x"), refund(1, 1, usd(300)));
    let (before, answered) = {
        let stand = Stand::on(&directory.0).await;
        let answered = settled(stand.line(STRIPE).authorise(&charged).await.unwrap());
        settled(stand.line(STRIPE).authorise(&hold(2, usd(900), "pm_x")).await.unwrap());
        settled(stand.line(STRIPE).capture(&capture(2, 1, usd(400))).await.unwrap());
        settled(stand.line(STRIPE).refund(&refunded).await.unwrap());
        let listed = stand.listed().await;
        stand.down().await;
        (listed, answered)
    };
    let stand = Stand::on(&directory.0).await;
    assert_eq!(stand.listed().await, before);
    assert_eq!(settled(stand.line(STRIPE).authorise(&charged).await.unwrap()), answered);
    assert_eq!(stand.effects(STRIPE, &charged.key), 1);
    settled(stand.line(STRIPE).capture(&capture(2, 2, usd(500))).await.unwrap());
    assert_eq!(stand.line(STRIPE).capture(&capture(2, 3, usd(1))).await, Ok(Outcome::Declined(Decline::Other)));
}

#[tokio::test]
async fn what_is_due_happens_after_a_restart() {
    let directory = Directory::new("due");
    let request = charge(1, usd(500), "pm_sandbox_late_success");
    {
        let stand = Stand::with(Books::open(&directory.0).unwrap(), |settings| {
            settings.timing.afterwards = std::time::Duration::from_millis(1_500);
        })
        .await;
        let declined = stand.line(STRIPE).authorise(&request).await;
        assert_eq!(declined, Ok(Outcome::Declined(Decline::ProcessingError)));
        stand.down().await;
    }
    let stand = Stand::on(&directory.0).await;
    done(stand.until(STRIPE, Kind::Authorise, &request.key, is_settled).await);
    assert_eq!(stand.books.listing().totals[0].captured_minor, 500);
}

#[tokio::test]
async fn a_torn_last_line_is_cut_off_and_the_rest_stands() {
    let directory = Directory::new("torn");
    {
        let stand = Stand::on(&directory.0).await;
        settled(stand.line(STRIPE).authorise(&charge(1, usd(1_000), "pm_x")).await.unwrap());
        settled(stand.line(STRIPE).authorise(&charge(2, usd(10), "pm_x")).await.unwrap());
        stand.down().await;
    }
    let file = directory.0.join("books.jsonl");
    let whole = fs::read(&file).unwrap();
    let first = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    fs::write(&file, &whole[..whole.len() - 5]).unwrap();
    {
        let stand = Stand::on(&directory.0).await;
        assert_eq!(stand.books.listing().totals[0].captured_minor, 1_000);
        assert_eq!(fs::read(&file).unwrap(), whole[..first]);
        settled(stand.line(STRIPE).authorise(&charge(2, usd(10), "pm_x")).await.unwrap());
        stand.down().await;
    }
    assert_eq!(Stand::on(&directory.0).await.books.listing().totals[0].captured_minor, 1_010);
}

#[tokio::test]
async fn damage_in_the_middle_is_not_read_over() {
    let directory = Directory::new("damaged");
    {
        let stand = Stand::on(&directory.0).await;
        settled(stand.line(STRIPE).authorise(&charge(1, usd(1_000), "pm_x")).await.unwrap());
        stand.down().await;
    }
    let mut file = fs::OpenOptions::new().append(true).open(directory.0.join("books.jsonl")).unwrap();
    file.write_all(b"not a line\n").unwrap();
    assert!(Books::open(&directory.0).is_err());
}

#[tokio::test]
async fn a_server_asked_to_end_ends_and_lets_go_of_its_books() {
    let directory = Directory::new("end");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (end, asked) = oneshot::channel::<()>();
    let books = Arc::new(Books::open(&directory.0).unwrap());
    let serving = tokio::spawn(serve(listener, books, Settings::new(Secret::new("s")), async { asked.await.unwrap() }));
    let open = TcpStream::connect(address).await.unwrap();
    end.send(()).unwrap();
    serving.await.unwrap();
    assert!(Books::open(&directory.0).is_ok());
    drop(open);
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn two_never_keep_the_same_books() {
    let directory = Directory::new("twice");
    let stand = Stand::on(&directory.0).await;
    assert!(Books::open(&directory.0).is_err());
    stand.down().await;
    assert!(Books::open(&directory.0).is_ok());
}

// covers I20
#[tokio::test]
async fn the_remittance_of_the_day_is_what_the_books_say() {
    let stand = Stand::up().await;
    for name in [Name::Stripe, Name::Crypto] {
        settled(stand.line(name).authorise(&charge(1, usd(10_000), "pm_x")).await.unwrap());
        settled(stand.line(name).refund(&refund(1, 1, usd(3_000))).await.unwrap());
    }
    let today = Utc::now().date_naive();
    let lines = stand.remitted(&today.to_string()).await;
    assert_eq!(lines.iter().map(|line| line.channel).collect::<Vec<_>>(), [Name::Stripe, Name::Crypto]);
    for line in lines {
        assert_eq!((line.gross_minor, line.fee_minor, line.net_minor), (7_000, 140, 6_860));
    }
    assert!(stand.remitted("2001-01-01").await.is_empty());
}
