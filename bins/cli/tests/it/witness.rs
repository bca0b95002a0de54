//! A witness cosigns checkpoints. It is built from other implementations of signed notes, Merkle trees and Ed25519.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::signature::{Ed25519KeyPair, KeyPair};
use signed_note::{Note, Signature, StandardVerifier, VerifierList, key_id};
use tlog_tiles::tlog;

use crate::programs::{done, run};
use crate::support::write_secret;

const NAME: &str = "witness.example.com/w1";

/// A witness that knows one log (C2SP `tlog-witness`).
struct Witness {
    pair: Ed25519KeyPair,
    log: String,
    /// The size and the root that it has cosigned last.
    last: Mutex<Option<(u64, tlog::Hash)>>,
    answers: Mutex<Vec<u16>>,
}

impl Witness {
    fn start(log: &str) -> (Arc<Self>, String) {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[9; 32]).unwrap();
        let witness = Arc::new(Self { pair, log: log.to_owned(), last: Mutex::default(), answers: Mutex::default() });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/w1", listener.local_addr().unwrap());
        let serving = Arc::clone(&witness);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let (mut head, mut length) = (String::new(), 0);
                loop {
                    let mut line = String::new();
                    reader.read_line(&mut line).unwrap();
                    length = line
                        .to_lowercase()
                        .strip_prefix("content-length: ")
                        .map_or(length, |n| n.trim().parse().unwrap());
                    head += &line;
                    if line.trim().is_empty() {
                        break;
                    }
                }
                assert!(head.starts_with("POST /w1/add-checkpoint "), "{head}");
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                let (status, text) = serving.add(std::str::from_utf8(&body).unwrap());
                serving.answers.lock().unwrap().push(status);
                write!(
                    stream,
                    "HTTP/1.1 {status} x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{text}",
                    text.len()
                )
                .unwrap();
            }
        });
        (witness, url)
    }

    fn key(&self) -> Vec<u8> {
        [&[4], self.pair.public_key().as_ref()].concat()
    }

    fn verifier(&self) -> String {
        format!("{NAME}+{:08x}+{}", key_id(NAME, &self.key()), BASE64_STANDARD.encode(self.key()))
    }

    /// Answers a request for a cosignature, as the specification says.
    fn add(&self, request: &str) -> (u16, String) {
        let (head, note) = request.split_once("\n\n").unwrap();
        let mut lines = head.lines();
        let old: u64 = lines.next().unwrap().strip_prefix("old ").unwrap().parse().unwrap();
        let proof: Vec<_> =
            lines.map(|line| tlog::Hash(BASE64_STANDARD.decode(line).unwrap().try_into().unwrap())).collect();
        let mut parsed = Note::from_bytes(note.as_bytes()).unwrap();
        let known = VerifierList::new(vec![Box::new(StandardVerifier::new(&self.log).unwrap())]);
        if parsed.verify(&known).is_err() {
            return (403, String::new());
        }
        let checkpoint = tlog_tiles::Checkpoint::from_bytes(parsed.text()).unwrap();
        let mut last = self.last.lock().unwrap();
        let (size, root) = last.unwrap_or((0, tlog::Hash([0; 32])));
        if old != size {
            return (409, format!("{size}\n"));
        }
        if size > 0 && tlog::check_tree(&proof, checkpoint.size(), *checkpoint.hash(), size, root).is_err() {
            return (422, String::new());
        }
        *last = Some((checkpoint.size(), *checkpoint.hash()));
        let time = 1_700_000_000_u64;
        let text = std::str::from_utf8(parsed.text()).unwrap().to_owned();
        let signature = self.pair.sign(format!("cosignature/v1\ntime {time}\n{text}").as_bytes());
        let signature = [&time.to_be_bytes()[..], signature.as_ref()].concat();
        let line = Signature::new(NAME.to_owned(), key_id(NAME, &self.key()), signature).unwrap();
        parsed = Note::new(parsed.text(), &[line]).unwrap();
        let whole = String::from_utf8(parsed.to_bytes()).unwrap();
        (200, whole[text.len() + 1..].to_owned())
    }
}

