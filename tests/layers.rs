//! The modules import only downwards: no circle between files or top-level modules, and nothing against the order
//! in docs/architecture.md. A folder's `mod.rs` is a file like any other.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

#[path = "support/paths.rs"]
mod paths;

use paths::{Graph, Module, imports};

/// The longest file that still explains one problem.
const LINES: usize = 400;

/// The source of every module below `folder`, which is the module `prefix`.
fn modules(folder: &Path, prefix: &[String], found: &mut BTreeMap<Module, String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let mut module = prefix.to_vec();
        if path.is_dir() {
            module.push(stem);
            modules(&path, &module, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            if stem != "mod" && !(stem == "lib" && prefix.is_empty()) {
                module.push(stem);
            }
            found.insert(module, std::fs::read_to_string(&path).unwrap());
        }
    }
}

/// The circles: modules that each import the others, by any way.
fn circles(graph: &Graph) -> Vec<BTreeSet<Module>> {
    let reach = |from: &Module| {
        let mut reached = BTreeSet::new();
        let mut next = vec![from];
        while let Some(module) = next.pop() {
            next.extend(graph.get(module).into_iter().flatten().filter(|target| reached.insert((*target).clone())));
        }
        reached
    };
    let reached: BTreeMap<&Module, BTreeSet<Module>> = graph.keys().map(|module| (module, reach(module))).collect();
    let circle = |module: &Module| {
        let both = reached[module].iter().filter(|other| reached.get(other).is_some_and(|back| back.contains(module)));
        both.cloned().collect::<BTreeSet<_>>()
    };
    let found: BTreeSet<_> = graph.keys().map(circle).filter(|circle| !circle.is_empty()).collect();
    found.into_iter().collect()
}

/// The imports in circles, one per line.
fn in_circles(graph: &Graph) -> String {
    let mut lines = String::new();
    for circle in circles(graph) {
        for module in &circle {
            for target in graph[module].intersection(&circle) {
                let _ = writeln!(lines, "{} imports {}", shown(module), shown(target));
            }
        }
    }
    lines
}

fn sources() -> BTreeMap<Module, String> {
    let mut found = BTreeMap::new();
    modules(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &[], &mut found);
    assert!(found.len() > 100, "the sources are there");
    found
}

/// A module's place below `src`, for a message.
fn shown(module: &Module) -> String {
    if module.is_empty() { "lib.rs".to_owned() } else { module.join("::") }
}

/// The modules in the order of docs/architecture.md, the top one first.
fn order() -> Vec<String> {
    let text = include_str!("../docs/architecture.md");
    let map = text.split("```text").nth(1).unwrap().split("```").next().unwrap();
    let names = map.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned);
    names.collect()
}

/// Modules with these sources: `a`, `a::b`, `a::b::c`, `d`, `d::e`; `with` replaces the source of one.
fn small(with: &[(&str, &str)]) -> BTreeMap<Module, String> {
    let path = |name: &str| name.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect::<Module>();
    let plain = [
        ("", "mod a;\nmod d;"),
        ("a", "mod b;"),
        ("a::b", "mod c;"),
        ("a::b::c", ""),
        ("a::f", ""),
        ("d", "pub mod e;\npub struct Thing;"),
        ("d::e", "pub struct Thing;"),
    ];
    let all = plain.iter().chain(with).map(|(name, source)| (path(name), (*source).to_owned()));
    all.collect()
}

#[test]
fn files_have_no_import_cycle() {
    let found = in_circles(&imports(&sources()));
    assert!(found.is_empty(), "circles:\n{found}");
}

#[test]
fn top_modules_have_no_import_cycle() {
    let mut tops = Graph::new();
    let top = |module: &Module| module.iter().take(1).cloned().collect::<Module>();
    for (module, targets) in imports(&sources()) {
        for target in targets.iter().filter(|target| top(target) != top(&module)) {
            tops.entry(top(&module)).or_default().insert(top(target));
        }
    }
    let found = in_circles(&tops);
    assert!(found.is_empty(), "circles:\n{found}");
}

#[test]
fn a_module_imports_only_modules_below_it() {
    let order = order();
    let place = |module: &Module| {
        let place = order.iter().position(|known| Some(known) == module.first());
        place.unwrap_or_else(|| panic!("{} is not in docs/architecture.md", shown(module)))
    };
    for (module, targets) in imports(&sources()) {
        if module.is_empty() || matches!(module[0].as_str(), "main" | "internals") {
            continue;
        }
        for target in targets {
            let is_below = place(&module) <= place(&target);
            assert!(is_below, "{} imports {}, which stands above it", shown(&module), shown(&target));
        }
    }
}

#[test]
fn the_public_face_is_what_docs_library_describes() {
    let sources = sources();
    let public = |module: &[&str]| paths::public(&sources[&module.iter().map(ToString::to_string).collect::<Module>()]);
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    assert_eq!(public(&[]), names(&["alloc", "error", "launch", "secret"]));
    assert_eq!(public(&["launch"]), names(&["OnError", "Request", "run"]));
    assert_eq!(public(&["error"]), names(&["Error", "Kind", "Result"]));
    let text = include_str!("../docs/library.md");
    for name in public(&[]) {
        assert!(text.contains(&format!("`{name}`")) || text.contains(&format!("::{name}`")), "{name}");
    }
}

#[test]
fn each_file_is_short_and_begins_with_what_it_is_for() {
    for (module, source) in sources() {
        assert!(source.starts_with("//! "), "{} does not begin with a `//!` line", shown(&module));
        let lines = source.lines().count();
        assert!(lines <= LINES, "{} has {lines} lines, more than {LINES}", shown(&module));
    }
}

