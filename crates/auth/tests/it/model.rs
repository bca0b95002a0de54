//! The coherence protocol as a model, explored exhaustively: every order of events, every loss, delay, crash and drift.
//!
//! One change kills one secret, and may be requested twice. Two nodes poll, verify, crash and restart. Their clocks may run slow,
//! any message may be lost or late, and any session may be retired at any moment and removed after the wait. In every reachable
//! state, no verification that began after an answer accepts the dead secret.
//!
//! In punctual worlds, timers fire on time and the store answers each call that reaches it. There, every answer comes within W,
//! and every registered node is up to date.
//!
//! The model can fail: it catches each of nineteen broken variants. Every run explores over ten million worlds, and `cargo xtask
//! test --long` explores more.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasherDefault, Hash, Hasher};

/// The protocol, or a broken variant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Variant {
    Correct,
    LeaseCountedFromTheReply,
    ExpiryApartFromTheState,
    AcknowledgedBeforePublished,
    WriterWaitsForNoTimer,
    NoDriftMargin,
    ClockThatFreezes,
    HeartbeatWithoutApplying,
    ReplicaRead,
    LazyCacheFill,
    EagerJanitor,
    FailoverLosesTheCommit,
    LeaseExtendedOnAnUnknownOutcome,
    SessionSharedByName,
    ReadBeforeRegister,
    StandbyBehindAPooler,
    AnotherFile,
    SharedQueue,
    AnswerBeforeItsRevision,
    NoDeadline,
}

const BROKEN: [Variant; 19] = [
    Variant::LeaseCountedFromTheReply,
    Variant::ExpiryApartFromTheState,
    Variant::AcknowledgedBeforePublished,
    Variant::WriterWaitsForNoTimer,
    Variant::NoDriftMargin,
    Variant::ClockThatFreezes,
    Variant::HeartbeatWithoutApplying,
    Variant::ReplicaRead,
    Variant::LazyCacheFill,
    Variant::EagerJanitor,
    Variant::FailoverLosesTheCommit,
    Variant::LeaseExtendedOnAnUnknownOutcome,
    Variant::SessionSharedByName,
    Variant::ReadBeforeRegister,
    Variant::StandbyBehindAPooler,
    Variant::AnotherFile,
    Variant::SharedQueue,
    Variant::AnswerBeforeItsRevision,
    Variant::NoDeadline,
];

/// The limits of the exploration.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// L, in ticks of a node's clock.
    lease: u8,
    /// The number of ticks by which a node's clock may fall behind in all.
    drift: u8,
    /// The number of ticks that pass in all.
    time: u8,
    /// The number of crashes of a node.
    crashes: u8,
    /// The number of sessions of a node.
    sessions: usize,
    /// True if another process requests the same change.
    repeats: bool,
    /// True if nothing is late except by the protocol's own waits.
    punctual: bool,
}

