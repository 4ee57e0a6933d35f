//! Compiles `exceptions.cpp` and puts it between the engine and whisper.cpp.

/// The calls of whisper.cpp that load a model and try it.
const CALLS: [&str; 4] = [
    "whisper_init_from_file_with_params_no_state",
    "whisper_init_from_buffer_with_params_no_state",
    "whisper_init_state",
    "whisper_full_with_state",
];

fn main() {
    const SOURCE: &str = "src/transcriber/speech/exceptions.cpp";
    println!("cargo:rerun-if-changed={SOURCE}");
    println!("cargo:rerun-if-changed=src/transcriber/build.rs");
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .file(SOURCE)
        // For the engine alone: the daemon links no C++.
        .cargo_metadata(false)
        .compile("scribed-exceptions");
    for call in CALLS {
        engine(&format!("-Wl,--wrap={call}"));
    }
    if let Ok(dir) = std::env::var("OUT_DIR") {
        engine(&format!("{dir}/libscribed-exceptions.a"));
    }
}

/// An argument for the linker of the engine.
fn engine(argument: &str) {
    println!("cargo:rustc-link-arg-bin=scribed-transcriber={argument}");
}
