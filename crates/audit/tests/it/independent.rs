//! Other implementations check ours: canonical JSON, Merkle trees, checkpoints and signed notes.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use doorward_audit::{
    Action, Attribution, ChainVerifier, Checkpoint, CheckpointError, Detail, Event, EventDraft, Hash, Leaves,
    NoteError, NoteKey, NoteVerifier, Reason, SecretSummary, Tree, VerifiedLog, proves_consistency, proves_inclusion,
};
use doorward_types::{Environment, ExternalId, Incarnation, Name, OrganizationId, RequestId, SecretState, Timestamp};
use proptest::prelude::*;
use signed_note::{Note, StandardVerifier, VerifierList};
use std::net::IpAddr;
use tlog_tiles::tlog::{self, HashReader};

fn draft(time: i64, actor: Name, subject: String, name: Option<Name>, secrets: u32) -> EventDraft {
    let secret = |generation: u32| {
        SecretSummary::new(
            "4fG7hJ2kLm".parse().unwrap(),
            generation,
            if generation.is_multiple_of(2) { SecretState::Current } else { SecretState::Staged },
        )
    };
    EventDraft::new(
        &Attribution::local(actor.into())
            .with_source_address((secrets > 1).then_some(IpAddr::from([192, 0, 2, 1])))
            .with_request_id((secrets > 0).then_some(RequestId::from_u128(u128::from(secrets)))),
        Timestamp::from_millis(time),
        Action::AccessKeyRegenerated,
        subject,
        (OrganizationId::from_u128(7), Environment::Production),
    )
    .with_detail(
        Detail::default()
            .with_origin(name.as_ref().map(ToString::to_string))
            .with_connector(name.as_ref().filter(|_| secrets > 1).map(ToString::to_string))
            .with_urls_before(name.iter().filter(|_| secrets > 2).map(ToString::to_string).collect::<Vec<_>>())
            .with_urls_after(name.iter().filter(|_| secrets > 1).map(ToString::to_string).collect::<Vec<_>>())
            .with_name_before(name.clone().filter(|_| secrets > 1))
            .with_external_id(name.as_ref().and_then(|_| format!("tenant-{secrets}").parse::<ExternalId>().ok()))
            .with_erase_at((secrets > 1).then_some(Timestamp::from_millis(time)))
            .with_note(name.clone().filter(|_| secrets > 2))
            .with_reason((secrets > 2).then_some(Reason::StoreRestored))
            .with_name(name)
            .with_before((0..secrets).map(secret).collect::<Vec<_>>())
            .with_after(vec![secret(9)]),
    )
}

fn log(count: u64) -> Vec<Event> {
    log_of(count, Incarnation::FIRST)
}

fn log_of(count: u64, incarnation: Incarnation) -> Vec<Event> {
    let mut log: Vec<Event> = Vec::new();
    for number in 0..count {
        let draft = draft(i64::try_from(number).unwrap(), "ada".parse().unwrap(), format!("key_{number}"), None, 1);
        log.push(Event::following(log.last().map(|last| (last.sequence, last.hash)), incarnation, draft));
    }
    log
}

proptest! {
    /// Our hash covers an export's line without its hash, canonicalized by another implementation of RFC 8785.
    #[test]
    fn canonical_json_is_that_of_rfc_8785(
        time in 0_i64..253_402_300_799_999,
        actor in "\\PC{1,40}",
        subject in any::<String>(),
        name in proptest::option::of("[\"\\\\/=+@<>&\u{7f}\u{80}-\u{ff}\u{2028}é東👋]{1,20}"),
        secrets in 0_u32..4,
        previous in any::<[u8; 32]>(),
        incarnation in 1_u64..4,
    ) {
        let (Ok(actor), name) = (actor.parse(), name.and_then(|name| name.parse().ok())) else { return Ok(()) };
        let draft = draft(time, actor, subject, name, secrets);
        let event = Event::following(Some((4, Some(Hash(previous)))), Incarnation(incarnation), draft);
        let mut shown = serde_json::to_value(&event).unwrap();
        shown.as_object_mut().unwrap().remove("hash");
        let theirs = serde_json_canonicalizer::to_vec(&shown).unwrap();
        prop_assert_eq!(String::from_utf8(event.canonical()).unwrap(), String::from_utf8(theirs).unwrap());
        prop_assert_eq!(event.hash, Some(Hash(tlog::record_hash(&event.canonical()).0)));
        prop_assert_eq!(event.hash, Event::hash_of_json(&serde_json::to_string(&event).unwrap()));
    }
}

