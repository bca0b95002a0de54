//! Finds the programs that the tests need besides Rust's. Installs missing programs if possible, and names the others.

use anyhow::bail;
use doorward_test_postgres as postgres;

use crate::shell;

/// A program, and the Debian packages that have it and what it needs.
const NEEDED: &[(&str, &str)] = &[
    ("caddy", "caddy"),
    ("cc", "gcc"),
    ("chromedriver", "chromium-driver"),
    ("chromium", "chromium"),
    ("curl", "curl"),
    ("dpkg-deb", "dpkg"),
    ("etcd", "etcd-server"),
    ("haproxy", "haproxy"),
    ("nginx", "nginx"),
    ("node", "nodejs"),
    ("npm", "npm"),
    ("openssl", "openssl"),
    ("patroni", "patroni python3-etcd"),
    ("pgbouncer", "pgbouncer"),
    ("pkill", "procps"),
    ("promtool", "prometheus"),
    ("python3", "python3"),
];

/// The folders of npm projects, each with a lock file: an OAuth server, clients and servers of MCP, and accessibility checkers.
const NODE_PROJECTS: &[&str] = &["bins/server/tests/oauth", "bins/server/tests/mcp", "bins/server/tests/page"];

/// The list of Python packages, with versions: a client of MCP, a tester of APIs by their description, and gateways.
const PYTHON_PACKAGES: &str = "bins/server/tests/requirements.txt";

/// The folder of the Python environment.
const PYTHON: &str = "target/python";

/// The list of source packages whose tests contain malformed HTTP/1.1 requests.
const CORPUS: &str = "bins/server/tests/http1/corpus.txt";

/// The folder for the unpacked packages.
const CORPUS_FOLDER: &str = "target/http1";

/// Checks that all programs exist. Nothing is skipped silently.
pub(crate) fn ensure() -> anyhow::Result<()> {
    install_programs()?;
    for project in NODE_PROJECTS {
        install_node_packages(project)?;
    }
    install_python_packages(PYTHON, PYTHON_PACKAGES)?;
    fetch_corpus()
}

fn fetch_corpus() -> anyhow::Result<()> {
    let done = format!("{CORPUS_FOLDER}/fetched");
    if is_older(&done, CORPUS) {
        let folder = shell::root().join(CORPUS_FOLDER);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder)?;
        let pip = format!("{PYTHON}/bin/pip");
        let source = ["--no-deps", "--no-binary", ":all:", "--dest", CORPUS_FOLDER, "--requirement", CORPUS];
        shell::run(&pip, &[&["download", "--quiet"], &source[..]].concat(), &[])?;
        let unpack = "tar --extract --strip-components 1 --directory \"$0\" --file \"$0\"/*.tar.gz";
        shell::run("sh", &["-c", unpack, CORPUS_FOLDER], &[])?;
        std::fs::write(shell::root().join(done), "")?;
    }
    Ok(())
}

/// Installs the packages of a folder's lock file.
pub(crate) fn install_node_packages(project: &str) -> anyhow::Result<()> {
    // npm copies the lock file that it has installed.
    if is_older(&format!("{project}/node_modules/.package-lock.json"), &format!("{project}/package-lock.json")) {
        shell::run("npm", &["ci", "--prefix", project, "--ignore-scripts", "--no-audit", "--no-fund"], &[])?;
    }
    Ok(())
}

/// Installs the packages of a list into their own Python environment.
pub(crate) fn install_python_packages(environment: &str, packages: &str) -> anyhow::Result<()> {
    // Written last, so that an interrupted installation is repeated.
    let done = format!("{environment}/installed");
    if is_older(&done, packages) {
        shell::run("python3", &["-m", "venv", "--clear", environment], &[])?;
        let pip = format!("{environment}/bin/pip");
        shell::run(&pip, &["install", "--quiet", "--no-deps", "--requirement", packages], &[])?;
        std::fs::write(shell::root().join(done), "")?;
    }
    Ok(())
}

/// Returns whether a file is missing, or older than its source.
fn is_older(made: &str, from: &str) -> bool {
    let time_of = |file: &str| shell::root().join(file).metadata().and_then(|facts| facts.modified()).ok();
    time_of(made).is_none_or(|made| Some(made) < time_of(from))
}

fn install_programs() -> anyhow::Result<()> {
    let missing =
        NEEDED.iter().filter(|(program, _)| !shell::has(program)).flat_map(|(_, packages)| packages.split(' '));
    // PostgreSQL's programs are not on the path.
    let missing = missing.chain(postgres::programs().is_none().then_some("postgresql"));
    // On Debian, these modules of Python are in separate packages.
    let can_install = shell::succeeds("python3", &["-c", "import ensurepip, venv"]);
    let packages: Vec<_> = missing.chain((!can_install).then_some("python3-venv")).collect();
    if packages.is_empty() {
        return Ok(());
    }
    if !rustix::process::geteuid().is_root() || !shell::has("apt-get") {
        bail!("these programs are missing: install the Debian packages {}, or their like", packages.join(" "));
    }
    shell::run("apt-get", &["update", "-qq"], &[])?;
    let install = [&["install", "-y", "-qq", "--no-install-recommends"], &packages[..]].concat();
    shell::run("apt-get", &install, &[("DEBIAN_FRONTEND", "noninteractive")])
}
