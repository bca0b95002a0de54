//! The answer to a look for changes: the regions of a page that change, and nothing else of the page.

use bytes::Bytes;
use http::StatusCode;

use crate::body::whole;
use crate::reply::{Reply, Whole};

/// The attribute of a region. A template gives it to a `div` with an id.
const REGION: &str = " data-live";

/// Leaves only the regions that change in an answer with a page.
pub(crate) fn leave_regions(reply: &mut Reply) {
    if reply.status() != StatusCode::OK {
        return;
    }
    let Some(Whole(page)) = reply.extensions().get::<Whole>() else { return };
    let Ok(page) = str::from_utf8(page) else { return };
    let regions = Bytes::from(format!("<!doctype html><title>Changes</title>\n{}", regions(page)));
    reply.extensions_mut().insert(Whole(regions.clone()));
    *reply.body_mut() = whole(regions);
}

/// Returns the regions of a page, one after the other. Text is escaped, so that no text looks like a tag.
fn regions(page: &str) -> String {
    let (mut regions, mut rest) = (String::new(), page);
    while let Some(begin) = rest.find("<div ") {
        let (_, from) = rest.split_at(begin);
        let head = from.split('>').next().unwrap_or_default();
        if head.contains(REGION) {
            let (region, after) = from.split_at(length(from));
            regions += region;
            regions += "\n";
            rest = after;
        } else {
            rest = from.get("<div ".len()..).unwrap_or_default();
        }
    }
    regions
}

/// Returns the length of the `div` that a text begins with, up to its end.
fn length(text: &str) -> usize {
    let (mut depth, mut place) = (0_usize, 0);
    loop {
        let rest = text.get(place..).unwrap_or_default();
        let (opens, closes) = (rest.find("<div"), rest.find("</div>"));
        match (opens, closes) {
            (Some(open), Some(close)) if open < close => {
                depth += 1;
                place += open + "<div".len();
            }
            (_, Some(close)) => {
                depth = depth.saturating_sub(1);
                place += close + "</div>".len();
                if depth == 0 {
                    return place;
                }
            }
            (_, None) => return text.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_regions_of_a_page_are_cut_out_with_what_is_in_them() {
        let one = r#"<div id="a" data-live data-offers="x"><div>1</div><p>2</p><div><div>3</div></div></div>"#;
        let two = r#"<div id="b" data-live></div>"#;
        let page =
            format!("<main><div class=\"card\"><h1>Keys</h1>{one}<p>between</p></div>{two}<div>end</div></main>");
        assert_eq!(regions(&page), format!("{one}\n{two}\n"));
        assert_eq!(regions("<main><div>no region</div></main>"), "");
        // A page that broke off loses nothing.
        assert_eq!(regions(r#"<div id="a" data-live><p>1"#), "<div id=\"a\" data-live><p>1\n");
    }
}
