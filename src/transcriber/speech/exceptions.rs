//! C++ exceptions of whisper.cpp, see `exceptions.cpp`.

use std::ffi::{CStr, c_char};

use whisper_rs::whisper_rs_sys::{whisper_context_params, whisper_full_params};

// SAFETY: as `exceptions.cpp` defines them.
#[allow(unsafe_code)]
unsafe extern "C" {
    fn scribed_catch_exceptions(catching: bool);
    fn scribed_caught_exception() -> *const c_char;
}

// As `exceptions.cpp` passes them on.
const _: () = assert!(size_of::<whisper_context_params>() == 48);
const _: () = assert!(size_of::<whisper_full_params>() == 304);

/// Makes calls of whisper.cpp on this thread, and returns also what an exception in
/// them said: then the call has failed.
#[allow(unsafe_code)]
pub(super) fn catching<T>(calls: impl FnOnce() -> T) -> (T, Option<String>) {
    // SAFETY: sets variables of this thread.
    unsafe { scribed_catch_exceptions(true) };
    let result = calls();
    // SAFETY: it points to a string of this thread, which nothing changes before
    // it is copied here.
    let caught = unsafe { CStr::from_ptr(scribed_caught_exception()) };
    let caught = caught.to_string_lossy().into_owned();
    // SAFETY: as above.
    unsafe { scribed_catch_exceptions(false) };
    (result, Some(caught).filter(|caught| !caught.is_empty()))
}
