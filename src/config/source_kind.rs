//! The kinds of sources, and what each is.
//!
//! Each property is a match without a default, so that the compiler asks for it when a kind is added.

/// The kind of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceKind {
    /// A KV secret; each of its keys is a variable, or only `field` is.
    Kv,
    /// A folder of KV secrets; each is one variable, from one field.
    KvFolder,
    /// A database role: credentials with a lease.
    Database,
    /// Any other readable path.
    Read,
    /// A path whose answer to a write has the values: a certificate, a signed key.
    Write,
    /// A folder of data sources, each a KV secret with its kind's fields.
    DataSources,
}

impl SourceKind {
    /// All kinds, in the order of the documents.
    pub const ALL: &[Self] = &[Self::Kv, Self::KvFolder, Self::Database, Self::Read, Self::Write, Self::DataSources];

    /// Its key in vault.toml.
    pub const fn key(&self) -> &'static str {
        match self {
            Self::Kv => "kv",
            Self::KvFolder => "kv_folder",
            Self::Database => "database",
            Self::Read => "read",
            Self::Write => "write",
            Self::DataSources => "data_sources",
        }
    }

    /// Whether it is in a KV engine. Other engines may answer differently at each request.
    pub const fn is_kv(&self) -> bool {
        match self {
            Self::Kv | Self::KvFolder | Self::DataSources => true,
            Self::Database | Self::Read | Self::Write => false,
        }
    }

    /// Whether its path is a folder of secrets.
    pub const fn is_folder(&self) -> bool {
        match self {
            Self::KvFolder | Self::DataSources => true,
            Self::Kv | Self::Database | Self::Read | Self::Write => false,
        }
    }
}
