//! The programs that the tests need beside Rust's own: found, or installed where that can be done, or named.

use anyhow::bail;
use doorward_test_postgres as postgres;

use crate::shell;

/// A program, and the Debian package that has it.
const NEEDED: &[(&str, &str)] = &[
    ("caddy", "caddy"),
    ("cc", "gcc"),
    ("chromedriver", "chromium-driver"),
    ("chromium", "chromium"),
    ("curl", "curl"),
    ("dpkg-deb", "dpkg"),
    ("haproxy", "haproxy"),
    ("nginx", "nginx"),
    ("node", "nodejs"),
    ("npm", "npm"),
    ("openssl", "openssl"),
    ("pgbouncer", "pgbouncer"),
    ("python3", "python3"),
];

/// What npm installs, each by a lock file: an OAuth server, clients and servers of MCP, and what judges pages.
const NODE_PROJECTS: &[&str] = &["bins/server/tests/oauth", "bins/server/tests/mcp", "bins/server/tests/page"];

/// What pip installs, by a list of versions: a client of MCP, what tests an API by its description, and gateways.
const PYTHON_PACKAGES: &str = "bins/server/tests/requirements.txt";

/// Where it installs them.
const PYTHON: &str = "target/python";

/// What pip fetches as source, for what its tests hold: malformed requests of HTTP/1.1.
const CORPUS: &str = "bins/server/tests/http1/corpus.txt";

/// Where it is unpacked.
const CORPUS_FOLDER: &str = "target/http1";

/// Makes sure that everything is there. Nothing is skipped in silence.
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

/// Installs what a folder's lock file says.
pub(crate) fn install_node_packages(project: &str) -> anyhow::Result<()> {
    // npm copies the lock file that it went by.
    if is_older(&format!("{project}/node_modules/.package-lock.json"), &format!("{project}/package-lock.json")) {
        shell::run("npm", &["ci", "--prefix", project, "--ignore-scripts", "--no-audit", "--no-fund"], &[])?;
    }
    Ok(())
}

/// Installs what a list says into an environment of its own.
pub(crate) fn install_python_packages(environment: &str, packages: &str) -> anyhow::Result<()> {
    // Written last, so that an installation which broke off is made again.
    let done = format!("{environment}/installed");
    if is_older(&done, packages) {
        shell::run("python3", &["-m", "venv", "--clear", environment], &[])?;
        let pip = format!("{environment}/bin/pip");
        shell::run(&pip, &["install", "--quiet", "--no-deps", "--requirement", packages], &[])?;
        std::fs::write(shell::root().join(done), "")?;
    }
    Ok(())
}

/// Whether a file is missing, or older than what it was made from.
fn is_older(made: &str, from: &str) -> bool {
    let time_of = |file: &str| shell::root().join(file).metadata().and_then(|facts| facts.modified()).ok();
    time_of(made).is_none_or(|made| Some(made) < time_of(from))
}

fn install_programs() -> anyhow::Result<()> {
    let missing = NEEDED.iter().filter(|(program, _)| !shell::has(program)).map(|(_, package)| *package);
    // Its programs are not on the path.
    let missing = missing.chain(postgres::programs().is_none().then_some("postgresql"));
    // Debian's Python has it in a package of its own.
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
