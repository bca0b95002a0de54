//! Every command, with the help that teaches it.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::Resettable;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;
use doorward::audit::{Action, ExportFormat, NoteVerifier};
use doorward::key::KeyPrefix;
use doorward::types::{AccessKeyId, Environment, Name, Timestamp};
use doorward::{StoreUrl, StoreUrlError};
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
    after_help = "Values that are shown once go to standard output alone, everything else to standard error:\n\n    \
                  doorward key stage --org acme | vault kv put secret/app key=-\n\n\
                  Exit status: 0 done, 1 failed, 2 usage, 3 cancelled, 4 not authorized, 5 not found, 6 conflict."
)]
pub struct Arguments {
    /// The store of the keys: sqlite:PATH or postgres://USER@HOST/DATABASE; a URL with a password can come from the file of
    /// DOORWARD_STORE_FILE
    #[arg(long, global = true, env = "DOORWARD_STORE", hide_env_values = true, value_name = "URL", default_value_t)]
    pub store: StoreUrl,
    /// How to print: tables for people, or one JSON document of the HTTP API's shape
    #[arg(long, global = true, env = "DOORWARD_OUTPUT", value_enum, default_value_t)]
    pub output: Format,
    #[command(subcommand)]
    #[expect(missing_docs, reason = "shown as the list of commands")]
    pub command: Command,
}

/// The file with the store's URL, for those whose URL holds a password.
const STORE_FILE: &str = "DOORWARD_STORE_FILE";

impl Arguments {
    /// Reads the program's arguments, or ends it with the help or the error that they call for. A variable that is empty counts
    /// as unset.
    #[must_use]
    pub fn read() -> Self {
        Self::of(std::env::args_os()).unwrap_or_else(|error| error.exit())
    }

    fn of(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let matches = without_empty_variables(Self::command()).try_get_matches_from(arguments)?;
        let mut read = Self::from_arg_matches(&matches)?;
        let path = std::env::var_os(STORE_FILE).filter(|path| !path.is_empty());
        if let (false, Some(path)) = (chose_store(&matches), path) {
            let refused =
                |why: String| Self::command().error(ErrorKind::ValueValidation, format!("{STORE_FILE}: {why}"));
            let text = std::fs::read_to_string(&path).map(Zeroizing::new);
            let text = text.map_err(|error| refused(format!("{} cannot be read: {error}", path.display())))?;
            read.store = text.trim().parse().map_err(|error: StoreUrlError| refused(error.to_string()))?;
        }
        Ok(read)
    }
}

fn without_empty_variables(command: clap::Command) -> clap::Command {
    let command = command.mut_args(|argument| match argument.get_env() {
        Some(name) if std::env::var_os(name).is_some_and(|value| value.is_empty()) => argument.env(Resettable::Reset),
        _ => argument,
    });
    command.mut_subcommands(without_empty_variables)
}

/// True if an option or a variable named the store, at whatever place of the line.
fn chose_store(matches: &ArgMatches) -> bool {
    let is_default = matches!(matches.value_source("store"), None | Some(ValueSource::DefaultValue));
    !is_default || matches.subcommand().is_some_and(|(_, matches)| chose_store(matches))
}

/// How to print.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs.
    Json,
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
    /// Print a completion script for a shell
    Completions { shell: Shell },
    /// Print the manual page
    Man,
}

#[derive(Debug, Subcommand)]
#[expect(missing_docs, reason = "each has its help")]
pub enum Org {
    /// Add an organization, and show its production key once
    Create {
        name: Name,
        /// Begin the keys of a new store with this instead of `dw`; a store keeps its first prefix
        #[arg(long)]
        prefix: Option<KeyPrefix>,
    },
    /// List organizations, newest first
    List,
}

#[derive(Debug, Subcommand)]
#[expect(missing_docs, reason = "each has its help")]
pub enum AssertionKey {
    /// Add a key to the file, which is made if there is none; needs no store
    #[command(
        after_help = "The new key signs after ten minutes, unless it is the first: copy the file to every server in that time. A \
                            server reads the file again by itself. Keys that no assertion in use can be of are left out.\n\n    \
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
                            file, and seal then:\n\n    \
                            doorward sealing-key rotate --stage /etc/doorward/sealing-key\n    \
                            scp /etc/doorward/sealing-key other:/etc/doorward/sealing-key\n    \
                            doorward sealing-key rotate /etc/doorward/sealing-key\n\n\
                            Interrupted, it goes on when it is run again: a key that the file has and that does not seal everything \
                            yet is used, and no key is added. Keep a backup of the file from after the rotation."
    )]
    Rotate(Rotation),
}

