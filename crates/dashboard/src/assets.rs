//! The pages' static files, compiled into the program.

use std::fmt::Write;
use std::sync::LazyLock;

use sha2::{Digest, Sha256};

/// A file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asset {
    name: &'static str,
    pub(crate) media_type: &'static str,
    pub(crate) content: &'static str,
}

const ALL: [Asset; 3] = [
    Asset { name: "page.css", media_type: "text/css; charset=utf-8", content: include_str!("../assets/page.css") },
    Asset { name: "page.js", media_type: "text/javascript; charset=utf-8", content: include_str!("../assets/page.js") },
    Asset { name: "icon.svg", media_type: "image/svg+xml", content: include_str!("../assets/icon.svg") },
];

/// A hash of all files. It is part of their URLs, so that browsers may cache a file permanently and still load the next version.
pub(crate) static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    ALL.iter().for_each(|asset| hash.update(asset.content));
    hash.finalize().iter().take(8).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
});

pub(crate) fn find(name: &str) -> Option<Asset> {
    ALL.into_iter().find(|asset| asset.name == name)
}
