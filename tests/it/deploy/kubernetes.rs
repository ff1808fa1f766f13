//! Checks the Kubernetes manifests.

use std::time::Duration;

use callsign::config::Config;
use callsign_store::ledger::settings::Store;
use serde_json::{Value, json};

use super::{USER, Variables, at, container_serves, documents, files, list, text};

const SECRETS: &str = "/run/secrets/callsign/";

/// Returns the objects of this kind in all files, with their file names.
fn objects(kind: &str) -> Vec<(String, Value)> {
    let all = files("deploy/kubernetes").into_iter().flat_map(|file| {
        let named = documents(&file).into_iter();
        named.map(move |object| (file.clone(), object)).collect::<Vec<_>>()
    });
    all.filter(|(_, object)| text(object, "/kind") == kind).collect()
}

fn variables(container: &Value) -> Variables {
    let entries = list(container, "/env").iter();
    entries.map(|entry| (text(entry, "/name").to_owned(), text(entry, "/value").to_owned())).collect()
}

/// A Pod that contains callsign.
struct Pod {
    file: String,
    spec: Value,
    labels: Value,
    callsign: Value,
    config: Config,
}

fn pods() -> Vec<Pod> {
    let deployments = objects("Deployment").into_iter();
    deployments
        .map(|(file, deployment)| {
            let spec = at(&deployment, "/spec/template/spec").clone();
            let labels = at(&deployment, "/spec/template/metadata/labels").clone();
            assert_eq!(at(&deployment, "/spec/selector/matchLabels"), &labels, "{file}");
            let containers = list(&spec, "/containers").iter().chain(list(&spec, "/initContainers"));
            let callsign = containers.into_iter().find(|one| text(one, "/name") == "callsign").unwrap().clone();
            let config = container_serves(&file, &variables(&callsign), SECRETS);
            Pod { file, spec, labels, callsign, config }
        })
        .collect()
}

/// Returns true if the selector matches Pods with these labels.
fn chosen(selector: &Value, labels: &Value) -> bool {
    selector.as_object().unwrap().iter().all(|(name, value)| labels.get(name) == Some(value))
}

#[test]
fn every_pod_serves_and_waits_until_nobody_sends_requests() {
    let pods = pods();
    assert_eq!(pods.len(), 2, "expected the sidecar and the deployment");
    for Pod { file, spec, callsign, config, .. } in pods {
        assert_eq!(text(&callsign, "/image"), concat!("callsign:", env!("CARGO_PKG_VERSION")), "{file}");
        assert_eq!(config.drain.delay, Duration::from_secs(5), "{file}");
        let grace = at(&spec, "/terminationGracePeriodSeconds").as_u64().unwrap();
        assert!(
            Duration::from_secs(grace) > config.drain.total,
            "{file}: the grace period is not longer than the drain"
        );
        let admin = u64::from(config.admin.listen.unwrap().port());
        assert!(list(&callsign, "/ports").contains(&json!({"name": "admin", "containerPort": admin})), "{file}");
        for (probe, path) in [("startup", "/readyz"), ("readiness", "/readyz"), ("liveness", "/healthz")] {
            let get = at(&callsign, &format!("/{probe}Probe/httpGet"));
            assert_eq!(get, &json!({"path": path, "port": "admin"}), "{file}: {probe}");
        }
    }
}

#[test]
fn nothing_can_be_written_or_gained_in_a_container() {
    for Pod { file, spec, callsign, .. } in pods() {
        let own = at(&callsign, "/securityContext");
        assert_eq!(at(own, "/readOnlyRootFilesystem"), true, "{file}");
        assert_eq!(at(own, "/allowPrivilegeEscalation"), false, "{file}");
        assert_eq!(at(own, "/capabilities"), &json!({"drop": ["ALL"]}), "{file}");
        let either = |name: &str| own.get(name).or_else(|| spec["securityContext"].get(name));
        assert_eq!(either("runAsNonRoot"), Some(&json!(true)), "{file}");
        assert_eq!(either("runAsUser"), Some(&json!(USER)), "{file}");
        assert_eq!(
            at(&spec, "/securityContext/fsGroup"),
            USER,
            "{file}: the group that reads secrets and writes /data"
        );
        assert_eq!(text(&spec, "/securityContext/seccompProfile/type"), "RuntimeDefault", "{file}");
        assert_eq!(at(&spec, "/automountServiceAccountToken"), false, "{file}");
        // Readers of YAML disagree about octal numbers.
        let secrets = list(&spec, "/volumes").iter().find(|volume| volume["name"] == "secrets").unwrap();
        assert_eq!(at(secrets, "/secret/defaultMode").as_u64(), Some(0o440), "{file}");
    }
}

