//! A proxy between the servers and PostgreSQL that simulates network faults.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The current fault of every connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(crate) enum Weather {
    Fair,
    /// Every packet comes 100 ms late.
    Slow,
    /// Nothing gets through, without an error.
    Silent,
    /// A connection is reset at COMMIT, after the server got it.
    ResetAtCommit,
    /// A connection is reset instead of forwarding COMMIT.
    ResetBeforeCommit,
}

const ALL: [Weather; 5] =
    [Weather::Fair, Weather::Slow, Weather::Silent, Weather::ResetAtCommit, Weather::ResetBeforeCommit];

pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    weather: Arc<AtomicU8>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Proxy {
    pub(crate) fn before(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (weather, open) = (Arc::new(AtomicU8::new(0)), Arc::new(Mutex::new(Vec::new())));
        let proxy = Self { address, weather: Arc::clone(&weather), open: Arc::clone(&open) };
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                let _ = (client.set_nodelay(true), server.set_nodelay(true));
                let ends = [client.try_clone().unwrap(), server.try_clone().unwrap()];
                open.lock().unwrap().extend(ends);
                let (up, down) = ((client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client));
                for (from, to, upwards) in [(up.0, up.1, true), (down.0, down.1, false)] {
                    let weather = Arc::clone(&weather);
                    std::thread::spawn(move || forward(from, to, upwards, &weather));
                }
            }
        });
        proxy
    }

    pub(crate) fn turn(&self, weather: Weather) {
        self.weather.store(weather as u8, Ordering::SeqCst);
    }

    /// Cuts every open connection.
    pub(crate) fn cut(&self) {
        for end in self.open.lock().unwrap().drain(..) {
            let _ = end.shutdown(Shutdown::Both);
        }
    }
}

fn forward(mut from: TcpStream, mut to: TcpStream, upwards: bool, weather: &AtomicU8) {
    let now = || ALL.get(usize::from(weather.load(Ordering::SeqCst))).copied().unwrap_or(Weather::Fair);
    let mut piece = [0; 65_536];
    while let Ok(count @ 1..) = from.read(&mut piece) {
        let piece = piece.get(..count).unwrap_or_default();
        let commits = upwards && piece.windows(7).any(|word| word == b"COMMIT\0");
        match now() {
            Weather::Slow => std::thread::sleep(Duration::from_millis(100)),
            Weather::Silent => {
                while now() == Weather::Silent {
                    std::thread::sleep(Duration::from_millis(10));
                }
            }
            Weather::ResetBeforeCommit if commits => break,
            Weather::ResetAtCommit if commits => {
                let _ = to.write_all(piece);
                break;
            }
            _ => {}
        }
        if to.write_all(piece).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
