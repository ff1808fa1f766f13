//! Gateways of other projects that parse JSON too: LiteLLM (PyPI: `litellm[proxy]`) and Portkey (npm:
//! `@portkey-ai/gateway`).
//!
//! Each is started as its documentation says, with one worker per core if it has workers, and must be on the PATH.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::workload::KEY;

/// Returns the command of a LiteLLM proxy that passes every model on to `upstream` and accepts one key.
pub(crate) fn litellm(address: SocketAddr, upstream: SocketAddr, directory: &Path) -> Command {
    let file = directory.join("litellm.yaml");
    let text = format!(
        "model_list:\n- model_name: \"*\"\n  litellm_params:\n    model: \"openai/*\"\n    api_base: http://{upstream}/v1\n    \
         api_key: sk-or-benchmark\ngeneral_settings:\n  master_key: {KEY}\nlitellm_settings:\n  telemetry: false\n"
    );
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new("litellm");
    command.args(["--host", "127.0.0.1", "--num_workers", "2", "--port", &address.port().to_string()]);
    // LITELLM_LOCAL_MODEL_COST_MAP uses the packaged price table instead of downloading one at start.
    command.arg("--config").arg(file).env("LITELLM_LOCAL_MODEL_COST_MAP", "True").env("LITELLM_LOG", "ERROR");
    command
}

/// Returns the command of Portkey's gateway.
pub(crate) fn portkey(address: SocketAddr) -> Command {
    let mut command = Command::new("gateway");
    command.arg(format!("--port={}", address.port())).arg("--headless");
    command
}

/// Returns the headers that set the upstream of Portkey's gateway.
pub(crate) fn portkey_headers(upstream: SocketAddr) -> String {
    format!("x-portkey-provider: openai\r\nx-portkey-custom-host: http://{upstream}/v1\r\n")
}
