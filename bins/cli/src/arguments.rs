//! Every command, with the help that teaches it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::Resettable;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;
use doorward::audit::{Action, ExportFormat, NoteVerifier, WitnessVerifier};
use doorward::key::{KeyPrefix, OfferedKey};
use doorward::types::{AccessKeyId, ActorName, Environment, ExternalId, Locator, Name, Timestamp, parse_duration};
use doorward::{StoreUrl, StoreUrlError};
use doorward_client::Endpoint;
use zeroize::Zeroizing;

/// Issue, rotate and inspect access keys.
///
/// This program opens the store itself, also while servers run on it. A change returns when it is in effect on every one
/// of them.
#[derive(Debug, Parser)]
#[command(
    name = "doorward",
    version,
    arg_required_else_help = true,
    after_help = "Values that are shown once go to standard output alone, everything else to standard error. A value comes out when its \
                  change is committed, before the wait for the servers, and has a line feed on a terminal only:\n\n    \
                  doorward key stage --org acme | vault kv put secret/app key=-\n    \
                  doorward key create --name ci --format env >> .env\n\n\
                  Exit status: 0 done, 1 failed, 2 usage, 3 cancelled, 4 not authorized (the system forbids a file), 5 not found, 6 conflict."
)]
pub struct Arguments {
    /// The store of the keys: sqlite:PATH or postgres://USER@HOST/DATABASE; a URL with a password can come from the file of
    /// DOORWARD_STORE_FILE
    #[arg(
        long,
        global = true,
        help_heading = "For every command",
        env = "DOORWARD_STORE",
        hide_env_values = true,
        value_name = "URL",
        default_value_t
    )]
    pub store: StoreUrl,
    /// The output: tables for people, or one JSON document as the HTTP API answers
    #[arg(
        long,
        global = true,
        help_heading = "For every command",
        env = "DOORWARD_OUTPUT",
        value_enum,
        default_value_t
    )]
    pub output: Format,
    #[command(subcommand)]
    #[expect(missing_docs, reason = "shown as the list of commands")]
    pub command: Command,
}

/// The file with the store's URL, for a URL that holds a password.
const STORE_FILE: &str = "DOORWARD_STORE_FILE";

impl Arguments {
    /// Reads the program's arguments. Help and errors end the program. An empty variable counts as unset.
    #[must_use]
    pub fn read() -> Self {
        Self::of(std::env::args_os()).unwrap_or_else(|error| error.exit())
    }

    fn of(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let arguments: Vec<_> = arguments.into_iter().collect();
        let mut command = without_empty_variables(Self::command());
        if needs_no_store(&arguments) {
            // A wrong variable must not keep the manual from being read.
            command = command.mut_arg("store", |store| store.env(Resettable::Reset));
        }
        let matches = command.try_get_matches_from(arguments)?;
        refuse_one_of_all(&matches)?;
        let mut read = Self::from_arg_matches(&matches)?;
        if matches!(read.command, Command::Completions { .. } | Command::Man { .. }) {
            return Ok(read);
        }
        if let (false, Some(store)) = (chose_store(&matches), store_in_file()?) {
            read.store = store;
        }
        Ok(read)
    }

    /// Returns the store that a line without a command names, or the environment, or the default.
    pub(crate) fn store_of(line: Vec<OsString>) -> Result<StoreUrl, clap::Error> {
        let command = without_empty_variables(Self::command()).subcommand_required(false).arg_required_else_help(false);
        let matches = command.try_get_matches_from(line)?;
        match store_in_file()? {
            Some(store) if !chose_store(&matches) => Ok(store),
            _ => Ok(matches.get_one::<StoreUrl>("store").cloned().unwrap_or_default()),
        }
    }
}

/// Returns whether the line is of a command that opens no store.
fn needs_no_store(arguments: &[OsString]) -> bool {
    arguments
        .iter()
        .skip(1)
        .find(|word| !word.to_string_lossy().starts_with('-'))
        .is_some_and(|word| word == "completions" || word == "man")
}

/// Returns the store that the file of DOORWARD_STORE_FILE names.
fn store_in_file() -> Result<Option<StoreUrl>, clap::Error> {
    let Some(path) = std::env::var_os(STORE_FILE).filter(|path| !path.is_empty()) else { return Ok(None) };
    let refused = |why: String| Arguments::command().error(ErrorKind::ValueValidation, format!("{STORE_FILE}: {why}"));
    let text = std::fs::read_to_string(&path).map(Zeroizing::new);
    let text = text.map_err(|error| refused(format!("{} cannot be read: {error}", path.display())))?;
    text.trim().parse().map(Some).map_err(|error: StoreUrlError| refused(error.to_string()))
}

fn without_empty_variables(command: clap::Command) -> clap::Command {
    let command = command.mut_args(|argument| match argument.get_env() {
        Some(name) if std::env::var_os(name).is_some_and(|value| value.is_empty()) => argument.env(Resettable::Reset),
        _ => argument,
    });
    command.mut_subcommands(without_empty_variables)
}

