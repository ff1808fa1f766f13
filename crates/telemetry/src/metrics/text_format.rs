//! The older text format of Prometheus, made from OpenMetrics
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/#text-format-details>). Scrapers that do not ask for
//! OpenMetrics expect it.

/// Returns the text in the format 0.0.4. A family has the name of its samples there, which OpenMetrics extends by a
/// suffix for counters and infos.
pub(super) fn from_openmetrics(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // The help comes before the type, which decides about the name.
    let mut help = None;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ').map(|(_, help)| help);
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            let (suffix, kind) = match kind {
                "counter" => ("_total", kind),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                _ => ("", kind),
            };
            if let Some(help) = help.take() {
                out.extend(["# HELP ", name, suffix, " ", help, "\n"]);
            }
            out.extend(["# TYPE ", name, suffix, " ", kind, "\n"]);
        } else if !line.starts_with('#') {
            out.extend([line, "\n"]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_have_the_names_of_their_samples() {
        let openmetrics = "# HELP a Requests.\n# TYPE a counter\na_total{x=\"# TYPE\"} 1\n# HELP b_seconds Time.\n\
                           # TYPE b_seconds histogram\n# UNIT b_seconds seconds\nb_seconds_bucket{le=\"1\"} 2\n\
                           # HELP c Build.\n# TYPE c info\nc_info{v=\"1\"} 1\n# TYPE d gauge\nd 3\n# EOF\n";
        assert_eq!(
            from_openmetrics(openmetrics),
            "# HELP a_total Requests.\n# TYPE a_total counter\na_total{x=\"# TYPE\"} 1\n# HELP b_seconds Time.\n\
             # TYPE b_seconds histogram\nb_seconds_bucket{le=\"1\"} 2\n# HELP c_info Build.\n# TYPE c_info gauge\n\
             c_info{v=\"1\"} 1\n# TYPE d gauge\nd 3\n"
        );
    }
}
