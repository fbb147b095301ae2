//! The modules import only downwards: no circle between files or top-level modules, and nothing against the order
//! in docs/architecture.md. It reads the `use` lines and paths of the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

type Module = Vec<String>;
type Graph = BTreeMap<Module, BTreeSet<Module>>;

/// The sources of every module, by its path.
fn modules(folder: &Path, prefix: &[String], found: &mut BTreeMap<Module, String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let mut module = prefix.to_vec();
        if path.is_dir() {
            module.push(stem);
            modules(&path, &module, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            if stem != "mod" {
                module.push(stem);
            }
            found.insert(module, without_comments_and_tests(&std::fs::read_to_string(&path).unwrap()));
        }
    }
}

fn without_comments_and_tests(source: &str) -> String {
    let code = source.split("#[cfg(test)]\nmod tests").next().unwrap();
    let code = code.split("#[cfg(test)]\n#[cfg(target_os").next().unwrap();
    code.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

/// The paths in a `use` tree.
fn expand(tree: &str, before: &[String], paths: &mut Vec<Module>) {
    let Some((head, rest)) = tree.split_once('{') else {
        let mut path = before.to_vec();
        let names = tree.split(" as ").next().unwrap().split("::").map(str::trim);
        path.extend(names.filter(|name| !name.is_empty()).map(str::to_owned));
        paths.push(path);
        return;
    };
    let mut begin = before.to_vec();
    begin.extend(head.split("::").map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned));
    let inner = &rest[..rest.rfind('}').unwrap()];
    let (mut depth, mut from) = (0, 0);
    for (at, character) in inner.char_indices().chain([(inner.len(), ',')]) {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                if !inner[from..at].trim().is_empty() {
                    expand(inner[from..at].trim(), &begin, paths);
                }
                from = at + 1;
            }
            _ => {}
        }
    }
}

/// Paths in the code that begin with `crate::` or `super::`, other than `use` lines.
fn inline(code: &str) -> Vec<Module> {
    let mut paths = Vec::new();
    for start in ["crate::", "super::"] {
        for (at, _) in code.match_indices(start) {
            let is_begin = !code[..at].ends_with([':', '_']) && !code[..at].ends_with(char::is_alphanumeric);
            let length = code[at..].find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':');
            if is_begin {
                let path = code[at..at + length.unwrap_or(code.len() - at)].trim_end_matches(':');
                paths.push(path.split("::").map(str::to_owned).collect());
            }
        }
    }
    paths
}

/// Which module imports which, by file.
fn imports(modules: &BTreeMap<Module, String>) -> Graph {
    let mut graph = Graph::new();
    for (module, code) in modules {
        let mut paths = Vec::new();
        let (mut rest, mut tree) = (String::new(), None::<String>);
        for line in code.lines() {
            let declared = line.trim().trim_start_matches("pub(crate) ").trim_start_matches("pub(super) ");
            match (&mut tree, declared.trim_start_matches("pub ").strip_prefix("use ")) {
                (Some(open), _) => open.push_str(line),
                (None, Some(begin)) => tree = Some(begin.to_owned()),
                (None, None) => rest.extend([line, "\n"]),
            }
            if let Some(whole) = tree.take_if(|tree| tree.contains(';')) {
                expand(whole.split(';').next().unwrap(), &[], &mut paths);
            }
        }
        paths.extend(inline(&rest));
        for path in paths {
            let Some(target) = resolve(module, &path, modules) else { continue };
            if &target != module {
                graph.entry(module.clone()).or_default().insert(target);
            }
        }
    }
    graph
}

/// The module that `path`, seen from `module`, leads to.
fn resolve(module: &Module, path: &[String], modules: &BTreeMap<Module, String>) -> Option<Module> {
    let mut whole: Module = match path.first()?.as_str() {
        "crate" => Vec::new(),
        "self" | "super" => module.clone(),
        _ => return None,
    };
    for name in path {
        match name.as_str() {
            "crate" | "self" => {}
            "super" => drop(whole.pop()),
            name => whole.push(name.to_owned()),
        }
    }
    (1..=whole.len()).rev().map(|length| whole[..length].to_vec()).find(|part| modules.contains_key(part))
}

/// A circle, if there is one: each module imports the next.
fn circle(graph: &Graph) -> Option<Vec<Module>> {
    fn visit(module: &Module, graph: &Graph, way: &mut Vec<Module>, done: &mut BTreeSet<Module>) -> bool {
        if let Some(start) = way.iter().position(|on_way| on_way == module) {
            way.drain(..start);
            return true;
        }
        if done.contains(module) {
            return false;
        }
        way.push(module.clone());
        for next in graph.get(module).into_iter().flatten() {
            if visit(next, graph, way, done) {
                return true;
            }
        }
        way.pop();
        done.insert(module.clone());
        false
    }
    let mut done = BTreeSet::new();
    graph.keys().find_map(|module| {
        let mut way = Vec::new();
        visit(module, graph, &mut way, &mut done).then_some(way)
    })
}

fn sources() -> BTreeMap<Module, String> {
    let mut found = BTreeMap::new();
    modules(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &[], &mut found);
    assert!(found.len() > 100, "the sources are there");
    found
}

/// The modules in the order of docs/architecture.md, the top one first.
fn order() -> Vec<String> {
    let text = include_str!("../docs/architecture.md");
    let map = text.split("```text").nth(1).unwrap().split("```").next().unwrap();
    let names = map.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned);
    names.collect()
}

#[test]
fn no_two_files_import_each_other_by_any_way() {
    let found = circle(&imports(&sources()));
    assert_eq!(found, None, "a circle of imports");
}

#[test]
fn no_two_top_modules_import_each_other_by_any_way() {
    let mut tops = Graph::new();
    for (module, targets) in imports(&sources()) {
        for target in targets.into_iter().filter(|target| target[0] != module[0]) {
            tops.entry(vec![module[0].clone()]).or_default().insert(vec![target[0].clone()]);
        }
    }
    assert_eq!(circle(&tops), None, "a circle of imports");
}

#[test]
fn a_module_imports_only_modules_below_it() {
    let order = order();
    let place = |name: &String| order.iter().position(|known| known == name);
    for (module, targets) in imports(&sources()) {
        if matches!(module[0].as_str(), "main" | "lib" | "internals") {
            continue;
        }
        let own = place(&module[0]).unwrap_or_else(|| panic!("{} is not in docs/architecture.md", module[0]));
        for target in targets {
            let other = place(&target[0]).unwrap_or_else(|| panic!("{} is not in docs/architecture.md", target[0]));
            assert!(own <= other, "{} imports {}, which stands above it", module.join("::"), target.join("::"));
        }
    }
}

#[test]
fn a_circle_of_three_would_be_found() {
    let of = |name: &str, imports: &str| (vec![name.to_owned()], format!("use crate::{imports};\n"));
    let modules = BTreeMap::from([of("a", "b::Thing"), of("b", "{c::{One, Two}}"), of("c", "a")]);
    assert_eq!(circle(&imports(&modules)).map(|found| found.len()), Some(3));
    let modules = BTreeMap::from([of("a", "b::Thing"), of("b", "{c::{One, Two}}"), of("c", "d")]);
    assert_eq!(circle(&imports(&modules)), None);
}
