//! The proxies that the environment names: the HTTP library reads them for itself, and this what must be known of them
//! besides.

use url::Url;

use crate::environment::Environment;
use crate::secret::{Credential, Secret};

/// The variables.
const VARIABLES: [&str; 6] = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];

/// The proxies of a run.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    /// Their hosts: the user named them, and they may be anywhere.
    pub hosts: Vec<String>,
    /// What they are told.
    pub credentials: Vec<Credential>,
}

impl Proxies {
    /// Those that the environment names.
    pub fn of(environment: &Environment) -> Self {
        let mut proxies = Self::default();
        for value in VARIABLES.iter().filter_map(|name| environment.get(name)) {
            let with_scheme = if value.contains("://") { value.to_owned() } else { format!("http://{value}") };
            let Ok(url) = Url::parse(&with_scheme) else { continue };
            proxies.hosts.extend(url.host_str().map(str::to_owned));
            if let Some(password) = url.password() {
                let decoded = |text: &str| {
                    url::form_urlencoded::parse(text.replace('+', "%2B").as_bytes())
                        .next()
                        .map(|(text, _)| text.into_owned())
                };
                proxies.credentials.push(Credential {
                    username: decoded(url.username()).unwrap_or_default(),
                    password: Secret::new(decoded(password).unwrap_or_default()),
                });
            }
        }
        proxies
    }
}

#[cfg(test)]
mod tests {
    use super::Proxies;
    use crate::environment::Environment;

    #[test]
    fn a_proxy_is_known_with_its_host_and_its_password() {
        let variables = [("HTTPS_PROXY", "http://me:p%26a+s@proxy.corp:3128"), ("http_proxy", "other.corp:8080")];
        let proxies = Proxies::of(&Environment::from(&variables[..]));
        assert_eq!(proxies.hosts, ["proxy.corp", "other.corp"]);
        let passwords: Vec<&str> = proxies.credentials.iter().map(|one| one.password.expose()).collect();
        assert_eq!(passwords, ["p&a+s"]);
    }
}
