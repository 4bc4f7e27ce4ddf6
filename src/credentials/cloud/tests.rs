use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::{Instant, advance};

use super::{Lease, Provider};
use crate::credentials::cloud::ask::Exchange;
use crate::credentials::cloud::leased::Leased;
use crate::error::cause::{Cause, ErrorResponse, LoginFailure};
use crate::error::login::{LoginReason, LoginStep, LoginTurn};
use crate::http::clients::{Rest, Transport};
use crate::http::proxies::Proxies;
use crate::http::roots::ExtraRoots;
use crate::observe::events::Events;
use crate::observe::meter::Meter;
use crate::secret::{Credential, Secret};
use crate::sync::LockExt as _;

/// A provider that answers as it is told, after a while each.
#[derive(Debug, Default)]
pub struct Script {
    answers: Mutex<VecDeque<(u64, Answer)>>,
    asked: Mutex<Vec<Instant>>,
}

#[derive(Clone, Copy, Debug)]
enum Answer {
    /// A credential that is good for so many seconds.
    Lease(u64),
    Status(u16),
}

impl Script {
    pub async fn lease(&self) -> Result<Leased, Box<LoginFailure>> {
        let (seconds, answer) = self.answers.locked().pop_front().unwrap_or((0, Answer::Status(503)));
        let number = {
            let mut asked = self.asked.locked();
            asked.push(Instant::now());
            asked.len()
        };
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        match answer {
            Answer::Lease(lifetime) => Ok(Leased {
                credential: Credential {
                    username: "me".to_owned(),
                    password: Secret::new(format!("password {number}")),
                },
                lifetime: Duration::from_secs(lifetime),
            }),
            Answer::Status(status) => Err(Box::new(LoginFailure {
                provider: "quay",
                service: "quay.io".to_owned(),
                turn: LoginTurn::First,
                step: LoginStep::Password,
                reason: LoginReason::Unclear,
                cause: Cause::Refused(ErrorResponse { status, ..ErrorResponse::default() }),
                claims: None,
            })),
        }
    }
}

struct World {
    lease: Lease,
    transport: Transport,
    meter: Meter,
}

impl World {
    fn new(answers: &[(u64, Answer)]) -> Self {
        let script = Script { answers: Mutex::new(answers.iter().copied().collect()), asked: Mutex::default() };
        let transport = Transport::new(ExtraRoots::default(), &Proxies::default(), Rest::Kept);
        let meter = Meter::new(Events::new().0);
        Self { lease: Lease::new("quay", "quay.io", Provider::Scripted(script)), transport, meter }
    }

    /// The password that is sent now, or the sentence.
    async fn password(&self) -> Result<String, String> {
        let exchange = Exchange {
            transport: &self.transport,
            meter: &self.meter,
            answer: Duration::from_secs(60),
            patience: Duration::from_secs(300),
        };
        let credential = self.lease.credential(&exchange).await;
        credential.map(|credential| credential.password.expose().to_owned()).map_err(|failure| failure.to_string())
    }

    fn asked(&self) -> usize {
        match &self.lease.provider {
            Provider::Scripted(script) => script.asked.locked().len(),
            _ => 0,
        }
    }
}

fn password(number: u32) -> String {
    format!("password {number}")
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_fails_in_passing_keeps_nobody_waiting_while_the_login_from_before_is_good() {
    let world = World::new(&[
        (0, Answer::Lease(3600)),
        (0, Answer::Status(503)),
        (0, Answer::Status(522)),
        (0, Answer::Lease(9)),
    ]);
    assert_eq!(world.password().await, Ok(password(1)));
    advance(Duration::from_secs(3541)).await;
    let begun = Instant::now();
    assert_eq!((world.password().await, world.asked()), (Ok(password(1)), 2));
    // Not again at once: after a back-off, as other requests.
    assert_eq!((world.password().await, world.asked()), (Ok(password(1)), 2));
    assert_eq!(begun.elapsed(), Duration::ZERO);
    advance(Duration::from_secs(1)).await;
    assert_eq!((world.password().await, world.asked()), (Ok(password(1)), 3));
    advance(Duration::from_secs(2)).await;
    assert_eq!((world.password().await, world.asked()), (Ok(password(4)), 4));
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_takes_long_keeps_nobody_else_waiting_and_does_not_outlast_the_login() {
    let world = World::new(&[(0, Answer::Lease(3600)), (3000, Answer::Lease(1)), (0, Answer::Lease(3600))]);
    assert_eq!(world.password().await, Ok(password(1)));
    advance(Duration::from_secs(3550)).await;
    let other = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let begun = Instant::now();
        (world.password().await, begun.elapsed())
    };
    let (first, other) = tokio::join!(world.password(), other);
    assert_eq!(other, (Ok(password(1)), Duration::ZERO));
    // It was cut off when the login from before ended, and asked anew.
    assert_eq!((first, world.asked()), (Ok(password(3)), 3));
}

#[tokio::test(start_paused = true)]
async fn a_login_that_has_ended_and_cannot_be_renewed_is_said_so_after_one_patience_for_all() {
    let world = World::new(&[(0, Answer::Lease(3600))]);
    assert_eq!(world.password().await, Ok(password(1)));
    advance(Duration::from_secs(3601)).await;
    let begun = Instant::now();
    let sentence = world.password().await.unwrap_err();
    let beginning = "the login by `registry-identities` (quay) has ended and could not be renewed: the registry's password \
                     from quay.io: 503; gave up after ";
    assert!(sentence.starts_with(beginning), "{sentence}");
    // The last wait may be longer by what keeps many from coming back as one.
    assert!((200..=305).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    // Whoever comes after asks once, and hears how long was waited.
    advance(Duration::from_secs(1)).await;
    let (begun, asked) = (Instant::now(), world.asked());
    let later = world.password().await.unwrap_err();
    assert_eq!((later, world.asked(), begun.elapsed()), (sentence, asked + 1, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_is_refused_is_asked_for_once_more_when_the_login_has_ended() {
    for (answer, expected) in [
        (
            Answer::Status(403),
            Err("the login by `registry-identities` (quay) has ended and could not be renewed: the registry's \
                                   password from quay.io: 403"),
        ),
        (Answer::Lease(3600), Ok("password 3")),
    ] {
        let world = World::new(&[(0, Answer::Lease(3600)), (0, Answer::Status(403)), (0, answer)]);
        assert_eq!(world.password().await, Ok(password(1)));
        for seconds in [3550, 20] {
            advance(Duration::from_secs(seconds)).await;
            assert_eq!((world.password().await, world.asked()), (Ok(password(1)), 2));
        }
        advance(Duration::from_secs(60)).await;
        for _ in 0..2 {
            let found = world.password().await;
            assert_eq!((found.as_deref().map_err(String::as_str), world.asked()), (expected, 3));
        }
    }
}
