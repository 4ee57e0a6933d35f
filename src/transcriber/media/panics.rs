//! Catches panics of decoders. symphonia's arithmetic overflows on hostile
//! packets: each costs one packet, and the log must not fill with backtraces.

use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

thread_local! {
    static IS_CAUGHT: Cell<bool> = const { Cell::new(false) };
    static MESSAGE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Panics caught in this process.
static COUNT: AtomicU64 = AtomicU64::new(0);

/// Runs `decode` and returns its panic as an error, logging the first of this
/// process, the second, the fourth, the eighth and so on. What `decode` was
/// working on must not be used after a panic.
pub fn caught<T>(decode: impl FnOnce() -> T) -> Result<T, Panicked> {
    install_hook();
    let before = IS_CAUGHT.replace(true);
    let result = catch_unwind(AssertUnwindSafe(decode));
    IS_CAUGHT.set(before);
    result.map_err(|_| {
        let count = COUNT.fetch_add(1, Ordering::Relaxed) + 1;
        if count.is_power_of_two() {
            let message = MESSAGE.take();
            tracing::warn!("a decoder panicked on a damaged packet ({message}); {count} so far");
        }
        Panicked
    })
}

/// The called function panicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the decoder crashed")]
pub struct Panicked;

/// Installs a panic hook; panics outside [`caught`] are reported as before.
fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| match IS_CAUGHT.get() {
            true => MESSAGE.set(message(panic)),
            false => before(panic),
        }));
    });
}

/// The panic message in one line.
fn message(panic: &PanicHookInfo<'_>) -> String {
    let message = panic.payload_as_str().unwrap_or("no message");
    let message = message.lines().next().unwrap_or_default();
    match panic.location() {
        Some(place) => format!("{message}, {}:{}", place.file(), place.line()),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_with_its_message() {
        assert_eq!(caught(|| 1), Ok(1));
        let before = COUNT.load(Ordering::Relaxed);
        for _ in 0..3 {
            let result: Result<(), Panicked> = caught(|| panic!("absurd\nand long"));
            assert_eq!(result, Err(Panicked));
        }
        assert!(COUNT.load(Ordering::Relaxed) >= before + 3);
        assert!(!IS_CAUGHT.get());
        let _: Result<(), Panicked> = caught(|| {
            // Nested, as when a reader decodes for a lookahead.
            let _: Result<(), Panicked> = caught(|| panic!("inner"));
            assert!(IS_CAUGHT.get());
        });
    }
}
