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

/// Whether the linker is known to support linker scripts: the default one, or zig's.
fn knows_scripts() -> bool {
    let chosen = std::env::var("RUSTC_LINKER").unwrap_or_default();
    let flags = std::env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    (chosen.is_empty() || chosen.contains("zigcc")) && !["fuse-ld", "linker="].iter().any(|word| flags.contains(word))
}

/// Links the unwinder statically. As a shared library it is loaded and relocated in each launch, but never called,
/// since a panic aborts. The standard library links it by name, so this makes a linker script with that name, which
/// refers to the static library. zig links it statically by default.
fn link_unwinder() {
    if std::env::var("HOST") != std::env::var("TARGET") || std::env::var_os("RUSTC_LINKER").is_some() {
        return;
    }
    let output = Command::new("cc").arg("-print-file-name=libgcc_eh.a").output();
    let Ok(library) = output.map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())) else {
        return;
    };
    let Some(folder) = std::env::var_os("OUT_DIR").filter(|_| library.is_absolute() && library.exists()) else {
        return;
    };
    let folder = Path::new(&folder).join("unwinder");
    let script = format!("INPUT({})\n", library.display());
    if std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(folder.join("libgcc_s.so"), script)).is_ok() {
        println!("cargo::rustc-link-arg-bins=-L{}", folder.display());
    }
}

/// Places the functions that a launch calls side by side. The system maps a program's file in pieces of 64 kB or more,
/// so functions that are far apart cost memory and time.
fn order_functions() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("link/launch.ld");
    println!("cargo::rerun-if-changed={}", script.display());
    if script.exists() {
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{}", script.display());
    }
}

/// Packs the relocations. The loader reads the whole list in each launch: a quarter of a megabyte, or a few kilobytes
/// if packed. Packed relocations need glibc 2.36 or later, so they are used only if the program is built for this
/// machine and the machine has that version. The program then declares that it needs it.
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
