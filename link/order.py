"""Writes launch.ld beside it: the functions that a launch calls, in the order in which launches need them.

Run it from the repository's root after a change that moves the way of a launch, or of the compiler:

    target/python/bin/python link/order.py

It needs valgrind and openssl, and the tests' environment (`target/python`) for OpenBao. It builds the program without
launch.ld and with its symbols, and has callgrind watch launches: by a token, by a login, by TLS. Hashes in the names
become `*`, so that the file outlives them; a name that matches nothing costs nothing.
"""

import collections
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))


def pattern(symbol):
    symbol = re.sub(r"Cs[0-9A-Za-z]*_", "Cs*_", symbol)
    symbol = re.sub(r"17h[0-9a-f]{16}E.*$", "17h*", symbol)
    return re.sub(r"\.llvm\.\d+$", "*", symbol)


def symbols(program):
    """The size of each function."""
    lines = subprocess.run(["nm", "-S", program], capture_output=True, text=True, check=True).stdout.splitlines()
    found = [line.split() for line in lines]
    return {words[3]: int(words[1], 16) for words in found if len(words) == 4 and words[2] in "tT"}


def called(program, folder, environment, config):
    """The functions of the program that one launch calls."""
    out = pathlib.Path(tempfile.mkdtemp(dir=folder))
    callgrind = ["valgrind", "--tool=callgrind", "--demangle=no", "--compress-strings=no", "--dump-before=execve"]
    command = [*callgrind, f"--callgrind-out-file={out}/calls", program, "exec", "--config", config, "--", "/bin/true"]
    environment = {"HOME": str(folder), "PATH": "/usr/bin:/bin", **environment}
    subprocess.run(command, env=environment, check=True, stderr=subprocess.DEVNULL)
    names, is_ours = set(), False
    for part in out.iterdir():
        for line in part.read_text(errors="replace").splitlines():
            if line.startswith("ob="):
                is_ours = line[3:] == str(program)
            elif line.startswith("fn=") and is_ours:
                names.add(line[3:].split("'")[0])
    if not names:
        sys.exit("callgrind saw no function of the program")
    return names


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def launches(folder):
    """A server's process, and the environment and the configuration of each launch."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    make = [*make.split(), "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate]
    subprocess.run(make, check=True, stderr=subprocess.DEVNULL)
    plain, tls = free_port(), free_port()
    listener = f'address = "127.0.0.1:{tls}" tls_cert_file = "{certificate}" tls_key_file = "{key}"'
    (folder / "server.hcl").write_text(f'listener "tcp" {{ {listener} }}\n')
    server = [TARGET / "python/bin/bao", "server", "-dev", "-dev-root-token-id=root", "-dev-no-store-token"]
    server += [f"-dev-listen-address=127.0.0.1:{plain}", "-config", folder / "server.hcl"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen(server, env={"HOME": str(folder), "PATH": os.environ["PATH"]}, **quiet)
    address = f"http://127.0.0.1:{plain}"

    def post(path, body):
        request = urllib.request.Request(f"{address}/v1/{path}", json.dumps(body).encode(), {"X-Vault-Token": "root"})
        urllib.request.urlopen(request).read()

    for _ in range(100):
        try:
            post("secret/data/order", {"data": {"ORDER": "value"}})
            break
        except OSError:
            time.sleep(0.1)
    policy = 'path "secret/*" { capabilities = ["read", "list"] }'
    post("sys/policies/acl/order", {"policy": policy})
    post("sys/auth/userpass", {"type": "userpass"})
    post("auth/userpass/users/ada", {"password": "password", "token_policies": "order"})
    source = '[[source]]\nkv = "secret/order"\nversion = 2\n'
    (folder / "token.toml").write_text(source)
    (folder / "password").write_text("password")
    (folder / "password").chmod(0o600)
    login = f'[auth]\nmethod = "userpass"\nusername = "ada"\npassword_file = "{folder}/password"\n'
    (folder / "login.toml").write_text(login + source)
    secure = {"VAULT_ADDR": f"https://127.0.0.1:{tls}", "VAULT_CACERT": str(certificate)}
    return server, {
        "every launch": ({"VAULT_ADDR": address, "VAULT_TOKEN": "root"}, folder / "token.toml"),
        "a login": ({"VAULT_ADDR": address}, folder / "login.toml"),
        "TLS": ({**secure, "VAULT_TOKEN": "root"}, folder / "token.toml"),
    }


def main():
    script = HERE / "launch.ld"
    script.unlink(missing_ok=True)
    build = ["cargo", "build", "--release", "--locked", "--bin", "jupyter-vault"]
    subprocess.run(build, cwd=ROOT, env={**os.environ, "CARGO_PROFILE_RELEASE_STRIP": "none"}, check=True)
    program = TARGET / "release/jupyter-vault"
    sizes = symbols(program)
    by_pattern = collections.Counter()
    for symbol, size in sizes.items():
        by_pattern[pattern(symbol)] += size
    text, seen = "", set()
    with tempfile.TemporaryDirectory() as folder:
        server, kinds = launches(pathlib.Path(folder))
        try:
            for kind, (environment, config) in kinds.items():
                used = collections.Counter()
                for symbol in called(program, folder, environment, config):
                    # C and assembler have no section for each function.
                    if symbol in sizes and symbol.startswith("_"):
                        used[pattern(symbol)] += sizes[symbol]
                new = [name for name in used if name not in seen]
                seen.update(new)
                # Last what also stands for functions that were not called: of generic ones the hash alone differs.
                new.sort(key=lambda name: (by_pattern[name] > 1.5 * used[name], name))
                text += f"    /* {kind} */\n" + "".join(f"    *(.text.{name})\n" for name in new)
        finally:
            server.terminate()
            server.wait()
    about = "/* Written by link/order.py: the functions that a launch calls, side by side. build.rs says why. */\n"
    script.write_text(f"{about}SECTIONS\n{{\n  .text.launch :\n  {{\n{text}  }}\n}}\nINSERT BEFORE .text;\n")


main()
