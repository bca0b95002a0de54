//! The actions of the API, each with the function that carries it out.

/// Declares the actions of one kind of access, each with its handler. Their futures are boxed, so that the future of a request
/// stays small. The actions after the semicolon are not: each request of a bare verification would allocate.
macro_rules! actions {
    ($(#[$doc:meta])* $of:ident, $call:ty: $($action:ident => $handle:path),+ $(; $($quick:ident => $at:path),+)? $(,)?) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        #[expect(missing_docs, reason = "each is named as its file, which documents it")]
        pub enum $of {
            $($action,)+
            $($($quick,)+)?
        }

        pub(crate) async fn answer(action: $of, call: $call) -> $crate::answer::HandlerResult {
            match action {
                $($of::$action => Box::pin($handle(call)).await,)+
                $($($of::$quick => $at(call).await,)+)?
            }
        }
    };
}

pub(crate) use actions;
