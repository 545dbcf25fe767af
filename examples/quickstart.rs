//! Wraps a function so that it serves two callers at once, and shows what the third is told.
use std::{io, time::Duration};

use plimsoll::{Error, Stack, bulkhead};
use tower::{Service, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), plimsoll::InvalidSetting> {
    let stack = Stack::new().timeout(Duration::from_secs(1)).bulkhead(bulkhead::Settings::try_new(2)?);
    let mut greet = stack.service(service_fn(|name: &'static str| async move {
        tokio::time::sleep(Duration::from_millis(50)).await;
        Ok::<_, io::Error>(format!("hello, {name}"))
    }));
    let calls = ["Ada", "Grace", "Edsger"].map(|name| greet.call(name));
    for call in calls {
        match call.await {
            Ok(greeting) => println!("{greeting}"),
            Err(Error::Rejected(rejection)) => println!("refused: {rejection}"),
            Err(Error::Inner(error)) => println!("failed: {error}"),
        }
    }
    Ok(())
}
