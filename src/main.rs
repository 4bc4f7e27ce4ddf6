//! The program: a runtime, two signals, an exit code. Everything else is in the library.

use std::io::Write as _;
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

fn main() -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: the threads that do the work cannot be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    let arguments = std::env::args().skip(1).collect();
    let code = runtime.block_on(async { mirror_image::run(arguments, &Environment::of_process(), stop()).await });
    // A look-up of a host name cannot be interrupted; nobody waits for it any more.
    runtime.shutdown_background();
    ExitCode::from(code)
}
