//! `cargo xtask deb`: a Debian package of the server and the command line.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::Args;

use crate::shell;

/// The package's files in the repository.
const FILES: &str = "bins/server/package";

/// The package's options.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Package the unoptimized programs of `cargo build`
    #[arg(long)]
    debug: bool,
    /// The folder for the package
    #[arg(long, default_value = "target")]
    out: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    ensure!(shell::has("dpkg-deb"), "dpkg-deb is missing: packages are made on Debian, or its like");
    if !arguments.debug {
        shell::run(
            "cargo",
            &["build", "--release", "--locked", "--features", "otel,oidc,passkeys", "--bin", "doorward-server"],
            &[],
        )?;
        shell::run("cargo", &["build", "--release", "--locked", "--bin", "doorward"], &[])?;
    }
    let built = shell::root().join("target").join(if arguments.debug { "debug" } else { "release" });
    let staging = tempfile::tempdir()?;
    let root = staging.path().join("root");
    let put = |from: PathBuf, to: &str, mode: u32| -> anyhow::Result<()> {
        let to = root.join(to);
        std::fs::create_dir_all(to.parent().context("a file is in a folder")?)?;
        std::fs::copy(&from, &to).with_context(|| format!("{} is not there", from.display()))?;
        set_mode(&to, mode)
    };
    let kept = shell::root().join(FILES);
    put(built.join("doorward-server"), "usr/bin/doorward-server", 0o755)?;
    put(built.join("doorward"), "usr/bin/doorward", 0o755)?;
    for unit in ["doorward-server.service", "doorward-server.socket"] {
        put(kept.join(unit), &format!("lib/systemd/system/{unit}"), 0o644)?;
    }
    put(kept.join("doorward.toml"), "etc/doorward/doorward.toml", 0o644)?;
    put(kept.join("postinst"), "DEBIAN/postinst", 0o755)?;
    put(shell::root().join("LICENSE-MIT"), "usr/share/doc/doorward/copyright", 0o644)?;
    let generated = |program: &str, arguments: &[&str], to: &str| -> anyhow::Result<()> {
        let text = shell::output(built.join(program), arguments)?;
        let to = root.join(to);
        std::fs::create_dir_all(to.parent().context("a file is in a folder")?)?;
        std::fs::write(&to, text)?;
        set_mode(&to, 0o644)
    };
    generated("doorward-server", &["--man"], "usr/share/man/man8/doorward-server.8")?;
    let pages = root.join("usr/share/man/man1");
    std::fs::create_dir_all(&pages)?;
    shell::run(&built.join("doorward").display().to_string(), &["man", "--folder", &pages.display().to_string()], &[])?;
    for page in pages.read_dir()? {
        set_mode(&page?.path(), 0o644)?;
    }
    generated("doorward", &["completions", "bash"], "usr/share/bash-completion/completions/doorward")?;
    generated("doorward", &["completions", "zsh"], "usr/share/zsh/vendor-completions/_doorward")?;
    generated("doorward", &["completions", "fish"], "usr/share/fish/vendor_completions.d/doorward.fish")?;
    std::fs::write(root.join("DEBIAN/conffiles"), "/etc/doorward/doorward.toml\n")?;
    let (version, architecture) = (env!("CARGO_PKG_VERSION"), shell::output("dpkg", &["--print-architecture"])?);
    let architecture = architecture.trim();
    std::fs::write(root.join("DEBIAN/control"), control(version, architecture))?;

    let package = arguments.out.join(format!("doorward_{version}_{architecture}.deb")).display().to_string();
    // Unoptimized programs are ten times as large, and are not for download.
    let compression = if arguments.debug { "-Znone" } else { "-Zxz" };
    shell::run("dpkg-deb", &["--root-owner-group", compression, "--build", &root.display().to_string(), &package], &[])
}

fn control(version: &str, architecture: &str) -> String {
    format!(
        "Package: doorward\nVersion: {version}\nArchitecture: {architecture}\nMaintainer: Doorward\nSection: net\n\
         Priority: optional\nDepends: libc6 (>= 2.34), libgcc-s1, passwd\nRecommends: ca-certificates\n\
         Description: access-key layer of a backend\n Issues API keys, verifies them from memory, keeps production and \
         test apart,\n and kills a regenerated key everywhere before it says so.\n"
    )
}

fn set_mode(path: &Path, mode: u32) -> anyhow::Result<()> {
    Ok(std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode))?)
}