/// A log in the form of another implementation.
#[derive(Default)]
struct Theirs(Vec<tlog::Hash>);

impl HashReader for Theirs {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog::Hash>, tlog_tiles::Error> {
        Ok(indexes.iter().map(|index| self.0[usize::try_from(*index).unwrap()]).collect())
    }
}

#[test]
fn roots_and_proofs_are_those_of_another_implementation() {
    let log = log(70);
    let hashes: Vec<Hash> = log.iter().map(|event| event.hash.unwrap()).collect();
    let (mut theirs, mut tree) = (Theirs::default(), Tree::default());
    for (place, event) in (0_u64..).zip(&log) {
        let stored = tlog::stored_hashes(place, &event.canonical(), &theirs).unwrap();
        theirs.0.extend(stored);
        tree.push(event.hash.unwrap());
        let size = place + 1;
        let root = tlog::tree_hash(size, &theirs).unwrap();
        assert_eq!((tree.size(), tree.root()), (size, Hash(root.0)));
        let within = &hashes[..usize::try_from(size).unwrap()];
        let leaves = Leaves::after(Tree::default(), within.to_vec());
        for index in 0..size {
            let at = usize::try_from(index).unwrap();
            let proof = leaves.inclusion_proof(index).unwrap();
            let as_theirs: Vec<_> = proof.iter().map(|hash| tlog::Hash(hash.0)).collect();
            tlog::check_record(&as_theirs, size, root, index, tlog::Hash(hashes[at].0)).unwrap();
            assert!(proves_inclusion(&proof, hashes[at], index, size, tree.root()));
            // Refused: another leaf, another place, and half of the proof.
            assert!(!proves_inclusion(&proof, Hash([0; 32]), index, size, tree.root()));
            assert!(size == 1 || !proves_inclusion(&proof, hashes[at], (index + 1) % size, size, tree.root()));
            assert!(proof.is_empty() || !proves_inclusion(&proof[1..], hashes[at], index, size, tree.root()));
        }
        assert_eq!(leaves.inclusion_proof(size), None);
    }
}

/// Returns the leaves of a log whose beginning was pruned.
fn pruned(hashes: &[Hash], gone: usize) -> Leaves {
    let mut tree = Tree::default();
    hashes[..gone].iter().for_each(|hash| tree.push(*hash));
    Leaves::after(tree, hashes[gone..].to_vec())
}

#[test]
fn a_log_extends_each_earlier_one_as_another_implementation_says() {
    let log = log(40);
    let hashes: Vec<Hash> = log.iter().map(|event| event.hash.unwrap()).collect();
    let (mut theirs, mut roots) = (Theirs::default(), vec![]);
    let mut tree = Tree::default();
    for (place, event) in (0_u64..).zip(&log) {
        let stored = tlog::stored_hashes(place, &event.canonical(), &theirs).unwrap();
        theirs.0.extend(stored);
        tree.push(event.hash.unwrap());
        roots.push(tree.root());
    }
    let root = |size: u64| roots[usize::try_from(size).unwrap() - 1];
    for new in 1..=40_u64 {
        let within = &hashes[..usize::try_from(new).unwrap()];
        let leaves = Leaves::after(Tree::default(), within.to_vec());
        for old in 1..=new {
            let proof = leaves.consistency_proof(old).unwrap();
            let as_theirs: Vec<_> = proof.iter().map(|hash| tlog::Hash(hash.0)).collect();
            let (theirs_new, theirs_old) = (tlog::Hash(root(new).0), tlog::Hash(root(old).0));
            tlog::check_tree(&as_theirs, new, theirs_new, old, theirs_old).unwrap();
            assert!(proves_consistency(&proof, (old, root(old)), (new, root(new))));
            // Refused: another old tree, another new tree, an old tree that is longer, and a part of the proof. A checkpoint
            // binds each root to its size.
            let other = Hash([7; 32]);
            assert!(!proves_consistency(&proof, (old, other), (new, root(new))));
            assert!(!proves_consistency(&proof, (old, root(old)), (new, other)));
            assert!(!proves_consistency(&proof, (new + 1, root(old)), (new, root(new))));
            assert!(proof.is_empty() || !proves_consistency(&proof[1..], (old, root(old)), (new, root(new))));
            // A pruned log proves the same, unless the old tree is a part of what is gone.
            for gone in 0..=within.len() {
                let expected = (gone as u64 <= old).then(|| proof.clone());
                assert_eq!(pruned(within, gone).consistency_proof(old), expected, "{old} of {new} without {gone}");
            }
        }
        assert_eq!((leaves.consistency_proof(0), leaves.consistency_proof(new + 1)), (None, None));
        for gone in 0..=within.len() {
            let pruned = pruned(within, gone);
            for index in 0..new {
                let expected = (index >= gone as u64).then(|| leaves.inclusion_proof(index).unwrap());
                assert_eq!(pruned.inclusion_proof(index), expected, "{index} of {new} without {gone}");
            }
        }
    }
}