#[test]
fn what_is_mounted_is_there() {
    for Pod { file, spec, callsign, config, .. } in pods() {
        let volumes = list(&spec, "/volumes");
        let paths: Vec<_> = list(&callsign, "/volumeMounts").iter().map(|mount| text(mount, "/mountPath")).collect();
        assert_eq!(paths, [SECRETS.trim_end_matches('/'), "/data"], "{file}");
        assert_eq!(config.ledger.data_dir.as_deref(), Some("/data".as_ref()), "{file}");
        for mount in list(&callsign, "/volumeMounts") {
            assert!(volumes.iter().any(|volume| volume["name"] == mount["name"]), "{file}: {mount}");
        }
        for claim in volumes.iter().filter_map(|volume| volume.pointer("/persistentVolumeClaim/claimName")) {
            assert!(objects("PersistentVolumeClaim").iter().any(|(_, object)| at(object, "/metadata/name") == claim));
        }
    }
}

#[test]
fn a_pod_without_postgresql_keeps_its_directory_and_has_it_alone() {
    for (file, deployment) in objects("Deployment") {
        let pod = pods().into_iter().find(|pod| pod.file == file).unwrap();
        if matches!(pod.config.ledger.store, Some(Store::Postgres(_))) {
            continue;
        }
        assert_eq!(at(&deployment, "/spec/replicas"), 1, "{file}");
        assert_eq!(text(&deployment, "/spec/strategy/type"), "Recreate", "{file}");
        let data =
            list(&pod.callsign, "/volumeMounts").iter().find(|mount| text(mount, "/mountPath") == "/data").unwrap();
        let volume = list(&pod.spec, "/volumes").iter().find(|volume| volume["name"] == data["name"]).unwrap();
        assert!(volume.get("persistentVolumeClaim").is_some(), "{file}: {volume}");
    }
}

#[test]
fn a_sidecar_is_reached_by_its_app_alone() {
    let pod = pods().into_iter().find(|pod| pod.file.ends_with("sidecar.yaml")).unwrap();
    let [sidecar] = list(&pod.spec, "/initContainers") else { panic!("one sidecar") };
    assert_eq!(text(sidecar, "/restartPolicy"), "Always");
    assert!(pod.config.data.listen.ip().is_loopback());
    let [app] = list(&pod.spec, "/containers") else { panic!("one app") };
    let base = list(app, "/env").iter().find(|entry| entry["name"] == "OPENAI_API_BASE_URL").unwrap();
    assert_eq!(text(base, "/value"), format!("http://{}/v1", pod.config.data.listen));
}

#[test]
fn the_service_the_budget_and_the_policy_mean_the_deployment() {
    let pods = pods();
    let pod = pods.iter().find(|pod| pod.file.ends_with("deployment.yaml")).unwrap();
    assert!(matches!(pod.config.ledger.store, Some(Store::Postgres(_))), "several replicas need a shared ledger");
    assert!(variables(&pod.callsign).iter().any(|(name, _)| name.starts_with("CALLSIGN_LIMIT_STORE")));
    let ports: Vec<_> = list(&pod.callsign, "/ports").iter().map(|port| text(port, "/name")).collect();
    assert_eq!(ports, ["data", "admin"]);
    let data = u64::from(pod.config.data.listen.port());
    assert_eq!(at(&pod.callsign, "/ports/0/containerPort"), data);

    let named =
        |kind| objects(kind).into_iter().find(|(_, object)| at(object, "/metadata/name") == "callsign").unwrap().1;
    let service = named("Service");
    assert!(chosen(at(&service, "/spec/selector"), &pod.labels));
    let [port] = list(&service, "/spec/ports") else { panic!("the data port alone") };
    assert_eq!((text(port, "/targetPort"), at(port, "/port").as_u64()), ("data", Some(data)));
    let budget = named("PodDisruptionBudget");
    assert!(chosen(at(&budget, "/spec/selector/matchLabels"), &pod.labels));
    let policy = named("NetworkPolicy");
    assert!(chosen(at(&policy, "/spec/podSelector/matchLabels"), &pod.labels));
    assert_eq!(at(&policy, "/spec/policyTypes"), &json!(["Ingress", "Egress"]));
    for rule in list(&policy, "/spec/ingress") {
        assert!(!list(rule, "/from").is_empty(), "the rule lets everybody in: {rule}");
        assert!(list(rule, "/ports").iter().all(|port| ports.contains(&text(port, "/port"))), "{rule}");
    }
    let out: Vec<_> =
        list(&policy, "/spec/egress").iter().map(|rule| at(rule, "/ports/0/port").as_u64().unwrap()).collect();
    assert_eq!(out, [53, 443, 5432, 6379]);

    // Nothing selects the sidecar's Pods.
    let sidecar = pods.iter().find(|pod| pod.file.ends_with("sidecar.yaml")).unwrap();
    for selector in [at(&service, "/spec/selector"), at(&policy, "/spec/podSelector/matchLabels")] {
        assert!(!chosen(selector, &sidecar.labels));
    }
}