/// The ways to rotate the sealing key.
#[derive(Args, Debug)]
pub struct Rotation {
    /// The file that the servers' --sealing-key-file names: a key a line, the newest last
    pub file: PathBuf,
    /// Only add the key to the file; the next rotation seals with it
    #[arg(long)]
    pub stage: bool,
    /// Go on if the key that sealed the store is lost: what it sealed stays unreadable
    #[arg(long, conflicts_with = "stage")]
    pub accept_loss: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "it has its own")]
    pub consent: Consent,
}

/// Which organization.
#[derive(Args, Debug)]
pub struct Which {
    /// The organization's id, or its name where only one has it; may be left out where there is only one
    #[arg(long, env = "DOORWARD_ORG", value_name = "O")]
    pub org: Option<String>,
}

#[derive(Debug, Subcommand)]
#[expect(missing_docs, reason = "each has its help")]
pub enum Origin {
    /// Allow an origin: one scheme, host and port; adding it twice does no harm
    #[command(
        after_help = "`app.example.com` is https://app.example.com and nothing else: not its subdomains, not another port.\n\
                            `localhost:3000` is http://localhost:3000; each port is an entry of its own.\n\n    \
                            doorward origin add --org acme app.example.com"
    )]
    Add {
        #[command(flatten)]
        which: Which,
        /// Such as app.example.com or localhost:3000
        origin: String,
        /// Take the scheme of an app too, such as com.example.app://callback; any app on a user's machine can claim one
        #[arg(long)]
        allow_custom_scheme: bool,
        #[command(flatten)]
        consent: Consent,
    },
    /// Take an origin off the list; when it returns, no server lets a callback go there
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
    /// Say whether a callback may go to a URL, and why not
    #[command(after_help = "Exit status: 0 it may, 1 it may not.")]
    Check {
        #[command(flatten)]
        which: Which,
        /// The whole URL, with its scheme
        url: String,
    },
}

/// Whether to ask.
#[derive(Args, Clone, Copy, Debug)]
pub struct Consent {
    /// Do not ask: needed where there is no terminal to ask on
    #[arg(long)]
    pub yes: bool,
}

#[derive(Debug, Subcommand)]
#[expect(missing_docs, reason = "each has its help")]
pub enum Key {
    /// List an organization's keys, with the secrets that work
    List {
        #[command(flatten)]
        which: Which,
    },
    /// Add a test key, and show it once
    Create {
        #[command(flatten)]
        which: Which,
        /// What to call it
        #[arg(long)]
        name: Name,
        #[command(flatten)]
        consent: Consent,
    },
    /// Delete a test key; it is refused from then on
    Delete {
        #[command(flatten)]
        which: Which,
        /// The key's id
        key: AccessKeyId,
        #[command(flatten)]
        consent: Consent,
    },
    /// Make the next production key, which works beside the current one, and show it once
    #[command(after_help = "Roll it out everywhere, then `doorward key regenerate` to kill the old one.")]
    Stage {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        consent: Consent,
    },
    /// Withdraw the staged production key; it is refused from then on
    Unstage {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        consent: Consent,
    },
    /// Kill the current production key: the staged one takes its place, or a fresh one that is shown once
    #[command(
        after_help = "A key has leaked? Regenerate first, roll the new one out second. Where a staged key may have \
                            leaked too, add --discard-staged."
    )]
    Regenerate {
        #[command(flatten)]
        which: Which,
        /// Kill the staged key too, and make a fresh one
        #[arg(long)]
        discard_staged: bool,
        #[command(flatten)]
        consent: Consent,
    },
    /// Say whether the key on standard input is well-formed, and whether it is known; never prints it
    Inspect,
}

