//! What stands before the registries of a real network: TLS 1.3 and HTTP/2 by nginx, a token service and a storage host
//! with names of their own.
//!
//! The source is as Docker Hub is: tokens from another host, blobs from a third one (307). The target is as GHCR is: tokens
//! from its own host and for a credential alone, relative `Location`s (the registry's own setting), a mount that is never
//! answered 201, 2,000 writes a minute. Or as ECR is: Basic, no mount. They have these registries' names too, because tools
//! know some of them and treat them as what they are; the names lead through the proxy, which connects to nothing else.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::proxy::Exchange;
use crate::registries::{Address, Requests, about};

/// As people write it; tools make one of [`HUB`] of it.
pub(crate) const SOURCE: &str = "docker.io";
const HUB: [&str; 2] = ["registry-1.docker.io", "index.docker.io"];
const TOKENS: &str = "auth.docker.io";
const STORAGE: &str = "blobs.storage.test";

/// `ann:secret`.
pub(crate) const CREDENTIAL: &str = "YW5uOnNlY3JldA==";

/// What the target is like.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Like {
    Ghcr,
    Ecr,
}

impl Like {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ghcr => "ghcr.io",
            Self::Ecr => "123456789012.dkr.ecr.eu-central-1.amazonaws.com",
        }
    }
}

/// The end that a host belongs to, as the timeline shows it.
pub(crate) fn side(host: &str) -> &'static str {
    match host {
        _ if HUB.contains(&host) => "source",
        TOKENS => "tokens",
        STORAGE => "storage",
        _ => "target",
    }
}

/// Certificate, key and roots, made once for all runs.
pub(crate) struct Certificates {
    directory: PathBuf,
    /// The system's roots and the one that signed: what a tool reads when it starts.
    pub(crate) roots: PathBuf,
}

impl Certificates {
    pub(crate) fn make(directory: &Path) -> Outcome<Self> {
        fs::create_dir_all(directory)?;
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
        let names = [HUB[0], HUB[1], TOKENS, STORAGE, Like::Ghcr.name(), Like::Ecr.name()];
        let names = names.map(|name| format!("DNS:{name}")).join(",");
        fs::write(directory.join("names"), format!("subjectAltName={names}\n"))?;
        let signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names"];
        for arguments in [
            [&["req", "-x509", "-days", "2", "-subj", "/CN=peers", "-out", "ca.pem", "-keyout", "ca.key"], &key[..]]
                .concat(),
            [&["req", "-subj", "/CN=peers", "-out", "leaf.csr", "-keyout", "leaf.key"], &key[..]].concat(),
            [&["x509", "-req", "-days", "2", "-in", "leaf.csr", "-out", "leaf.pem"], &signed[..]].concat(),
        ] {
            let made = Command::new("openssl").args(&arguments).current_dir(directory).output();
            let made = made.map_err(|error| format!("openssl: {error}"))?;
            if !made.status.success() {
                return Err(format!("openssl {arguments:?}: {}", String::from_utf8_lossy(&made.stderr)).into());
            }
        }
        let roots = directory.join("roots.pem");
        let mut text = fs::read("/etc/ssl/certs/ca-certificates.crt").unwrap_or_default();
        text.extend(fs::read(directory.join("ca.pem"))?);
        fs::write(&roots, text)?;
        Ok(Self { directory: directory.to_owned(), roots })
    }
}

/// nginx, as long as this lives.
pub(crate) struct Front {
    child: Child,
    pub(crate) like: Like,
    pub(crate) address: SocketAddr,
    log: PathBuf,
}

/// What is behind it.
pub(crate) struct Behind<'a> {
    pub(crate) source: &'a Address,
    pub(crate) target: &'a Address,
    /// The storage of the source, which the storage host serves.
    pub(crate) blobs: &'a Path,
}

