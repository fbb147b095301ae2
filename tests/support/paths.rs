//! Finds, for each file of the crate, the files whose items it names.
//!
//! The sources are read as tokens, as the compiler reads them: a path counts wherever it stands, in a `use`, in code, in
//! a macro, in an attribute or under a `cfg`. Only visibilities and what `#[cfg(test)]` precedes do not count. A path
//! leads to the file of the last of its names that is a module.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// A module by its names from the crate's root. `lib.rs` is the root, and `main` is the program's own.
pub type Module = Vec<String>;
/// The imports of each module, by file.
pub type Graph = BTreeMap<Module, BTreeSet<Module>>;

/// A module with what it names: a file, or a `mod` with its own braces in one.
#[derive(Default)]
struct Scope {
    file: Module,
    /// The names that a `use` gives to other paths.
    aliases: Vec<(String, Vec<String>)>,
    /// The paths before a `*`.
    globs: Vec<Vec<String>>,
    paths: Vec<Vec<String>>,
}

/// Every module of the crate.
type Scopes = BTreeMap<Module, Scope>;

/// The imports of each file of `sources`.
pub fn imports(sources: &BTreeMap<Module, String>) -> Graph {
    let mut scopes = Scopes::new();
    for (module, source) in sources {
        let tokens = source.parse().unwrap_or_else(|wrong| panic!("{}: {wrong}", module.join("::")));
        read(tokens, module, module, &mut scopes);
    }
    let mut graph = Graph::new();
    for (module, scope) in &scopes {
        let paths = scope.paths.iter().chain(&scope.globs).chain(scope.aliases.iter().map(|(_, path)| path));
        for (target, _) in paths.filter_map(|path| resolve(&scopes, module, path, 0)) {
            let target = &scopes[&target].file;
            if *target != scope.file {
                graph.entry(scope.file.clone()).or_default().insert(target.clone());
            }
        }
    }
    graph
}

/// The names that a file makes public, without those under a `cfg` or hidden from the documentation.
pub fn public(source: &str) -> BTreeSet<String> {
    let tokens: Vec<TokenTree> = source.parse::<TokenStream>().unwrap().into_iter().collect();
    let mut names = BTreeSet::new();
    let mut is_hidden = false;
    for (at, token) in tokens.iter().enumerate() {
        let next = tokens.get(at + 1);
        match token {
            TokenTree::Punct(hash) if hash.as_char() == '#' => {
                let text: String = next.map(ToString::to_string).unwrap_or_default().split_whitespace().collect();
                is_hidden |= text == "[doc(hidden)]" || text.starts_with("[cfg(");
            }
            TokenTree::Ident(word) if word == "pub" && !is_restriction(next) && !is_hidden => {
                let end = (at..tokens.len()).find(|end| is_punct(tokens.get(*end), ';')).unwrap_or(tokens.len());
                let mut scope = Scope::default();
                if next.is_some_and(|word| word.to_string() == "use") {
                    use_tree(&tokens[at + 2..end], &[], &mut scope);
                    names.extend(scope.aliases.into_iter().map(|(name, _)| name));
                } else {
                    let words = tokens[at + 1..].iter().map(ToString::to_string);
                    names.extend(words.skip_while(|word| KEYWORDS.contains(&word.as_str())).take(1));
                }
            }
            TokenTree::Punct(end) if end.as_char() == ';' => is_hidden = false,
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => is_hidden = false,
            _ => {}
        }
    }
    names
}

/// What may stand between `pub` and an item's name.
const KEYWORDS: [&str; 11] =
    ["async", "const", "enum", "extern", "fn", "mod", "static", "struct", "trait", "type", "unsafe"];