#[derive(Debug, Subcommand)]
#[expect(missing_docs, reason = "each has its help")]
pub enum Audit {
    /// List events, newest first
    List {
        #[command(flatten)]
        log: Log,
        #[command(flatten)]
        filter: Filter,
        /// The most events
        #[arg(long, default_value_t = 50)]
        limit: u32,
        /// Only events before this one, by its number
        #[arg(long, value_name = "NUMBER")]
        before: Option<u64>,
    },
    /// Print events as they happen, a JSON object a line, until it is interrupted
    Follow {
        #[command(flatten)]
        log: Log,
        /// Begin after this event, by its number; without it, with what happens from now on
        #[arg(long, value_name = "NUMBER")]
        after: Option<u64>,
    },
    /// Write out a whole log, oldest event first; that it was done is an event of the log
    #[command(
        after_help = "JSON Lines can be verified by others: docs/audit.md shows how. In CSV, what a spreadsheet would take for a \
                            formula has an apostrophe before it."
    )]
    Export {
        #[command(flatten)]
        log: Log,
        /// In which form
        #[arg(long, default_value_t, value_name = "jsonl|csv")]
        format: ExportFormat,
        /// Where to; standard output without it
        #[arg(long, short = 'f', value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Recompute every hash of the audit logs; say where the first wrong event is, and what was done to it
    #[command(
        after_help = "Without --org, every log of the store is verified, and a log that is missing is found. Hashes show what \
                            was changed within a log. Only a verifier key shows that a beginning which is gone was pruned. Only \
                            a checkpoint that someone kept elsewhere shows that the end was not cut off, nor the whole log \
                            written again:\n\n    \
                            doorward audit verify --org acme --checkpoint friday.note --verifier-key \"$(cat verifier.key)\"\n\n\
                            A verifier key holds for all logs: each was signed by the same signing key. A key that was shown \
                            for none of the logs in question is an error.\n\n\
                            Exit status: 0 all is well, 1 it is not, 2 a key fits no log."
    )]
    Verify {
        #[command(flatten)]
        log: Log,
        /// A checkpoint that the log must extend
        #[arg(long, value_name = "FILE", requires = "verifier_key")]
        checkpoint: Option<PathBuf>,
        /// The signer of the checkpoint, and what stands for pruned events, as `audit checkpoint` shows it; may be given
        /// several times, of which one must have
        #[arg(long, value_name = "NAME+ID+KEY")]
        verifier_key: Vec<NoteVerifier>,
    },
    /// Verify a log, and print a signed checkpoint of it, to be kept elsewhere
    #[command(
        after_help = "The form is that of C2SP (tlog-checkpoint in a signed note), which other programs verify too. The key that \
                            verifies it goes to standard error. If the log was pruned, the signing key must have signed that, or \
                            the key of a --verifier-key."
    )]
    Checkpoint {
        #[command(flatten)]
        log: Log,
        /// The file with the signing key, as `audit keygen` prints it; keep it away from the store
        #[arg(long, value_name = "FILE", env = "DOORWARD_SIGNING_KEY_FILE")]
        signing_key_file: PathBuf,
        /// Another key that is trusted, such as the signing key from before; may be given several times
        #[arg(long, value_name = "NAME+ID+KEY")]
        verifier_key: Vec<NoteVerifier>,
    },
    /// Print the proof that one event is in a log, for someone who has none of the other events
    #[command(
        after_help = "The form is that of C2SP (tlog-proof). Give it away with the event's line of `audit export`:\n\n    \
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
    /// Say whether the event on standard input, a line of an export, is in the log that a proof is of; needs no store
    CheckProof {
        /// The proof, as `audit prove` prints it
        #[arg(long, value_name = "FILE")]
        proof: PathBuf,
        /// Whose signature it must have
        #[arg(long, value_name = "NAME+ID+KEY")]
        verifier_key: NoteVerifier,
    },
    /// Cut the beginning of a log off; a signed statement stands for it, and the log can be verified as before
    #[command(
        after_help = "Nothing is ever cut off by itself. Export the log first: what is cut off is gone. If another key \
                            signed the last prune, give its --verifier-key too.\n\n    \
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
        /// Another key that is trusted, such as the signing key from before; may be given several times
        #[arg(long, value_name = "NAME+ID+KEY")]
        verifier_key: Vec<NoteVerifier>,
        #[command(flatten)]
        consent: Consent,
    },
    /// Sign what stands for pruned events with another key, after which logs and their checkpoints verify with that key
    #[command(after_help = "Run it once after a change of the signing key, with the verifier key from before:\n\n    \
                            doorward audit resign --signing-key-file new.key --verifier-key \"$(cat old-verifier.key)\"\n\n\
                            Without --org, all logs are looked at. What the old key signed still verifies with the old key. \
                            If no given key has signed that events were pruned, or an older program pruned them, nothing \
                            proves that they were not deleted: you are asked to answer for it, log by log.")]
    Resign {
        #[command(flatten)]
        log: Log,
        /// The file with the signing key, as `audit keygen` prints it
        #[arg(long, value_name = "FILE", env = "DOORWARD_SIGNING_KEY_FILE")]
        signing_key_file: PathBuf,
        /// A key that is trusted: what it signed needs no further answer; may be given several times
        #[arg(long, value_name = "NAME+ID+KEY")]
        verifier_key: Vec<NoteVerifier>,
        #[command(flatten)]
        consent: Consent,
    },
    /// Say how far each sink has come that events are shipped to
    #[command(after_help = "Sinks are set in the servers' configuration: docs/audit.md shows how.")]
    Sinks,
    /// Forget a sink that ships no more, so that what it has not shipped can be pruned
    ForgetSink {
        /// What the configuration called it
        name: Name,
        #[command(flatten)]
        consent: Consent,
    },
    /// Print a fresh key that signs checkpoints
    #[command(after_help = "    doorward audit keygen > signing.key && chmod 600 signing.key")]
    Keygen,
}

/// Which events.
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
    pub actor: Option<Name>,
    /// About this key
    #[arg(long, value_name = "KEY_ID")]
    pub key: Option<AccessKeyId>,
}