const NODES: usize = 2;
const SESSIONS: usize = 2;

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct World {
    time: u8,
    /// 0: the secret lives; 1: it is dead.
    revision: u8,
    commit_lost: bool,
    writer: Writer,
    /// The wait of a second process with the same change.
    repeat: Option<Wait>,
    /// The sessions table, by node and by the number of the node's earlier sessions.
    rows: [[Option<Row>; SESSIONS]; NODES],
    nodes: [Node; NODES],
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Writer {
    Idle,
    Waiting(Wait),
    /// The change has returned to its first or second requester.
    Returned,
}

/// A wait for the change to be in effect.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
struct Wait {
    /// The number of ticks waited, up to W.
    waited: u8,
    /// The sessions of the first read; `None` before it.
    awaited: Option<[[bool; SESSIONS]; NODES]>,
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct Row {
    acknowledged: bool,
    /// The number of ticks since a janitor saw the retirement.
    retired: Option<u8>,
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct Node {
    up: bool,
    session: Option<u8>,
    had: u8,
    crashes: u8,
    drift: u8,
    /// The published revision, if there is one.
    knows: Option<u8>,
    /// The rest of the lease, by this node's clock.
    lease: u8,
    poll: Poll,
    verification: Option<Verification>,
    /// For the lazily filled cache only: an old row was read or inserted.
    fill: u8,
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Poll {
    None,
    /// For the shared queue only: requests come first.
    Queued {
        age: u8,
    },
    Asked {
        age: u8,
    },
    Answered {
        age: u8,
        revision: u8,
        in_force: bool,
    },
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct Verification {
    found_alive: bool,
    lease: u8,
    began_after_return: bool,
}

struct Explorer {
    variant: Variant,
    bounds: Bounds,
}

type Successors = Vec<(&'static str, World)>;

impl Explorer {
    fn start(&self) -> World {
        let node = Node {
            up: true,
            session: None,
            had: 0,
            crashes: self.bounds.crashes,
            drift: self.bounds.drift,
            knows: None,
            lease: 0,
            poll: Poll::None,
            verification: None,
            fill: 0,
        };
        World {
            time: 0,
            revision: 0,
            commit_lost: false,
            writer: Writer::Idle,
            repeat: None,
            rows: [[None; SESSIONS]; NODES],
            nodes: [node; NODES],
        }
    }

    /// W, in ticks of true time: a lease, and the drift of a slow clock.
    fn wait(&self) -> u8 {
        match self.variant {
            Variant::NoDriftMargin => self.bounds.lease,
            _ => self.bounds.lease + self.bounds.drift,
        }
    }

    /// Returns the node that owns the row of a node's session.
    fn row_of(&self, node: usize) -> usize {
        if self.variant == Variant::SessionSharedByName { 0 } else { node }
    }

    /// Returns all worlds that can come next, or `Err` if a step breaks the promise.
    fn next(&self, world: &World) -> Result<Successors, &'static str> {
        let mut next = Vec::new();
        self.time_passes(world, &mut next)?;
        self.writers_act(world, &mut next);
        self.janitors_act(world, &mut next);
        if self.variant == Variant::FailoverLosesTheCommit && world.writer == Writer::Returned && !world.commit_lost {
            next.push((
                "the database fails over, and loses the commit",
                World { revision: 0, commit_lost: true, ..*world },
            ));
        }
        for node in 0..NODES {
            if world.nodes[node].up {
                self.node_acts(world, node, &mut next);
                self.node_verifies(world, node, &mut next)?;
            } else {
                let mut after = *world;
                after.nodes[node].up = true;
                next.push(("a node restarts", after));
            }
        }
        Ok(next)
    }

    /// Each node's clock ticks too, or falls behind within its limit.
    fn time_passes(&self, world: &World, next: &mut Successors) -> Result<(), &'static str> {
        if world.time == self.bounds.time || (self.bounds.punctual && self.is_something_due(world)) {
            return Ok(());
        }
        if self.bounds.punctual && waits(world).any(|wait| self.is_over(wait)) {
            return Err("an answer is not there when W has passed");
        }
        for slow in 0..1_u8 << NODES {
            let mut after = *world;
            after.time += 1;
            let mut possible = true;
            for (index, node) in after.nodes.iter_mut().enumerate() {
                if slow >> index & 1 == 0 {
                    node.lease = node.lease.saturating_sub(1);
                    if let Poll::Queued { age } | Poll::Asked { age } | Poll::Answered { age, .. } = &mut node.poll {
                        *age = (*age + 1).min(self.bounds.lease);
                    }
                    if let Some(verification) = &mut node.verification {
                        verification.lease = verification.lease.saturating_sub(1);
                    }
                } else if self.variant != Variant::ClockThatFreezes {
                    possible &= node.up && node.drift > 0;
                    node.drift = node.drift.saturating_sub(1);
                }
            }
            let writer = if let Writer::Waiting(wait) = &mut after.writer { Some(wait) } else { None };
            for wait in writer.into_iter().chain(&mut after.repeat) {
                wait.waited = (wait.waited + 1).min(self.wait());
            }
            for row in after.rows.as_flattened_mut().iter_mut().flatten() {
                row.retired = row.retired.map(|seen| (seen + 1).min(self.wait()));
            }
            if !possible {
                continue;
            }
            let in_force = |(index, node): &(usize, &Node)| {
                let row = node.session.and_then(|session| after.rows[*index][usize::from(session)]);
                node.knows.is_some() && row.is_some_and(|row| row.retired.is_none())
            };
            if self.bounds.punctual && after.nodes.iter().enumerate().filter(in_force).any(|(_, node)| node.lease == 0)
            {
                return Err("a node that the store knows and answers is not current");
            }
            next.push(("time passes", after));
        }
        Ok(())
    }

    /// Returns whether a timer has run out, the store has a poll to answer, or a node has a poll to send.
    fn is_something_due(&self, world: &World) -> bool {
        let timer = self.variant != Variant::NoDeadline && waits(world).any(|wait| self.is_over(wait));
        let poll = world.nodes.iter().filter(|node| node.up).any(|node| match node.poll {
            Poll::None => node.session.is_some() && node.lease < self.bounds.lease,
            Poll::Queued { .. } => false,
            Poll::Asked { .. } | Poll::Answered { .. } => true,
        });
        timer || poll
    }

    fn is_over(&self, wait: Wait) -> bool {
        wait.waited >= self.wait()
    }

    /// The first process commits the change. A second process finds it done. Each waits before it answers.
    fn writers_act(&self, world: &World, next: &mut Successors) {
        let wait = match world.writer {
            Writer::Idle => {
                let writer = Writer::Waiting(Wait::default());
                next.push(("the change is committed", World { revision: 1, writer, ..*world }));
                return;
            }
            Writer::Waiting(wait) => wait,
            Writer::Returned => return,
        };
        self.wait_goes_on(world, wait, next, |wait| World { writer: Writer::Waiting(wait), ..*world });
        match world.repeat {
            Some(wait) => self.wait_goes_on(world, wait, next, |wait| World { repeat: Some(wait), ..*world }),
            None if !self.bounds.repeats => {}
            None if self.variant == Variant::AnswerBeforeItsRevision => {
                next.push(("a repeat is answered at once", World { writer: Writer::Returned, ..*world }));
            }
            None => next.push(("the change is asked for again", World { repeat: Some(Wait::default()), ..*world })),
        }
    }

    fn wait_goes_on(&self, world: &World, wait: Wait, next: &mut Successors, with: impl Fn(Wait) -> World) {
        let mut silent = vec![];
        match wait.awaited {
            None => {
                let awaited = Some(world.rows.map(|rows| rows.map(|row| row.is_some())));
                next.push(("the writer looks at the sessions", with(Wait { awaited, ..wait })));
            }
            Some(awaited) => {
                let all = (0..NODES).flat_map(|node| (0..SESSIONS).map(move |session| (node, session)));
                silent.extend(all.filter(|(node, session)| {
                    awaited[*node][*session]
                        && world.rows[*node][*session].is_some_and(|row| row.retired.is_some() || !row.acknowledged)
                }));
            }
        }
        let all_have_said_so = wait.awaited.is_some() && silent.is_empty();
        let timer = self.variant == Variant::WriterWaitsForNoTimer
            || (self.variant != Variant::NoDeadline && self.is_over(wait));
        if all_have_said_so || timer {
            let mut after = World { writer: Writer::Returned, repeat: None, ..*world };
            for (node, session) in silent {
                if let Some(row) = &mut after.rows[node][session] {
                    row.retired = row.retired.or(Some(0));
                }
            }
            next.push(("the change returns", after));
        }
    }

    /// Writers of other changes: they may retire any session, and remove a session that they have seen retired for long enough.
    fn janitors_act(&self, world: &World, next: &mut Successors) {
        for node in 0..NODES {
            for session in 0..SESSIONS {
                let Some(row) = world.rows[node][session] else { continue };
                let mut after = *world;
                match row.retired {
                    None => {
                        after.rows[node][session] = Some(Row { retired: Some(0), ..row });
                        next.push(("a session is retired", after));
                    }
                    Some(seen) if seen >= self.wait() || self.variant == Variant::EagerJanitor => {
                        after.rows[node][session] = None;
                        next.push(("a retired session is removed", after));
                    }
                    Some(_) => {}
                }
            }
        }
    }

    fn node_acts(&self, world: &World, index: usize, next: &mut Successors) {
        let node = world.nodes[index];
        let mut step = |what, change: &dyn Fn(&mut World, &mut Node)| {
            let (mut after, mut changed) = (*world, node);
            change(&mut after, &mut changed);
            after.nodes[index] = changed;
            next.push((what, after));
        };
        let row = self.row_of(index);
        if node.crashes > 0 {
            step("a node crashes", &|_, node| {
                *node = Node {
                    up: false,
                    crashes: node.crashes - 1,
                    had: node.had,
                    drift: node.drift,
                    session: None,
                    knows: None,
                    lease: 0,
                    poll: Poll::None,
                    verification: None,
                    fill: 0,
                };
            });
        }
        if node.session.is_none() && usize::from(node.had) < self.bounds.sessions {
            step("a node registers", &|world, node| {
                let session = if self.variant == Variant::SessionSharedByName { 0 } else { node.had };
                // The row of a shared name already exists, with the acknowledgement of another node.
                world.rows[row][usize::from(session)].get_or_insert(Row { acknowledged: false, retired: None });
                node.session = Some(session);
                node.had += 1;
            });
        }
        match node.poll {
            Poll::None => {
                if self.variant == Variant::SharedQueue && node.session.is_some() {
                    step("a poll waits behind requests", &|_, node| node.poll = Poll::Queued { age: 0 });
                } else if node.session.is_some() || self.variant == Variant::ReadBeforeRegister {
                    step("a poll is sent", &|_, node| node.poll = Poll::Asked { age: 0 });
                }
            }
            Poll::Queued { age } => step("a poll's turn comes", &|_, node| node.poll = Poll::Asked { age }),
            Poll::Asked { age } => {
                let known = node.session.map(|session| world.rows[row][usize::from(session)]);
                let in_force = match known {
                    Some(known) => known.is_some_and(|row| row.retired.is_none()),
                    None => self.variant == Variant::ReadBeforeRegister,
                };
                let oldest = if self.variant == Variant::ReplicaRead { 0 } else { world.revision };
                for revision in oldest..=world.revision {
                    step("a poll is answered", &|world, node| {
                        node.poll = Poll::Answered { age, revision, in_force };
                        if self.variant == Variant::AcknowledgedBeforePublished
                            && revision == 1
                            && let Some(row) = node.session.and_then(|s| world.rows[row][usize::from(s)].as_mut())
                        {
                            row.acknowledged = true;
                        }
                    });
                }
                // A standby behind a pooler has not received the change yet. Another file never will, but knows the session.
                let elsewhere = match self.variant {
                    Variant::StandbyBehindAPooler => Some(known.flatten().is_some()),
                    Variant::AnotherFile => Some(true),
                    _ => None,
                };
                if let Some(in_force) = elsewhere {
                    step("a poll is answered elsewhere", &|_, node| {
                        node.poll = Poll::Answered { age, revision: 0, in_force };
                    });
                }
                if !self.bounds.punctual {
                    // An answer from another store is refused, which is the same as no answer.
                    step("a poll is lost", &|_, node| {
                        node.poll = Poll::None;
                        if self.variant == Variant::LeaseExtendedOnAnUnknownOutcome && node.knows.is_some() {
                            node.lease = self.bounds.lease - age;
                        }
                    });
                }
            }
            Poll::Answered { age, revision, in_force } => {
                step("an answer is applied", &|_, node| {
                    node.poll = Poll::None;
                    if !in_force {
                        node.session = None;
                        node.lease = 0;
                        return;
                    }
                    let age = if self.variant == Variant::LeaseCountedFromTheReply { 0 } else { age };
                    if self.variant != Variant::HeartbeatWithoutApplying || node.knows.is_none() {
                        // An invalidation drops the cached row, but not a row that is just being inserted.
                        if node.fill == 2 && node.knows != Some(revision) {
                            node.fill = 0;
                        }
                        node.knows = Some(revision);
                    }
                    node.lease = self.bounds.lease - age;
                });
                if !self.bounds.punctual {
                    step("an answer is lost", &|_, node| node.poll = Poll::None);
                }
            }
        }
        if self.variant == Variant::HeartbeatWithoutApplying && node.knows == Some(0) && world.revision == 1 {
            step("a notification is applied", &|_, node| node.knows = Some(1));
        }
        if node.knows == Some(1)
            && let Some(session) = node.session.map(usize::from)
            && world.rows[row][session].is_some_and(|row| !row.acknowledged)
        {
            step("a node acknowledges", &|world, _| {
                if let Some(row) = &mut world.rows[row][session] {
                    row.acknowledged = true;
                }
            });
        }
        if self.variant == Variant::LazyCacheFill && node.knows.is_some() {
            match node.fill {
                0 if world.revision == 0 => step("a row is read for the cache", &|_, node| node.fill = 1),
                1 => step("the row is put into the cache", &|_, node| node.fill = 2),
                _ => {}
            }
        }
    }

    /// A verification takes the lease and the state, and reads the clock last.
    fn node_verifies(&self, world: &World, index: usize, next: &mut Successors) -> Result<(), &'static str> {
        let node = world.nodes[index];
        let mut after = *world;
        match node.verification {
            None => {
                // Skip verifications that could never accept: they need no world of their own.
                let found_alive = node.knows == Some(0) || node.fill == 2;
                if found_alive && (node.lease > 0 || self.variant == Variant::ExpiryApartFromTheState) {
                    after.nodes[index].verification = Some(Verification {
                        found_alive,
                        lease: node.lease,
                        began_after_return: world.writer == Writer::Returned,
                    });
                    next.push(("a verification begins", after));
                }
            }
            Some(verification) => {
                let lease = match self.variant {
                    Variant::ExpiryApartFromTheState => node.lease,
                    _ => verification.lease,
                };
                if verification.found_alive && lease > 0 && verification.began_after_return {
                    return Err("a verification that began after the return accepts the dead secret");
                }
                after.nodes[index].verification = None;
                next.push(("a verification ends", after));
            }
        }
        Ok(())
    }

    /// Returns the number of reachable worlds, and the shortest path to a world that breaks the promise.
    fn explore(&self) -> (usize, Option<Vec<&'static str>>) {
        let start = self.start();
        let mut seen: HashSet<World, BuildHasherDefault<Mix>> = HashSet::default();
        let mut ways: Vec<(u32, &'static str)> = vec![(0, "the start")];
        let mut queue = VecDeque::from([(start, 0)]);
        seen.insert(start);
        while let Some((world, number)) = queue.pop_front() {
            let way_to = |last: &'static str| {
                let mut way = vec![last];
                let mut at = number;
                while at != 0 {
                    way.push(ways[at as usize].1);
                    at = ways[at as usize].0;
                }
                way.reverse();
                way
            };
            match self.next(&world) {
                Err(broken) => return (seen.len(), Some(way_to(broken))),
                Ok(successors) => {
                    for (what, after) in successors {
                        if seen.insert(after) {
                            queue.push_back((after, u32::try_from(ways.len()).unwrap()));
                            ways.push((number, what));
                        }
                    }
                }
            }
        }
        (seen.len(), None)
    }
}

/// Returns the current waits.
fn waits(world: &World) -> impl Iterator<Item = Wait> {
    let writer = if let Writer::Waiting(wait) = world.writer { Some(wait) } else { None };
    writer.into_iter().chain(world.repeat)
}

/// A fast hash: there are many worlds, and no attacker chooses them.
#[derive(Default)]
struct Mix {
    mixed: u64,
    /// Up to eight bytes that are not mixed in yet.
    pending: u64,
    count: u8,
}

impl Mix {
    fn mix(&self) -> u64 {
        (self.mixed.rotate_left(23) ^ self.pending).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }
}

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        let mixed = self.mix();
        mixed ^ mixed >> 29
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u8(*byte);
        }
    }

    fn write_u8(&mut self, byte: u8) {
        self.pending = self.pending << 8 | u64::from(byte);
        self.count += 1;
        if self.count == 8 {
            *self = Self { mixed: self.mix(), pending: 0, count: 0 };
        }
    }

    fn write_isize(&mut self, number: isize) {
        self.write_u8(number as u8);
    }
}