/// Refuses `--all`, and an export, which names its log, beside an organization or an environment on the line. DOORWARD_ORG may
/// name an organization: it is set for all commands.
fn refuse_one_of_all(matches: &ArgMatches) -> Result<(), clap::Error> {
    if let Some((_, matches)) = matches.subcommand() {
        return refuse_one_of_all(matches);
    }
    let is_given =
        |name: &str| matches.ids().any(|id| id == name) && matches.value_source(name) == Some(ValueSource::CommandLine);
    let beside = |names: &[&'static str]| names.iter().find(|name| is_given(name)).map(|name| name.replace('_', "-"));
    let fault = if is_given("all") {
        beside(&["org", "external_id"]).map(|option| format!("--all means all organizations, and --{option} means one"))
    } else if is_given("export") {
        beside(&["org", "external_id", "environment"])
            .map(|option| format!("--file names the log, and so does --{option}"))
    } else {
        None
    };
    match fault {
        Some(fault) => {
            let fault = format!("{fault}: leave out one of them\n");
            Err(Arguments::command().error(ErrorKind::ArgumentConflict, fault))
        }
        None => Ok(()),
    }
}

/// Returns whether an option or a variable named the store, anywhere in the line.
fn chose_store(matches: &ArgMatches) -> bool {
    let is_default = matches!(matches.value_source("store"), None | Some(ValueSource::DefaultValue));
    !is_default || matches.subcommand().is_some_and(|(_, matches)| chose_store(matches))
}

/// The form of the output.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs.
    Json,
}

/// The form of a value that is shown once.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub enum ValueFormat {
    /// The value alone, with a line feed on a terminal only.
    #[default]
    Value,
    /// A line for a file of variables: `DOORWARD_ACCESS_KEY=…`.
    Env,
    /// One JSON document, as with `--output json`.
    Json,
}

/// The option of commands that show a value.
#[derive(Args, Clone, Copy, Debug)]
pub struct Shown {
    /// The form of the new value on standard output: the value alone, a line for a .env file, or one JSON document
    #[arg(long, value_enum, default_value_t)]
    pub format: ValueFormat,
}

/// The value that a command shows.
#[derive(Clone, Copy, Debug)]
pub struct ShownValue {
    /// The form on standard output.
    pub format: ValueFormat,
    /// The way to replace the value if it is lost.
    pub cure: &'static str,
}

impl Command {
    /// Returns the value that the command shows, if it shows a value.
    #[must_use]
    pub const fn shown_value(&self) -> Option<ShownValue> {
        let (format, cure) = match self {
            Self::Org(Org::Create(NewOrg { shown, .. })) | Self::Key(Key::Regenerate { shown, .. }) => {
                (shown.format, "replace it with `doorward key regenerate`")
            }
            Self::Key(Key::Create { shown, .. }) => {
                (shown.format, "delete the key with `doorward key delete`, and make another")
            }
            Self::Key(Key::Stage { shown, .. }) => (
                shown.format,
                "withdraw it with `doorward key unstage`, and stage another; until then, do not regenerate",
            ),
            Self::Operator(Operator::Create { shown, .. }) => {
                (shown.format, "remove the operator with `doorward operator delete`, and add it again")
            }
            Self::Operator(Operator::LoginLink { .. }) => (ValueFormat::Value, "print another link"),
            Self::Key(Key::New { .. }) => (ValueFormat::Value, "make another with `doorward key new`"),
            _ => return None,
        };
        Some(ShownValue { format, cure })
    }
}

