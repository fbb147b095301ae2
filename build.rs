//! Link options that hold for every build of the program: Cargo's, maturin's, `cargo install`'s.

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| std::env::var(name).as_deref() == Ok(value);
    if is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu") && knows_scripts() {
        link_unwinder();
        if is("PROFILE", "release") {
            order_functions();
            pack_relocations();
        }
    }
}

/// Whether the linker takes linker scripts: the usual one of GCC or LLVM does, and zig's. Another one is a choice of
/// the person who builds.
fn knows_scripts() -> bool {
    let chosen = std::env::var("RUSTC_LINKER").unwrap_or_default();
    let flags = std::env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    (chosen.is_empty() || chosen.contains("zigcc")) && !["fuse-ld", "linker="].iter().any(|word| flags.contains(word))
}

/// Measured: the unwinder's library is loaded and relocated for each launch, and never called, since a panic aborts.
/// The standard library asks for it by its name, so the name leads to the static one; what is not needed of that is
/// left out. zig does so by itself.
fn link_unwinder() {
    if std::env::var("HOST") != std::env::var("TARGET") || std::env::var_os("RUSTC_LINKER").is_some() {
        return;
    }
    let asked = Command::new("cc").arg("-print-file-name=libgcc_eh.a").output();
    let Ok(library) = asked.map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())) else { return };
    let Some(folder) = std::env::var_os("OUT_DIR").filter(|_| library.is_absolute() && library.exists()) else {
        return;
    };
    let folder = Path::new(&folder).join("unwinder");
    let script = format!("INPUT({})\n", library.display());
    if std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(folder.join("libgcc_s.so"), script)).is_ok() {
        println!("cargo::rustc-link-arg-bins=-L{}", folder.display());
    }
}

/// Measured: the kernel maps a program's file in pieces of 64 kB or more, so functions that lie apart cost memory and
/// time. Those that a launch calls are put side by side.
fn order_functions() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("link/launch.ld");
    println!("cargo::rerun-if-changed={}", script.display());
    if script.exists() {
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{}", script.display());
    }
}

/// Measured: the loader reads the whole list of relocations at each launch, a quarter of a megabyte. Packed it is a few
/// kilobytes, which takes a loader of glibc 2.36 or later: so only where the program is built for this machine, and it
/// has that. A program that is built so says by itself which glibc it needs.
fn pack_relocations() {
    if std::env::var("HOST") != std::env::var("TARGET") || std::env::var_os("RUSTC_LINKER").is_some() {
        return;
    }
    let Ok(output) = Command::new("getconf").arg("GNU_LIBC_VERSION").output() else { return };
    let version = String::from_utf8_lossy(&output.stdout).trim().trim_start_matches("glibc ").to_owned();
    let mut numbers = version.split('.').filter_map(|number| number.parse::<u32>().ok());
    if (numbers.next(), numbers.next()) >= (Some(2), Some(36)) {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}
