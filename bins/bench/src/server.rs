//! Measures the server's cost and latency for a request, beside hyper with one fixed answer.
//!
//! The server has one core and the load generator has the other, so that neither slows the other down. The compared value is the
//! server's processor time for a request: requests per second would show the load generator's limit instead.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use doorward::sqlite::SqliteStore;
use doorward::store::OpenMode;
use doorward::types::{Clock, SystemClock};

use rustix::thread::{CpuSet, sched_setaffinity};

use crate::harness::{median, print, ratio};
use crate::programs::Running;
use crate::{programs, rows};

/// The core of the server, and the core of the load generator.
const SERVER_CORE: &str = "0";
const LOAD_CORE: &str = "1";

/// The time under load of one side in a round.
const SPELL: Duration = Duration::from_secs(3);

/// The number of HTTP/2 requests in one run.
const H2_REQUESTS: u64 = 60_000;

pub(crate) async fn run(keys: usize, rounds: usize) -> anyhow::Result<()> {
    for (program, package) in
        [("wrk", "wrk"), ("h2load", "nghttp2-client"), ("nginx", "nginx"), ("taskset", "util-linux")]
    {
        ensure!(programs::is_there(program), "{program} is missing: install the Debian package {package}, or its like");
    }
    programs::build()?;
    let folder = tempfile::tempdir()?;
    let (certificate, key_file) = certificate(folder.path())?;
    let tls: [&str; 4] = ["--tls-cert", &certificate, "--tls-key", &key_file];
    let store = folder.path().join("large.db");
    rows::fill(&SqliteStore::open(&store, OpenMode::Create).await?, keys).await?;
    let key = organization(&store, "bench")?;

    let plain = Server::ours(&store, &[])?;
    let whoami = plain.answer("/v1/whoami", &key)?;
    let bare = Server::bare(&whoami, None)?;
    let bearer = format!("Authorization: Bearer {key}");
    let mut costs: [Vec<f64>; 3] = Default::default();
    let mut rates = Vec::new();
    for _ in 0..rounds {
        for (place, (server, path)) in
            [(&bare, "/v1/whoami"), (&plain, "/v1/whoami"), (&plain, "/v1/forward-auth/any")].into_iter().enumerate()
        {
            let (requests, cost) = server.under_load(|url| wrk(&format!("{url}{path}"), &bearer))?;
            if let Some(costs) = costs.get_mut(place) {
                costs.push(cost);
            }
            if place == 0 {
                rates.push(requests as f64 / SPELL.as_secs_f64());
            }
        }
    }
    let [bare_cost, whoami_cost, forward_cost] = &costs;
    for (metric, cost) in [("whoami, HTTP/1.1", whoami_cost), ("forward-auth, HTTP/1.1", forward_cost)] {
        let against = ("bare hyper", ratio(cost, bare_cost));
        print("server", &format!("CPU of {metric}, {keys} keys"), median(cost), "us", Some(against));
    }

    let half = median(&rates) / 2.0;
    let mut tails: [Vec<f64>; 2] = Default::default();
    for _ in 0..rounds {
        for (server, tail) in [&bare, &plain].into_iter().zip(&mut tails) {
            tail.push(server.p99(half, &bearer)?);
        }
    }
    let [bare_tail, tail] = &tails;
    print("server", &format!("p99 at {half:.0}/s"), median(tail), "us", Some(("bare hyper", ratio(tail, bare_tail))));

    let secured = Server::ours(&store, &tls)?;
    let bare_secured = Server::bare(&whoami, Some((&certificate, &key_file)))?;
    let mut costs: [Vec<f64>; 3] = Default::default();
    for _ in 0..rounds {
        for ((server, path), costs) in
            [(&bare_secured, "/v1/whoami"), (&secured, "/v1/whoami"), (&secured, "/v1/forward-auth/any")]
                .into_iter()
                .zip(&mut costs)
        {
            costs.push(server.under_load(|url| h2load(&format!("{url}{path}"), &bearer))?.1);
        }
    }
    let [bare_cost, whoami_cost, forward_cost] = &costs;
    for (metric, cost) in [("whoami, HTTP/2", whoami_cost), ("forward-auth, HTTP/2", forward_cost)] {
        let against = ("bare hyper", ratio(cost, bare_cost));
        print("server", &format!("CPU of {metric}, {keys} keys"), median(cost), "us", Some(against));
    }
    drop((secured, bare_secured));

    let allowed = Server::bare(&Answer::default(), None)?;
    // The server's answer about the key is in headers, which nginx reads.
    let telling = Server::bare(&plain.answer("/v1/forward-auth/any", &key)?, None)?;
    let mut gateways = Vec::new();
    for asked in [&allowed, &telling, &plain] {
        gateways.push(Nginx::start(folder.path(), asked.address)?);
    }
    let mut throughput: [Vec<f64>; 3] = Default::default();
    for _ in 0..rounds {
        for (gateway, throughput) in gateways.iter().zip(&mut throughput) {
            let requests = wrk(&format!("http://{}/", gateway.address), &bearer)?;
            throughput.push(requests as f64 / SPELL.as_secs_f64());
        }
    }
    let [bare_rate, telling_rate, rate] = &throughput;
    for (what, rates) in [("bare hyper", bare_rate), ("bare hyper with the same headers", telling_rate)] {
        let against = (format!("nginx before {what}"), ratio(rate, rates));
        print("server", "nginx auth_request", median(rate), "requests/s", Some((&against.0, against.1)));
    }
    drop((plain, bare, allowed, telling, gateways));

    let store = folder.path().join("small.db");
    rows::fill(&SqliteStore::open(&store, OpenMode::Create).await?, 1_000).await?;
    let idle = Server::ours(&store, &[])?;
    std::thread::sleep(Duration::from_secs(2));
    print("server", "idle memory, 1000 keys", idle.process.memory()? / f64::from(1 << 20), "MiB", None);
    Ok(())
}