impl Front {
    pub(crate) fn start(
        behind: &Behind<'_>,
        like: Like,
        certificates: &Certificates,
        directory: &Path,
    ) -> Outcome<Self> {
        fs::create_dir_all(directory)?;
        // It is free when nginx asks for it a moment later, as good as always.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        fs::write(directory.join("nginx.conf"), configuration(behind, like, certificates, address, directory))?;
        let program = crate::tools::found("nginx").next().unwrap_or_else(|| PathBuf::from("/usr/sbin/nginx"));
        let printed = directory.join("printed");
        let child = Command::new(program)
            .args(["-p", &directory.display().to_string(), "-c", "nginx.conf"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&printed)?)
            .spawn()
            .map_err(|error| format!("nginx: {error}; a real network needs it, see benches/README.md"))?;
        crate::interrupt::remember(child.id());
        let mut front = Self { child, like, address, log: directory.join("access.log") };
        let began = Instant::now();
        while TcpStream::connect(address).is_err() {
            if front.child.try_wait()?.is_some() || began.elapsed() > Duration::from_secs(10) {
                return Err(format!("nginx does not start:\n{}", fs::read_to_string(&printed)?).into());
            }
            sleep(Duration::from_millis(5));
        }
        Ok(front)
    }

    /// Ends it; what it has answered, and how many of its TLS sessions were resumed. `one_way` is how long a byte takes to
    /// the client.
    pub(crate) fn end(mut self, one_way: Duration) -> Outcome<(Vec<Exchange>, usize)> {
        // Requests under way are none any more: the client has ended.
        sleep(one_way + Duration::from_millis(50));
        self.child.kill()?;
        self.child.wait()?;
        let one_way = u64::try_from(one_way.as_micros())?;
        let (mut exchanges, mut resumed) = (vec![], std::collections::BTreeSet::new());
        for line in BufReader::new(File::open(&self.log)?).lines() {
            let line = line?;
            let Some((exchange, is_resumed)) = exchange(&line, one_way) else {
                return Err(format!("nginx has logged {line}").into());
            };
            if is_resumed {
                resumed.insert(exchange.connection);
            }
            exchanges.push(exchange);
        }
        Ok((exchanges, resumed.len()))
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        crate::interrupt::forget(self.child.id());
    }
}

