//! Gateways of other projects that read JSON too: LiteLLM (PyPI: `litellm[proxy]`) and Portkey (npm: `@portkey-ai/gateway`).
//!
//! Each is started as its documentation says, with one worker per core where it has workers, if its program is on the PATH.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::peers::KEY;

/// LiteLLM as a proxy that passes every model on to `upstream`, and knows one key.
pub(crate) fn litellm(address: SocketAddr, upstream: SocketAddr, directory: &Path) -> Command {
    let file = directory.join("litellm.yaml");
    let text = format!(
        "model_list:\n- model_name: \"*\"\n  litellm_params:\n    model: \"openai/*\"\n    api_base: http://{upstream}/v1\n    \
         api_key: sk-or-benchmark\ngeneral_settings:\n  master_key: {KEY}\nlitellm_settings:\n  telemetry: false\n"
    );
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new("litellm");
    command.args(["--host", "127.0.0.1", "--num_workers", "2", "--port", &address.port().to_string()]);
    // Its table of prices comes with it; otherwise it would be fetched at the start.
    command.arg("--config").arg(file).env("LITELLM_LOCAL_MODEL_COST_MAP", "True").env("LITELLM_LOG", "ERROR");
    command
}

/// Portkey's gateway.
pub(crate) fn portkey(address: SocketAddr) -> Command {
    let mut command = Command::new("gateway");
    command.arg(format!("--port={}", address.port())).arg("--headless");
    command
}

/// The headers that tell Portkey's gateway where a request goes.
pub(crate) fn portkey_headers(upstream: SocketAddr) -> String {
    format!("x-portkey-provider: openai\r\nx-portkey-custom-host: http://{upstream}/v1\r\n")
}
