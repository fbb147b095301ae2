//! What one row of the table of kinds says.

use super::field::Field;

/// A kind of data source.
#[derive(Debug)]
pub struct Kind {
    /// What users call it.
    pub name: &'static str,
    /// Its fields.
    pub fields: &'static [Field],
    /// The groups of fields of which one must be given, where there is a choice.
    pub either: &'static [&'static [&'static str]],
    /// Where the fields of a credential engine's answer go, by their names there; empty when it takes none.
    pub dynamic: &'static [(&'static str, &'static str)],
    /// Where it listens: `HOST:PORT`.
    pub reach: &'static str,
    /// What a kernel gets.
    pub gives: &'static [Given],
    /// How a client says hello.
    pub clients: &'static [Client],
}

/// One variable that a kernel gets.
#[derive(Debug)]
pub struct Given {
    /// The variable.
    pub variable: &'static str,
    pub form: Form,
    /// What it holds, or the file.
    pub template: &'static str,
}

/// The form in which a kernel gets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Variable,
    /// The variable names a file of this data source.
    File,
    /// The variable names a file that all data sources of the variable share.
    Section,
    /// The same, and the variable names the folder of the file, which has this name.
    SectionIn(&'static str),
    /// The variable names an AWS configuration that all data sources of the variable share, with a profile whose keys
    /// a client asks for: where an engine makes them, and in place of sections. Each line says what AWS calls one.
    Process,
}

impl Form {
    /// Whether all data sources of the variable share what it names.
    pub const fn is_shared(self) -> bool {
        matches!(self, Self::Section | Self::SectionIn(_) | Self::Process)
    }
}

/// A Python package, and what it does to say hello; the code sees `name`, `url`, `seconds` and, where
/// its own variables begin, `stem`.
#[derive(Debug)]
pub struct Client {
    pub module: &'static str,
    pub hello: &'static str,
}

pub(super) const fn variable(variable: &'static str, template: &'static str) -> Given {
    Given { variable, form: Form::Variable, template }
}

pub(super) const fn file(variable: &'static str, template: &'static str) -> Given {
    Given { variable, form: Form::File, template }
}

pub(super) const fn process(variable: &'static str, template: &'static str) -> Given {
    Given { variable, form: Form::Process, template }
}

pub(super) const fn section(variable: &'static str, template: &'static str) -> Given {
    Given { variable, form: Form::Section, template }
}
