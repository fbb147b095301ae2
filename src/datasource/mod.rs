//! Data sources: what each kind of database or service needs, and what a kernel gets of it.
//!
//! A user knows a database by its kind and a few fields; a client library wants variables and files of its own
//! design. [`kinds`] is the one table between the two: a row has the fields, which of them are secret, where a
//! credential engine's answer goes, what a kernel gets, where the service listens, and how a client says hello. A
//! [`DataSource`] is one of these rows with a user's fields; it is stored as one KV secret.
//!
//! - [`kinds`]: the table
//! - [`kind`]: what one of its rows says
//! - [`source`]: one data source, checked and filled in
//! - [`field`]: what a field may hold
//! - [`template`]: text with places for fields, each escaped as its format wants it

pub mod field;
pub mod kind;
pub mod kinds;
pub mod source;
pub mod template;

pub use self::source::DataSource;
