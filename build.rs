//! Link options that hold for every build of the program: Cargo's, maturin's, `cargo install`'s.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Measured: the unwinder's library is loaded and relocated for each launch, and never called, since a panic
    // aborts. Linked in, what is not needed of it is left out.
    if std::env::var("CARGO_CFG_TARGET_ENV").as_deref() == Ok("gnu") {
        println!("cargo::rustc-link-arg-bins=-static-libgcc");
    }
}
