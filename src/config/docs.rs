//! Tests of the documentation: `docs/configuration.md` and `config/callsign.toml` equal their rendering from the
//! settings table, and every file in `config/` and every page in `docs/identity/` is a configuration that loads.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::settings::{SECTIONS, Section, Setting, by_id};
use super::{Config, ConfigInputs};
use callsign_core::auth::issuer::preset::IssuerPreset;
use callsign_core::auth::preset::Preset;
use callsign_core::identity::secret::PLACEHOLDERS;

const INTRO: &str = "\
# Configuration

<!-- Rendered from src/config/settings/table.rs by `UPDATE_DOCS=1 cargo test --lib config::docs`. -->

callsign reads its settings from four layers; a later layer overrides an earlier one:

1. the defaults below,
2. `/etc/callsign/defaults.toml`, if that file exists (the container image has one),
3. the TOML file named by `--config` or `CALLSIGN_CONFIG`,
4. environment variables.

`callsign config` prints every setting with its value and the source of the value. `callsign serve` and `callsign check`
report all problems of a configuration at once and exit with 2.

* Switches take `true`, `1`, `yes`, `on` and `false`, `0`, `no`, `off`, in any case. An empty variable counts as unset.
* Every secret can be read from a file: set `NAME_FILE`, in TOML `name_file`, to its path. One line break at the end of
  the file is dropped. Setting both forms is an error.
* Relative paths are resolved against the working directory of callsign.
* An unknown `CALLSIGN_*` variable or TOML key is an error that names the nearest setting, and so is any other variable whose
  name is a misspelt setting (`SEND_USER_ID`, `USER_FORMAT`). The variables that Kubernetes injects for a Service called
  callsign (`CALLSIGN_SERVICE_HOST`, `CALLSIGN_PORT_8484_TCP_ADDR`, …) are ignored.
* A list is a TOML array; in a variable its entries are separated by commas or line breaks.
* An `OPENROUTER_*` variable that is no setting causes a warning. `OPENROUTER_BASE_URL` is for apps: they find callsign by it.

`config/callsign.toml` lists every setting, commented out. Each other file in `config/` is ready for one kind of app.
";

const TOML_INTRO: &str = "\
# callsign.toml: every setting, commented out, with its default or an example. docs/configuration.md lists them in
# tables. Environment variables override this file. Keep secrets in files of their own: NAME_file is the path of one.
#
#   callsign check --config callsign.toml     reports every problem and tests the configuration
#   callsign config --config callsign.toml    prints every value and its source
";

fn markdown() -> String {
    let mut out = INTRO.to_owned();
    for section in SECTIONS {
        write!(out, "\n## {}\n\n", section.title).unwrap();
        if !section.intro.is_empty() {
            write!(out, "{}\n\n", section.intro).unwrap();
        }
        out.push_str("| variable | TOML | default | meaning |\n|---|---|---|---|\n");
        for setting in section.settings {
            let code = |text: &str| format!("`{text}`");
            let file =
                |name: &str, suffix: &str| if setting.secret { format!(", `{name}{suffix}`") } else { String::new() };
            let variable = setting.variable.map_or("–".to_owned(), |name| code(name) + &file(name, "_FILE"));
            let path = setting.path.map_or("–".to_owned(), |path| code(path) + &file(path, "_file"));
            let default = setting.default.map_or("–".to_owned(), code);
            let unit = setting.unit.map_or(String::new(), |unit| format!(" Unit: {unit}."));
            let doc = setting.doc.replace('|', "\\|");
            writeln!(out, "| {variable} | {path} | {default} | {doc}{unit} |").unwrap();
        }
        if section.settings.iter().any(|setting| setting.id() == "id_secret") {
            let placeholders: Vec<_> = PLACEHOLDERS.iter().map(|text| format!("`{text}`")).collect();
            write!(out, "\nRefused as an identifier secret, in any case: one character repeated, and ").unwrap();
            writeln!(out, "{}.", placeholders.join(", ")).unwrap();
        }
    }
    out
}

fn toml() -> String {
    let mut out = TOML_INTRO.to_owned();
    for section in SECTIONS {
        let Some(table) = section.settings.iter().find_map(|setting| setting.path) else { continue };
        write!(out, "\n# ---- {} ----\n", section.title).unwrap();
        comment(&mut out, section.intro);
        out.push_str(&header(table));
        for setting in section.settings {
            let Some(path) = setting.path else { continue };
            out.push('\n');
            let variable = setting.variable.map_or(String::new(), |name| format!(" ({name})"));
            let unit = setting.unit.map_or(String::new(), |unit| format!(" Unit: {unit}."));
            comment(&mut out, &format!("{}{unit}{variable}", setting.doc));
            writeln!(out, "#{}", assignment(path, setting)).unwrap();
        }
    }
    out
}

