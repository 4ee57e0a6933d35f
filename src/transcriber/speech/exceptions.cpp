// Catches the C++ exceptions of whisper.cpp while a model is loaded and tried: the
// head of a damaged model file can make it throw, and an exception must not leave a
// call from Rust. The linker puts these functions in the place of whisper.cpp's own
// (`--wrap`, see src/transcriber/build.rs).
//
// At other times exceptions end the process as before: what they leave of a
// computation is not fit to go on with.

#include <cstddef>
#include <cstdio>
#include <exception>

struct whisper_context;
struct whisper_state;

// Parameters that are passed on unseen. exceptions.rs checks their sizes.
struct context_params {
    alignas(8) unsigned char bytes[48];
};
struct full_params {
    alignas(8) unsigned char bytes[304];
};

namespace {

thread_local bool is_catching = false;
thread_local char caught[256] = "";

template <typename Result, typename Call> Result guarded(Result failure, Call call) {
    if (!is_catching) {
        return call();
    }
    try {
        return call();
    } catch (const std::exception & error) {
        std::snprintf(caught, sizeof caught, "%s", error.what());
    } catch (...) {
        std::snprintf(caught, sizeof caught, "an unknown exception");
    }
    return failure;
}

} // namespace

extern "C" {

// Whether exceptions of this thread are caught from now on. Forgets the last one.
void scribed_catch_exceptions(bool catching) {
    is_catching = catching;
    caught[0] = '\0';
}

// What the last exception said; empty if there was none.
const char * scribed_caught_exception() {
    return caught;
}

whisper_context * __real_whisper_init_from_file_with_params_no_state(const char *, context_params);
whisper_context * __real_whisper_init_from_buffer_with_params_no_state(void *, size_t, context_params);
whisper_state * __real_whisper_init_state(whisper_context *);
int __real_whisper_full_with_state(whisper_context *, whisper_state *, full_params, const float *, int);

whisper_context * __wrap_whisper_init_from_file_with_params_no_state(const char * path, context_params params) {
    return guarded<whisper_context *>(nullptr, [&] { return __real_whisper_init_from_file_with_params_no_state(path, params); });
}

whisper_context * __wrap_whisper_init_from_buffer_with_params_no_state(void * buffer, size_t size, context_params params) {
    return guarded<whisper_context *>(nullptr, [&] { return __real_whisper_init_from_buffer_with_params_no_state(buffer, size, params); });
}

whisper_state * __wrap_whisper_init_state(whisper_context * context) {
    return guarded<whisper_state *>(nullptr, [&] { return __real_whisper_init_state(context); });
}

int __wrap_whisper_full_with_state(whisper_context * context, whisper_state * state, full_params params, const float * samples, int count) {
    return guarded(-1000, [&] { return __real_whisper_full_with_state(context, state, params, samples, count); });
}

}
