//! The first start: on an empty store, one organization and its key, which is shown once.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context;
use doorward::api::views::LoginLinkView;
use doorward::audit::ActorId;
use doorward::auth::{ChangeRequest, Issuer, ManageError, OperatorPrincipal, Operators, Provisioned, Verifier};
use doorward::records::Store;
use http::Uri;

use crate::config::Config;
use crate::hint;

/// The name of the first organization.
pub const FIRST_ORGANIZATION: &str = "default";

/// The name of the first operator.
pub const FIRST_OPERATOR: &str = "admin";

/// Provisions the first organization if there is none, and shows its key on standard output.
///
/// # Errors
///
/// Fails if the store fails, or if standard output cannot be written: the key would then be lost.
pub async fn provision(
    config: &Config,
    verifier: &Verifier,
    store: Arc<dyn Store>,
    public_url: &str,
    admin_url: &str,
) -> anyhow::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "the first start of a program that opens the store itself")]
    let request =
        OperatorPrincipal::local_administrator("doorward-server".parse()?).with_actor_id(ActorId::SERVER).request();
    let made = match Issuer::beside(verifier).provision_first(FIRST_ORGANIZATION.parse()?, &request).await {
        Ok(made) => made,
        Err(ManageError::NotEmpty) => return Ok(()),
        Err(error) => return Err(error).context("the first organization cannot be made"),
    };
    let operators = Operators::new(verifier.core(), store);
    let link = sign_in_link(&operators, admin_url, &request)
        .await
        .context("the first operator cannot sign in to the page; remove the store and start again")?;
    let mut out = std::io::stdout().lock();
    let doorward = hint::command_line(&config.store);
    show(&mut out, &made, (public_url, admin_url), &link, &doorward)
        .context("the production key cannot be shown; remove the store and start again")
}

/// Returns a sign-in link for the first operator, who comes with the first organization.
async fn sign_in_link(desk: &Operators, base: &str, request: &ChangeRequest) -> anyhow::Result<String> {
    let operator = match desk.add(FIRST_OPERATOR.parse()?, request).await {
        Ok(added) => added.operator,
        // Operators were added before the first organization.
        Err(ManageError::NameTaken) => desk
            .find(request.operator(), FIRST_OPERATOR)
            .await?
            .context("the first operator was removed at this moment")?,
        Err(error) => return Err(error.into()),
    };
    let token = desk.login_link(&operator, request).await?;
    Ok(LoginLinkView::new(&operator, base, &token).url)
}

/// Returns the URL by which clients reach an address of this server, without a slash at the end. `chosen` is the URL of the
/// configuration.
#[must_use]
pub fn url(config: &Config, chosen: Option<&str>, address: SocketAddr) -> String {
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let url = chosen.map_or_else(|| format!("{scheme}://{}", reachable(address)), str::to_owned);
    url.trim_end_matches('/').to_owned()
}

/// Returns the names of this server in `Host` headers, without a port: any port fits. This machine's names are always among
/// them: a browser that DNS leads here by another name (a rebinding attack) does not send them.
#[must_use]
pub fn hosts(config: &Config, urls: [&str; 2], addresses: [SocketAddr; 2]) -> Vec<String> {
    let public = urls.into_iter().filter_map(|url| url.parse::<Uri>().ok()?.host().map(str::to_owned));
    let listening = addresses.into_iter().filter(|address| !address.ip().is_unspecified());
    let listening = listening.map(|address| address.ip().to_string());
    let local = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    public.chain(listening).chain(local).chain(config.mcp_hosts.iter().cloned()).collect()
}

/// Returns the address to connect to: a server that listens on every interface is reached on this machine.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, address.port()).into(),
        IpAddr::V6(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, address.port()).into(),
        _ => address,
    }
}

fn show(
    out: &mut impl Write,
    made: &Provisioned,
    (base, admin): (&str, &str),
    link: &str,
    doorward: &str,
) -> std::io::Result<()> {
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
         This link signs the operator `{FIRST_OPERATOR}` in to Settings → API Keys, the page for people. It works once, within ten \
         minutes:\n\
         \n    {link}\n\
         \n\
         In a second terminal:\n\
         \n    # a test key\
         \n    {doorward} key create --org {name} --name ci\
         \n    # the next production key\
         \n    {doorward} key stage --org {name}\
         \n    # a token for the management API\
         \n    {doorward} operator create ada\
         \n    # another link to sign in by\
         \n    {doorward} operator login-link {FIRST_OPERATOR} --public-url {admin}\n\
         \n\
         `doorward --help` and `doorward-server --help` explain every command and setting; {base}/openapi.json describes the HTTP \
         API.\n\n",
        name = organization.name,
        id = organization.id,
    )?;
    out.flush()
}
