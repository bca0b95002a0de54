//! The files of docs/deploy, as far as they can run without a daemon: their settings start real servers, HAProxy runs with its own
//! file, and the manifest's probes and limits fit the server.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use doorward_test_postgres::Cluster;
use serde_json::Value;

use crate::rolling::Balancer;
use crate::running::Process;
use crate::support::{self, free_address, root};

/// The time that requests under way have after the listener has closed, and some seconds for the rest of the end.
const DRAINING: Duration = Duration::from_secs(25);

/// Returns the documents of a YAML file.
fn documents(name: &str) -> Vec<Value> {
    let print = "import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(open(sys.argv[1])))))";
    let mut python = support::python("python");
    let printed = python.args(["-c", print]).arg(root().join("docs/deploy").join(name)).output().unwrap();
    assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
    serde_json::from_slice(&printed.stdout).unwrap()
}

/// Returns a time such as `10s`.
fn seconds(text: &str) -> Duration {
    doorward::types::parse_duration(text).unwrap()
}

/// The secrets of an installation in a folder, and a database.
struct Site {
    folder: tempfile::TempDir,
    _cluster: Cluster,
}

impl Site {
    fn new() -> Self {
        let (folder, cluster) = (tempfile::tempdir().unwrap(), Cluster::start(&[]).unwrap());
        support::write_secret(&folder.path().join("store"), &cluster.url());
        support::write_secret(&folder.path().join("sealing-key"), &format!("{}=\n", "A".repeat(43)));
        Self { folder, _cluster: cluster }
    }

    /// Returns the variables of a container, with this folder in the place of the one where its secrets are.
    fn variables(&self, container: &BTreeMap<String, String>, secrets: &str) -> Vec<(String, String)> {
        let here = self.folder.path().to_str().unwrap();
        container.iter().map(|(name, value)| (name.clone(), value.replace(secrets, here))).collect()
    }

