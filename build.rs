//! Link options for every build of the program, with Cargo, maturin or `cargo install`.

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

/// Whether the linker supports linker scripts: the default linkers of GCC and LLVM do, and zig's. Another linker may
/// not.
fn knows_scripts() -> bool {
    let chosen = std::env::var("RUSTC_LINKER").unwrap_or_default();
    let flags = std::env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    (chosen.is_empty() || chosen.contains("zigcc")) && !["fuse-ld", "linker="].iter().any(|word| flags.contains(word))
}

/// Links the unwinder statically. Measured: its library is loaded and relocated for each launch, but never called,
/// since a panic aborts. The standard library links it by name, so the name must lead to the static library, of which
/// unused parts are left out. zig does so by default.
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

/// Packs the relocations. Measured: the loader reads the whole list at each launch, a quarter of a megabyte; packed, it
/// is a few kilobytes. That needs the loader of glibc 2.36 or later, so it is only done if the program is built for
/// this machine, and the machine has it. Such a program declares the glibc that it needs.
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