/// Returns a folder with a log, a signing key and the verifier key.
fn log(folder: &Path) -> String {
    done(folder, &["org", "create", "Acme"]);
    write_secret(&folder.join("signing.key"), &done(folder, &["audit", "keygen"]));
    let made = run(folder, &["audit", "checkpoint", "--signing-key-file", "signing.key"]);
    String::from_utf8(made.stderr).unwrap().trim().rsplit(' ').next().unwrap().to_owned()
}

#[test]
fn a_witness_cosigns_a_log_that_has_only_grown() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let verifier = log(folder);
    let (witness, url) = Witness::start(&verifier);
    let key = witness.verifier();
    let cosign = |file: &str| {
        let arguments =
            ["audit", "checkpoint", "--signing-key-file", "signing.key", "--witness", &url, "--witness-key", &key];
        let made = run(folder, &arguments);
        std::fs::write(folder.join(file), &made.stdout).unwrap();
        (made.status.code(), String::from_utf8_lossy(&made.stderr).into_owned())
    };
    let verify = |file: &str, key: &str| {
        let arguments = ["audit", "verify", "--checkpoint", file, "--verifier-key", &verifier, "--witness-key", key];
        let found = run(folder, &arguments);
        (found.status.code(), String::from_utf8_lossy(&found.stderr).into_owned())
    };
    for round in 0..4 {
        let (status, said) = cosign(&format!("{round}.note"));
        assert_eq!(status, Some(0), "{said}");
        (0..round).for_each(|_| drop(done(folder, &["key", "regenerate", "--yes"])));
    }
    // The log did not grow between the first two.
    assert_eq!(*witness.answers.lock().unwrap(), [200, 409, 200, 409, 200, 409, 200]);
    for round in 0..4 {
        let (status, said) = verify(&format!("{round}.note"), &key);
        assert!(status == Some(0) && said.contains("has cosigned the checkpoint at 2023-11-14T22:13:20"), "{said}");
    }
    // Without its cosignature, by another key, or for another text, a checkpoint is refused.
    let note = std::fs::read_to_string(folder.join("3.note")).unwrap();
    let lines: Vec<&str> = note.lines().collect();
    std::fs::write(folder.join("bare.note"), format!("{}\n", lines[..lines.len() - 1].join("\n"))).unwrap();
    let (status, said) = verify("bare.note", &key);
    assert!(status == Some(1) && said.contains("has not signed this note"), "{said}");
    let first = std::fs::read_to_string(folder.join("0.note")).unwrap();
    let moved = format!("{}\n{}\n", lines[..lines.len() - 1].join("\n"), first.lines().last().unwrap());
    std::fs::write(folder.join("moved.note"), moved).unwrap();
    let (status, said) = verify("moved.note", &key);
    assert!(status == Some(1) && said.contains("the signature is wrong"), "{said}");
    // Other implementations read the note with both signatures.
    let known = VerifierList::new(vec![Box::new(StandardVerifier::new(&verifier).unwrap())]);
    let (verified, others) = Note::from_bytes(note.as_bytes()).unwrap().verify(&known).unwrap();
    assert_eq!((verified.len(), others.len(), others[0].name()), (1, 1, NAME));

    // A log that was written again gets no cosignature.
    std::fs::remove_file(folder.join("doorward.db")).unwrap();
    done(folder, &["org", "create", "Acme"]);
    let (status, said) = cosign("forged.note");
    assert!(status == Some(1) && said.contains("the witness witness.example.com/w1 has not cosigned"), "{said}");
    let missing = ["audit", "checkpoint", "--signing-key-file", "signing.key", "--witness", &url];
    assert_eq!(run(folder, &missing).status.code(), Some(2));
}