#[derive(Debug, Subcommand)]
#[expect(missing_docs, reason = "each is a module of commands")]
pub enum Command {
    /// Organizations, the tenants
    #[command(subcommand)]
    Org(Org),
    /// Access keys: create, list, delete, rotate
    #[command(subcommand)]
    Key(Key),
    /// Take over the keys of another service by their digests, so that their holders need not change anything
    #[command(after_help = "Each line of a JSON Lines file is a key:\n\n    \
                            {\"organization\":\"acme\",\"environment\":\"production\",\"format\":\"sha256\",\"digest\":\"699fbf…\"}\n\n\
                            The formats are `sha256` and `sha512` of the whole key, and `prefixed-api-key`, which also needs a `handle`. \
                            Optional: `name`, `created_at`, `start` (the known beginning of the key). A CSV file has the same names in its \
                            first line.\n\n\
                            The whole file is checked before anything is changed. If it is interrupted, run it again: keys that were \
                            imported before stay as they are, and a key that was revoked since is not imported again.")]
    Import(Import),
    /// Find keys and operators' tokens that leaked: in files, folders, archives, and the history of a git repository
    #[command(
        after_help = "Folders are searched with everything in them, but for .git and what ignore files name. Archives are opened (zip, \
                            tar, gzip). A value is found as it is, in UTF-16, in base64 and percent-encoded. It is never printed.\n\n    \
                            doorward scan .\n    \
                            doorward scan --git .\n    \
                            kubectl logs app | doorward scan -\n    \
                            doorward scan --hook\n    \
                            doorward scan --rules gitleaks > gitleaks.toml\n\n\
                            If there is a store, it is asked about each finding: in force, dead, or unknown. Without a store, each is \
                            `unasked`.\n\n\
                            Exit status: 0 nothing was found that is in force or suspended, 1 something was, or it was found without a \
                            store, 2 not everything could be looked at. With --staged, a value that the store does not know is 1 too."
    )]
    Scan(Scan),
    /// The nodes: servers, and services that embed Doorward
    #[command(subcommand)]
    Node(Node),
    /// Allowed callback origins: add, remove, list, check
    #[command(subcommand)]
    Origin(Origin),
    /// The audit logs: list, follow, export, verify, prove, prune
    #[command(subcommand)]
    Audit(Audit),
    /// Operators, who may use the management API
    #[command(subcommand)]
    Operator(Operator),
    /// The keys that sign assertions of who sent a request
    #[command(subcommand)]
    AssertionKey(AssertionKey),
    /// The keys that seal what is kept at rest: credentials, connectors, links
    #[command(subcommand)]
    SealingKey(SealingKey),
    /// The store itself: back it up, restore it, move it to another engine, deal with what it lost
    #[command(subcommand)]
    Store(Store),
    /// Look at the store and its nodes: rights, schema, lost changes, clocks, sinks, keys that are due
    #[command(after_help = "Changes nothing. Each line is a check: ok, WARNING or FAILED, with what to do.\n\n\
                            Exit status: 0 no check failed, 1 a check failed, 5 there is no store.")]
    Doctor,
    /// Print a completion script for a shell, which also proposes organizations, keys and operators of the store
    #[command(
        after_help = "    source <(doorward completions bash)\n    doorward completions fish > ~/.config/fish/completions/doorward.fish"
    )]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page, or write the pages of all commands
    Man {
        /// Write every page into this folder
        #[arg(long, value_name = "FOLDER")]
        folder: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
#[expect(missing_docs, reason = "each has its help")]
pub enum Org {
    /// Add an organization, and show its production key once
    Create(NewOrg),
    /// List organizations, newest first
    List {
        /// Only organizations with this text in their names
        #[arg(long, value_name = "TEXT")]
        query: Option<String>,
        /// Only the organization with this external id
        #[arg(long, value_name = "ID")]
        external_id: Option<ExternalId>,
    },
    /// Change an organization's name, its external id, or both
    Rename {
        #[command(flatten)]
        which: Which,
        /// The new name
        #[arg(required_unless_present = "new_external_id")]
        name: Option<Name>,
        /// The new external id
        #[arg(long, value_name = "ID")]
        new_external_id: Option<ExternalId>,
        /// Accept a name that another organization has
        #[arg(long)]
        allow_duplicate_name: bool,
        #[command(flatten)]
        no_question: NoQuestion,
    },
    /// Suspend an organization: servers refuse all its keys until it is resumed; its data stays
    Suspend {
        #[command(flatten)]
        which: Which,
        /// The reason, for the audit log
        #[arg(long)]
        reason: Option<Name>,
        #[command(flatten)]
        consent: Consent,
    },
    /// Resume a suspended organization: its keys work again
    Resume {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        no_question: NoQuestion,
    },
    /// Close an organization for good: its keys die, and its data is erased later; its audit logs stay
    Close {
        #[command(flatten)]
        which: Which,
        /// The number of days until the organization's users, credentials, connectors and links are erased
        #[arg(long, value_name = "DAYS", default_value_t = 30)]
        erase_after_days: u32,
        #[command(flatten)]
        consent: Consent,
    },
}

/// A new organization.
#[derive(Args, Debug)]
pub struct NewOrg {
    /// The organization's name
    pub name: Name,
    /// Your own id of the organization; a second call with the same id changes nothing and shows the organization
    #[arg(long, value_name = "ID")]
    pub external_id: Option<ExternalId>,
    /// Accept a name that another organization has
    #[arg(long)]
    pub allow_duplicate_name: bool,
    /// Begin the keys of a new store with this instead of `dw`; a store keeps its first prefix
    #[arg(long)]
    pub prefix: Option<KeyPrefix>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "it has its own")]
    pub shown: Shown,
}

#[derive(Debug, Subcommand)]
#[expect(missing_docs, reason = "each has its help")]
pub enum AssertionKey {
    /// Add a key to the file, which is made if it does not exist; needs no store
    #[command(
        after_help = "The new key signs after ten minutes, unless it is the first key: copy the file to every server in that time. A \
                            server reads the file again by itself. Keys that signed no assertion still in use are left out.\n\n    \
                            doorward assertion-key rotate /etc/doorward/assertion-keys.json"
    )]
    Rotate {
        /// The file that the servers' --assertion-key-file names
        file: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
#[expect(missing_docs, reason = "each has its help")]
pub enum SealingKey {
    /// Add a key to the file, and seal everything with it, while servers run
    #[command(
        after_help = "Servers read the file again by themselves. If each server has a copy of the file, add the key first, copy the \
                            file, then seal:\n\n    \
                            doorward sealing-key rotate --stage /etc/doorward/sealing-key\n    \
                            scp /etc/doorward/sealing-key other:/etc/doorward/sealing-key\n    \
                            doorward sealing-key rotate /etc/doorward/sealing-key\n\n\
                            If it is interrupted, run it again: it goes on with the newest key of the file and adds no key. Keep a backup \
                            of the file from after the rotation."
    )]
    Rotate(Rotation),
}

/// The ways to rotate the sealing key.
#[derive(Args, Debug)]
pub struct Rotation {
    /// The file that the servers' --sealing-key-file names: one key a line, the newest last
    pub file: PathBuf,
    /// Only add the key to the file; the next rotation seals with it
    #[arg(long)]
    pub stage: bool,
    /// Go on although the key that sealed the store is lost: the values that it sealed stay unreadable
    #[arg(long, conflicts_with = "stage")]
    pub accept_loss: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "it has its own")]
    pub consent: Consent,
}

/// The import of keys of another service.
#[derive(Args, Debug)]
pub struct Import {
    /// The file with the keys, or `-` for standard input
    pub file: PathBuf,
    /// The format of the file; `auto` reads a file that begins with `{` as JSON Lines, and any other as CSV
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: ImportFileFormat,
    /// The organization of lines that name none: its id or name
    #[arg(long, value_name = "O")]
    pub organization: Option<String>,
    /// Check the file and the store, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Begin the keys of a new store with this instead of `dw`; a store keeps its first prefix
    #[arg(long)]
    pub prefix: Option<KeyPrefix>,
}