fn verified(log: &[Event]) -> VerifiedLog {
    let mut chain = ChainVerifier::default();
    log.iter().for_each(|event| chain.follow(event).unwrap());
    chain.end(Checkpoint::origin_of(OrganizationId::from_u128(7), Environment::Production)).unwrap()
}

const SEED: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

#[test]
fn another_implementation_accepts_our_checkpoints_and_refuses_changed_ones() {
    let key: NoteKey = SEED.parse().unwrap();
    for incarnation in [Incarnation::FIRST, Incarnation(20)] {
        judge(&key, &verified(&log_of(12, incarnation)));
    }
}

/// A restored store's checkpoint has an extension line, which other implementations ignore.
fn judge(key: &NoteKey, verified: &VerifiedLog) {
    let (note, checkpoint) = (verified.sign(key).unwrap(), verified.checkpoint());
    let verifier = key.verifier(&checkpoint.origin);
    let verify = |note: &str| {
        let theirs = VerifierList::new(vec![Box::new(StandardVerifier::new(&verifier.to_string()).unwrap())]);
        let parsed = Note::from_bytes(note.as_bytes()).ok()?;
        parsed.verify(&theirs).ok().filter(|(verified, _)| verified.len() == 1)?;
        let read = tlog_tiles::Checkpoint::from_bytes(parsed.text()).ok()?;
        Some((read.origin().to_owned(), read.size(), Hash(read.hash().0)))
    };
    assert_eq!(verify(&note), Some((checkpoint.origin.clone(), 12, checkpoint.root)));
    assert_eq!(Checkpoint::open(&note, &verifier), Ok(checkpoint.clone()));
    for at in 0..note.len() {
        let mut bytes = note.clone().into_bytes();
        bytes[at] ^= 1;
        let Ok(changed) = String::from_utf8(bytes) else { continue };
        assert!(Checkpoint::open(&changed, &verifier).is_err(), "{changed}");
        assert_eq!(verify(&changed), None, "{changed}");
    }
}

#[test]
fn another_implementation_reads_our_verifier_keys_and_we_read_theirs() {
    let key: NoteKey = SEED.parse().unwrap();
    let verifier = key.verifier("doorward/org_x/test");
    let text = verifier.to_string();
    assert!(StandardVerifier::new(&text).is_ok());
    assert_eq!(text.parse::<NoteVerifier>(), Ok(verifier));
    // The example from the first implementation of signed notes.
    let theirs = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    let note = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n\
                — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
    let verifier: NoteVerifier = theirs.parse().unwrap();
    assert!(verifier.open(note).unwrap().ends_with("problem is.\n"));
    assert_eq!(verifier.open(&note.replace("answer", "Answer")), Err(NoteError::BadSignature));
    let other = key.verifier("PeterNeumann");
    assert_eq!(other.open(note), Err(NoteError::NotSigned("PeterNeumann".into())));
    for bad in ["", "a+b+c", &theirs.replace("c74f", "c74e"), &theirs.replace("+AR", "+BR"), "AAAA"] {
        assert!(bad.parse::<NoteVerifier>().is_err(), "{bad}");
        assert!(bad.parse::<NoteKey>().is_err(), "{bad}");
    }
}

#[test]
fn a_checkpoint_has_only_one_text_form() {
    for (rest, incarnation) in [("", 1), ("incarnation 7\n", 7), ("another\nincarnation 7\n", 7), ("another\n", 1)] {
        let read = format!("a\n12\n{SEED}\n{rest}").parse::<Checkpoint>();
        assert_eq!(read.map(|read| read.incarnation), Ok(Incarnation(incarnation)), "{rest}");
    }
    assert_eq!(format!("a\n12\n{SEED}\nincarnation 07\n").parse::<Checkpoint>(), Err(CheckpointError::Malformed));
    for bad in [format!("a\n012\n{SEED}\n"), format!("\n12\n{SEED}\n"), "a\n12\nAA==\n".into(), "a\n12\n".into()] {
        assert_eq!(bad.parse::<Checkpoint>(), Err(CheckpointError::Malformed), "{bad}");
    }
}