/// Which audit log.
#[derive(Args, Debug)]
pub struct Log {
    #[command(flatten)]
    #[expect(missing_docs, reason = "it has its own")]
    pub which: Which,
    /// Which of the two logs
    #[arg(long)]
    pub environment: Option<Environment>,
    /// The log of the installation itself, where operators come and go
    #[arg(long, conflicts_with_all = ["org", "environment"])]
    pub installation: bool,
}

#[derive(Debug, Subcommand)]
#[expect(missing_docs, reason = "each has its help")]
pub enum Operator {
    /// Add an operator, and show its token once
    Create {
        /// The operator's name; with --by-provider, what the identity provider calls the person
        name: Name,
        /// Let the identity provider sign this operator in: the first person whom it calls by this name
        #[arg(long)]
        by_provider: bool,
    },
    /// List operators
    List,
    /// Print a link by which an operator signs in to the page Settings → API Keys; it works once, for ten minutes
    #[command(after_help = "    open \"$(doorward operator login-link ada)\"")]
    LoginLink {
        /// The operator's name or id
        operator: String,
        /// How browsers reach a server that runs on this store
        #[arg(long, env = "DOORWARD_PUBLIC_URL", value_name = "URL", default_value = "http://127.0.0.1:8080")]
        public_url: String,
    },
    /// End every session of an operator's, and every link that was not used yet
    SignOut {
        /// The operator's name or id
        operator: String,
    },
    /// Remove an operator; its token is refused from then on, and its sessions end
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
        after_help = "Only digests move, so that keys go on working; the sealing key is needed as before. Stop the \
                            servers on the old store first: what they change meanwhile makes the copy fail at its end. \
                            Interrupted, it goes on where it was when it is run again:\n\n    \
                            doorward store copy --from sqlite:doorward.db --to postgres://doorward@db.internal/doorward"
    )]
    Copy {
        /// The store to copy
        #[arg(long, value_name = "URL")]
        from: StoreUrl,
        /// An empty store, or one that a copy was begun in; a file is made where there is none
        #[arg(long, value_name = "URL")]
        to: StoreUrl,
        /// Take out what an unfinished copy has brought, and begin anew
        #[arg(long)]
        restart: bool,
    },
    /// Write a backup of an SQLite store into a new file, while servers run on it
    #[command(
        after_help = "The backup is one file, checked before it gets its name. Keep it apart from the sealing key, \
                            without which it opens no credential.\n\n    \
                            doorward store backup /backups/doorward-friday.db\n\n\
                            On PostgreSQL, use pg_dump."
    )]
    Backup {
        /// The file to write; it must not exist
        file: PathBuf,
    },
    /// Put a backup in the place of an SQLite store; refused while a process has the store open
    #[command(
        after_help = "The backup is checked before anything is touched, and stays as it is. Keys that died since the \
                            backup work again in the restored store, and keys that were made since do not: \
                            `doorward store restored` kills the dead ones again, if the audit events were kept \
                            elsewhere.\n\n    \
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
    /// Say that the store was restored from a backup; kill again what died since
    #[command(
        after_help = "Each run begins the store's next incarnation, so that no event shares its id with an event that was \
                            lost. Run it before the servers start.\n\n\
                            The files are exports in JSON Lines, or files of a sink. Secrets, operators and allowed origins \
                            that were removed in an event which the store does not have are removed again, each with an \
                            event of its own. What was made since the backup is listed, and cannot be brought back. The \
                            files need no trust: a forged event can have a key killed, and nothing else.\n\n    \
                            doorward store restored --events audit.jsonl --dry-run\n    \
                            doorward store restored --events audit.jsonl --yes > new-keys.jsonl\n\n\
                            A production key whose secrets all died gets a fresh one, which goes to standard output as a \
                            line of JSON. Exit status: 0 all was done, 1 something was not, or a line could not be read."
    )]
    Restored {
        /// A file of audit events that were kept elsewhere; may be given several times
        #[arg(long, value_name = "FILE")]
        events: Vec<PathBuf>,
        /// List what would be removed, and change nothing
        #[arg(long, requires = "events")]
        dry_run: bool,
        #[command(flatten)]
        consent: Consent,
    },
    /// List changes that the store had confirmed and then lost, as nodes noticed
    #[command(
        after_help = "A standby was promoted that had not received everything, or an older copy was put back: keys \
                            that died in a lost change live again in the store. Every node answers 503 until \
                            `doorward store accept-lost`. The logs of the nodes that noticed name the secrets that live \
                            again: first `doorward key regenerate`, or `key delete`, what they belong to."
    )]
    Lost,
    /// Answer for all lost changes: nodes then serve what the store holds
    #[command(
        after_help = "Regenerate or delete the keys that came back to life first: see `doorward store lost --help`."
    )]
    AcceptLost {
        #[command(flatten)]
        consent: Consent,
    },
}