/// Adds the items that `tokens` of `module` name.
fn read(tokens: TokenStream, module: &Module, file: &Module, scopes: &mut Scopes) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    scopes.entry(module.clone()).or_insert_with(|| Scope { file: file.clone(), ..Scope::default() });
    let mut at = 0;
    while at < tokens.len() {
        let next = tokens.get(at + 1);
        match &tokens[at] {
            TokenTree::Punct(hash) if hash.as_char() == '#' && is_test(next) => at = end_of_item(&tokens, at + 2),
            TokenTree::Punct(_) => at += 1,
            TokenTree::Literal(literal) => {
                // Such as `#[serde(with = "crate::module")]`.
                let text = literal.to_string();
                if let Some(path) = text.strip_prefix("\"crate::").and_then(|rest| rest.strip_suffix('"')) {
                    let names = std::iter::once("crate").chain(path.split("::")).map(str::to_owned);
                    scopes.get_mut(module).unwrap().paths.push(names.collect());
                }
                at += 1;
            }
            TokenTree::Group(group) => {
                read(group.stream(), module, file, scopes);
                at += 1;
            }
            TokenTree::Ident(word) if word == "use" && !is_punct(next, '<') => {
                let end = (at..tokens.len()).find(|end| is_punct(tokens.get(*end), ';')).unwrap_or(tokens.len());
                use_tree(&tokens[at + 1..end], &[], scopes.get_mut(module).unwrap());
                at = end;
            }
            TokenTree::Ident(word) if word == "mod" => {
                let inner = tokens.get(at + 2).and_then(braced);
                if let (Some(TokenTree::Ident(name)), Some(inner)) = (next, inner) {
                    let name = std::iter::once(plain(name));
                    read(inner.stream(), &module.iter().cloned().chain(name).collect(), file, scopes);
                    at += 2;
                }
                at += 1;
            }
            TokenTree::Ident(word) if word == "pub" && is_restriction(next) => at += 2,
            TokenTree::Ident(_) => {
                let (path, length) = path(&tokens[at..]);
                if path.len() > 1 && !is_continued(&tokens[..at]) {
                    scopes.get_mut(module).unwrap().paths.push(path);
                }
                at += length;
            }
        }
    }
}

/// Adds the paths in a `use` tree; `before` is what precedes its braces.
fn use_tree(tokens: &[TokenTree], before: &[String], scope: &mut Scope) {
    let mut path = before.to_vec();
    let mut alias = None;
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match token {
            TokenTree::Ident(word) if word == "as" => {
                alias = tokens.get(at + 1).map(ToString::to_string);
                break;
            }
            TokenTree::Ident(word) => path.push(plain(word)),
            TokenTree::Group(group) => {
                let inner: Vec<_> = group.stream().into_iter().collect();
                inner.split(|token| is_punct(Some(token), ',')).for_each(|part| use_tree(part, &path, scope));
                return;
            }
            TokenTree::Punct(star) if star.as_char() == '*' => return scope.globs.push(path),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
        at += 1;
    }
    if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
        path.pop();
    }
    if let Some(name) = alias.or(path.last().cloned()) {
        scope.aliases.push((name, path));
    }
}

/// The names of the path that `tokens` begin with, and how many tokens they are.
fn path(tokens: &[TokenTree]) -> (Vec<String>, usize) {
    let mut names = Vec::new();
    let mut at = 0;
    while let Some(TokenTree::Ident(name)) = tokens.get(at) {
        names.push(plain(name));
        at += 1;
        if !(is_punct(tokens.get(at), ':') && is_punct(tokens.get(at + 1), ':')) {
            break;
        }
        at += 2;
    }
    (names, at)
}

/// The module that `path`, written in `module`, leads to, and whether the whole path is that module.
fn resolve(scopes: &Scopes, module: &Module, path: &[String], depth: usize) -> Option<(Module, bool)> {
    let (first, rest) = path.split_first()?;
    let begin = match first.as_str() {
        "crate" | "jupyter_vault" => Vec::new(),
        "self" => module.clone(),
        "super" => parent(scopes, module)?,
        name => {
            let (begin, true) = name_in(scopes, module, name, depth)? else { return None };
            begin
        }
    };
    let mut whole = begin;
    for name in rest {
        whole = match name.as_str() {
            "super" => parent(scopes, &whole)?,
            "self" => whole,
            name => match child(scopes, &whole, name) {
                Some(child) => child,
                None => return Some((whole, false)),
            },
        };
    }
    Some((whole, true))
}

