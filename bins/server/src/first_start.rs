//! What a newcomer sees: on an empty store, one organization and its key, shown once.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::Context;
use doorward::api::shapes::LoginLinkShape;
use doorward::audit::ActorId;
use doorward::auth::{ChangeRequest, IssueError, Issuer, OperatorDesk, OperatorPrincipal, Provisioned, Verifier};
use http::Uri;

use crate::config::Config;

/// What the first organization is called.
pub const FIRST_ORGANIZATION: &str = "default";

/// What the first operator is called.
pub const FIRST_OPERATOR: &str = "admin";

/// Provisions the first organization, where there is none, and shows its key on standard output.
///
/// # Errors
///
/// Where the store fails, or standard output cannot be written: the key would then be lost.
pub async fn provision(config: &Config, verifier: &Verifier, address: SocketAddr) -> anyhow::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "the first start of a program that opens the store itself")]
    let request =
        OperatorPrincipal::local_administrator("doorward-server".parse()?).with_actor_id(ActorId::SERVER).request();
    let made = match Issuer::beside(verifier).provision_first(FIRST_ORGANIZATION.parse()?, &request).await {
        Ok(made) => made,
        Err(IssueError::NotEmpty) => return Ok(()),
        Err(error) => return Err(error).context("the first organization cannot be made"),
    };
    let base = public_url(config, address);
    let link =
        sign_in_link(verifier, &base, &request).await.context("no one can sign in to the page; remove the store")?;
    let mut out = std::io::stdout().lock();
    show(&mut out, &made, &base, &link).context("the production key cannot be shown; remove the store")
}

/// A link for the first operator, who comes with the first organization.
async fn sign_in_link(verifier: &Verifier, base: &str, request: &ChangeRequest) -> anyhow::Result<String> {
    let desk = OperatorDesk::new(verifier.core());
    let operator = match desk.add(FIRST_OPERATOR.parse()?, request).await {
        Ok(added) => added.operator,
        // Someone added operators before there was an organization.
        Err(IssueError::NameTaken) => {
            desk.find(request.operator(), FIRST_OPERATOR).await?.context("the first operator has gone again")?
        }
        Err(error) => return Err(error.into()),
    };
    let token = desk.login_link(&operator, request).await?;
    Ok(LoginLinkShape::new(&operator, base, &token).url)
}

/// Returns the URL by which clients reach this server, without a slash at the end.
#[must_use]
pub fn public_url(config: &Config, address: SocketAddr) -> String {
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let url = config.public_url.clone().unwrap_or_else(|| format!("{scheme}://{}", reachable(address)));
    url.trim_end_matches('/').to_owned()
}

/// What clients may call this server in a `Host` header, without a port: any. This machine's names are always among them, since a
/// browser that is led to another name by DNS (a rebinding attack) does not send them.
#[must_use]
pub fn hosts(config: &Config, address: SocketAddr) -> Vec<String> {
    let public = public_url(config, address).parse::<Uri>().ok();
    let public = public.as_ref().and_then(Uri::host).map(str::to_owned);
    let listening = (!address.ip().is_unspecified()).then(|| address.ip().to_string());
    let local = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    public.into_iter().chain(listening).chain(local).chain(config.mcp_hosts.iter().cloned()).collect()
}

/// An address that listens on every interface is reached on this one.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, address.port()).into(),
        IpAddr::V6(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, address.port()).into(),
        _ => address,
    }
}

fn show(out: &mut impl Write, made: &Provisioned, base: &str, link: &str) -> std::io::Result<()> {
    let (organization, value) = (&made.organization, made.value.expose());
    write!(
        out,
        "\n\
         Doorward serves on {base}\n\
         \n\
         It made the organization `{name}` ({id}) with its production key.\n\
         The key is shown this one time; keep it where your backend keeps its secrets:\n\
         \n    {value}\n\
         \n\
         Try it:\n\
         \n    curl -H 'Authorization: Bearer {value}' {base}/v1/whoami\n\
         \n\
         Settings → API Keys, the page for people, signs the operator `{FIRST_OPERATOR}` in by this link, once, within ten minutes:\n\
         \n    {link}\n\
         \n\
         In a second terminal:\n\
         \n    cargo run --release --bin doorward -- key create --org {name} --name ci    a test key\
         \n    cargo run --release --bin doorward -- key stage --org {name}               the next production key\
         \n    cargo run --release --bin doorward -- operator create ada                   a token for the management API\
         \n    cargo run --release --bin doorward -- operator login-link {FIRST_OPERATOR}             another link to sign in by\
         \n    cargo run --release --bin doorward -- --help                                everything else\n\
         \n\
         docs/http-api.md tells what a key opens, docs/operating.md how to run this for real.\n\n",
        name = organization.name,
        id = organization.id,
    )?;
    out.flush()
}
