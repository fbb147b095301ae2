//! What a kernel says of itself (`kernel_info_reply`).

use serde::Deserialize;

/// What a kernel says of itself.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct KernelInfo {
    /// Such as `ipython`.
    #[serde(default)]
    pub implementation: String,
    /// The language.
    #[serde(default)]
    pub language_info: LanguageInfo,
    /// What it can beyond the protocol's base, such as `kernel subshells`.
    #[serde(default)]
    pub supported_features: Vec<String>,
    /// The session that it answers in, if that is its own: another one is another process.
    #[serde(skip)]
    pub session: Option<String>,
}

/// What a kernel says of its language.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct LanguageInfo {
    /// Such as `python`.
    #[serde(default)]
    pub name: String,
}
