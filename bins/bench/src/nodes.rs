//! Measures five servers on one PostgreSQL with many keys: loading, memory, and the time of a change beyond its commit.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use doorward::auth::{Core, Issuer, StagedKey};
use doorward::postgres::PostgresStore;
use doorward::store::OpenMode;
use doorward::types::{Clock, SystemClock};
use doorward_test_postgres::Cluster;

use crate::programs::Running;
use crate::{harness, programs, rows};

const NODES: usize = 5;

const CHANGES: usize = 500;

pub(crate) async fn run(count: usize) -> anyhow::Result<()> {
    programs::build()?;
    let name = |metric: &str| format!("{metric}_{count}_keys");
    let cluster = Cluster::start(&["shared_buffers=1GB", "max_wal_size=8GB"])?;
    let store = PostgresStore::open(&cluster.url(), OpenMode::Create).await?;
    harness::say(&format!("writing {count} keys"));
    let started = SystemClock.reading();
    rows::fill(&store, count).await?;
    harness::print("nodes", &name("fill"), seconds_since(started), "s", None);
    let core = Core::new(Arc::new(store));
    let issuer = Issuer::new(&core);
    let request = harness::operator()?.request();
    let acme = issuer.provision("Acme".parse()?, &request).await?;

    let folder = tempfile::tempdir()?;
    let (mut nodes, mut loads) = (Vec::new(), Vec::new());
    for _ in 0..NODES {
        let started = SystemClock.reading();
        nodes.push(Node::start(folder.path(), &cluster.url())?);
        loads.push(seconds_since(started));
    }
    harness::print("nodes", &name("load"), harness::median(&loads), "s", None);
    let memory = nodes.iter().map(|node| node.0.memory()).collect::<anyhow::Result<Vec<_>>>()?;
    harness::print("nodes", &name("memory_of_a_node"), harness::median(&memory) / 1_048_576.0, "MiB", None);

    let (mut whole, mut beyond) = (Vec::new(), Vec::new());
    for _ in 0..CHANGES {
        let started = SystemClock.reading();
        let receipt = issuer.regenerate(acme.organization.id, StagedKey::Promote, &request).await?.receipt;
        anyhow::ensure!(receipt.nodes().acknowledged as usize == NODES, "a node kept silent: {receipt}");
        whole.push(seconds_since(started) * 1e3);
        beyond.push(receipt.waited().as_secs_f64() * 1e3);
    }
    for (metric, mut times) in [("regenerate", whole), ("regenerate_beyond_the_commit", beyond)] {
        times.sort_by(f64::total_cmp);
        harness::print("nodes", &name(&format!("{metric}_p50")), harness::median(&times), "ms", None);
        let p99 = times.get(CHANGES * 99 / 100).copied().unwrap_or(f64::NAN);
        harness::print("nodes", &name(&format!("{metric}_p99")), p99, "ms", None);
    }
    Ok(())
}

fn seconds_since(started: doorward::types::ClockReading) -> f64 {
    SystemClock.reading().raw.since(started.raw).as_secs_f64()
}

/// A running server.
struct Node(Running);

impl Node {
    fn start(folder: &std::path::Path, store: &str) -> anyhow::Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let child = Command::new(programs::built("doorward-server"))
            .args(["--listen", &address.to_string(), "--metrics-listen", "127.0.0.1:0", "--store", store])
            .current_dir(folder)
            .env("DOORWARD_SEALING_KEY", format!("{}=", "A".repeat(43)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("the server cannot be started")?;
        let mut node = Self(Running(child));
        while !is_ready(address) {
            anyhow::ensure!(node.0.0.try_wait()?.is_none(), "a server did not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(node)
    }
}

fn is_ready(address: SocketAddr) -> bool {
    let request = || {
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok::<_, std::io::Error>(answer.starts_with("HTTP/1.1 200"))
    };
    request().unwrap_or(false)
}
