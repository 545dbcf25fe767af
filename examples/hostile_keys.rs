//! Ten million keys that come once each, and one that has reached its limit: what they cost, and whether that one stays
//! refused. `cargo run --release --example hostile_keys -- 1000000` sends fewer.
//!
//! A map without a bound would need some ten gigabytes for them.

use std::{env, error::Error, time::Instant};

use plimsoll::{
    Gate,
    bulkhead::{self, Bulkhead},
    clock::Moment,
    gate::{Admission, Ending},
    keyed::{Keyed, Overflow, Settings},
};

fn main() -> Result<(), Box<dyn Error>> {
    let keys: u64 = env::args().nth(1).map_or(Ok(10_000_000), |keys| keys.parse())?;
    let one = bulkhead::Settings::try_new(1)?;
    for overflow in [Overflow::Share, Overflow::Refuse, Overflow::Admit] {
        let settings = Settings::new().with_overflow(overflow);
        let keyed = Keyed::new(settings, |key: &u64| *key, move |_: &u64| Bulkhead::new(one));
        let Admission::Admitted(_held) = keyed.admit(&u64::MAX, &Moment::new()) else {
            return Err("the first is let in".into());
        };
        let (mut let_in, mut got_past) = (0_u64, 0_u64);
        let began = Instant::now();
        let memory = allocation_counter::measure(|| {
            for key in 0..keys {
                let now = Moment::new();
                if let Admission::Admitted(permit) = keyed.admit(&key, &now) {
                    let_in += 1;
                    keyed.settle(permit, Ending::Undispatched, &now);
                }
                if let Admission::Admitted(_) = keyed.admit(&u64::MAX, &now) {
                    got_past += 1;
                }
            }
        });
        let took = began.elapsed();
        let snapshot = keyed.handle().snapshot();
        println!(
            "{overflow:?}: {keys} keys in {took:.1?} ({} ns each), {let_in} let in; {} have a place, which is {} KiB at most; \
             {got_past} got past the limit of the key that is full",
            took.as_nanos() / u128::from(keys.max(1)),
            snapshot.keys,
            memory.bytes_max / 1024,
        );
        if got_past > 0 || snapshot.keys > keyed.handle().capacity() {
            return Err("the limit did not hold".into());
        }
    }
    Ok(())
}