#[test]
fn a_cycle_of_three_files_is_found() {
    let of = |imports: [&str; 3]| {
        let source = |imports| format!("use crate::{imports};\n");
        let plain = ["a", "b", "c"].map(|name| vec![name.to_owned()]);
        let all = plain.into_iter().zip(imports.map(source)).chain([(Vec::new(), String::new())]);
        circles(&paths::imports(&all.collect())).iter().map(BTreeSet::len).collect::<Vec<_>>()
    };
    assert_eq!(of(["b::Thing", "{c::{One, Two}}", "a"]), [3]);
    assert_eq!(of(["b::Thing", "{c::{One, Two}}", "d"]), []);
}

#[test]
fn an_import_in_any_form_would_be_found() {
    const FORMS: [(&str, &str, &str); 37] = [
        ("a", "use crate::d::Thing;", "d"),
        ("a", "use crate::{d::{e::Thing}};", "d::e"),
        ("a", "use crate::{\n    d::{\n        Other,\n        e::{self, Thing},\n    },\n};", "d::e"),
        ("a", "use crate::{x::{y, z}, d::Thing};", "d"),
        ("a", "use crate::d::*;", "d"),
        ("a", "use crate::d::{e::*};", "d::e"),
        ("a", "use crate::d as other;", "d"),
        ("a", "use crate::d as other; fn f() { other::e::f() }", "d::e"),
        ("a", "use crate::d::Thing as _;", "d"),
        ("a", "pub use crate::d::Thing;", "d"),
        ("a", "pub(crate) use crate::d::Thing;", "d"),
        ("a::b", "pub(in crate::a) use crate::d::Thing;", "d"),
        ("a", "fn f() { use crate::d::Thing; }", "d"),
        ("a", "#[cfg(windows)] use crate::d::Thing;", "d"),
        ("a", "#[cfg(windows)] fn f() { crate::d::g() }", "d"),
        ("a", "#[cfg(not(test))] mod inner { use crate::d::Thing; }", "d"),
        ("a", "fn f() -> crate::d::Thing { todo() }", "d"),
        ("a", "fn f() { g::<crate::d::Thing>() }", "d"),
        ("a", "fn f() { println!(\"{}\", crate::d::g()) }", "d"),
        ("a", "macro_rules! m { () => { $crate::d::g() } }", "d"),
        ("a", "fn f() { // crate::x\n    let _ = \"//\"; crate::d::g() }", "d"),
        ("a", "#[serde(with = \"crate::d\")] struct A;", "d"),
        ("a", "#[arg(value_parser = crate::d::g)] struct A;", "d"),
        ("a", "mod inner { fn f() { crate::d::g() } }", "d"),
        ("a", "mod inner { fn f() { super::super::d::g() } }", "d"),
        ("a", "mod inner { use super::b::Thing; }", "a::b"),
        ("a", "mod b; use b::Thing;", "a::b"),
        ("a", "mod b; pub use self::b::Thing;", "a::b"),
        ("a", "mod b; fn f() { b::c::g() }", "a::b::c"),
        ("a", "mod b; fn f() { let _ = A { ..b::Thing::new() }; }", "a::b"),
        ("a", "use jupyter_vault::d::Thing;", "d"),
        ("a::b", "use super::Thing;", "a"),
        ("a::b", "use super::*;", "a"),
        ("a::b", "fn f(pub_: super::Thing) {}", "a"),
        ("a::b", "use super::f; fn g() { f::h() }", "a::f"),
        ("a::b::c", "use super::super::f::Thing;", "a::f"),
        ("a::b::c", "fn f(thing: super::super::Thing) {}", "a"),
    ];
    let path = |name: &str| name.split("::").map(str::to_owned).collect::<Module>();
    for (module, source, target) in FORMS {
        let graph = imports(&small(&[(module, source)]));
        let found = graph.get(&path(module)).is_some_and(|targets| targets.contains(&path(target)));
        assert!(found, "{source}: {graph:?}");
    }
    // A module that is imported by a glob, and items of the root.
    let graph = imports(&small(&[("d", "pub use crate::a::f;"), ("a::b", "use crate::d::*; fn g() { f::h() }")]));
    assert!(graph[&path("a::b")].contains(&path("a::f")), "{graph:?}");
    assert!(imports(&small(&[("a", "use crate::Thing;")]))[&path("a")].contains(&Vec::new()));
}

#[test]
fn what_is_no_import_is_not_taken_for_one() {
    const FORMS: [&str; 8] = [
        "pub(super) fn f() {}\npub(in crate::a) struct A(pub(crate) u8);",
        "#[cfg(test)]\nmod tests { use crate::d::Thing; }",
        "#[cfg(test)]\n#[cfg(unix)]\nmod tests { use crate::d::Thing; }",
        "#[cfg(test)]\nuse crate::d::{Thing, e};\n",
        "/// [`crate::d::Thing`]\nfn f() {}",
        "// crate::d::Thing\nfn f() { g(\"see crate::d::Thing\") }",
        "use d::Thing;\nfn f() { std::crate_::d(); x.d::<u8>(); y::d::g() }",
        "mod c; fn f() { self::g(); Self::h() }",
    ];
    for source in FORMS {
        assert_eq!(imports(&small(&[("a::b", source)])), Graph::new(), "{source}");
    }
}

#[test]
fn a_folder_and_its_file_that_name_each_other_would_be_found() {
    let of = |folder: &str, file: &str| in_circles(&imports(&small(&[("a", folder), ("a::b", file)])));
    let both = "a imports a::b\na::b imports a\n";
    assert_eq!(of("mod b; pub use b::Thing; pub struct Other;", "use super::Other;"), both);
    assert_eq!(of("mod b; fn run() { b::g() }", "fn h() { super::run() }"), both);
    assert_eq!(of("mod b; mod f; use b::Thing;", "use super::f::Other;"), "");
}
