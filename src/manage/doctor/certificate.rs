//! The facts of a server's certificate: its issuer and its expiry.

use std::time::{Duration, SystemTime};

use x509_cert::Certificate;
use x509_cert::der::Decode;

/// The two facts worth showing.
pub(super) struct Shown {
    /// The issuer's name.
    pub(super) issuer: String,
    /// The end of its validity, as in `2027-01-31T00:00:00Z`.
    pub(super) until: String,
    /// The time left; `None` if it has expired.
    pub(super) left: Option<Duration>,
}

/// Reads a certificate in DER form; `None` if it is not one.
pub(super) fn read(der: &[u8]) -> Option<Shown> {
    let certificate = Certificate::from_der(der).ok()?;
    let signed = certificate.tbs_certificate();
    let end = signed.validity().not_after.to_system_time();
    Some(Shown {
        issuer: signed.issuer().to_string(),
        until: humantime::format_rfc3339_seconds(end).to_string(),
        left: end.duration_since(SystemTime::now()).ok(),
    })
}
