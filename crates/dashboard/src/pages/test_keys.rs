//! The list of test keys: searched, filtered, sorted, and a page at a time.

use std::collections::HashMap;
use std::time::Duration;

use doorward_store::{AccessKeyWithSecrets, SecretUsage};
use doorward_types::{AccessKeyId, Environment, Locator, Timestamp};
use url::form_urlencoded::Serializer;

use super::lookalikes::Lookalikes;
use super::said::MAX_DELETED;
use super::{RelativeTime, counted, grouped};
use crate::form::Form;
use crate::state::Parts;

/// The number of keys on a page.
const ROWS: usize = 50;

/// The time without a use after which a key counts as unused: monthly jobs have run once.
const UNUSED: Duration = Duration::from_hours(30 * 24);

/// A page of the list.
pub(super) struct TestKeys {
    pub(super) rows: Vec<TestKey>,
    /// The number of all test keys, whatever the filter is.
    pub(super) all: usize,
    /// The text to search for, in names and locators.
    pub(super) query: String,
    pub(super) filters: Vec<Choice>,
    /// The number of keys that pass a filter for unused keys, and the query that asks about their deletion.
    pub(super) unused: Option<(String, String)>,
    pub(super) orders: Vec<Choice>,
    /// The queries of the neighbouring pages.
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
    /// The shown rows, such as `51 to 100 of 1,234`.
    pub(super) place: String,
}

/// A filter or an order to choose.
pub(super) struct Choice {
    pub(super) label: String,
    pub(super) query: String,
    pub(super) is_chosen: bool,
}

pub(super) struct TestKey {
    pub(super) id: AccessKeyId,
    pub(super) name: String,
    /// The reason to look twice at the name.
    pub(super) mark: Option<&'static str>,
    pub(super) public_name: String,
    pub(super) imported: bool,
    pub(super) created: RelativeTime,
    pub(super) created_by: String,
    pub(super) last_used: Option<RelativeTime>,
    pub(super) last_hour: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Show {
    All,
    InUse,
    Unused,
    Never,
}

impl Show {
    const ALL: [(Self, &'static str, &'static str); 4] = [
        (Self::All, "all", "All"),
        (Self::InUse, "in-use", "In use"),
        (Self::Unused, "unused", "Unused for 30 days"),
        (Self::Never, "never", "Never used"),
    ];

    fn passes(self, used: Option<Timestamp>, now: Timestamp) -> bool {
        match (self, used) {
            (Self::All, _) | (Self::Never, None) => true,
            (Self::InUse, Some(used)) => used + UNUSED > now,
            (Self::Unused, Some(used)) => used + UNUSED <= now,
            (Self::Never, Some(_)) | (Self::InUse | Self::Unused, None) => false,
        }
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Order {
    Newest,
    LastUsed,
    Name,
}

impl Order {
    const ALL: [(Self, &'static str, &'static str); 3] =
        [(Self::Newest, "newest", "Newest"), (Self::LastUsed, "used", "Last used"), (Self::Name, "name", "Name")];
}

/// A key with the use of its secret.
struct Found<'a> {
    key: &'a AccessKeyWithSecrets,
    locator: Locator,
    usage: Option<&'a SecretUsage>,
}

impl Found<'_> {
    fn last_used(&self) -> Option<Timestamp> {
        self.usage.map(|usage| usage.last_used_at)
    }
}

impl TestKeys {
    /// Returns the page of the list that the query asks for.
    pub(super) fn of(
        parts: &Parts,
        keys: &[AccessKeyWithSecrets],
        usage: &[SecretUsage],
        query: &Form,
        now: Timestamp,
    ) -> Self {
        let public_name = |locator| parts.public_name(Environment::Test, locator);
        Self::named(keys, usage, query, now, &public_name)
    }

    fn named(
        keys: &[AccessKeyWithSecrets],
        usage: &[SecretUsage],
        query: &Form,
        now: Timestamp,
        public_name: &dyn Fn(Locator) -> String,
    ) -> Self {
        let place_of = |name, mut words: std::slice::Iter<'_, &str>| {
            words.position(|word| Some(*word) == query.get(name)).unwrap_or_default()
        };
        let show = place_of("show", Show::ALL.map(|(_, word, _)| word).iter());
        let order = place_of("sort", Order::ALL.map(|(_, word, _)| word).iter());
        let text = query.get("q").unwrap_or_default();
        let link = |show: usize, order: usize, page: usize| {
            let mut link = Serializer::new(String::new());
            if !text.is_empty() {
                link.append_pair("q", text);
            }
            if let Some((_, word, _)) = Show::ALL.get(show).filter(|_| show > 0) {
                link.append_pair("show", word);
            }
            if let Some((_, word, _)) = Order::ALL.get(order).filter(|_| order > 0) {
                link.append_pair("sort", word);
            }
            if page > 0 {
                link.append_pair("page", &(page + 1).to_string());
            }
            link.finish()
        };