/// Returns the TOML header of a section. Lists and `[presets.NAME]` are commented out.
fn header(path: &str) -> String {
    if let Some((list, _)) = path.split_once("[].") {
        return format!("#[[{list}]]\n");
    }
    match path.split_once('.') {
        None => String::new(),
        Some(("presets", _)) => "#[presets.house]\n".to_owned(),
        Some((table, _)) => format!("[{table}]\n"),
    }
}

fn assignment(path: &str, setting: &Setting) -> String {
    let in_entry = path.split_once("[].").map(|(_, inside)| inside);
    let inside = path.strip_prefix("presets.*.").or(in_entry);
    let inside = inside.or_else(|| path.split_once('.').map(|(_, inside)| inside));
    let name = match inside.unwrap_or(path) {
        "*" => "deployment".to_owned(),
        name => name.replace('*', "app"),
    };
    match setting.default {
        _ if setting.secret => format!("{name}_file = \"/run/secrets/{name}\""),
        Some(text) if text.parse::<u64>().is_ok() || matches!(text, "true" | "false") => format!("{name} = {text}"),
        Some(text) => format!("{name} = \"{text}\""),
        None => format!("{name} = {}", setting.example),
    }
}

/// Writes `text` as comment lines of at most 118 columns.
fn comment(out: &mut String, text: &str) {
    let mut column = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count() + 1;
        if column == 0 || column + length > 118 {
            out.push_str(if column == 0 { "#" } else { "\n#" });
            column = 1;
        }
        write!(out, " {word}").unwrap();
        column += length;
    }
    if column > 0 {
        out.push('\n');
    }
}

