//! A server whose answers never end, where no HTTP library would let one be made.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// Answers every request with `head` and then `again` for as long as anybody listens. Its address; it is gone with the
/// runtime.
pub async fn serve(head: &'static str, again: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let again = again.repeat(64 * 1024 / again.len() + 1);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let again = again.clone();
            tokio::spawn(async move {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = client.read_u8().await else { return };
                    request.push(byte);
                }
                let mut sent = client.write_all(head.as_bytes()).await;
                while sent.is_ok() {
                    sent = client.write_all(again.as_bytes()).await;
                }
            });
        }
    });
    address
}