/// The search for values that leaked.
#[derive(Args, Debug)]
pub struct Scan {
    /// The files and folders to look at; `-` is standard input [default: this folder]
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Look at the history of the repositories that the paths are in: everything that a branch, a tag or a stash reaches
    #[arg(long)]
    pub git: bool,
    /// Look at what the next commit adds or changes. A value that the store does not know counts as well
    #[arg(long, conflicts_with = "git")]
    pub staged: bool,
    /// Look at files that an ignore file names too
    #[arg(long, conflicts_with_all = ["git", "staged"])]
    pub no_ignore: bool,
    /// The form of the findings: lines, one JSON document (the same as --output json), or SARIF for code scanning
    #[arg(long, value_enum, default_value_t)]
    pub format: ScanFormat,
    /// Look for keys that begin with this instead of the store's prefix, or of `dw` if there is no store
    #[arg(long)]
    pub prefix: Option<KeyPrefix>,
    /// Install a pre-commit hook into the repository, which refuses a commit that adds a value
    #[arg(long, conflicts_with_all = ["git", "staged", "no_ignore"])]
    pub hook: bool,
    /// Print rules that teach another scanner to find the keys
    #[arg(long, value_enum, value_name = "SCANNER", conflicts_with_all = ["paths", "git", "staged", "no_ignore", "hook"])]
    pub rules: Option<OtherScanner>,
}

/// The form of findings.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub enum ScanFormat {
    /// A line for each.
    #[default]
    Text,
    /// One JSON document.
    Json,
    /// SARIF 2.1.0.
    Sarif,
}

/// The scanners that rules can be printed for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum OtherScanner {
    /// Settings in TOML.
    Gitleaks,
    /// Settings in YAML.
    Trufflehog,
    /// Rules in YAML.
    Trufflehog3,
    /// A plugin in Python.
    DetectSecrets,
    /// Custom patterns of secret scanning.
    Github,
}

/// The format of a file with keys.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub enum ImportFileFormat {
    /// By the first character.
    #[default]
    Auto,
    /// JSON Lines.
    Jsonl,
    /// Comma-separated values with a header.
    Csv,
}

/// The organization.
#[derive(Args, Debug, Default)]
pub struct Which {
    /// The organization's id or name; may be left out if there is only one organization
    #[arg(long, env = "DOORWARD_ORG", value_name = "O")]
    pub org: Option<String>,
    /// Your own id of the organization, in place of --org
    #[arg(long, value_name = "ID")]
    pub external_id: Option<ExternalId>,
}

#[derive(Debug, Subcommand)]
#[expect(missing_docs, reason = "each has its help")]
pub enum Origin {
    /// Allow an origin: one scheme, host and port; adding it twice does no harm
    #[command(
        after_help = "`app.example.com` is https://app.example.com and nothing else: not its subdomains, not another port.\n\
                            `localhost:3000` is http://localhost:3000; each port needs its own entry.\n\n    \
                            doorward origin add --org acme app.example.com"
    )]
    Add {
        #[command(flatten)]
        which: Which,
        /// Such as app.example.com or localhost:3000
        origin: String,
        /// Accept the scheme of an app too, such as com.example.app://callback; any app on a user's machine can claim a scheme
        #[arg(long)]
        allow_custom_scheme: bool,
        #[command(flatten)]
        no_question: NoQuestion,
    },
    /// Remove an origin from the list; when the command returns, no server sends a callback there
    Remove {
        #[command(flatten)]
        which: Which,
        /// The origin, or the entry's id
        origin: String,
        #[command(flatten)]
        consent: Consent,
    },
    /// List the origins that callbacks may go to
    List {
        #[command(flatten)]
        which: Which,
    },
    /// Check whether a callback may go to a URL, and say why not
    #[command(after_help = "Exit status: 0 allowed, 1 refused.")]
    Check {
        #[command(flatten)]
        which: Which,
        /// The whole URL, with its scheme
        url: String,
    },
}

/// The answer to questions before a change.
#[derive(Args, Clone, Copy, Debug)]
pub struct Consent {
    /// Do not ask for confirmation; needed if there is no terminal
    #[arg(long)]
    pub yes: bool,
}