fn repository(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

#[expect(clippy::disallowed_methods, reason = "UPDATE_DOCS makes this test write the files")]
fn is_to_write() -> bool {
    std::env::var_os("UPDATE_DOCS").is_some()
}

fn assert_rendered(file: &str, rendered: &str) {
    let path = repository(file);
    if is_to_write() {
        std::fs::write(&path, rendered).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    let hint = "run: UPDATE_DOCS=1 cargo test --lib config::docs";
    if let Some((line, (left, right))) =
        committed.lines().zip(rendered.lines()).enumerate().find(|(_, (left, right))| left != right)
    {
        panic!("{file} differs from the table of settings in line {}:\n- {left}\n+ {right}\n{hint}", line + 1);
    }
    assert_eq!(committed.len(), rendered.len(), "{file} is not as long as the table of settings says; {hint}");
}

#[test]
fn the_reference_is_rendered_from_the_table() {
    assert_rendered("docs/configuration.md", &markdown());
}

#[test]
fn the_example_file_is_rendered_from_the_table() {
    assert_rendered("config/callsign.toml", &toml());
}

#[test]
fn the_example_file_is_valid_with_every_line_uncommented() {
    // Uncommented, `#listen = …` is a setting and `# prose` is not. Secret files do not exist here, and settings that
    // exclude each other (`user` and `preset` of a key, `jwks_url` and `jwks_file` of an issuer) are left out.
    let alternatives = ["#preset = \"openwebui\"", "#issuer = \"owui-2\"", "#jwks_file", "#signer"];
    let text: Vec<_> = std::fs::read_to_string(repository("config/callsign.toml"))
        .unwrap()
        .lines()
        .filter(|line| !line.contains("/run/secrets/") && !alternatives.iter().any(|start| line.starts_with(start)))
        .map(|line| {
            line.strip_prefix('#').filter(|rest| !rest.starts_with(' ') && !rest.is_empty()).unwrap_or(line).to_owned()
        })
        .collect();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("callsign.toml");
    std::fs::write(&path, text.join("\n")).unwrap();
    // Required by `archive.dir` and by the tenant's format; the example file would read them from other files.
    let secrets = [
        ("CALLSIGN_ARCHIVE_PASSWORD", "correct horse battery staple"),
        ("CALLSIGN_ID_SECRET", "a-secret-of-this-test"),
    ];
    let loaded = Config::load(&ConfigInputs::environment(secrets).file(Some(path)));
    let loaded = loaded.unwrap_or_else(|problems| panic!("{problems}"));
    let unset: Vec<_> = loaded.effective.iter().filter(|row| row.source == "default" || row.value.is_none()).collect();
    let secrets = unset.iter().filter(|row| by_id(&row.name).is_some_and(|setting| setting.secret));
    assert_eq!(unset.len(), secrets.count(), "{unset:?}");
}

/// Returns the commands in a text, `NAME=… callsign serve …`, each on one line.
fn commands(text: &str) -> Vec<String> {
    let joined = text.replace("\\\n", " ");
    joined.lines().filter(|line| line.contains("callsign serve")).map(str::to_owned).collect()
}

/// Returns the variables of a command with placeholders such as `sk-or-…` filled in.
fn shown_variables(command: &str) -> Vec<(String, String)> {
    let words = command.split_whitespace().filter_map(|word| word.split_once('='));
    words.map(|(name, value)| (name.to_owned(), value.replace('…', "-0123456789abcdef"))).collect()
}

/// Creates the secret files that a text names, and returns the text with their paths.
fn with_secret_files(text: &str, directory: &Path) -> String {
    const HOME: &str = "/run/secrets/";
    for (index, rest) in text.split(HOME).skip(1).enumerate() {
        let name = rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').next().unwrap();
        std::fs::write(directory.join(name), format!("0123456789abcdef-{index}\n")).unwrap();
    }
    text.replace(HOME, &format!("{}/", directory.display()))
}

/// Loads a TOML text with the variables of a command as `serve` does, and expects no problem and no warning.
fn assert_serves(page: &str, command: &str, toml: &str) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("callsign.toml");
    std::fs::write(&path, with_secret_files(toml, directory.path())).unwrap();
    let variables = shown_variables(&with_secret_files(command, directory.path()));
    match Config::load(&ConfigInputs::environment(variables).file(Some(path)).serving()) {
        Ok(loaded) => assert!(loaded.warnings.is_empty(), "{page}: {:?}", loaded.warnings),
        Err(problems) => panic!("{page}: {problems}"),
    }
}

/// Returns name and content of the files with this extension in a directory of the repository, sorted by name.
fn files(directory: &str, extension: &str) -> Vec<(String, String)> {
    let entries = std::fs::read_dir(repository(directory)).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .map(|path| (path.file_stem().unwrap().display().to_string(), std::fs::read_to_string(&path).unwrap()))
        .collect();
    files.sort_unstable();
    files
}

/// Returns the ready-made files in `config/`, one per identity source.
fn ready_files() -> Vec<(String, String)> {
    files("config", "toml").into_iter().filter(|(name, _)| name != "callsign").collect()
}

#[test]
fn every_ready_file_serves_as_its_first_lines_say_and_warns_of_nothing() {
    for (name, text) in ready_files() {
        let commands = commands(&text);
        assert!(commands[0].ends_with(&format!("--config config/{name}.toml")), "{name}: {commands:?}");
        assert_serves(&name, &commands[0], &text);
    }
}

#[test]
fn there_is_a_ready_file_for_every_preset() {
    let names: Vec<_> = ready_files().into_iter().map(|(name, _)| name).collect();
    let presets = Preset::names().chain(IssuerPreset::names());
    for name in presets.chain(["own-preset", "passthrough", "personal-keys", "tenants"]) {
        assert!(names.iter().any(|file| file == name), "config/{name}.toml");
    }
}

/// Returns the lines of a TOML text that are not comments.
fn settings_of(toml: &str) -> Vec<&str> {
    toml.lines().map(str::trim_end).filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

#[test]
fn every_identity_source_has_a_page_that_serves_as_it_says() {
    let pages = files("docs/identity", "md");
    let overview = &pages.iter().find(|(name, _)| name == "README").unwrap().1;
    for (name, ready) in ready_files() {
        let page = &pages.iter().find(|(page, _)| *page == name).unwrap_or_else(|| panic!("docs/identity/{name}.md")).1;
        let (_, block) = page.split_once("```toml\n").unwrap_or_else(|| panic!("{name}: no configuration"));
        let (toml, rest) = block.split_once("```").unwrap();
        assert!(!rest.contains("```toml"), "{name}: one configuration");
        assert_eq!(settings_of(toml), settings_of(&ready), "the page and config/{name}.toml say the same");
        let commands = commands(page);
        assert!(commands.iter().any(|command| command.contains("--config callsign.toml")), "{name}: {commands:?}");
        for command in &commands {
            assert_serves(&name, command, if command.contains("--config") { toml } else { "" });
        }
        assert!(overview.contains(&format!("({name}.md)")), "docs/identity/README.md lists {name}");
    }
    assert_eq!(pages.len(), ready_files().len() + 1, "no page without a ready file, but the overview");
}

#[test]
fn every_row_has_what_its_kind_needs() {
    for setting in SECTIONS.iter().flat_map(|Section { settings, .. }| *settings) {
        let id = setting.id();
        assert!(setting.doc.ends_with('.'), "{id}: the doc line is a sentence");
        let shown =
            setting.default.is_some() || setting.secret || !setting.example.is_empty() || setting.path.is_none();
        assert!(shown, "{id}: nothing to show in the example file");
        assert!(
            setting
                .variable
                .is_none_or(|name| name.bytes().all(|b| b.is_ascii_uppercase() || b"_0123456789".contains(&b))),
            "{id}"
        );
    }
}
