//! The program: a runtime, two signals, an exit code. Everything else is in the library.

use std::process::ExitCode;

use mirror_image::inputs::Environment;
use tokio::signal::unix::{SignalKind, signal};

/// Resolves with the name of the first signal that asks the program to stop.
///
/// As process 1 of a container the kernel ignores signals without a handler; the runner sends SIGINT, and SIGTERM 7.5
/// seconds later.
fn stop() -> impl Future<Output = &'static str> {
    // Now, not when the future is first looked at: a signal may come at any moment.
    let handlers = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    async {
        let (Ok(mut interrupt), Ok(mut terminate)) = handlers else { return std::future::pending().await };
        tokio::select! {
            _ = interrupt.recv() => "SIGINT",
            _ = terminate.recv() => "SIGTERM",
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = std::env::args().skip(1).collect();
    let code = mirror_image::run(arguments, &Environment::of_process(), stop()).await;
    ExitCode::from(code)
}