/// Creates an organization in a store. Returns its production key.
fn organization(store: &Path, name: &str) -> anyhow::Result<String> {
    let output = Command::new(programs::built("doorward"))
        .args(["--store", &format!("sqlite:{}", store.display()), "org", "create", name])
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    text.split_whitespace().find(|word| word.starts_with("dw_prod_")).map(str::to_owned).context("no key was shown")
}

fn certificate(folder: &Path) -> anyhow::Result<(String, String)> {
    let [certificate, key] = ["cert.pem", "key.pem"].map(|name| folder.join(name).display().to_string());
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"])
        .args(["-subj", "/CN=localhost", "-keyout", &key, "-out", &certificate])
        .stderr(Stdio::null())
        .status()?;
    ensure!(made.success(), "openssl makes no certificate");
    Ok((certificate, key))
}

fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// An answer for the baseline server to repeat.
#[derive(Default)]
struct Answer {
    headers: Vec<String>,
    body: String,
}

/// A server on its own core.
struct Server {
    process: Running,
    address: SocketAddr,
    url: String,
}

impl Server {
    fn ours(store: &Path, options: &[&str]) -> anyhow::Result<Self> {
        let address = free_address()?;
        let program = programs::built("doorward-server").display().to_string();
        let store = format!("sqlite:{}", store.display());
        let listen = address.to_string();
        let own = ["--store", &store, "--listen", &listen, "--metrics-listen", "127.0.0.1:0", "--log", "error"];
        Self::start(&program, &[&own, options].concat(), address, !options.is_empty())
    }

    fn bare(answer: &Answer, tls: Option<(&str, &str)>) -> anyhow::Result<Self> {
        let address = free_address()?;
        let program = std::env::current_exe()?.display().to_string();
        let listen = address.to_string();
        let mut arguments = vec!["bare", &listen, &answer.body];
        arguments.extend(answer.headers.iter().flat_map(|header| ["--header", header]));
        if let Some((certificate, key)) = tls {
            arguments.extend(["--certificate", certificate, "--key", key]);
        }
        Self::start(&program, &arguments, address, tls.is_some())
    }

    fn start(program: &str, arguments: &[&str], address: SocketAddr, tls: bool) -> anyhow::Result<Self> {
        let process = Command::new("taskset")
            .args(["-c", SERVER_CORE, program])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()?;
        let scheme = if tls { "https" } else { "http" };
        let server = Self { process: Running(process), address, url: format!("{scheme}://{address}") };
        wait_for(address)?;
        Ok(server)
    }

    /// Returns the server's answer, header by header.
    fn answer(&self, path: &str, key: &str) -> anyhow::Result<Answer> {
        let mut stream = TcpStream::connect(self.address)?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer {key}\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let (head, body) = text.split_once("\r\n\r\n").context("no answer")?;
        ensure!(head.starts_with("HTTP/1.1 200"), "{head}");
        let ours = |line: &&str| !["connection", "content-length", "date"].iter().any(|name| line.starts_with(name));
        let headers = head.lines().skip(1).filter(ours).map(|line| line.replacen(": ", ":", 1)).collect();
        Ok(Answer { headers, body: body.to_owned() })
    }

    /// Returns the number of requests, and the server's processor time for each in microseconds.
    fn under_load(&self, load: impl FnOnce(&str) -> anyhow::Result<u64>) -> anyhow::Result<(u64, f64)> {
        let before = self.processor_time()?;
        let requests = load(&self.url)?;
        let used = self.processor_time()? - before;
        Ok((requests, used.as_secs_f64() * 1e6 / requests as f64))
    }