        let usage: HashMap<Locator, &SecretUsage> = usage.iter().map(|usage| (usage.locator, usage)).collect();
        let of_test = keys.iter().filter(|found| found.key.environment == Environment::Test);
        let all: Vec<_> = of_test
            .filter_map(|key| {
                let locator = key.secrets.first()?.locator;
                Some(Found { key, locator, usage: usage.get(&locator).copied() })
            })
            .collect();
        let wanted = text.to_lowercase();
        let is_wanted = |found: &&Found<'_>| {
            let locator = found.locator.to_string();
            // The text may be a part of the locator, or a key's public name, which contains it.
            let is_located = !text.is_empty() && (locator.contains(text) || text.contains(&locator));
            is_located || found.key.key.name.as_str().to_lowercase().contains(&wanted)
        };
        let searched: Vec<_> = all.iter().filter(is_wanted).collect();
        let filters = Show::ALL.iter().enumerate().map(|(place, (of, _, label))| {
            let count = searched.iter().filter(|found| of.passes(found.last_used(), now)).count();
            Choice {
                label: format!("{label} ({})", grouped(count as u64)),
                query: link(place, order, 0),
                is_chosen: place == show,
            }
        });
        let filters = filters.collect();
        let orders = Order::ALL.iter().enumerate().map(|(place, (_, _, label))| Choice {
            label: (*label).to_owned(),
            query: link(show, place, 0),
            is_chosen: place == order,
        });
        let orders = orders.collect();
        let shown = Show::ALL.get(show).map_or(Show::All, |(of, ..)| *of);
        let mut listed: Vec<_> = searched.into_iter().filter(|found| shown.passes(found.last_used(), now)).collect();
        match Order::ALL.get(order).map(|(of, ..)| *of) {
            Some(Order::LastUsed) => listed.sort_by_key(|found| std::cmp::Reverse(found.last_used())),
            Some(Order::Name) => listed.sort_by_key(|found| found.key.key.name.as_str().to_lowercase()),
            _ => listed.sort_by_key(|found| std::cmp::Reverse((found.key.key.created_at, found.key.key.id))),
        }

        let unused = match shown {
            Show::Unused | Show::Never if !listed.is_empty() => {
                let mut asked = Serializer::new(String::new());
                asked.append_pair("dialog", "delete-many");
                listed.iter().take(MAX_DELETED).for_each(|found| {
                    asked.append_pair("key", &found.key.key.id.to_string());
                });
                let count = listed.len().min(MAX_DELETED);
                let first = if count < listed.len() { "the first " } else { "" };
                Some((format!("{first}{}", counted(count as u64, "unused key")), asked.finish()))
            }
            _ => None,
        };
        let pages = listed.len().div_ceil(ROWS).max(1);
        let asked = query.get("page").and_then(|page| page.parse::<usize>().ok()).unwrap_or(1);
        let page = asked.clamp(1, pages) - 1;
        let names = Lookalikes::of(all.iter().map(|found| found.key.key.name.as_str()));
        let rows = listed.iter().skip(page * ROWS).take(ROWS);
        let rows: Vec<_> = rows.map(|found| found.row(&names, now, public_name)).collect();
        let (first, last) = (page * ROWS + 1, page * ROWS + rows.len());
        Self {
            all: all.len(),
            query: text.to_owned(),
            filters,
            unused,
            orders,
            before: (page > 0).then(|| link(show, order, page - 1)),
            after: (page + 1 < pages).then(|| link(show, order, page + 1)),
            place: format!("{} to {} of {}", grouped(first as u64), grouped(last as u64), grouped(listed.len() as u64)),
            rows,
        }
    }

    /// Returns whether there are so many keys that a search helps.
    pub(super) fn are_many(&self) -> bool {
        self.all > 5
    }
}

impl Found<'_> {
    fn row(&self, names: &Lookalikes<'_>, now: Timestamp, public_name: &dyn Fn(Locator) -> String) -> TestKey {
        let AccessKeyWithSecrets { key, secrets, .. } = self.key;
        TestKey {
            id: key.id,
            name: key.name.to_string(),
            mark: names.mark(key.name.as_str()),
            public_name: public_name(self.locator),
            imported: secrets.first().is_some_and(|secret| secret.imported.is_some()),
            created: RelativeTime::new(key.created_at, now),
            created_by: key.created_by.to_string(),
            last_used: self.last_used().map(|used| RelativeTime::new(used, now)),
            last_hour: grouped(self.usage.map_or(0, |usage| usage.uses_last_hour)),
        }
    }
}

