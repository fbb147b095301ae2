//! Certificates for TLS listeners: a valid one, an expired one, one for another host.

use std::fs::{create_dir_all, write};
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair, date_time_ymd,
};

/// Files that OpenSSL created, valid for a hundred years: a CA with a P-521 key, and what it signed.
const KEPT: [(&str, &str); 7] = [
    ("p521-ca.pem", include_str!("keys/p521-ca.pem")),
    ("p521.pem", include_str!("keys/p521.pem")),
    ("p521-key.pem", include_str!("keys/p521-key.pem")),
    ("p521-tls12.pem", include_str!("keys/p521.pem")),
    ("p521-tls12-key.pem", include_str!("keys/p521-key.pem")),
    ("rsa1024.pem", include_str!("keys/rsa1024.pem")),
    ("rsa1024-key.pem", include_str!("keys/rsa1024-key.pem")),
];

/// A folder with a CA and the certificates that it signed, as PEM files.
pub struct Certificates {
    folder: PathBuf,
}

impl Certificates {
    /// Creates them all in `folder`.
    pub fn make(folder: &Path) -> Self {
        create_dir_all(folder).expect("the folder can be made");
        let mut authority = CertificateParams::new(Vec::new()).expect("no names are valid names");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(authority, key()).expect("the CA signs itself");
        write(folder.join("ca.pem"), issuer.pem()).expect("ca.pem");
        let this = Self { folder: folder.to_owned() };
        this.sign(&issuer, "good", &["127.0.0.1", "localhost"], |_| {});
        this.sign(&issuer, "expired", &["127.0.0.1"], expire);
        this.sign(&issuer, "elsewhere", &["vault.example.org"], |_| {});
        // As `openssl req -x509` creates them: each its own CA.
        for (name, host, expired) in [
            ("own", "127.0.0.1", false),
            ("own-expired", "127.0.0.1", true),
            ("own-elsewhere", "vault.example.org", false),
        ] {
            let mut params = CertificateParams::new(vec![host.to_owned()]).expect("the name is valid");
            params.distinguished_name.push(rcgen::DnType::CommonName, name);
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            if expired {
                expire(&mut params);
            }
            let key = key();
            let cert = params.self_signed(&key).expect("it signs itself");
            write(this.cert(name), cert.pem()).expect("a certificate's file");
            write(this.key(name), key.serialize_pem()).expect("a key's file");
        }
        this.sign(&issuer, "client", &["ada"], |params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        });
        // Keys that ring can't create.
        for (name, text) in KEPT {
            write(folder.join(name), text).expect("a file of a key that is kept");
        }
        this
    }

    /// A file by its name: `ca`, or one of the certificates.
    pub fn cert(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.pem"))
    }

    /// The key of a certificate.
    pub fn key(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}-key.pem"))
    }

    /// Signs a server's certificate; `change` makes it another one.
    fn sign(
        &self,
        issuer: &CertifiedIssuer<'_, KeyPair>,
        name: &str,
        hosts: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) {
        let hosts: Vec<_> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut params = CertificateParams::new(hosts.clone()).expect("the names are valid");
        params.distinguished_name.push(rcgen::DnType::CommonName, hosts[0].clone());
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        change(&mut params);
        let key = key();
        let cert = params.signed_by(&key, issuer).expect("the CA signs");
        write(self.cert(name), cert.pem()).expect("a certificate's file");
        write(self.key(name), key.serialize_pem()).expect("a key's file");
    }
}

fn expire(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(2001, 1, 1);
    params.not_after = date_time_ymd(2002, 1, 1);
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key can be made")
}
