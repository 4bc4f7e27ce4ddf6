//! A sigstore instance of the tests' own: an authority, a log of certificates, a log of signatures, and what they sign.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};

/// When everything here is signed, in seconds since 1970: 2023-11-14T22:13:20Z.
pub const SIGNED_AT: i64 = 1_700_000_000;

pub const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
pub const SIGN: &str = "https://sigstore.dev/cosign/sign/v1";

/// A key for ECDSA P-256.
pub struct Key(EcdsaKeyPair);

impl Key {
    pub fn new() -> Self {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        Self(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_ref(), &random).unwrap())
    }

    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
    }

    fn spki(&self) -> Vec<u8> {
        let mut spki = hex("3059301306072a8648ce3d020106082a8648ce3d030107034200");
        spki.extend(self.0.public_key().as_ref());
        spki
    }

    pub fn pem(&self) -> String {
        pem("PUBLIC KEY", &self.spki())
    }

    fn id(&self) -> Vec<u8> {
        sha256(&self.spki())
    }
}

/// What a certificate says, and when it holds.
#[derive(Clone)]
pub struct Certified {
    pub identity: &'static str,
    pub issuer: &'static str,
    pub until: i64,
    pub has_timestamp: bool,
}

/// What a bundle is made of that a test may change.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Logged {
    Yes,
    No,
    /// By somebody who has not the log's key.
    Forged,
    /// An entry of another signature.
    Other,
}

pub struct Instance {
    authority: Key,
    certificates: Key,
    log: Key,
}

impl Instance {
    pub fn new() -> Self {
        Self { authority: Key::new(), certificates: Key::new(), log: Key::new() }
    }

    pub fn trusted_root(&self) -> String {
        let valid = json!({ "start": "2020-01-01T00:00:00Z" });
        let log = |key: &Key| {
            json!({
                "baseUrl": "https://log.test",
                "hashAlgorithm": "SHA2_256",
                "publicKey": {
                    "rawBytes": STANDARD.encode(key.spki()),
                    "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                    "validFor": valid,
                },
                "logId": { "keyId": STANDARD.encode(key.id()) },
            })
        };
        json!({
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [log(&self.log)],
            "ctlogs": [log(&self.certificates)],
            "certificateAuthorities": [{
                "subject": { "organization": "test", "commonName": "test" },
                "uri": "https://authority.test",
                "certChain": { "certificates": [{ "rawBytes": STANDARD.encode(self.own_certificate()) }] },
                "validFor": valid,
            }],
            "timestampAuthorities": [],
        })
        .to_string()
    }

    pub fn own_certificate(&self) -> Vec<u8> {
        let extensions = [
            extension("551d13", true, &sequence(&[tlv(0x01, &[0xff])])),
            extension("551d0f", true, &tlv(0x03, &[0x01, 0x06])),
        ];
        self.certificate_of(
            &name(),
            &self.authority.spki(),
            (SIGNED_AT - 100_000, SIGNED_AT + 2_500_000_000),
            &extensions,
        )
    }

    /// The certificate for `key`.
    pub fn certificate(&self, key: &Key, says: &Certified) -> Vec<u8> {
        self.certificate_for(&key.spki(), says)
    }

    /// The same for a key of somebody else's.
    pub fn certificate_for(&self, spki: &[u8], says: &Certified) -> Vec<u8> {
        // An address, or a URI.
        let name = if says.identity.contains("://") { 0x86 } else { 0x81 };
        let mut extensions = vec![
            extension("551d0f", true, &tlv(0x03, &[0x07, 0x80])),
            extension("551d25", false, &sequence(&[oid("2b06010505070303")])),
            extension("551d11", true, &sequence(&[tlv(name, says.identity.as_bytes())])),
            extension("2b0601040183bf300108", false, &tlv(0x0c, says.issuer.as_bytes())),
        ];
        let valid = (SIGNED_AT - 60, says.until);
        if says.has_timestamp {
            let tbs = to_be_signed(&sequence(&[]), spki, valid, &extensions);
            extensions.push(self.timestamp(&tbs));
        }
        self.certificate_of(&sequence(&[]), spki, valid, &extensions)
    }