#[cfg(test)]
mod tests {
    use doorward_key::Digest;
    use doorward_store::{AccessKey, Secret};
    use doorward_types::{IdSeed, OrganizationId, SecretState};

    use super::*;

    /// A Friday in 2027.
    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn key(place: u8, name: &str) -> AccessKeyWithSecrets {
        let seed = IdSeed::new(Timestamp::from_millis(1_000 + i64::from(place)), [place; 10]);
        let organization = OrganizationId::new(seed);
        let made = seed.now;
        let key = AccessKey::new(
            organization,
            Environment::Test,
            AccessKeyId::new(seed),
            name.parse().unwrap(),
            made,
            "ada".parse().unwrap(),
        );
        let locator = format!("loc{place:07}").parse().unwrap();
        let secret = Secret::new(SecretState::Current, locator, Digest::from_bytes([place; 32]), 1, made);
        AccessKeyWithSecrets::new(key, 1, vec![secret])
    }

    fn list(keys: &[AccessKeyWithSecrets], usage: &[SecretUsage], query: &str) -> TestKeys {
        let uri = format!("/?{query}").parse().unwrap();
        TestKeys::named(keys, usage, &Form::of_query(&uri), NOW, &|locator| locator.to_string())
    }

    fn names(list: &TestKeys) -> Vec<&str> {
        list.rows.iter().map(|row| row.name.as_str()).collect()
    }

    #[test]
    fn keys_are_searched_filtered_and_sorted() {
        let keys = [key(1, "CI"), key(2, "laptop"), key(3, "nightly ci"), key(4, "old")];
        let used = |place: usize, ago: Duration| SecretUsage::new(keys[place].secrets[0].locator, NOW - ago, 7);
        let usage = [used(0, Duration::from_secs(5)), used(2, Duration::from_hours(24)), used(3, UNUSED)];
        let all = list(&keys, &usage, "");
        assert_eq!(names(&all), ["old", "nightly ci", "laptop", "CI"], "the newest come first");
        let labels: Vec<_> = all.filters.iter().map(|filter| filter.label.as_str()).collect();
        assert_eq!(labels, ["All (4)", "In use (2)", "Unused for 30 days (1)", "Never used (1)"]);
        assert_eq!(names(&list(&keys, &usage, "show=never")), ["laptop"]);
        assert_eq!(names(&list(&keys, &usage, "show=unused")), ["old"]);
        assert_eq!(names(&list(&keys, &usage, "show=in-use&sort=used")), ["CI", "nightly ci"]);
        let (count, query) = list(&keys, &usage, "show=never").unused.unwrap();
        assert_eq!((count.as_str(), query), ("1 unused key", format!("dialog=delete-many&key={}", keys[1].key.id)));
        assert!(all.unused.is_none());
        assert_eq!(names(&list(&keys, &usage, "sort=name")), ["CI", "laptop", "nightly ci", "old"]);
        let ci = list(&keys, &usage, "q=ci");
        assert_eq!((names(&ci), ci.filters[0].label.as_str(), ci.all), (vec!["nightly ci", "CI"], "All (2)", 4));
        assert_eq!(ci.filters[1].query, "q=ci&show=in-use");
        assert_eq!(names(&list(&keys, &usage, "q=dw_test_loc0000002_")), ["laptop"]);
        assert!(list(&keys, &usage, "q=nothing").rows.is_empty());
        assert_eq!(names(&list(&keys, &usage, "show=junk&sort=junk&page=junk")).len(), 4);
    }

    #[test]
    fn a_key_with_the_looks_of_another_is_marked_on_every_page() {
        let keys: Vec<_> =
            (0..60).map(|place| key(place, &format!("key {place}"))).chain([key(60, "k\u{435}y 0")]).collect();
        let [first, second] = ["page=1", "page=2"].map(|page| list(&keys, &[], page));
        let marked = |list: &TestKeys| list.rows.iter().filter(|row| row.mark == Some("looks like another")).count();
        assert_eq!((marked(&first), marked(&second)), (1, 1));
        assert_eq!(first.rows.iter().chain(&second.rows).filter(|row| row.mark.is_some()).count(), 2);
    }

    #[test]
    fn a_page_has_fifty_keys_and_leads_to_its_neighbours() {
        let keys: Vec<_> = (0..120).map(|place| key(place, &format!("key {place}"))).collect();
        let second = list(&keys, &[], "q=key&page=2");
        assert_eq!((second.rows.len(), second.place.as_str()), (50, "51 to 100 of 120"));
        assert_eq!((second.before.as_deref(), second.after.as_deref()), (Some("q=key"), Some("q=key&page=3")));
        let last = list(&keys, &[], "page=99");
        assert_eq!((last.rows.len(), last.after, last.place.as_str()), (20, None, "101 to 120 of 120"));
    }
}
