//! The program: a runtime, two signals, a fault's last words, an exit code. Everything else is in the library.

use std::any::Any;
use std::io::Write as _;
use std::panic::Location;
use std::process::ExitCode;
use std::time::Duration;

use mirror_image::Environment;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

/// How long a run that was told to stop may take to say what it did. What still stands then, in a write to a pipe that
/// nobody reads or at a file system that does not answer, would stand for ever.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Resolves with the name of the first signal that asks the program to stop. Ends the process where the run does not.
///
/// As process 1 of a container the kernel ignores signals without a handler; the runner sends SIGINT, and SIGTERM 7.5
/// seconds later.
fn stop() -> impl Future<Output = &'static str> {
    // Now, not when the future is first looked at: a signal may come at any moment.
    let handlers = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    let (tell, told) = oneshot::channel();
    // On a thread of the runtime's: that of the run may be the one that stands still.
    tokio::spawn(async {
        let (Ok(mut interrupt), Ok(mut terminate)) = handlers else { return };
        let (name, code) = tokio::select! {
            _ = interrupt.recv() => ("SIGINT", 130),
            _ = terminate.recv() => ("SIGTERM", 143),
        };
        // Not heard any more where the report is written already.
        let _ = tell.send(name);
        tokio::time::sleep(LAST_WORDS).await;
        end(code);
    });
    async {
        match told.await {
            Ok(name) => name,
            Err(_) => std::future::pending().await,
        }
    }
}

/// Ends the process at once.
#[expect(clippy::exit, reason = "the thread that would return the code stands still")]
fn end(code: i32) -> ! {
    std::process::exit(code)
}

/// What is said of a fault of this program: where it is, and a literal of ours. Never a text that was put together: it
/// may quote a secret or a stranger, as the message about a slice quotes what was sliced.
fn fault(place: Option<&Location<'_>>, payload: &dyn Any) -> String {
    let place = place.map_or_else(|| "an unknown place".to_owned(), |at| format!("{}:{}", at.file(), at.line()));
    let words = payload.downcast_ref::<&'static str>().map_or_else(String::new, |words| format!(": {words}"));
    format!(
        "error: mirror-image has a fault at {place}{words}. No tag points at half an image; the next run goes on from \
         there. Please report this line"
    )
}

/// Lets a fault, on whichever thread, say where it is and end the process: what is left of a run would wait for the task
/// that is gone. What is released has no code that would unwind.
fn end_at_a_fault() {
    std::panic::set_hook(Box::new(|info| {
        let _ = writeln!(std::io::stderr(), "{}", fault(info.location(), info.payload()));
        end(1);
    }));
}

fn main() -> ExitCode {
    end_at_a_fault();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: the threads that do the work cannot be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    let arguments = std::env::args_os().skip(1).collect();
    let code = runtime.block_on(async { mirror_image::run(arguments, &Environment::of_process(), stop()).await });
    // A look-up of a host name cannot be interrupted: it is left behind, not waited for.
    runtime.shutdown_background();
    ExitCode::from(code)
}

#[cfg(test)]
mod tests {
    use std::panic::Location;
    use std::process::Command;

    use super::{end_at_a_fault, fault};

    /// Set for a child process, in which the test below is what goes wrong.
    const FAULTY: &str = "MIRROR_IMAGE_TEST_FAULTY";

    #[test]
    fn a_fault_on_any_thread_ends_the_process() {
        if std::env::var_os(FAULTY).is_some() {
            end_at_a_fault();
            let _ = std::thread::spawn(|| panic!("a literal")).join();
            return;
        }
        let name = "tests::a_fault_on_any_thread_ends_the_process";
        let program = std::env::current_exe().expect("this program");
        let output =
            Command::new(program).args([name, "--exact", "--nocapture"]).env(FAULTY, "").output().expect("it starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("mirror-image has a fault at src/main.rs:"), "{said}");
    }

    #[test]
    fn a_fault_names_its_place_and_quotes_nothing() {
        let place = Some(Location::caller());
        let said = fault(place, &"a literal");
        assert!(said.starts_with("error: mirror-image has a fault at src/main.rs:"), "{said}");
        assert!(said.contains(": a literal. "), "{said}");
        let said = fault(place, &"byte index 3 is not a char boundary of `hunter2`".to_owned());
        assert!(!said.contains("hunter2"), "{said}");
    }
}