/// The same option of a command that asks no question.
#[derive(Args, Clone, Copy, Debug)]
pub struct NoQuestion {
    /// Changes nothing here: this command asks no question, and scripts may pass the option to every command
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, Subcommand)]
#[expect(missing_docs, reason = "each has its help")]
pub enum Key {
    /// List an organization's keys, with the secrets that work
    #[command(after_help = "    doorward key list --all --due\n    doorward key list --all --unused-for 90d")]
    List(KeyFilter),
    /// Add a test key, and show it once
    Create {
        #[command(flatten)]
        which: Which,
        /// The key's name
        #[arg(long)]
        name: Name,
        /// The public part of a key that was made elsewhere, as `key new` prints it; no value is shown
        #[arg(long, value_name = "LOCATOR:SHA256")]
        digest: Option<OfferedKey>,
        #[command(flatten)]
        shown: Shown,
        #[command(flatten)]
        no_question: NoQuestion,
    },
    /// Make a key away from any store: its value goes to standard output, and its public part to standard error
    #[command(after_help = "The store gets only the public part, so the value never travels:\n\n    \
                      doorward key new --environment production 2> public > value\n    \
                      doorward key stage --org acme --digest $(cat public)")]
    New {
        /// The environment that the key opens
        #[arg(long, default_value_t = Environment::Test)]
        environment: Environment,
        /// The prefix of the store's keys
        #[arg(long, default_value_t)]
        prefix: KeyPrefix,
    },
    /// Rotate the production key by itself: stage, deliver, wait until nobody uses the current key, kill it
    #[command(
        after_help = "The command gets the next key's value on standard input. If it fails, the current key works on. The rotation can be \
                      interrupted and run again at every step.\n\n    \
                      doorward key rotate --org acme --deliver 'vault kv put secret/app key=-' --idle 1h --yes"
    )]
    Rotate(KeyRotation),
    /// Change the name of a key, or the note about it
    #[command(after_help = "    doorward key rename --org acme ci 'CI of the billing team' --note 'Jenkins, job 7'")]
    Rename {
        #[command(flatten)]
        which: Which,
        /// The key's id, or the name of a test key
        key: String,
        /// The new name
        #[arg(required_unless_present = "note")]
        name: Option<Name>,
        /// A note, such as the team that uses the key; an empty note removes it
        #[arg(long)]
        note: Option<String>,
    },
    /// End the report that a key has leaked: a key in quarantine works again
    #[command(
        after_help = "Another report begins again. If the key has leaked, replace it: `doorward key regenerate --leaked` for a \
                            production key, `doorward key delete` for a test key."
    )]
    Release {
        #[command(flatten)]
        which: Which,
        /// The key's id, or the name of a test key
        key: String,
        /// The secret, if more than one of the key was reported
        #[arg(long)]
        locator: Option<Locator>,
        #[command(flatten)]
        no_question: NoQuestion,
    },
    /// Find the organization and the key of a locator, as logs and alerts show it: 4fG7hJ2kLm or dw_test_4fG7hJ2kLm_…
    #[command(after_help = "Finds keys in force, and those that were revoked in the last 30 days.\n\n\
                            Exit status: 0 in force, 1 dead or unknown, 2 no locator.")]
    Find {
        /// The locator, or the text of a key up to its locator
        locator: String,
    },
    /// Delete a test key; servers refuse it from then on
    Delete {
        #[command(flatten)]
        which: Which,
        /// The key's id, or the name of a test key
        key: String,
        #[command(flatten)]
        consent: Consent,
    },
    /// Make the next production key, which works beside the current one, and show it once
    #[command(after_help = "Roll it out everywhere, then kill the old key with `doorward key regenerate`.")]
    Stage {
        #[command(flatten)]
        which: Which,
        /// The public part of a key that was made elsewhere, as `key new` prints it; no value is shown
        #[arg(long, value_name = "LOCATOR:SHA256")]
        digest: Option<OfferedKey>,
        #[command(flatten)]
        shown: Shown,
        #[command(flatten)]
        no_question: NoQuestion,
    },
    /// Withdraw the staged production key; servers refuse it from then on
    Unstage {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        consent: Consent,
    },
    /// Kill the current production key; the staged key takes its place, or a new key that is shown once
    #[command(
        after_help = "If a key has leaked, regenerate first with --leaked, and roll the new key out second.\n\n    \
                      doorward key regenerate --org acme --leaked --note 'pasted into ticket 4711'\n    \
                      doorward key regenerate --org acme --if-unused-for 1h --yes"
    )]
    Regenerate {
        #[command(flatten)]
        which: Which,
        /// Kill the staged key too, and make a new key
        #[arg(long)]
        discard_staged: bool,
        /// The key has leaked: kill the staged key too, and write that into the audit log
        #[arg(long, conflicts_with = "if_unused_for")]
        leaked: bool,
        /// Words about the leak for the audit log, such as a ticket
        #[arg(long, requires = "leaked")]
        note: Option<Name>,
        /// Fail if the key was used within this time, for a scheduler: 1h or 2d
        #[arg(long, value_name = "TIME", value_parser = parse_duration)]
        if_unused_for: Option<Duration>,
        #[command(flatten)]
        shown: Shown,
        #[command(flatten)]
        consent: Consent,
    },
    /// Check whether the key on standard input is well-formed and known, and whose it is; never prints the key
    #[command(after_help = "    printf %s \"$KEY\" | doorward key inspect\n\n\
                            Exit status: 0 in force, 1 dead or unknown, 2 no key, 5 there is no store, 6 the store cannot be asked.")]
    Inspect,
}

/// A rotation that does itself.
#[derive(Args, Debug)]
pub struct KeyRotation {
    #[command(flatten)]
    #[expect(missing_docs, reason = "it has its own")]
    pub which: Which,
    /// The command of the shell that gets the next key's value on standard input
    #[arg(long, value_name = "COMMAND")]
    pub deliver: String,
    /// The time for which nobody may have used the current key before it dies
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = parse_duration)]
    pub idle: Duration,
    /// The pause between two looks at the uses of both keys
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_duration)]
    pub every: Duration,
    /// Keep a next key that nobody uses yet: its value was delivered before
    #[arg(long)]
    pub delivered: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "it has its own")]
    pub consent: Consent,
}

/// The keys to list.
#[derive(Args, Debug)]
pub struct KeyFilter {
    #[command(flatten)]
    #[expect(missing_docs, reason = "it has its own")]
    pub which: Which,
    /// List the keys of all organizations, in place of one
    #[arg(long)]
    pub all: bool,
    /// Only production keys that are due for rotation
    #[arg(long)]
    pub due: bool,
    /// Only keys that were not used for so long, and are not younger: 12h or 30d
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub unused_for: Option<Duration>,
}

#[derive(Debug, Subcommand)]
#[expect(missing_docs, reason = "each has its help")]
pub enum Node {
    /// List the nodes, with their machines, programs and clocks
    #[command(
        after_help = "A node registers when it starts, and leaves when it stops. A node that was killed stays in the list until \
                            writers have waited for it: after the next change it is `silent`, and it goes some seconds later. A node that has not said for 90 s \
                            that it runs is `not seen`. \
                            REVISION is the newest change that the node has confirmed, because a writer asked. Node times are from \
                            the last minute."
    )]
    List,
}

