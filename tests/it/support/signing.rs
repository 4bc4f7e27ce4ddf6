//! The services of sigstore that sign: an authority, logs of both kinds, a timestamp authority. Strict: a proof that proves
//! nothing, a key that was not certified, a signature that is logged twice are refused by name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Mutex, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::clouds::SUBJECT;
use crate::support::real::tool;
use crate::support::sigstore::{Certified, Instance, in_hex, pem, sha256};

pub const FULCIO: &str = "fulcio.sigstore.dev";
pub const REKOR: &str = "rekor.sigstore.dev";
pub const GITHUB_FULCIO: &str = "fulcio.githubapp.com";
pub const GITHUB_TSA: &str = "timestamp.githubapp.com";
pub const OWN_FULCIO: &str = "fulcio.acme.example";
pub const OWN_REKOR: &str = "log2026.rekor.acme.example";
pub const OWN_TSA: &str = "tsa.acme.example";

pub const AUTHORITIES: [&str; 3] = [FULCIO, GITHUB_FULCIO, OWN_FULCIO];

/// Whom certificates name.
pub const WORKFLOW: &str = "https://github.com/octo/mirror/.github/workflows/mirror.yml@refs/heads/main";
pub const ACTIONS: &str = "https://token.actions.githubusercontent.com";

/// Until when certificates are good: a timestamp is of the day on which a test runs.
const LATER: i64 = 4_000_000_000;

pub struct Signing {
    pub instance: Instance,
    clock: OnceLock<Clock>,
    /// Certificates, and the keys in them.
    certified: Mutex<BTreeMap<Vec<u8>, Vec<u8>>>,
    logged: Mutex<BTreeSet<Vec<u8>>>,
}

type Answer = Result<(u16, String), String>;

impl Signing {
    pub fn new() -> Self {
        Self {
            instance: Instance::new(),
            clock: OnceLock::new(),
            certified: Mutex::default(),
            logged: Mutex::default(),
        }
    }

    /// What verifies what is signed here.
    pub fn trusted_root(&self) -> String {
        let mut root: Value = serde_json::from_str(&self.instance.trusted_root()).unwrap();
        if let Some(clock) = self.clock.get() {
            root["timestampAuthorities"] = json!([clock.authority()]);
        }
        root.to_string()
    }

    /// How many signatures are in the logs.
    pub fn logged(&self) -> usize {
        self.logged.lock().unwrap().len()
    }

    pub fn certified(&self) -> usize {
        self.certified.lock().unwrap().len()
    }

    /// `POST /api/v2/signingCert`, once its identity was taken.
    pub fn certify(&self, request: &Value) -> Answer {
        let request = &request["publicKeyRequest"];
        if request["publicKey"]["algorithm"] != "ECDSA" {
            return Err("another algorithm".to_owned());
        }
        let spki = inside(request["publicKey"]["content"].as_str().unwrap_or_default(), "PUBLIC KEY")?;
        is_signed(&spki, SUBJECT.as_bytes(), &decoded(&request["proofOfPossession"])?)?;
        let says = Certified { identity: WORKFLOW, issuer: ACTIONS, until: LATER, has_timestamp: true };
        let certificate = self.instance.certificate_for(&spki, &says);
        self.certified.lock().unwrap().insert(certificate.clone(), spki);
        let chain = [certificate, self.instance.own_certificate()].map(|der| pem("CERTIFICATE", &der));
        Ok((200, json!({ "signedCertificateEmbeddedSct": { "chain": { "certificates": chain } } }).to_string()))
    }

