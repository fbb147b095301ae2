//! Data sources: the fields of each kind of database or service, and the variables and files that a kernel gets for it.
//!
//! A user knows a database by its kind and a few fields; each client library expects its own variables and files.
//! [`kinds`] is the one table between the two: a row has the fields, which of them are secret, the fields that a
//! credential engine fills, what a kernel gets, the service's address, and how a client tests the connection. A
//! [`DataSource`] is one of these rows with a user's fields; it is stored as one KV secret.
//!
//! - [`kinds`]: the table
//! - [`kind`]: the parts of one row
//! - [`source`]: one data source, checked and filled in
//! - [`field`]: the valid values of a field
//! - [`template`]: text with places for fields, each escaped as its format wants it

pub mod field;
pub mod kind;
pub mod kinds;
pub mod source;
pub mod template;

pub use self::source::DataSource;
