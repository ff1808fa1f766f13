//! The graph of a crate's modules, and the circles in it. An arrow leads from a file to each file whose names it uses.
//! Re-exports are followed to the definition; `mod child;` alone is no arrow.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::rust_paths::{Names, Paths};

/// The longest chain of re-exports that is followed.
const MAX_HOPS: usize = 8;

/// For each file the files that it takes names from, and those names.
type Arrows = Vec<BTreeMap<usize, BTreeSet<String>>>;

struct File {
    shown: String,
    /// The module's path from the root of the crate: `["ledger", "query"]`.
    module: Names,
    paths: Paths,
}

/// The modules of one crate.
pub(super) struct Modules {
    files: Vec<File>,
    by_module: BTreeMap<Names, usize>,
}

impl Modules {
    /// Reads the sources below `source`. Skips test files, and `main.rs`, which is a crate that nothing imports.
    pub(super) fn read(source: &Path) -> Self {
        let read = |path: &Path| {
            let module = module_of(path.strip_prefix(source).unwrap())?;
            let paths = Paths::read(&fs::read_to_string(path).unwrap());
            Some(File { shown: super::shown(path), module, paths })
        };
        let files: Vec<File> = super::files_below(source).iter().filter_map(|path| read(path)).collect();
        let by_module = files.iter().enumerate().map(|(index, file)| (file.module.clone(), index)).collect();
        Self { files, by_module }
    }

    /// Describes each set of files that reach one another, arrow by arrow.
    pub(super) fn circles(&self) -> Vec<String> {
        let arrows = self.arrows();
        let reached: Vec<BTreeSet<usize>> = (0..arrows.len()).map(|from| reach(&arrows, from)).collect();
        let circle_of = |from: usize| -> BTreeSet<usize> {
            reached[from].iter().copied().filter(|to| reached[*to].contains(&from)).collect()
        };
        let circles: BTreeSet<_> = (0..arrows.len()).map(circle_of).filter(|circle| !circle.is_empty()).collect();
        circles.iter().map(|circle| self.describe(circle, &arrows)).collect()
    }

    fn describe(&self, circle: &BTreeSet<usize>, arrows: &Arrows) -> String {
        let arrow = |from: usize, to: usize, names: &BTreeSet<String>| {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            format!("  {} -> {}: {}\n", self.files[from].shown, self.files[to].shown, names.join(", "))
        };
        let lines = circle.iter().flat_map(|from| {
            let inside = arrows[*from].iter().filter(|(to, _)| circle.contains(to));
            inside.map(move |(to, names)| arrow(*from, *to, names))
        });
        format!("a circle of {} files:\n{}", circle.len(), lines.collect::<String>())
    }

    fn arrows(&self) -> Arrows {
        let arrows_of = |(index, file): (usize, &File)| {
            let mut arrows: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
            let paths = file.paths.imports.iter().map(|(_, path)| path).chain(&file.paths.mentions);
            let items = paths.filter_map(|path| self.definer(&self.resolve(file, path, 0)?, 0));
            for (target, name) in items.filter(|(target, _)| *target != index) {
                arrows.entry(target).or_default().insert(name);
            }
            arrows
        };
        self.files.iter().enumerate().map(arrows_of).collect()
    }

    /// Resolves a path written in `file` to one from the crate's root. Returns `None` if it leads to another crate.
    fn resolve(&self, file: &File, path: &[String], hops: usize) -> Option<Names> {
        let mut base = file.module.clone();
        let mut rest = path;
        while let [first, after @ ..] = rest {
            match first.as_str() {
                "crate" => base.clear(),
                "super" => drop(base.pop()),
                "self" => {}
                _ => break,
            }
            rest = after;
        }
        let absolute = [base, rest.to_vec()].concat();
        if rest.len() < path.len() || self.by_module.contains_key(&absolute[..=file.module.len()]) {
            return Some(absolute);
        }
        let bound = file.bound_to(&path[0]).filter(|_| hops < MAX_HOPS)?;
        self.resolve(file, &[bound, &path[1..]].concat(), hops + 1)
    }

    /// Returns the file that defines what a path from the crate's root names, and the first name in that file.
    /// Returns `None` for a path to a module: the paths that go on from it are arrows, and the module's name is not.
    fn definer(&self, path: &[String], hops: usize) -> Option<(usize, String)> {
        let length = (0..=path.len()).rev().find(|length| self.by_module.contains_key(&path[..*length]))?;
        let index = self.by_module[&path[..length]];
        let (name, rest) = path[length..].split_first()?;
        let file = &self.files[index];
        let bound = file.bound_to(name).filter(|_| hops < MAX_HOPS);
        match bound.and_then(|bound| self.resolve(file, bound, 0)) {
            Some(exported) => self.definer(&[exported.as_slice(), rest].concat(), hops + 1),
            None => Some((index, name.clone())),
        }
    }
}

impl File {
    /// The path that a `use` declaration of this file binds a name to.
    fn bound_to(&self, name: &str) -> Option<&[String]> {
        self.paths.imports.iter().find(|(local, _)| local == name).map(|(_, path)| path.as_slice())
    }
}

/// The module of a source file, from its path below `src/`: `ledger/query.rs` is `["ledger", "query"]`.
fn module_of(path: &Path) -> Option<Names> {
    let (name, extension) = path.to_str()?.rsplit_once('.')?;
    let mut module: Names = name.split('/').map(str::to_owned).collect();
    let is_test = module.iter().any(|part| part == "tests");
    if name == "lib" || module.last()? == "mod" {
        module.pop();
    }
    (extension == "rs" && name != "main" && !is_test).then_some(module)
}

/// The files that can be reached from a file by one arrow or more.
fn reach(arrows: &Arrows, from: usize) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut next = vec![from];
    while let Some(file) = next.pop() {
        next.extend(arrows[file].keys().copied().filter(|target| reached.insert(*target)));
    }
    reached
}