fn is_long() -> bool {
    std::env::var_os("DOORWARD_TEST_LONG").is_some()
}

#[test]
fn the_protocol_keeps_its_promise_in_every_world_that_can_be_reached() {
    let plain = Bounds { lease: 1, drift: 0, time: 3, crashes: 0, sessions: 1, repeats: false, punctual: false };
    let mut bounds = vec![
        Bounds { drift: 1, ..plain },
        Bounds { crashes: 1, ..plain },
        Bounds { time: 2, repeats: true, ..plain },
        Bounds { lease: 2, repeats: true, punctual: true, ..plain },
    ];
    if is_long() {
        bounds.push(Bounds { repeats: true, ..plain });
        bounds.push(Bounds { lease: 2, time: 4, ..plain });
        bounds.push(Bounds { time: 2, crashes: 1, sessions: 2, ..plain });
        bounds.push(Bounds { drift: 1, repeats: true, ..plain });
        bounds.push(Bounds { lease: 2, drift: 1, time: 5, repeats: true, punctual: true, ..plain });
    }
    let mut total = 0;
    for bounds in bounds {
        let (worlds, broken) = Explorer { variant: Variant::Correct, bounds }.explore();
        println!("{worlds} worlds within {bounds:?}");
        assert_eq!(broken, None, "{bounds:?}");
        total += worlds;
    }
    assert!(total >= 10_000_000, "{total} worlds");
}

#[test]
fn every_broken_variant_is_caught() {
    for variant in BROKEN {
        let plain = Bounds { lease: 1, drift: 0, time: 3, crashes: 0, sessions: 1, repeats: false, punctual: false };
        let bounds = match variant {
            // Only a second change or a second session shows these faults.
            Variant::EagerJanitor | Variant::SessionSharedByName => Bounds { time: 2, ..plain },
            Variant::ClockThatFreezes => plain,
            Variant::AnswerBeforeItsRevision => Bounds { repeats: true, ..plain },
            // These variants break only the promise of an answer in time.
            Variant::NoDeadline | Variant::SharedQueue => Bounds { lease: 2, punctual: true, ..plain },
            _ => Bounds { drift: 1, ..plain },
        };
        let (worlds, broken) = Explorer { variant, bounds }.explore();
        let way = broken.unwrap_or_else(|| panic!("{variant:?} was not caught in {worlds} worlds"));
        println!("{variant:?}: caught among {worlds} worlds, after {} steps: {}", way.len(), way.join(" > "));
    }
}
