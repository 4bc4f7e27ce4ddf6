//! Credential helpers: programs that keep logins for Docker and podman (docker/docker-credential-helpers).
//!
//! Owns how one is asked. Asked on the command line only, as the person who owns both; with a time limit, and never for a host
//! that nobody wants to reach. Never repeats what one answers: a complaint may quote a secret.

use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::secret::{Credential, IDENTITY_TOKEN, Secret};

/// How long one may take: some ask a person for a password.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The largest answer that is read, in bytes.
const LARGEST: u64 = 64 * 1024;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

/// Asks the program `docker-credential-NAME` for the credential of `host`; none where it has none. The error is what went
/// wrong, to stand behind the program's name.
pub async fn ask(name: &str, host: &str, patience: Duration) -> Result<Option<Credential>, String> {
    let program = program(name);
    let answered = async {
        let mut command = tokio::process::Command::new(&program);
        command.arg("get").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => "is not installed".to_owned(),
            kind => format!("cannot be started ({kind})"),
        })?;
        if let Some(mut input) = child.stdin.take() {
            // One that has ended already has said why.
            let _ = input.write_all(server(host).as_bytes()).await;
        }
        let mut text = Vec::new();
        if let Some(output) = child.stdout.take() {
            let read = output.take(LARGEST).read_to_end(&mut text).await;
            read.map_err(|error| format!("cannot be read ({})", error.kind()))?;
        }
        let status = child.wait().await.map_err(|error| format!("cannot be waited for ({})", error.kind()))?;
        if status.success() {
            return serde_json::from_slice::<Answer>(&text)
                .map(Some)
                .map_err(|_| "gave no credential in the form that helpers have".to_owned());
        }
        // What `errCredentialsNotFound` of docker-credential-helpers says; for the others a person looks themselves.
        let has_none = String::from_utf8_lossy(&text).contains("credentials not found");
        if has_none { Ok(None) } else { Err(format!("failed ({status}); ask it yourself with `{program} list`")) }
    };
    let answer = match tokio::time::timeout(patience, answered).await {
        Ok(answer) => answer?,
        Err(_) => return Err(format!("gave no answer in {} s", patience.as_secs_f64())),
    };
    let credential = answer.filter(|answer| !answer.secret.is_empty()).map(|Answer { username, secret }| Credential {
        // `<token>`, or nothing at all, says that the secret is an identity token.
        username: if username.is_empty() { IDENTITY_TOKEN.to_owned() } else { username },
        password: Secret::new(secret),
    });
    Ok(credential)
}

/// The program's name; a name in a file that is none leads to no program.
fn program(name: &str) -> String {
    let is_name = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.');
    format!("docker-credential-{}", name.chars().filter(|character| is_name(*character)).collect::<String>())
}

/// What a helper calls a host: Docker Hub by its oldest address.
fn server(host: &str) -> &str {
    if host == "docker.io" { "https://index.docker.io/v1/" } else { host }
}

#[cfg(test)]
mod tests {
    use super::{program, server};

    #[test]
    fn a_helper_is_a_program_of_that_name_and_hub_has_its_old_address() {
        assert_eq!(program("osxkeychain"), "docker-credential-osxkeychain");
        assert_eq!(program("../../tmp/evil; x"), "docker-credential-....tmpevilx");
        assert_eq!((server("docker.io"), server("ghcr.io")), ("https://index.docker.io/v1/", "ghcr.io"));
    }
}
