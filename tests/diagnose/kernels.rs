//! Recovery with kernels of other languages: each reads its connection file in its own way, and must start on the
//! diagnostic kernel's ports, in its process.
//!
//! Kernels from pip always run; `cargo test -- --ignored` runs R, Octave, Lua and tslab.
#![cfg(all(feature = "diagnose", target_os = "linux"))]

use crate::support::front_end::{FrontEnd, config, kernelspec, program};
use crate::support::kernels::command;
use crate::support::launcher::{Scratch, binary};
use crate::support::openbao::Server;
use serde_json::json;

const PYTHON: &str = "import os; print('length', len(os.environ['KERNEL_SECRET']))";

/// A kernel's language, and a cell that prints the secret's length.
fn words(kernel: &str) -> (&'static str, &'static str) {
    match kernel {
        "bash_kernel" => ("bash", "printf 'length %s\\n' \"${#KERNEL_SECRET}\""),
        "deno" => ("typescript", "console.log(`length ${Deno.env.get('KERNEL_SECRET').length}`)"),
        "tslab" => (
            "typescript",
            "(globalThis as any).console.log(`length ${(globalThis as any).process.env.KERNEL_SECRET.length}`)",
        ),
        "ir" => ("R", "cat('length', nchar(Sys.getenv('KERNEL_SECRET')))"),
        "octave_kernel" => ("octave", "printf('length %d\\n', length(getenv('KERNEL_SECRET')))"),
        "ilua" => ("lua", "print('length ' .. #os.getenv('KERNEL_SECRET'))"),
        _ => ("python", PYTHON),
    }
}

/// Fails, recovers and continues, with one front end, over each of `transports`.
fn heals(kernel: &str, transports: &[(&str, bool)]) {
    let server = Server::shared();
    server.put("kernel", &json!({"KERNEL_SECRET": "canary-of-21-letters!"}));
    let (language, look) = words(kernel);
    let command = command(kernel);
    let command: Vec<_> = command.iter().map(String::as_str).collect();
    for (transport, curve) in transports {
        let told = format!("{kernel} over {transport}, curve {curve}");
        let scratch = Scratch::new();
        let spec = kernelspec(&scratch, &config(&server.address(), "kernel"), &[], &command);
        // The kernelspec has that language, and the kernel may need programs on PATH.
        let path = spec.join("kernel.json");
        let text = std::fs::read_to_string(&path).unwrap().replace("\"python\"", &format!("{language:?}"));
        std::fs::write(path, text).unwrap();
        let mut front_end = FrontEnd::new(&scratch);
        let environment = json!({"PATH": "/usr/local/bin:/usr/bin:/bin", "DENO_NO_UPDATE_CHECK": "1"});
        let started = json!({"transport": transport, "curve": curve, "extra_env": environment});
        let pid = front_end.start(started);
        let info = front_end.ask("request", json!({"kind": "kernel_info_request"}));
        assert_eq!(info["reply"]["language_info"]["name"], language, "{told}");
        assert_eq!(front_end.cell(look).error(), "SecretsUnavailable", "{told}");
        std::fs::write(spec.join("token"), "root").unwrap();
        // The timer may be faster than the cell.
        let first = front_end.cell(look);
        assert!(first.error() == "SecretsReady" || first.status() == "ok", "{told}: {first:?}");
        front_end.ask("prints", json!({"code": look, "text": "length 21"}));
        assert_ne!(program(pid), binary(), "{told}");
        assert_eq!(front_end.ask("alive", json!({}))["alive"], true, "{told}");
        let info = front_end.ask("request", json!({"kind": "kernel_info_request"}));
        assert_ne!(info["reply"]["implementation"], "jupyter-vault", "{told}");
        assert_eq!(front_end.ask("shutdown", json!({}))["left"], false, "{told}");
    }
}

const TCP: (&str, bool) = ("tcp", false);
const IPC: (&str, bool) = ("ipc", false);
const CURVE: (&str, bool) = ("tcp", true);

#[test]
fn ipykernel_6() {
    heals("ipykernel6", &[TCP, IPC]);
}

#[test]
fn xeus_python() {
    heals("xpython", &[TCP, IPC]);
}

#[test]
fn xeus_python_without_ipython() {
    heals("xpython-raw", &[TCP]);
}

#[test]
fn bash_kernel() {
    heals("bash_kernel", &[TCP, IPC, CURVE]);
}

#[test]
fn deno() {
    heals("deno", &[TCP]);
}

#[test]
#[ignore = "needs npm"]
fn tslab() {
    heals("tslab", &[TCP]);
}

#[test]
#[ignore = "needs R with IRkernel"]
fn irkernel() {
    heals("ir", &[TCP, IPC]);
}

#[test]
#[ignore = "needs Octave"]
fn octave_kernel() {
    heals("octave_kernel", &[TCP, IPC, CURVE]);
}

#[test]
#[ignore = "needs Lua"]
fn ilua() {
    heals("ilua", &[TCP]);
}
