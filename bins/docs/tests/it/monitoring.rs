//! The alert rules and the dashboard: `promtool` accepts the rules and runs their tests, and every metric exists.

use std::collections::BTreeSet;
use std::process::Command;

use doorward_docs::page::root;

/// Returns the metrics that a text names, without the endings that OpenMetrics adds to a histogram.
fn metrics(text: &str) -> BTreeSet<&str> {
    let words = text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
    let named = words
        .filter(|word| ["doorward_", "http_server_request_", "process_"].iter().any(|start| word.starts_with(start)));
    let endings = ["_bucket", "_count", "_sum"];
    named.map(|word| endings.iter().find_map(|ending| word.strip_suffix(ending)).unwrap_or(word)).collect()
}

#[test]
fn every_metric_of_the_rules_and_of_the_dashboard_exists() {
    let reference = std::fs::read_to_string(root().join("docs/reference/metrics.md")).unwrap();
    let known = metrics(&reference);
    for file in ["alerts.yaml", "alerts.test.yaml", "grafana.json"] {
        let text = std::fs::read_to_string(root().join("docs/monitoring").join(file)).unwrap();
        let unknown: Vec<_> = metrics(&text).difference(&known).copied().collect();
        assert!(unknown.is_empty() && !metrics(&text).is_empty(), "{file}: {unknown:?}");
    }
    let dashboard = std::fs::read_to_string(root().join("docs/monitoring/grafana.json")).unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
    assert!(dashboard.pointer("/panels/0/targets/0/expr").is_some());
}

#[test]
fn prometheus_accepts_the_rules_and_they_fire() {
    for (verb, file) in [("check", "alerts.yaml"), ("test", "alerts.test.yaml")] {
        let mut promtool = Command::new("promtool");
        let said = promtool.args([verb, "rules", file]).current_dir(root().join("docs/monitoring")).output().unwrap();
        assert!(
            said.status.success(),
            "{}{}",
            String::from_utf8_lossy(&said.stdout),
            String::from_utf8_lossy(&said.stderr)
        );
    }
}