    /// That the log of certificates has it (RFC 6962).
    fn timestamp(&self, tbs: &[u8]) -> Vec<u8> {
        let time = u64::try_from(SIGNED_AT * 1000).unwrap().to_be_bytes();
        let length = u32::try_from(tbs.len()).unwrap().to_be_bytes();
        let issuer = sha256(&self.authority.spki());
        let signed = [&[0, 0][..], &time, &[0, 1], &issuer, &length[1..], tbs, &[0, 0]].concat();
        let signature = self.certificates.sign(&signed);
        let sized = |bytes: &[u8]| [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat();
        let one = [&[0][..], &self.certificates.id(), &time, &[0, 0, 4, 3], &sized(&signature)].concat();
        extension("2b06010401d679020402", false, &tlv(0x04, &sized(&sized(&one))))
    }

    fn certificate_of(&self, subject: &[u8], spki: &[u8], valid: (i64, i64), extensions: &[Vec<u8>]) -> Vec<u8> {
        let tbs = to_be_signed(subject, spki, valid, extensions);
        let signature = [&[0][..], &self.authority.sign(&tbs)].concat();
        sequence(&[tbs, ecdsa(), tlv(0x03, &signature)])
    }

    /// What the log says of an entry.
    fn entry(&self, kind: &str, body: &Value, logged: Logged) -> Value {
        self.entry_of((kind, "0.0.1"), body, logged)
    }

    /// The same of an entry of any version that is as it should be.
    pub fn logged(&self, kind: &str, version: &str, body: &Value) -> Value {
        self.entry_of((kind, version), body, Logged::Yes)
    }

    fn entry_of(&self, (kind, version): (&str, &str), body: &Value, logged: Logged) -> Value {
        let body = body.to_string();
        let other = Key::new();
        let key = if logged == Logged::Forged { &other } else { &self.log };
        let id = self.log.id();
        let promised = format!(
            r#"{{"body":"{}","integratedTime":{SIGNED_AT},"logID":"{}","logIndex":0}}"#,
            STANDARD.encode(&body),
            id.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
        );
        let root = sha256(&[&[0][..], body.as_bytes()].concat());
        let note = format!("log.test - 1\n1\n{}\n", STANDARD.encode(&root));
        let signature = [&id[..4], &key.sign(note.as_bytes())].concat();
        json!({
            "logIndex": "0",
            "logId": { "keyId": STANDARD.encode(&id) },
            "kindVersion": { "kind": kind, "version": version },
            "integratedTime": SIGNED_AT.to_string(),
            "inclusionPromise": { "signedEntryTimestamp": STANDARD.encode(key.sign(promised.as_bytes())) },
            "inclusionProof": {
                "logIndex": "0",
                "rootHash": STANDARD.encode(&root),
                "treeSize": "1",
                "hashes": [],
                "checkpoint": { "envelope": format!("{note}\n— log.test {}\n", STANDARD.encode(signature)) },
            },
            "canonicalizedBody": STANDARD.encode(&body),
        })
    }

    /// A bundle over `statement`, with a certificate where `says` names somebody, else by the key alone.
    pub fn bundle(&self, key: &Key, says: Option<&Certified>, statement: &str, logged: Logged) -> Value {
        let kind = "application/vnd.in-toto+json";
        let signed = format!("DSSEv1 {} {kind} {} {statement}", kind.len(), statement.len());
        let signature = key.sign(signed.as_bytes());
        let (material, verifier) = match says {
            Some(says) => {
                let certificate = self.certificate(key, says);
                (
                    json!({ "certificate": { "rawBytes": STANDARD.encode(&certificate) } }),
                    pem("CERTIFICATE", &certificate),
                )
            }
            None => (json!({ "publicKey": { "hint": "key" } }), key.pem()),
        };
        let over = if logged == Logged::Other { "another" } else { statement };
        let body = json!({
            "apiVersion": "0.0.1",
            "kind": "dsse",
            "spec": {
                "envelopeHash": { "algorithm": "sha256", "value": in_hex(&sha256(b"envelope")) },
                "payloadHash": { "algorithm": "sha256", "value": in_hex(&sha256(over.as_bytes())) },
                "signatures": [{ "signature": STANDARD.encode(&signature), "verifier": STANDARD.encode(verifier) }],
            },
        });
        let mut bundle = json!({
            "mediaType": BUNDLE,
            "verificationMaterial": material,
            "dsseEnvelope": {
                "payload": STANDARD.encode(statement),
                "payloadType": kind,
                "signatures": [{ "sig": STANDARD.encode(&signature) }],
            },
        });
        let entries = if logged == Logged::No { vec![] } else { vec![self.entry("dsse", &body, logged)] };
        bundle["verificationMaterial"]["tlogEntries"] = json!(entries);
        bundle
    }

    /// The annotations that cosign 2 writes beside `payload`.
    pub fn marks(&self, key: &Key, says: Option<&Certified>, payload: &str, logged: Logged) -> Value {
        let signature = key.sign(payload.as_bytes());
        let mut marks = json!({ "dev.cosignproject.cosign/signature": STANDARD.encode(&signature) });
        let certificate = says.map(|says| pem("CERTIFICATE", &self.certificate(key, says)));
        let verifier = certificate.clone().unwrap_or_else(|| key.pem());
        if let Some(certificate) = certificate {
            marks["dev.sigstore.cosign/certificate"] = json!(certificate);
            marks["dev.sigstore.cosign/chain"] = json!(pem("CERTIFICATE", &self.own_certificate()));
        }
        let over = if logged == Logged::Other { "another" } else { payload };
        let body = json!({
            "apiVersion": "0.0.1",
            "kind": "hashedrekord",
            "spec": {
                "data": { "hash": { "algorithm": "sha256", "value": in_hex(&sha256(over.as_bytes())) } },
                "signature": {
                    "content": STANDARD.encode(&signature),
                    "publicKey": { "content": STANDARD.encode(verifier) },
                },
            },
        });
        if logged != Logged::No {
            let entry = self.entry("hashedrekord", &body, logged);
            marks["dev.sigstore.cosign/bundle"] = json!(
                json!({
                    "SignedEntryTimestamp": entry["inclusionPromise"]["signedEntryTimestamp"],
                    "Payload": {
                        "body": entry["canonicalizedBody"],
                        "integratedTime": SIGNED_AT,
                        "logIndex": 0,
                        "logID": in_hex(&self.log.id()),
                    },
                })
                .to_string()
            );
        }
        marks
    }
}

/// The statement that `digest` is signed by, or that something of type `predicate` is so.
pub fn statement(digest: &str, predicate: &str) -> String {
    let hex = digest.trim_start_matches("sha256:");
    format!(
        r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"digest":{{"sha256":"{hex}"}}}}],"predicateType":"{predicate}","predicate":{{}}}}"#
    )
}

