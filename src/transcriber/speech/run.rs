//! The one call into whisper.cpp that takes long, made stoppable.

#![allow(
    unsafe_code,
    reason = "whisper.cpp calls back through a C function pointer"
)]

use std::ffi::c_void;

use whisper_rs::{
    FullParams, WhisperError, WhisperState, WhisperSysContext, WhisperSysState, WhisperTokenData,
    WhisperTokenId,
};

use crate::pulse::Pulse;

/// whisper.cpp's code for: no memory for the text cache. It has then freed the
/// state that its caller still holds.
const STATE_IS_GONE: i32 = -7;

/// Runs the model over `samples`. whisper.cpp asks `pulse` after each pass of
/// the encoder and after each token: one pass of a large model on a slow machine
/// is many seconds without a sign of life or a chance to stop. When stopped it
/// ends with an error like any other.
///
/// No token of `banned` is written; they must be tokens of this model.
pub fn full(
    state: &mut WhisperState,
    mut params: FullParams<'_, '_>,
    samples: &[f32],
    banned: &[WhisperTokenId],
    pulse: &Pulse<'_>,
) -> Result<(), WhisperError> {
    // SAFETY: `abort` matches the type that whisper.cpp calls, and takes its user
    // data for a `Pulse`. That pointer is to `pulse`, which is borrowed until
    // this function returns; `params` are owned here and given to one call that
    // keeps nothing of them after its return.
    unsafe {
        params.set_abort_callback(Some(abort));
        params.set_abort_callback_user_data(std::ptr::from_ref(pulse).cast_mut().cast());
    }
    if !banned.is_empty() {
        // SAFETY: as above, with `ban` and a pointer to `banned`, whose tokens
        // are those of this model: see there.
        unsafe {
            params.set_filter_logits_callback(Some(ban));
            params.set_filter_logits_callback_user_data(
                std::ptr::from_ref(&banned).cast_mut().cast(),
            );
        }
    }
    let result = state.full(params, samples);
    if let Err(WhisperError::GenericError(STATE_IS_GONE)) = result {
        // Dropping the state would free it twice, keeping it would leak the
        // model: there is no memory anyway, so start over.
        tracing::error!("whisper.cpp ran out of memory for its text cache");
        std::process::exit(1);
    }
    result
}

/// True: stop. May be called from any of whisper.cpp's threads.
unsafe extern "C" fn abort(pulse: *mut c_void) -> bool {
    // SAFETY: see `full`: the pointer is to a `Pulse` that outlives the call, and
    // `Pulse` is `Sync` and only ever borrowed shared. (The lifetime in its type
    // is erased here, and ends after the call as well.)
    let pulse = unsafe { &*pulse.cast_const().cast::<Pulse<'_>>() };
    !pulse.keep_going()
}

/// Makes tokens impossible. May be called from any of whisper.cpp's threads,
/// each with `logits` of its own: as many numbers as the vocabulary has tokens.
unsafe extern "C" fn ban(
    _context: *mut WhisperSysContext,
    _state: *mut WhisperSysState,
    _said: *const WhisperTokenData,
    _count: i32,
    logits: *mut f32,
    banned: *mut c_void,
) {
    // SAFETY: see `full`: the pointer is to a slice that outlives the call and
    // that nothing changes.
    let banned = unsafe { *banned.cast_const().cast::<&[WhisperTokenId]>() };
    for token in banned {
        if let Ok(token) = usize::try_from(*token) {
            // SAFETY: it is a token of the model, so there is a number for it.
            unsafe { *logits.add(token) = f32::NEG_INFINITY };
        }
    }
}
