//! One row of the table of kinds.

use super::field::Field;

/// A kind of data source.
#[derive(Debug)]
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// Its fields.
    pub fields: &'static [Field],
    /// Alternative groups of fields: at least one group must be given.
    pub either: &'static [&'static [&'static str]],
    /// The fields that a credential engine's answer fills, by the names in that answer; empty if no engine makes
    /// credentials of this kind.
    pub dynamic: &'static [(&'static str, &'static str)],
    /// The template of the service's address, `HOST:PORT`.
    pub reach: &'static str,
    /// The variables that a kernel gets.
    pub gives: &'static [KernelVariable],
    /// How clients connect for a test.
    pub clients: &'static [TestClient],
}

/// One variable that a kernel gets.
#[derive(Debug)]
pub struct KernelVariable {
    /// The variable.
    pub variable: &'static str,
    pub form: VariableForm,
    /// Its value, or the content of its file.
    pub template: &'static str,
}

/// The form in which a kernel gets a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VariableForm {
    Variable,
    /// The variable names a file of this data source.
    File,
    /// The variable names a file that all data sources with this variable share.
    Section,
    /// The variable names the folder of such a shared file; the file has this name.
    SectionIn(&'static str),
    /// The variable names a shared AWS configuration file, with a profile whose keys a client asks the keeper for.
    /// Used instead of sections if an engine makes the keys. Each line gives AWS's name for one of the keys.
    Process,
}

impl VariableForm {
    /// Whether all data sources with this variable share its file or folder.
    pub const fn is_shared(self) -> bool {
        matches!(self, Self::Section | Self::SectionIn(_) | Self::Process)
    }
}

/// A Python package, and the code that connects with it for a test; the code can use `name`, `url`, `seconds` and the
/// prefix of its own variables, `stem`.
#[derive(Debug)]
pub struct TestClient {
    pub module: &'static str,
    /// The package to install with pip, with the drivers that it needs.
    pub package: &'static str,
    pub hello: &'static str,
}

pub(super) const fn variable(variable: &'static str, template: &'static str) -> KernelVariable {
    KernelVariable { variable, form: VariableForm::Variable, template }
}

pub(super) const fn file(variable: &'static str, template: &'static str) -> KernelVariable {
    KernelVariable { variable, form: VariableForm::File, template }
}

pub(super) const fn process(variable: &'static str, template: &'static str) -> KernelVariable {
    KernelVariable { variable, form: VariableForm::Process, template }
}

pub(super) const fn section(variable: &'static str, template: &'static str) -> KernelVariable {
    KernelVariable { variable, form: VariableForm::Section, template }
}