#[derive(Debug, Subcommand)]
#[expect(missing_docs, reason = "each has its help")]
pub enum Audit {
    /// List events, newest first
    List {
        #[command(flatten)]
        log: Log,
        /// List the newest events of all logs, in place of one log
        #[arg(long, conflicts_with_all = ["installation", "before"])]
        all: bool,
        #[command(flatten)]
        filter: Filter,
        /// The maximum number of events
        #[arg(long, default_value_t = 50)]
        limit: u32,
        /// Only events before the event with this number
        #[arg(long, value_name = "NUMBER")]
        before: Option<u64>,
    },
    /// Print events as they happen, one JSON object a line, until interrupted
    Follow {
        #[command(flatten)]
        log: Log,
        /// Begin after the event with this number [default: the newest event]
        #[arg(long, value_name = "NUMBER")]
        after: Option<u64>,
    },
    /// Export a whole log, oldest event first; the export itself is recorded in the log
    #[command(
        after_help = "Others can verify JSON Lines: each line has its own hash and that of the event before. In CSV, an apostrophe stands before text that a spreadsheet \
                            would read as a formula."
    )]
    Export {
        #[command(flatten)]
        log: Log,
        /// The format
        #[arg(long, default_value_t, value_name = "jsonl|csv")]
        format: ExportFormat,
        /// The file to write [default: standard output]
        #[arg(long, short = 'f', value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Recompute every hash of the audit logs; report the first wrong event and what was done to it
    #[command(
        after_help = "Without --org, every log of the store is verified, and missing logs are reported. Hashes show changes \
                            within a log. Only a verifier key proves that the missing beginning of a log was pruned. Only a \
                            checkpoint that was kept elsewhere proves that the end was not cut off, and that the log was not \
                            written again as a whole:\n\n    \
                            doorward audit verify --org acme --checkpoint friday.note --verifier-key \"$(cat verifier.key)\"\n\n\
                            An auditor needs no store:\n\n    \
                            doorward audit verify --file audit.jsonl --checkpoint friday.note --verifier-key KEY\n\n\
                            A verifier key holds for all logs that the same signing key signed. A key that fits none of the \
                            verified logs is an error.\n\n\
                            Exit status: 0 all logs are intact, 1 a log is not, 2 a key fits no log."
    )]
    Verify {
        #[command(flatten)]
        log: Log,
        /// Verify all logs: the same as without --org
        #[arg(long, conflicts_with = "installation")]
        all: bool,
        /// Verify an export in JSON Lines, in place of a store's logs; needs no store
        #[arg(long, id = "export", value_name = "EXPORT", conflicts_with_all = ["all", "installation"])]
        file: Option<PathBuf>,
        /// A checkpoint that the log must extend
        #[arg(long, value_name = "FILE", requires = "verifier_key")]
        checkpoint: Option<PathBuf>,
        /// The public key that must have signed the checkpoint and the statement on pruned events, as `audit checkpoint` shows it;
        /// if it is given several times, one of the keys must have signed
        #[arg(long, value_name = "NAME+ID+KEY")]
        verifier_key: Vec<NoteVerifier>,
        /// The public key of a witness that must have cosigned the checkpoint; may be given several times
        #[arg(long, value_name = "NAME+ID+KEY", requires = "checkpoint")]
        witness_key: Vec<WitnessVerifier>,
    },
    /// Verify a log, and print a signed checkpoint of it; keep the checkpoint elsewhere
    #[command(
        after_help = "The format is that of C2SP (tlog-checkpoint in a signed note), which other programs verify too. The \
                            verifier key goes to standard error. If the log was pruned, the signing key or a --verifier-key must \
                            have signed the pruning."
    )]
    Checkpoint {
        #[command(flatten)]
        log: Log,
        /// Write a checkpoint of each log into a folder, in place of one log
        #[arg(long, requires = "folder", conflicts_with = "installation")]
        all: bool,
        /// The folder for the checkpoints of --all: for each log a new file .note, and its verifier key in a file .verifier
        #[arg(long, value_name = "FOLDER", requires = "all")]
        folder: Option<PathBuf>,
        /// The file with the signing key, as `audit keygen` prints it; keep it away from the store
        #[arg(long, value_name = "FILE", env = "DOORWARD_SIGNING_KEY_FILE")]
        signing_key_file: PathBuf,
        /// Another trusted key, such as the former signing key; may be given several times
        #[arg(long, value_name = "NAME+ID+KEY")]
        verifier_key: Vec<NoteVerifier>,
        /// The URL of a witness that is to cosign the checkpoint (C2SP tlog-witness); may be given several times
        #[arg(long, value_name = "URL", requires = "witness_key", conflicts_with = "all")]
        witness: Vec<Endpoint>,
        /// The public key of the witness, in the order of the URLs
        #[arg(long, value_name = "NAME+ID+KEY", requires = "witness")]
        witness_key: Vec<WitnessVerifier>,
    },
    /// Print the proof that an event is in a log, for people who do not have the other events
    #[command(
        after_help = "The format is that of C2SP (tlog-proof). Hand it out with the event's line of `audit export`:\n\n    \
                            doorward audit prove 7 --org acme --signing-key-file signing.key > 7.proof"
    )]
    Prove {
        /// The event's number
        event: u64,
        #[command(flatten)]
        log: Log,
        /// The file with the signing key, as `audit keygen` prints it
        #[arg(long, value_name = "FILE", env = "DOORWARD_SIGNING_KEY_FILE")]
        signing_key_file: PathBuf,
    },
    /// Print the proof that a log has only grown since an earlier checkpoint, for people who do not have the events
    #[command(
        after_help = "It ends in a new checkpoint. The format is that of C2SP (tlog-witness), so that a witness can cosign it:\n\n    \
                            doorward audit prove-extension --since friday.note --org acme --signing-key-file signing.key > monday.proof"
    )]
    ProveExtension {
        #[command(flatten)]
        log: Log,
        /// The earlier checkpoint, as `audit checkpoint` printed it
        #[arg(long, value_name = "FILE")]
        since: PathBuf,
        /// The file with the signing key, as `audit keygen` prints it
        #[arg(long, value_name = "FILE", env = "DOORWARD_SIGNING_KEY_FILE")]
        signing_key_file: PathBuf,
        /// Another trusted key, such as the key of the earlier checkpoint; may be given several times
        #[arg(long, value_name = "NAME+ID+KEY")]
        verifier_key: Vec<NoteVerifier>,
    },
    /// Check a proof that a log has only grown since an earlier checkpoint; needs no store
    CheckExtension {
        /// The proof, as `audit prove-extension` prints it
        #[arg(long, value_name = "FILE")]
        proof: PathBuf,
        /// The earlier checkpoint
        #[arg(long, value_name = "FILE")]
        since: PathBuf,
        /// The public key that must have signed both checkpoints; if it is given several times, one of the keys each
        #[arg(long, value_name = "NAME+ID+KEY", required = true)]
        verifier_key: Vec<NoteVerifier>,
    },
    /// Check an inclusion proof for an exported event on standard input; needs no store
    CheckProof {
        /// The proof, as `audit prove` prints it
        #[arg(long, value_name = "FILE")]
        proof: PathBuf,
        /// The public key that must have signed the proof
        #[arg(long, value_name = "NAME+ID+KEY")]
        verifier_key: NoteVerifier,
    },
    /// Delete the beginning of a log; a signed statement takes its place, so that the log can still be verified
    #[command(
        after_help = "Logs are never pruned automatically. Export the log first: pruned events are gone. If another key \
                            signed the last pruning, give its --verifier-key too.\n\n    \
                            doorward audit prune --org acme --before 2020-01-01 --signing-key-file signing.key"
    )]
    Prune {
        #[command(flatten)]
        log: Log,
        /// Events before this time
        #[arg(long, value_name = "TIME")]
        before: Timestamp,
        /// The file with the signing key, as `audit keygen` prints it
        #[arg(long, value_name = "FILE", env = "DOORWARD_SIGNING_KEY_FILE")]
        signing_key_file: PathBuf,
        /// Another trusted key, such as the former signing key; may be given several times
        #[arg(long, value_name = "NAME+ID+KEY")]
        verifier_key: Vec<NoteVerifier>,
        #[command(flatten)]
        consent: Consent,
    },
    /// Sign the statements on pruned events with another key; logs and their checkpoints then verify with that key
    #[command(after_help = "Run it once after a change of the signing key, with the verifier key from before:\n\n    \
                            doorward audit resign --signing-key-file new.key --verifier-key \"$(cat old-verifier.key)\"\n\n\
                            Without --org, this covers all logs. Notes that the old key signed still verify with the old key. \
                            If none of the given keys signed a pruning, or an older program pruned the log, nothing proves \
                            that the events were not deleted: you are asked to answer for it, log by log.")]
    Resign {
        #[command(flatten)]
        log: Log,
        /// The file with the signing key, as `audit keygen` prints it
        #[arg(long, value_name = "FILE", env = "DOORWARD_SIGNING_KEY_FILE")]
        signing_key_file: PathBuf,
        /// A trusted key: prunings that it signed need no further answer; may be given several times
        #[arg(long, value_name = "NAME+ID+KEY")]
        verifier_key: Vec<NoteVerifier>,
        #[command(flatten)]
        consent: Consent,
    },
    /// Show each sink's progress and lag
    #[command(after_help = "Sinks are set in the servers' configuration file, each in a table `[[sinks]]`.")]
    Sinks,
    /// Forget a sink that no longer ships, so that events it has not shipped can be pruned
    ForgetSink {
        /// The sink's name in the configuration
        name: Name,
        #[command(flatten)]
        consent: Consent,
    },
    /// Print a new key that signs checkpoints
    #[command(after_help = "    doorward audit keygen > signing.key && chmod 600 signing.key")]
    Keygen,
}