    /// Returns the processor time of all threads, in user and kernel mode (proc(5), `utime` and `stime`).
    fn processor_time(&self) -> anyhow::Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.0.id()))?;
        let (_, after_name) = stat.rsplit_once(')').context("no stat")?;
        let ticks: u64 =
            after_name.split_whitespace().skip(11).take(2).map_while(|ticks| ticks.parse::<u64>().ok()).sum();
        Ok(Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
    }

    /// Returns the 99th percentile of latency in microseconds, at a fixed rate over 32 connections. A request's latency counts
    /// from its planned start, even if the request before it was late.
    fn p99(&self, rate: f64, bearer: &str) -> anyhow::Result<f64> {
        const CONNECTIONS: usize = 32;
        let interval = Duration::from_secs_f64(CONNECTIONS as f64 / rate);
        let request = format!("GET /v1/whoami HTTP/1.1\r\nHost: a\r\n{bearer}\r\n\r\n");
        let connections = (0..CONNECTIONS).map(|place| {
            let stream = TcpStream::connect(self.address)?;
            stream.set_nodelay(true)?;
            let request = request.clone();
            let begin_after = interval.mul_f64(place as f64 / CONNECTIONS as f64);
            Ok(std::thread::spawn(move || at_rate(stream, &request, begin_after, interval)))
        });
        let connections: Vec<_> = connections.collect::<anyhow::Result<_>>()?;
        let mut took = Vec::new();
        for connection in connections {
            took.extend(connection.join().map_err(|_| anyhow::anyhow!("a connection broke"))??);
        }
        took.sort_by(f64::total_cmp);
        took.get(took.len() * 99 / 100).copied().context("no answers")
    }
}

fn at_rate(
    mut stream: TcpStream,
    request: &str,
    begin_after: Duration,
    interval: Duration,
) -> anyhow::Result<Vec<f64>> {
    pin_to(LOAD_CORE)?;
    let clock = SystemClock;
    let started = clock.reading();
    let (mut buffer, mut took) = ([0; 4096], Vec::new());
    let mut due = begin_after;
    while due < SPELL {
        std::thread::sleep(due.saturating_sub(clock.reading().raw.since(started.raw)));
        stream.write_all(request.as_bytes())?;
        let mut read = 0;
        while !is_whole(buffer.get(..read).unwrap_or_default()) {
            match stream.read(buffer.get_mut(read..).unwrap_or_default())? {
                0 => bail!("the server hung up"),
                more => read += more,
            }
        }
        took.push(clock.reading().raw.since(started.raw).saturating_sub(due).as_secs_f64() * 1e6);
        due += interval;
    }
    Ok(took)
}

/// Binds this thread to a core that the server does not use.
fn pin_to(core: &str) -> anyhow::Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core.parse()?);
    Ok(sched_setaffinity(None, &cores)?)
}

/// Returns whether the answer is complete: its body ends with the JSON object.
fn is_whole(answer: &[u8]) -> bool {
    answer.ends_with(b"}") && answer.windows(4).any(|bytes| bytes == b"\r\n\r\n")
}

fn wait_for(address: SocketAddr) -> anyhow::Result<()> {
    for _ in 0..600 {
        if TcpStream::connect(address).is_ok() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    bail!("nothing listens on {address}")
}

/// Returns wrk's number of requests. All must have succeeded.
fn wrk(url: &str, header: &str) -> anyhow::Result<u64> {
    let seconds = format!("{}s", SPELL.as_secs());
    let output = Command::new("taskset")
        .args(["-c", LOAD_CORE, "wrk", "-t1", "-c32", "-d", &seconds, "-H", header, url])
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    ensure!(!text.contains("Non-2xx"), "{text}");
    let line = text.lines().find(|line| line.contains(" requests in ")).with_context(|| text.clone())?;
    Ok(line.split_whitespace().next().context("no count")?.parse()?)
}

/// The same with h2load, over HTTP/2.
fn h2load(url: &str, header: &str) -> anyhow::Result<u64> {
    let count = H2_REQUESTS.to_string();
    let output = Command::new("taskset")
        .args(["-c", LOAD_CORE, "h2load", "-n", &count, "-c8", "-m32", "-H", header, url])
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    ensure!(text.contains(&format!("{H2_REQUESTS} 2xx")), "{text}");
    Ok(H2_REQUESTS)
}

/// nginx on the core of the server that it asks, with its own answer behind it.
struct Nginx {
    _process: Running,
    address: SocketAddr,
}

impl Nginx {
    fn start(folder: &Path, asked: SocketAddr) -> anyhow::Result<Self> {
        let address = free_address()?;
        let folder = folder.join(format!("nginx-{}", address.port()));
        std::fs::create_dir(&folder)?;
        let here = folder.display();
        let folders: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {here}/{name};\n"))
            .concat();
        let configuration = format!(
            "daemon off; master_process off; pid {here}/pid; error_log {here}/error.log;\nevents {{}}\n\
             http {{ access_log off; keepalive_requests 100000000;\n{folders}\
             upstream asked {{ server {asked}; keepalive 64; }}\n\
             server {{ listen {address};\n\
             location / {{ auth_request /_asked; try_files /none @fine; }}\n\
             location @fine {{ return 200 'fine'; }}\n\
             location = /_asked {{ internal; proxy_pass http://asked/v1/forward-auth/any; proxy_pass_request_body off;\n\
             proxy_set_header Content-Length ''; proxy_http_version 1.1; proxy_set_header Connection ''; }} }} }}\n"
        );
        std::fs::write(folder.join("nginx.conf"), configuration)?;
        let process = Command::new("taskset")
            .args(["-c", SERVER_CORE, "nginx", "-p"])
            .arg(&folder)
            .args(["-c", "nginx.conf", "-e", "error.log"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let nginx = Self { _process: Running(process), address };
        wait_for(address)?;
        Ok(nginx)
    }
}