    /// Starts a server with these variables. Returns it with its address and its address for probes.
    fn start(&self, variables: &[(String, String)]) -> (Process, SocketAddr, SocketAddr) {
        let (address, probes) = (free_address(), free_address());
        let (listen, metrics) = (address.to_string(), probes.to_string());
        // The image's variables, for this machine alone.
        let mut all = vec![("DOORWARD_LISTEN", listen.as_str()), ("DOORWARD_METRICS_LISTEN", metrics.as_str())];
        all.extend(variables.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let process = Process::start(self.folder.path(), &[], &all);
        support::waits_for("the server is ready", || status(probes, "/readyz") == Some(200));
        (process, address, probes)
    }
}

fn status(address: SocketAddr, path: &str) -> Option<u16> {
    support::status_of(address, path, None)
}

fn who_am_i(address: SocketAddr, key: &str) -> Option<u16> {
    support::status_of(address, "/v1/whoami", Some(key))
}

/// Returns the production key that the first start printed.
fn first_key(process: &Process) -> String {
    let line = process.line("dw_prod_", 1);
    let begin = line.find("dw_prod_").unwrap();
    line[begin..].chars().take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_').collect()
}

fn text_map(value: &Value) -> BTreeMap<String, String> {
    let fields = value.as_object().unwrap().iter();
    fields.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect()
}

#[test]
fn the_compose_file_serves_behind_its_balancer_while_a_node_leaves() {
    let compose = &documents("compose.yaml")[0];
    let site = Site::new();
    let nodes = ["doorward-a", "doorward-b"].map(|name| &compose["services"][name]);
    let mut servers = Vec::new();
    for node in nodes {
        let mut environment = text_map(&node["environment"]);
        let network = environment.insert("DOORWARD_TRUSTED_PROXIES".into(), "127.0.0.1".into());
        assert_eq!(network.as_deref(), compose["networks"]["default"]["ipam"]["config"][0]["subnet"].as_str());
        // Each file of a secret is handed to the container.
        for secret in environment.values().filter_map(|value| value.strip_prefix("/run/secrets/")) {
            assert!(node["secrets"].as_array().unwrap().iter().any(|given| given == secret), "{secret}");
            assert!(compose["secrets"][secret]["file"].is_string(), "{secret}");
        }
        let delay = environment.get("DOORWARD_SHUTDOWN_DELAY").map_or(Duration::from_secs(5), |delay| seconds(delay));
        assert!(seconds(node["stop_grace_period"].as_str().unwrap()) >= delay + DRAINING);
        assert_eq!((&node["read_only"], &node["cap_drop"][0]), (&true.into(), &"ALL".into()));
        servers.push(site.start(&site.variables(&environment, "/run/secrets")));
    }
    let key = first_key(&servers[0].0);
    assert!(!servers.iter().any(|(process, ..)| process.said().contains("does not read it")), "an unknown variable");

    let front = free_address();
    let text = std::fs::read_to_string(root().join("docs/deploy/haproxy.cfg")).unwrap();
    let text = text.replace("bind :8080", &format!("bind {front}"));
    let text = text.replace("doorward-a:8080", &servers[0].1.to_string());
    let text = text.replace("doorward-b:8080", &servers[1].1.to_string());
    let file = site.folder.path().join("haproxy.cfg");
    std::fs::write(&file, text).unwrap();
    let checked = Command::new("haproxy").args(["-c", "-f"]).arg(&file).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    let _balancer = Balancer::run(&file);
    support::waits_for("HAProxy has a server", || who_am_i(front, &key) == Some(200));
    let (leaving, _, probes) = servers.remove(0);
    leaving.terminate();
    let mut asked = 0;
    while asked < 200 || status(probes, "/healthz").is_some() {
        assert_eq!(who_am_i(front, &key), Some(200), "after {asked} requests");
        asked += 1;
    }
}

#[test]
fn the_manifest_fits_the_server() {
    let manifests = documents("kubernetes.yaml");
    let of_kind = |kind: &str| manifests.iter().find(|manifest| manifest["kind"] == kind).unwrap();
    let template = &of_kind("Deployment")["spec"]["template"];
    let (pod, labels) = (&template["spec"], &template["metadata"]["labels"]);
    let container = &pod["containers"][0];
    assert_eq!(&of_kind("Deployment")["spec"]["selector"]["matchLabels"], labels);
    assert_eq!(&of_kind("Service")["spec"]["selector"], labels);
    assert_eq!(&of_kind("PodDisruptionBudget")["spec"]["selector"]["matchLabels"], labels);
    assert_eq!(&pod["securityContext"]["runAsNonRoot"], &true);
    let rights = &container["securityContext"];
    assert_eq!((&rights["readOnlyRootFilesystem"], &rights["allowPrivilegeEscalation"]), (&true.into(), &false.into()));

    let variables = container["env"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let environment: BTreeMap<_, _> = variables.map(|one| (text(&one["name"]), text(&one["value"]))).collect();
    let grace = Duration::from_secs(pod["terminationGracePeriodSeconds"].as_u64().unwrap());
    assert!(grace >= seconds(&environment["DOORWARD_SHUTDOWN_DELAY"]) + DRAINING, "{grace:?}");
    let secrets = text(&container["volumeMounts"][0]["mountPath"]);

    let site = Site::new();
    let variables = site.variables(&environment, &secrets);
    read_only_checks(&site, &variables);
    let (process, _, probes) = site.start(&variables);
    assert!(!process.said().contains("does not read it"), "{}", process.said());
    for (probe, expected) in [("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")] {
        let get = &container[probe]["httpGet"];
        assert_eq!((get["path"].as_str(), get["port"].as_str()), (Some(expected), Some("metrics")), "{probe}");
        assert_eq!(status(probes, expected), Some(200), "{probe}");
    }
    let port = |name: &str| {
        let ports = container["ports"].as_array().unwrap().iter();
        ports.filter(|port| port["name"] == name).map(|port| port["containerPort"].as_u64().unwrap()).next().unwrap()
    };
    assert_eq!((port("http"), port("metrics")), (8080, 9464), "the image's ports");
    assert!(container["startupProbe"]["tcpSocket"]["port"] == "metrics" && TcpStream::connect(probes).is_ok());
    // The Job for an upgrade runs the command line of the same image.
    let migrating = documents("kubernetes-migrate.yaml");
    let job = &migrating[0]["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(job["command"], serde_json::json!(["doorward", "store", "migrate"]));
    let store = &job["env"][0];
    assert_eq!(environment.get(store["name"].as_str().unwrap()).map(String::as_str), store["value"].as_str());
    process.terminate();
    support::waits_for("a pod that is told to stop is not ready", || status(probes, "/readyz") != Some(200));
}

/// Runs `--check` as the manifest's user, in a folder that nobody can write to, with secrets that its group can read.
fn read_only_checks(site: &Site, variables: &[(String, String)]) {
    let folder = site.folder.path();
    if !rustix::process::geteuid().is_root() {
        return;
    }
    for secret in ["store", "sealing-key"] {
        let path = folder.join(secret);
        std::os::unix::fs::chown(&path, Some(0), Some(999)).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o440)).unwrap();
    }
    std::fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o555)).unwrap();
    let binary = folder.join("doorward-server");
    std::fs::copy(env!("CARGO_BIN_EXE_doorward-server"), &binary).unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "999", "--regid", "999", "--clear-groups", "--no-new-privs", "--inh-caps=-all"]);
    command.arg(&binary).args(["--check", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"]);
    command.env_clear().envs(variables.iter().cloned()).current_dir(folder).stdin(Stdio::null());
    let checked = command.output().unwrap();
    let said = String::from_utf8([checked.stdout, checked.stderr].concat()).unwrap();
    assert!(checked.status.success(), "{said}");
}
