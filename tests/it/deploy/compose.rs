//! Checks `compose.yaml` and `compose.cluster.yaml`.

use std::time::Duration;

use callsign::config::Config;
use callsign_store::ledger::settings::Store;
use serde_json::{Map, Value};

use super::{Variables, at, container_serves, documents, list, read, repository, text};

const SECRETS: &str = "/run/secrets/";

/// Returns the file's only document and its services.
fn compose(file: &str) -> (Value, Map<String, Value>) {
    let [document] = documents(file).try_into().unwrap();
    let services = at(&document, "/services").as_object().unwrap().clone();
    (document, services)
}

/// Returns the variables of a service, all of which must be strings: unquoted YAML values change on their way through
/// Compose.
fn variables(service: &Value) -> Variables {
    let entries = at(service, "/environment").as_object().unwrap();
    entries.iter().map(|(name, value)| (name.clone(), text(value, "").to_owned())).collect()
}

/// Checks a callsign service and loads its configuration.
fn callsign(file: &str, name: &str, service: &Value) -> Config {
    let whence = format!("{file}: {name}");
    let variables = variables(service);
    let config = container_serves(&whence, &variables, SECRETS);
    assert_eq!(at(service, "/read_only"), true, "{whence}");
    assert_eq!(at(service, "/cap_drop"), &serde_json::json!(["ALL"]), "{whence}");
    assert!(list(service, "/security_opt").contains(&"no-new-privileges:true".into()), "{whence}");
    assert!(service.get("user").is_none(), "{whence}: overrides the unprivileged user of the image");
    let grace = text(service, "/stop_grace_period").strip_suffix('s').unwrap().parse().unwrap();
    assert!(
        Duration::from_secs(grace) > config.drain.total,
        "{whence}: stop_grace_period is not longer than the drain"
    );
    for (name, value) in &variables {
        if let Some(secret) = value.strip_prefix(SECRETS) {
            assert!(list(service, "/secrets").contains(&secret.into()), "{whence}: {name}");
        }
    }
    assert!(repository("deploy").join(text(service, "/build/context")).join("Dockerfile").exists(), "{whence}");
    config
}

#[test]
fn every_callsign_serves_and_is_locked_in() {
    for (file, count) in [("deploy/compose.yaml", 1), ("deploy/compose.cluster.yaml", 2)] {
        let (_, services) = compose(file);
        let ours: Vec<_> = services.iter().filter(|(_, service)| text(service, "/image") == "callsign").collect();
        assert_eq!(ours.len(), count, "{file}");
        for (name, service) in ours {
            callsign(file, name, service);
        }
    }
}

#[test]
fn what_services_name_is_there_and_nothing_is_open_to_the_world() {
    for file in ["deploy/compose.yaml", "deploy/compose.cluster.yaml"] {
        let (document, services) = compose(file);
        let defined = |kind: &str, name: &str| at(&document, kind).as_object().unwrap().contains_key(name);
        for (name, service) in &services {
            for secret in list(service, "/secrets") {
                assert!(defined("/secrets", text(secret, "")), "{file}: {name}: {secret}");
            }
            for volume in list(service, "/volumes") {
                let (source, _) = text(volume, "").split_once(':').unwrap();
                let there = if source.starts_with('.') {
                    repository("deploy").join(source).exists()
                } else {
                    defined("/volumes", source)
                };
                assert!(there, "{file}: {name}: {volume}");
            }
            for port in list(service, "/ports") {
                assert!(text(port, "").starts_with("127.0.0.1:"), "{file}: {name}: {port}");
            }
            let waits_for = match service.get("depends_on") {
                Some(Value::Array(names)) => names.iter().map(|name| text(name, "").to_owned()).collect(),
                Some(Value::Object(names)) => names.keys().cloned().collect(),
                _ => Vec::new(),
            };
            assert!(waits_for.iter().all(|other| services.contains_key(other)), "{file}: {name}: {waits_for:?}");
        }
    }
}

#[test]
fn open_web_ui_finds_callsign_and_says_who_asks() {
    let file = "deploy/compose.yaml";
    let (_, services) = compose(file);
    let config = callsign(file, "callsign", &services["callsign"]);
    let app = &services["open-webui"];
    let base = format!("http://callsign:{}/v1", config.data.listen.port());
    assert_eq!(text(app, "/environment/OPENAI_API_BASE_URL"), base);
    assert_eq!(text(app, "/environment/ENABLE_FORWARD_USER_INFO_HEADERS"), "true");
    assert_eq!(text(app, "/depends_on/callsign/condition"), "service_healthy");
    assert!(config.ledger.store.is_some(), "the volume is unused without a ledger");
    assert!(list(&services["callsign"], "/volumes").iter().any(|volume| text(volume, "").ends_with(":/data")));
}

#[test]
fn the_nodes_of_a_cluster_are_alike_and_share_what_has_to_be_shared() {
    let file = "deploy/compose.cluster.yaml";
    let (_, services) = compose(file);
    let nodes: Vec<_> = services.iter().filter(|(_, service)| text(service, "/image") == "callsign").collect();
    let balancer = read("deploy/haproxy/haproxy.cfg");
    for (name, node) in &nodes {
        let config = callsign(file, name, node);
        assert_eq!(variables(node), variables(nodes[0].1), "{name}");
        assert!(matches!(config.ledger.store, Some(Store::Postgres(_))), "{name}: the nodes do not share a ledger");
        assert_eq!(config.drain.delay, Duration::from_secs(5), "{name}: the load balancer needs this long to notice");
        let server = format!("server {name} {name}:{}\n", config.data.listen.port());
        assert!(balancer.contains(&server), "haproxy.cfg has no {server}");
        assert!(balancer.contains(&format!("check port {} ", config.admin.listen.unwrap().port())));
    }
    assert_eq!(balancer.matches("    server ").count(), nodes.len(), "haproxy.cfg lists servers that do not exist");
    let store = text(nodes[0].1, "/environment/CALLSIGN_LIMIT_STORE");
    let host = store.strip_prefix("redis://").and_then(|rest| rest.split(':').next()).unwrap();
    assert!(services.contains_key(host), "{store}");
}