/// A line of the log as its client saw it, and whether its TLS session was resumed. When the first byte of the answer left is
/// not logged.
fn exchange(line: &str, one_way: u64) -> Option<(Exchange, bool)> {
    let mut words = line.splitn(9, ' ');
    let mut number = || -> Option<u64> { words.next()?.replace('.', "").parse().ok() };
    // Seconds with three digits behind the point.
    let (ended, took) = (number()? * 1000, number()? * 1000);
    let (host, connection, reused) = (words.next()?, words.next()?.parse().ok()?, words.next()?);
    let (status, up, down) = (words.next()?, words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let exchange = Exchange {
        side: side(host).to_owned(),
        connection,
        request: words.next()?.to_owned(),
        status: status.to_owned(),
        began: ended - took - one_way,
        sent: ended - took - one_way,
        answered: ended + one_way,
        ended: ended + one_way,
        bytes_up: up,
        bytes_down: down,
    };
    Some((exchange, reused == "r"))
}

/// Requests by what they were about, of the source's three hosts and of the target.
pub(crate) fn requests(exchanges: &[Exchange]) -> (Requests, Requests) {
    let (mut source, mut target) = (Requests::new(), Requests::new());
    for exchange in exchanges {
        let of_side = if exchange.side == "target" { &mut target } else { &mut source };
        let (method, path) = exchange.request.split_once(' ').unwrap_or_default();
        let kind = match exchange.side.as_str() {
            "tokens" => "token",
            "storage" => "storage",
            _ if path.starts_with("/token") => "token",
            _ => about(path),
        };
        *of_side.entry(format!("{method} {kind}")).or_default() += 1;
    }
    (source, target)
}

fn configuration(
    Behind { source, target, blobs }: &Behind<'_>,
    like: Like,
    certificates: &Certificates,
    address: SocketAddr,
    directory: &Path,
) -> String {
    let here = directory.display();
    let keys = certificates.directory.display();
    let blobs = blobs.display();
    let mut temporary = String::new();
    for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        let _ = writeln!(temporary, "  {kind}_temp_path {here}/{kind};");
    }
    let listen = format!("listen {address} ssl http2;");
    let source_challenge = challenge(&format!("https://{TOKENS}/token"), "registry.docker.io");
    let proxy = "proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_set_header Host $host; \
                 proxy_set_header X-Forwarded-Proto https; proxy_buffering off;";
    let target_name = like.name();
    let target_server = match like {
        Like::Ghcr => ghcr(target_name, proxy),
        Like::Ecr => ecr(target_name, proxy),
    };
    let hub = HUB.join(" ");
    format!(
        r#"daemon off; master_process off; pid {here}/pid; error_log {here}/error.log warn;
worker_rlimit_nofile 4096;
events {{ worker_connections 2048; }}
http {{
{temporary}  log_format peers '$msec $request_time $server_name $connection $ssl_session_reused $status $request_length $bytes_sent $request_method $request_uri';
  access_log {here}/access.log peers;
  default_type application/json;
  client_max_body_size 0; tcp_nodelay on; server_names_hash_bucket_size 128;
  ssl_certificate {keys}/leaf.pem; ssl_certificate_key {keys}/leaf.key; ssl_protocols TLSv1.3;
  map $request_method $write {{ default ""; POST 1; PUT 1; PATCH 1; DELETE 1; }}
  limit_req_zone $write zone=writes:1m rate=2000r/m;
  upstream source {{ server {source}; keepalive 128; }}
  upstream target {{ server {target}; keepalive 128; }}
  server {{
    {listen} server_name {hub};
    location /v2/ {{
      {source_challenge}
      if ($request_uri ~ "/blobs/sha256:([0-9a-f][0-9a-f])([0-9a-f]*)$") {{ return 307 https://{STORAGE}/$1/$1$2?signature=good; }}
      {proxy} proxy_pass http://source;
    }}
  }}
  server {{
    {listen} server_name {TOKENS};
    location = /token {{ return 200 '{{"token":"good","expires_in":300}}'; }}
  }}
  server {{
    {listen} server_name {STORAGE};
    default_type application/octet-stream;
    location ~ "^/([0-9a-f][0-9a-f])/([0-9a-f]+)$" {{ alias {blobs}/docker/registry/v2/blobs/sha256/$1/$2/data; }}
  }}
  server {{
    {listen} server_name {target_name};
    {target_server}
  }}
}}
"#
    )
}

/// 401 without a token, with the scope of what was asked for.
fn challenge(realm: &str, service: &str) -> String {
    format!(
        r#"set $scope "";
      if ($uri ~ "^/v2/(.+)/(manifests|blobs|tags|referrers)/") {{ set $scope ',scope="repository:$1:pull"'; }}
      if ($http_authorization != "Bearer good") {{
        add_header WWW-Authenticate 'Bearer realm="{realm}",service="{service}"$scope' always;
        return 401 '{{"errors":[{{"code":"UNAUTHORIZED","message":"authentication required"}}]}}';
      }}"#
    )
}

fn ghcr(name: &str, proxy: &str) -> String {
    let challenge = challenge(&format!("https://{name}/token"), name);
    format!(
        r#"limit_req_status 429;
    error_page 429 = @limited;
    location @limited {{ return 429 '{{"errors":[{{"code":"TOOMANYREQUESTS","message":"retry-after: 1s, allowed: 2000/minute"}}]}}'; }}
    location = /token {{
      if ($http_authorization != "Basic {CREDENTIAL}") {{ return 403 '{{"errors":[{{"code":"DENIED","message":"requested access to the resource is denied"}}]}}'; }}
      return 200 '{{"token":"good"}}';
    }}
    location /v2/ {{
      limit_req zone=writes burst=2000 nodelay;
      {challenge}
      if ($arg_mount) {{ rewrite ^ $uri? break; }}
      {proxy} proxy_pass http://target;
    }}"#
    )
}

fn ecr(name: &str, proxy: &str) -> String {
    format!(
        r#"location /v2/ {{
      if ($http_authorization != "Basic {CREDENTIAL}") {{
        add_header WWW-Authenticate 'Basic realm="https://{name}/"' always;
        return 401 'Not Authorized';
      }}
      if ($arg_mount) {{ rewrite ^ $uri? break; }}
      {proxy} proxy_pass http://target;
    }}"#
    )
}