/// The module that a name without a path means in `module`: its child, or an imported one.
fn name_in(scopes: &Scopes, module: &Module, name: &str, depth: usize) -> Option<(Module, bool)> {
    if let Some(child) = child(scopes, module, name) {
        return Some((child, true));
    }
    // A glob may lead back here.
    if depth > 8 {
        return None;
    }
    let scope = &scopes[module];
    let aliases = scope.aliases.iter().filter(|(alias, path)| alias == name && path.first() != Some(alias));
    let mut found = aliases.filter_map(|(_, path)| resolve(scopes, module, path, depth + 1));
    found.next().or_else(|| {
        let globs = scope.globs.iter().filter(|path| path.first().is_none_or(|first| first != name));
        let mut globs = globs.filter_map(|path| resolve(scopes, module, path, depth + 1));
        globs.find_map(|(glob, whole)| if whole { name_in(scopes, &glob, name, depth + 1) } else { None })
    })
}

fn child(scopes: &Scopes, module: &Module, name: &str) -> Option<Module> {
    let child: Module = module.iter().cloned().chain([name.to_owned()]).collect();
    scopes.contains_key(&child).then_some(child)
}

fn parent(scopes: &Scopes, module: &Module) -> Option<Module> {
    let parent = module.split_last()?.1.to_vec();
    scopes.contains_key(&parent).then_some(parent)
}

/// Whether the name after `before` continues a path, or is a field or a method.
fn is_continued(before: &[TokenTree]) -> bool {
    let [.., second, last] = before else { return is_punct(before.last(), '.') };
    let (second, last) = (Some(second), Some(last));
    (is_punct(last, ':') && is_punct(second, ':')) || (is_punct(last, '.') && !is_punct(second, '.'))
}

/// Whether `token` is the bracket of an attribute that keeps the item out of a build without tests.
fn is_test(token: Option<&TokenTree>) -> bool {
    let Some(TokenTree::Group(group)) = token else { return false };
    let text: String = group.stream().to_string().split_whitespace().collect();
    group.delimiter() == Delimiter::Bracket && (text == "cfg(test)" || text.starts_with("cfg(all(test,"))
}

/// The end of the item that begins at `at`: after its braces, or its semicolon.
fn end_of_item(tokens: &[TokenTree], at: usize) -> usize {
    let is_use = tokens[at..].iter().find(|token| matches!(token, TokenTree::Ident(word) if word != "pub"));
    let is_use = is_use.is_some_and(|word| word.to_string() == "use");
    let is_end = |token: &TokenTree| is_punct(Some(token), ';') || (!is_use && braced(token).is_some());
    (at..tokens.len()).find(|end| is_end(&tokens[*end])).map_or(tokens.len(), |end| end + 1)
}

/// Whether `token` is the parenthesis of a visibility: `(crate)`, `(super)`, `(self)`, `(in …)`.
fn is_restriction(token: Option<&TokenTree>) -> bool {
    let Some(TokenTree::Group(group)) = token else { return false };
    let words: Vec<_> = group.stream().into_iter().map(|word| word.to_string()).collect();
    let is_short = words.len() == 1 && matches!(words[0].as_str(), "crate" | "super" | "self");
    group.delimiter() == Delimiter::Parenthesis && (is_short || words.first().is_some_and(|word| word == "in"))
}

fn braced(token: &TokenTree) -> Option<&Group> {
    match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Some(group),
        _ => None,
    }
}

fn is_punct(token: Option<&TokenTree>, punct: char) -> bool {
    matches!(token, Some(TokenTree::Punct(found)) if found.as_char() == punct)
}

/// A name without the `r#` of a raw identifier.
fn plain(word: &proc_macro2::Ident) -> String {
    word.to_string().trim_start_matches("r#").to_owned()
}