/// A filter of events.
#[derive(Args, Debug)]
pub struct Filter {
    /// At this time or later: 2026-11-24, or 2026-11-24T13:00:00Z
    #[arg(long, value_name = "TIME")]
    pub since: Option<Timestamp>,
    /// Before this time
    #[arg(long, value_name = "TIME")]
    pub until: Option<Timestamp>,
    /// Of this action, such as access_key.regenerated
    #[arg(long)]
    pub action: Option<Action>,
    /// By this actor
    #[arg(long)]
    pub actor: Option<ActorName>,
    /// About this key
    #[arg(long, value_name = "KEY_ID")]
    pub key: Option<AccessKeyId>,
}

/// The audit log.
#[derive(Args, Debug)]
pub struct Log {
    #[command(flatten)]
    #[expect(missing_docs, reason = "it has its own")]
    pub which: Which,
    /// The environment of the log: production, which is the default, or test
    #[arg(long, value_name = "production|test")]
    pub environment: Option<Environment>,
    /// The log of the installation itself, which records changes of operators
    #[arg(long, conflicts_with_all = ["org", "environment"])]
    pub installation: bool,
}

#[derive(Debug, Subcommand)]
#[expect(missing_docs, reason = "each has its help")]
pub enum Operator {
    /// Add an operator, and show its token once
    Create {
        /// The operator's name; with --by-provider, the person's name at the identity provider
        name: Name,
        /// Let the identity provider sign this operator in: the first person with this name there
        #[arg(long)]
        by_provider: bool,
        #[command(flatten)]
        shown: Shown,
    },
    /// List operators
    List,
    /// Print a link that signs an operator in to the page Settings → API Keys; it works once, within ten minutes
    #[command(after_help = "    open \"$(doorward operator login-link ada)\"")]
    LoginLink {
        /// The operator's name or id
        operator: String,
        /// The URL by which browsers reach a server on this store
        #[arg(long, env = "DOORWARD_PUBLIC_URL", value_name = "URL", default_value = "http://127.0.0.1:8080")]
        public_url: String,
    },
    /// End every session of an operator, and every unused link
    SignOut {
        /// The operator's name or id
        operator: String,
    },
    /// Remove an operator; servers refuse its token from then on, and its sessions end
    Delete {
        /// The operator's name or id
        operator: String,
        #[command(flatten)]
        consent: Consent,
    },
}