    /// `POST /api/v1/log/entries`.
    pub fn log(&self, request: &Value) -> Answer {
        let proposed = &request["spec"]["proposedContent"];
        if (&request["kind"], &request["apiVersion"]) != (&json!("dsse"), &json!("0.0.1")) {
            return Err("another kind of entry".to_owned());
        }
        let verifier = String::from_utf8(decoded(&proposed["verifiers"][0])?).unwrap();
        let spki = self.key_of(&inside(&verifier, "CERTIFICATE")?)?;
        let text = proposed["envelope"].as_str().unwrap_or_default();
        let envelope: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let (payload, signature) = (decoded(&envelope["payload"])?, decoded(&envelope["signatures"][0]["sig"])?);
        is_signed(&spki, &signed(&envelope, &payload), &signature)?;
        if !self.logged.lock().unwrap().insert(signature.clone()) {
            return Err("a signature that is logged twice".to_owned());
        }
        let hash = |bytes: &[u8]| json!({ "algorithm": "sha256", "value": in_hex(&sha256(bytes)) });
        let body = json!({ "apiVersion": "0.0.1", "kind": "dsse", "spec": {
            "envelopeHash": hash(text.as_bytes()),
            "payloadHash": hash(&payload),
            "signatures": [{ "signature": STANDARD.encode(&signature), "verifier": STANDARD.encode(&verifier) }],
        }});
        let entry = self.instance.logged("dsse", "0.0.1", &body);
        let number = |value: &Value| value.as_str().unwrap().parse::<u64>().unwrap();
        let hexadecimal = |value: &Value| in_hex(&decoded(value).unwrap());
        let proof = &entry["inclusionProof"];
        let answer = json!({ "24296fb24b8ad77a": {
            "body": entry["canonicalizedBody"],
            "integratedTime": number(&entry["integratedTime"]),
            "logID": hexadecimal(&entry["logId"]["keyId"]),
            "logIndex": number(&entry["logIndex"]),
            "verification": {
                "inclusionProof": {
                    "checkpoint": proof["checkpoint"]["envelope"],
                    "hashes": proof["hashes"],
                    "logIndex": number(&proof["logIndex"]),
                    "rootHash": hexadecimal(&proof["rootHash"]),
                    "treeSize": number(&proof["treeSize"]),
                },
                "signedEntryTimestamp": entry["inclusionPromise"]["signedEntryTimestamp"],
            },
        }});
        Ok((201, answer.to_string()))
    }

    /// `POST /api/v2/log/entries`.
    pub fn log_hash(&self, request: &Value) -> Answer {
        let request = &request["hashedRekordRequestV002"];
        let verifier = &request["signature"]["verifier"];
        self.key_of(&decoded(&verifier["x509Certificate"]["rawBytes"])?)?;
        if decoded(&request["digest"])?.len() != 32 || verifier["keyDetails"] != "PKIX_ECDSA_P256_SHA_256" {
            return Err("another hash or key".to_owned());
        }
        self.logged.lock().unwrap().insert(decoded(&request["signature"]["content"])?);
        let body = json!({ "apiVersion": "0.0.2", "kind": "hashedrekord", "spec": { "hashedRekordV002": {
            "data": { "algorithm": "SHA2_256", "digest": request["digest"] },
            "signature": request["signature"],
        }}});
        let mut entry = self.instance.logged("hashedrekord", "0.0.2", &body);
        let members = entry.as_object_mut().unwrap();
        members.remove("inclusionPromise");
        members.insert("integratedTime".to_owned(), json!("0"));
        Ok((201, entry.to_string()))
    }

    /// The answer to a timestamp query, as real software makes it.
    pub fn timestamp(&self, query: &[u8]) -> Vec<u8> {
        self.clock.get_or_init(Clock::new).stamp(query)
    }

    fn key_of(&self, certificate: &[u8]) -> Result<Vec<u8>, String> {
        let key = self.certified.lock().unwrap().get(certificate).cloned();
        key.ok_or_else(|| "a certificate that was not given".to_owned())
    }
}

/// What an envelope's signature is over.
fn signed(envelope: &Value, payload: &[u8]) -> Vec<u8> {
    let kind = envelope["payloadType"].as_str().unwrap_or_default();
    [format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).as_bytes(), payload].concat()
}

fn is_signed(spki: &[u8], message: &[u8], signature: &[u8]) -> Result<(), String> {
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &spki[26..]);
    key.verify(message, signature).map_err(|_| "a signature that is none".to_owned())
}

fn decoded(value: &Value) -> Result<Vec<u8>, String> {
    STANDARD.decode(value.as_str().unwrap_or_default()).map_err(|error| format!("{value}: {error}"))
}