/// The payload that cosign 2 signs.
pub fn payload(digest: &str) -> String {
    payload_as("x", digest)
}

/// The same for an image of this name.
pub fn payload_as(name: &str, digest: &str) -> String {
    format!(
        r#"{{"critical":{{"identity":{{"docker-reference":"{name}"}},"image":{{"docker-manifest-digest":"{digest}"}},"type":"cosign container image signature"}},"optional":null}}"#
    )
}

fn to_be_signed(subject: &[u8], spki: &[u8], (from, until): (i64, i64), extensions: &[Vec<u8>]) -> Vec<u8> {
    let valid = sequence(&[time(from), time(until)]);
    let serial = tlv(0x02, &[0x42]);
    let version = tlv(0xa0, &tlv(0x02, &[0x02]));
    let extensions = tlv(0xa3, &sequence(extensions));
    sequence(&[version, serial, ecdsa(), name(), valid, subject.to_vec(), spki.to_vec(), extensions])
}

fn name() -> Vec<u8> {
    sequence(&[tlv(0x31, &sequence(&[oid("550403"), tlv(0x0c, b"test authority")]))])
}

fn ecdsa() -> Vec<u8> {
    sequence(&[oid("2a8648ce3d040302")])
}

fn time(seconds: i64) -> Vec<u8> {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(u64::try_from(seconds).unwrap());
    let text: String = generalized(time);
    // Until 2050 with two digits of the year (RFC 5280, 4.1.2.5): who writes a certificate anew to check it does so.
    if text.as_str() < "2050" { tlv(0x17, &text.as_bytes()[2..]) } else { tlv(0x18, text.as_bytes()) }
}

/// `YYYYMMDDHHMMSSZ`.
fn generalized(time: std::time::SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string().replace(['-', ':', 'T'], "")
}

fn extension(id: &str, critical: bool, value: &[u8]) -> Vec<u8> {
    let mut parts = vec![oid(id)];
    parts.extend(critical.then(|| tlv(0x01, &[0xff])));
    parts.push(tlv(0x04, value));
    sequence(&parts)
}

fn oid(id: &str) -> Vec<u8> {
    tlv(0x06, &hex(id))
}

fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut bytes = vec![tag];
    match u8::try_from(length) {
        Ok(short) if short < 128 => bytes.push(short),
        Ok(short) => bytes.extend([0x81, short]),
        Err(_) => {
            bytes.push(0x82);
            bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
    }
    bytes.extend(content);
    bytes
}

pub fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

pub fn sha256(bytes: &[u8]) -> Vec<u8> {
    ring::digest::digest(&ring::digest::SHA256, bytes).as_ref().to_vec()
}

pub fn in_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}
