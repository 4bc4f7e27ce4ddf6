//! AWS's signature of a request, version 4 (AWS IAM User Guide, "Create a signed AWS API request").
//!
//! Owns the signature of a `POST /` without a query, which is all that is sent. Pure.

use std::fmt::Write as _;

use ring::hmac;

use crate::oci::digest::{Digest, hexadecimal};
use crate::secret::Secret;

/// Who signs, and what for.
pub struct Signer<'a> {
    pub access_key_id: &'a str,
    pub secret_access_key: &'a Secret,
    pub region: &'a str,
    pub service: &'a str,
    /// `20150830T123600Z`.
    pub date: &'a str,
}

impl Signer<'_> {
    /// The value of `Authorization` for a `POST /` with these headers, their names in lower case and in order, and this body.
    pub fn authorization(&self, headers: &[(&str, &str)], body: &[u8]) -> String {
        let Self { access_key_id, region, service, date, .. } = self;
        let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let lines = headers.iter().fold(String::new(), |mut text, (name, value)| {
            let _ = writeln!(text, "{name}:{}", value.trim());
            text
        });
        let request = format!("POST\n/\n\n{lines}\n{names}\n{}", hash(body));
        let day = date.get(..8).unwrap_or_default();
        let scope = format!("{day}/{region}/{service}/aws4_request");
        let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hash(request.as_bytes()));
        let first = Secret::new(format!("AWS4{}", self.secret_access_key.expose()));
        let key = [day, region, service, "aws4_request"]
            .into_iter()
            .fold(first.expose().as_bytes().to_vec(), |key, part| sign(&key, part));
        let signature = hexadecimal(&sign(&key, &text));
        format!("AWS4-HMAC-SHA256 Credential={access_key_id}/{scope}, SignedHeaders={names}, Signature={signature}")
    }
}

fn sign(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

fn hash(bytes: &[u8]) -> String {
    Digest::of(bytes).hex().to_owned()
}

#[cfg(test)]
mod tests {
    use super::Signer;
    use crate::secret::Secret;

    const HOST: (&str, &str) = ("host", "example.amazonaws.com");
    const DATE: (&str, &str) = ("x-amz-date", "20150830T123600Z");
    const TOKEN: &str = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";

    /// From AWS's published suite (`aws-sig-v4-test-suite`): what of it is a `POST` to `/`.
    #[test]
    fn the_vectors_of_the_published_suite_are_signed_as_it_says() {
        let form = ("content-type", "application/x-www-form-urlencoded");
        let form_with_charset = ("content-type", "application/x-www-form-urlencoded; charset=utf8");
        let parameters = "Param1=value1";
        for (name, headers, body, signature) in [
            ("post-vanilla", vec![HOST, DATE], "", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
            (
                "post-header-key-sort",
                vec![HOST, ("my-header1", "value1"), DATE],
                "",
                "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
            ),
            (
                "post-header-value-case",
                vec![HOST, ("my-header1", "VALUE1"), DATE],
                "",
                "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d",
            ),
            (
                "post-sts-header-before",
                vec![HOST, DATE, ("x-amz-security-token", TOKEN)],
                "",
                "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
            ),
            (
                "post-x-www-form-urlencoded",
                vec![form, HOST, DATE],
                parameters,
                "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            ),
            (
                "post-x-www-form-urlencoded-parameters",
                vec![form_with_charset, HOST, DATE],
                parameters,
                "1a72ec8f64bd914b0e42e42607c7fbce7fb2c7465f63e3092b3b0d39fa77a6fe",
            ),
        ] {
            let secret = Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
            let signer = Signer {
                access_key_id: "AKIDEXAMPLE",
                secret_access_key: &secret,
                region: "us-east-1",
                service: "service",
                date: "20150830T123600Z",
            };
            let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
            let expected = format!(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders={names}, \
                 Signature={signature}"
            );
            assert_eq!(signer.authorization(&headers, body.as_bytes()), expected, "{name}");
        }
    }
}