/// What a PEM text holds.
fn inside(text: &str, label: &str) -> Result<Vec<u8>, String> {
    let inside = text.trim().strip_prefix(&format!("-----BEGIN {label}-----"));
    let inside = inside.and_then(|text| text.strip_suffix(&format!("-----END {label}-----")));
    let text = inside.ok_or_else(|| format!("no {label}: {text}"))?.replace(['\n', '\r'], "");
    STANDARD.decode(text).map_err(|error| error.to_string())
}

/// A timestamp authority.
struct Clock {
    directory: TempDir,
}

impl Clock {
    fn new() -> Self {
        let clock = Self { directory: tempfile::tempdir().unwrap() };
        let path = |name: &str| clock.path(name).display().to_string();
        let new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
        let authority =
            ["req", "-x509", "-days", "9", "-subj", "/O=test/CN=clock root", "-out", &path("ca.pem"), "-keyout"];
        tool("openssl", &[&authority[..], &[&path("ca.key")], &new_key].concat());
        let request = ["req", "-subj", "/O=test/CN=clock", "-out", &path("leaf.csr"), "-keyout", &path("leaf.key")];
        tool("openssl", &[&request[..], &new_key].concat());
        std::fs::write(
            clock.path("own"),
            "keyUsage=critical,digitalSignature\nextendedKeyUsage=critical,timeStamping\n",
        )
        .unwrap();
        tool(
            "openssl",
            &[
                &["x509", "-req", "-days", "8", "-in", &path("leaf.csr"), "-out", &path("leaf.pem")][..],
                &["-CA", &path("ca.pem"), "-CAkey", &path("ca.key"), "-CAcreateserial", "-extfile", &path("own")],
            ]
            .concat(),
        );
        let config = format!(
            "[tsa]\nserial={}\ndefault_policy=1.2.3.4.1\ndigests=sha256\nsigner_digest=sha256\ncrypto_device=builtin\n\
             ordering=yes\ness_cert_id_alg=sha256\n",
            path("serial")
        );
        std::fs::write(clock.path("config"), config).unwrap();
        std::fs::write(clock.path("serial"), "01\n").unwrap();
        clock
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    fn stamp(&self, query: &[u8]) -> Vec<u8> {
        // The number of the next one is in a file.
        static ONE: Mutex<()> = Mutex::new(());
        let _one = ONE.lock().unwrap();
        let path = |name: &str| self.path(name).display().to_string();
        std::fs::write(self.path("query"), query).unwrap();
        tool(
            "openssl",
            &[
                &["ts", "-reply", "-config", &path("config"), "-section", "tsa", "-queryfile", &path("query")][..],
                &["-signer", &path("leaf.pem"), "-inkey", &path("leaf.key"), "-out", &path("reply")],
            ]
            .concat(),
        );
        std::fs::read(self.path("reply")).unwrap()
    }

    fn authority(&self) -> Value {
        let certificate = |name: &str| {
            let text = std::fs::read_to_string(self.path(name)).unwrap();
            json!({ "rawBytes": STANDARD.encode(inside(&text, "CERTIFICATE").unwrap()) })
        };
        json!({
            "subject": { "organization": "test", "commonName": "clock" },
            "uri": "https://tsa.test",
            "certChain": { "certificates": [certificate("leaf.pem"), certificate("ca.pem")] },
            "validFor": { "start": "2020-01-01T00:00:00Z" },
        })
    }
}

/// A signing configuration for the services that are nobody's built-in ones.
pub fn signing_config(log_version: u32, directory: &Path) -> &'static str {
    let service = |url: &str, version: u32| {
        json!([{ "url": url, "majorApiVersion": version, "operator": "acme",
        "validFor": { "start": "2024-01-01T00:00:00Z" } }])
    };
    let config = json!({
        "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
        "caUrls": service(&format!("https://{OWN_FULCIO}"), 1),
        "rekorTlogUrls": service(&format!("https://{OWN_REKOR}"), log_version),
        "tsaUrls": service(&format!("https://{OWN_TSA}/api/v1/timestamp"), 1),
        "rekorTlogConfig": { "selector": "ANY" },
        "tsaConfig": { "selector": "ANY" },
    });
    std::fs::write(directory.join("signing.json"), config.to_string()).unwrap();
    "signing.json"
}
