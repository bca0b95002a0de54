//! The gateways, with the documented configuration files.

use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::support::{self, Answer};

/// Returns a file of the documentation.
pub(crate) fn documented(file: &str) -> PathBuf {
    support::root().join("docs/gateways").join(file)
}

/// A gateway of the documentation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Program {
    /// Debian's version.
    Caddy,
    /// The version that its makers publish.
    CurrentCaddy,
    Envoy,
    Haproxy,
    Nginx,
    Traefik,
}

/// Defines one test of each property for each gateway.
macro_rules! behind_every_gateway {
    ($($property:ident),+ $(,)?) => {
        behind_every_gateway! { @ caddy Caddy ($($property)+) }
        behind_every_gateway! { @ current_caddy CurrentCaddy ($($property)+) }
        behind_every_gateway! { @ envoy Envoy ($($property)+) }
        behind_every_gateway! { @ haproxy Haproxy ($($property)+) }
        behind_every_gateway! { @ nginx Nginx ($($property)+) }
        behind_every_gateway! { @ traefik Traefik ($($property)+) }
    };
    (@ $module:ident $program:ident ($($property:ident)+)) => {
        mod $module {
            $(
                #[test]
                fn $property() {
                    super::$property($crate::gateways::program::Program::$program);
                }
            )+
        }
    };
}
pub(crate) use behind_every_gateway;

impl Program {
    /// Returns its files. The gateway is started with the last file.
    const fn files(self) -> &'static [&'static str] {
        match self {
            Self::Caddy | Self::CurrentCaddy => &["Caddyfile"],
            Self::Envoy => &["envoy.yaml"],
            Self::Haproxy => &["haproxy.lua", "haproxy.cfg"],
            Self::Nginx => &["nginx.conf"],
            Self::Traefik => &["traefik.yml", "traefik-static.yml"],
        }
    }

    /// Returns the command that runs it in the foreground, in the folder of its files.
    pub(crate) fn command(self) -> Command {
        let (mut command, arguments): (_, &[&str]) = match self {
            Self::Caddy => (Command::new("caddy"), &["run", "--config", "Caddyfile"]),
            Self::CurrentCaddy => (support::python("caddy"), &["run", "--config", "Caddyfile"]),
            Self::Envoy => {
                (support::python("envoy"), &["-c", "envoy.yaml", "--disable-hot-restart", "--concurrency", "1"])
            }
            Self::Haproxy => (Command::new("haproxy"), &["-f", "haproxy.cfg"]),
            Self::Nginx => (Command::new("nginx"), &["-p", ".", "-c", "nginx.conf", "-e", "error.log"]),
            Self::Traefik => (support::python("traefik"), &["--configFile=traefik-static.yml"]),
        };
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Completes a documented file that is only a part of a configuration.
    pub(crate) fn whole(self, text: &str) -> String {
        match self {
            Self::Caddy | Self::CurrentCaddy => {
                format!("{{\n\tadmin off\n\tservers {{\n\t\tmax_header_size 32KB\n\t}}\n}}\n{text}")
            }
            Self::Nginx => {
                let folders: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
                    .map(|name| format!("{name}_temp_path {name};\n"))
                    .concat();
                format!(
                    "daemon off; master_process off; pid pid; error_log error.log;\nevents {{}}\n\
                     http {{ access_log off;\n{folders}{text}}}\n"
                )
            }
            Self::Envoy | Self::Haproxy | Self::Traefik => text.to_owned(),
        }
    }
}

/// A running gateway in front of a service.
pub(crate) struct Gateway {
    process: Child,
    pub(crate) address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Gateway {
    pub(crate) fn start(program: Program, doorward: SocketAddr, service: SocketAddr) -> Self {
        Self::start_edited(program, doorward, service, |_, text| text)
    }

    /// Writes the documented files with the addresses of the test, edited by `edit`, and starts the gateway.
    pub(crate) fn start_edited(
        program: Program,
        doorward: SocketAddr,
        service: SocketAddr,
        edit: impl Fn(&str, String) -> String,
    ) -> Self {
        let address = support::free_address();
        let folder = tempfile::tempdir().unwrap();
        let addresses = [(8080, doorward), (9000, service), (8000, address), (8001, support::free_address())];
        let mut all = String::new();
        for file in program.files() {
            let mut text = std::fs::read_to_string(documented(file)).unwrap();
            all += &text;
            for (port, here) in &addresses {
                text = text.replace(&format!("127.0.0.1:{port}"), &here.to_string());
                text = text.replace(&format!("port_value: {port}"), &format!("port_value: {}", here.port()));
            }
            std::fs::write(folder.path().join(file), program.whole(&edit(file, text))).unwrap();
        }
        for port in [8080, 9000, 8000] {
            assert!(all.contains(&format!("127.0.0.1:{port}")), "{port} is in no file of {program:?}");
        }
        let mut command = program.command();
        command.current_dir(&folder).env("HOME", folder.path());
        let process =
            command.spawn().unwrap_or_else(|_| panic!("{program:?} is missing: `cargo xtask test` installs it"));
        let gateway = Self { process, address, _folder: folder };
        support::waits_for(&format!("{program:?} does not start"), || gateway.is_up(program));
        gateway
    }

    /// Traefik listens before it has read its configuration.
    fn is_up(&self, program: Program) -> bool {
        TcpStream::connect(self.address).is_ok()
            && (program != Program::Traefik
                || self.send_raw("GET / HTTP/1.1\r\nHost: a\r\n\r\n").is_some_and(|answer| answer.status != 404))
    }

    /// Sends a request with these header lines and a body of two bytes.
    pub(crate) fn ask(&self, headers: &[(&str, &str)]) -> Answer {
        let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!("POST /a/b?key=x HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.address);
        self.send_raw(&format!("{head}Content-Length: 2\r\n{lines}\r\n{{}}")).unwrap()
    }

    /// Sends a request with these complete lines and this credential.
    pub(crate) fn send(&self, key: &str, lines: &str) -> Answer {
        let head = format!("GET /a/b HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {key}\r\n", self.address);
        self.send_raw(&format!("{head}{lines}\r\n")).unwrap_or_else(|| panic!("no answer to {lines:?}"))
    }

    pub(crate) fn send_raw(&self, request: &str) -> Option<Answer> {
        support::send_bytes(self.address, request.as_bytes())
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
