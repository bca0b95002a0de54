use std::any::Any;
use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use doorward_store::StoreError;
use doorward_store_memory::MemoryStore;

use super::store::{Call, Carried, Label, Way, Work, relabel};

type Before = Box<dyn FnMut(Call) -> Option<Work<'static>> + Send>;
type After = Box<dyn FnMut(Call, &mut dyn Any) + Send>;

/// Runs a test's actions before calls, and changes their answers.
#[derive(Default)]
pub(crate) struct Scripted {
    before: Mutex<Option<Before>>,
    after: Mutex<Option<After>>,
}

impl Scripted {
    /// Returns a store behind this script.
    pub(crate) fn store() -> Arc<Carried<Self>> {
        Carried::new(&Arc::new(MemoryStore::new()), Self::default())
    }

    /// Runs this action before each later call.
    pub(crate) fn before(&self, happens: impl FnMut(Call) -> Option<Work<'static>> + Send + 'static) {
        *self.before.lock().expect("no panic") = Some(Box::new(happens));
    }

    /// Runs this action on each later answer.
    pub(crate) fn after(&self, happens: impl FnMut(Call, &mut dyn Any) + Send + 'static) {
        *self.after.lock().expect("no panic") = Some(Box::new(happens));
    }

    /// Leaves these calls unanswered from now on.
    pub(crate) fn hang(&self, calls: &'static [Call]) {
        self.before(move |call| calls.contains(&call).then(|| Box::pin(std::future::pending()) as Work<'static>));
    }

    /// Labels later answers as those of another store.
    pub(crate) fn label(&self, label: Label) {
        self.after(move |_, answer| relabel(answer, label));
    }
}

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scripted")
    }
}

#[async_trait]
impl Way for Scripted {
    async fn carry(&self, call: Call, work: Work<'_>) -> Result<(), StoreError> {
        let before = self.before.lock().expect("no panic").as_mut().and_then(|happens| happens(call));
        if let Some(before) = before {
            before.await;
        }
        work.await;
        Ok(())
    }

    fn retouch(&self, call: Call, answer: &mut dyn Any) {
        if let Some(happens) = &mut *self.after.lock().expect("no panic") {
            happens(call, answer);
        }
    }
}
