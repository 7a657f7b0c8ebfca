use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;

use super::*;

const HERE: Ipv4Addr = Ipv4Addr::LOCALHOST;
const THERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

struct World {
    port: u16,
    listeners: Listeners,
    log: Log,
    _folder: tempfile::TempDir,
}

/// A forwarder to the other address, on a port that is free at both. What listens there is given.
async fn world() -> (World, TcpListener) {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::open(&folder.path().join("log")).unwrap();
    let way = Way::Address(THERE.into());
    loop {
        let there = TcpListener::bind((THERE, 0)).await.unwrap();
        let port = there.local_addr().unwrap().port();
        let mut listeners = Listeners::default();
        if listeners.set(&[port].into(), &way, &log).await.is_empty() {
            let world = World {
                port,
                listeners,
                log,
                _folder: folder,
            };
            return (world, there);
        }
    }
}

/// Sends back what it gets, and the end after the end.
fn echo(there: TcpListener) {
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = there.accept().await {
            tokio::spawn(async move {
                let (mut reading, mut writing) = stream.split();
                let _ = tokio::io::copy(&mut reading, &mut writing).await;
                let _ = writing.shutdown().await;
            });
        }
    });
}

#[tokio::test]
async fn each_direction_ends_by_itself() {
    let (world, there) = world().await;
    let server = tokio::spawn(async move {
        let (mut stream, _) = there.accept().await.unwrap();
        let mut all = String::new();
        // Only the end of what the client says lets this go on.
        stream.read_to_string(&mut all).await.unwrap();
        stream
            .write_all(format!("{all}, heard").as_bytes())
            .await
            .unwrap();
    });
    let mut client = TcpStream::connect((HERE, world.port)).await.unwrap();
    client.write_all(b"said").await.unwrap();
    client.shutdown().await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "said, heard");
    server.await.unwrap();
}

#[tokio::test]
async fn many_connections_and_many_bytes_arrive_whole() {
    let (world, there) = world().await;
    echo(there);
    let one = |number: u8, bytes: usize| {
        let port = world.port;
        tokio::spawn(async move {
            let mut client = TcpStream::connect((HERE, port)).await.unwrap();
            let (mut reading, mut writing) = client.split();
            let sending = async {
                writing.write_all(&vec![number; bytes]).await.unwrap();
                writing.shutdown().await.unwrap();
            };
            let mut all = Vec::new();
            let receiving = reading.read_to_end(&mut all);
            let ((), received) = tokio::join!(sending, receiving);
            assert_eq!(received.unwrap(), bytes);
            assert!(all.iter().all(|byte| *byte == number));
        })
    };
    let mut all: Vec<_> = (0..200).map(|number| one(number, 10_000)).collect();
    all.push(one(200, 32 << 20));
    for connection in all {
        connection.await.unwrap();
    }
}

#[tokio::test]
async fn who_does_not_read_slows_the_other_down() {
    let (world, there) = world().await;
    let may_read = std::sync::Arc::new(Semaphore::new(0));
    let reader = {
        let may_read = std::sync::Arc::clone(&may_read);
        tokio::spawn(async move {
            let (mut stream, _) = there.accept().await.unwrap();
            let _turn = may_read.acquire().await.unwrap();
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await.unwrap();
            all.len()
        })
    };
    let mut client = TcpStream::connect((HERE, world.port)).await.unwrap();
    let piece = vec![1; 1 << 20];
    let mut sent = 0;
    let limit = Duration::from_millis(500);
    while let Ok(written) = tokio::time::timeout(limit, client.write(&piece)).await {
        sent += written.unwrap();
        assert!(sent < 512 << 20, "the forwarder keeps it all");
    }
    may_read.add_permits(1);
    client.shutdown().await.unwrap();
    assert_eq!(reader.await.unwrap(), sent);
}

#[tokio::test]
async fn where_nobody_listens_the_connection_ends_at_once() {
    let (world, there) = world().await;
    drop(there);
    let begun = Instant::now();
    let mut client = TcpStream::connect((HERE, world.port)).await.unwrap();
    let read = client.read(&mut [0; 1]).await;
    assert!(read.is_err() || read.is_ok_and(|bytes| bytes == 0));
    assert!(begun.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn ports_come_and_go_and_a_taken_one_is_told() {
    let (mut world, there) = world().await;
    echo(there);
    let way = Way::Address(THERE.into());
    let mut open = TcpStream::connect((HERE, world.port)).await.unwrap();
    open.write_all(b"a").await.unwrap();
    let mut byte = [0; 1];
    open.read_exact(&mut byte).await.unwrap();
    let taken = TcpListener::bind((HERE, 0)).await.unwrap();
    let other = taken.local_addr().unwrap().port();
    let failed = world.listeners.set(&[other].into(), &way, &world.log).await;
    assert_eq!(failed.keys().collect::<Vec<_>>(), [&other]);
    assert!(TcpStream::connect((HERE, world.port)).await.is_err());
    open.write_all(b"b").await.unwrap();
    open.read_exact(&mut byte).await.unwrap();
    assert_eq!(&byte, b"b", "what is open stays open");
    drop(taken);
    let failed = world.listeners.set(&[other].into(), &way, &world.log).await;
    assert!(failed.is_empty(), "{failed:?}");
}