#[derive(Debug, Subcommand)]
#[expect(missing_docs, reason = "each has its help")]
pub enum Store {
    /// Copy a whole store into an empty one, of any engine, and verify the copy
    #[command(
        after_help = "Keys go on working, since only their digests move; the sealing key is needed as before. Stop the \
                            servers on the old store first: if they change anything meanwhile, the copy fails at its end. \
                            If the copy is interrupted, run it again: it goes on:\n\n    \
                            doorward store copy --from sqlite:doorward.db --to postgres://doorward@db.internal/doorward"
    )]
    Copy {
        /// The store to copy
        #[arg(long, value_name = "URL")]
        from: StoreUrl,
        /// An empty store, or a store with an unfinished copy; a missing SQLite file is made
        #[arg(long, value_name = "URL")]
        to: StoreUrl,
        /// Delete what an unfinished copy has written, and start again
        #[arg(long)]
        restart: bool,
    },
    /// Write a backup of an SQLite store into a new file, while servers run on it
    #[command(
        after_help = "The backup is one file, which is checked before it gets its name. Keep it apart from the sealing \
                            key: without that key, no credential in it can be read.\n\n    \
                            doorward store backup /backups/doorward-friday.db\n\n\
                            On PostgreSQL, use pg_dump."
    )]
    Backup {
        /// The file to write; it must not exist
        file: PathBuf,
    },
    /// Bring the store's schema up to date for this release, while servers of the release before run
    #[command(
        after_help = "Back the store up first. Migrate before the first server of the new release starts: servers of the release \
                            before go on, and a server that is too old answers 503.\n\n    \
                            doorward store backup /backups/before-upgrade.db\n    \
                            doorward store migrate --dry-run\n    \
                            doorward store migrate\n\n\
                            No other command migrates. A server does so by itself on SQLite, and on PostgreSQL if no node is \
                            registered; its option --migrate chooses."
    )]
    Migrate {
        /// Say what would be done, and change nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Replace an SQLite store by a backup; refused while a process has the store open
    #[command(
        after_help = "The backup is checked first, and stays as it is. Keys that died since the backup work again in the \
                            restored store, and keys that were made since do not work. If the audit events were kept \
                            elsewhere, `doorward store restored` kills the dead keys again.\n\n    \
                            systemctl stop doorward-server\n    \
                            doorward store restore /backups/doorward-friday.db\n    \
                            doorward store restored --events /var/log/doorward/audit.jsonl\n    \
                            systemctl start doorward-server\n\n\
                            On PostgreSQL, use pg_restore, and then `doorward store restored`."
    )]
    Restore {
        /// The backup
        file: PathBuf,
        #[command(flatten)]
        consent: Consent,
    },
    /// Declare that the store was restored from a backup; kill again what died since the backup
    #[command(
        after_help = "Each run begins the store's next incarnation, so that no new event has the id of a lost event. Run it \
                            before the servers start.\n\n\
                            The files are exports in JSON Lines, or files of a sink. If an event that the store lacks removed a \
                            secret, an operator or an allowed origin, the command removes it again, with an event of its own. \
                            Records made since the backup are listed, and cannot be restored. The files need not be trusted: \
                            a forged event can only kill a key.\n\n    \
                            doorward store restored --events audit.jsonl --dry-run\n    \
                            doorward store restored --events audit.jsonl --yes > new-keys.jsonl\n\n\
                            A production key whose secrets all died gets a new secret, which goes to standard output as a line of \
                            JSON. Exit status: 0 everything was done, 1 a change failed or a line could not be read."
    )]
    Restored {
        /// A file of audit events that were kept elsewhere; may be given several times
        #[arg(long, value_name = "FILE")]
        events: Vec<PathBuf>,
        /// List the changes without making them
        #[arg(long, requires = "events")]
        dry_run: bool,
        #[command(flatten)]
        consent: Consent,
    },
    /// List changes that the store confirmed and then lost, as nodes noticed
    #[command(
        after_help = "A store loses changes if a standby is promoted that had not received everything, or if an older copy \
                            is put back. Keys that died in a lost change then work again in the store. Every node answers 503 \
                            until `doorward store accept-lost`. The logs of the nodes that noticed name the secrets that work \
                            again: first run `doorward key regenerate` or `doorward key delete` for their keys."
    )]
    Lost,
    /// Accept all lost changes: nodes then serve what the store holds
    #[command(after_help = "First regenerate or delete the keys that work again: see `doorward store lost --help`.")]
    AcceptLost {
        #[command(flatten)]
        consent: Consent,
    },
}
