"""Writes launch.ld beside this file: a list of the code that a launch executes.

Run it from the repository's root after changes to a launch's functions, or a new compiler version:

    target/python/bin/python link/order.py

It needs valgrind, openssl and LLVM's linker, and the tests' environment (`target/python`) for OpenBao. It builds the
program without launch.ld, records with callgrind the instructions that launches execute (with a token, with TLS, with a
login), and finds their sections in the linker's map. Hashes in the names become `*`, because they change with each
version of the compiler. A pattern that matches nothing does no harm.
"""

import bisect
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

# One piece of code as the linker placed it: a function, or the whole of an assembler file.
Section = collections.namedtuple("Section", "address size pattern")


def pattern(file, section):
    """The pattern that matches a section in a linker script."""
    if section == ".text":
        # An assembler file has one section for all its functions. Its name begins with a hash, which is left out.
        member = re.search(r"([^/()]*)\)?$", file)[1]
        return f"*{re.sub('^[0-9a-f]{16}-', '', member)}(.text)"
    section = re.sub(r"Cs[0-9A-Za-z]*_", "Cs*_", section)
    section = re.sub(r"17h[0-9a-f]{16}E.*$", "17h*", section)
    return f"*({re.sub(r'([.]llvm)?[.][0-9]+$', '*', section)})"


def sections(map_file):
    """The code's sections by address, from the map that LLVM's linker writes: `VMA LMA size align file:(section)`."""
    line = re.compile(r" *([0-9a-f]+) +[0-9a-f]+ +([0-9a-f]+) +[0-9]+ {9}(.*):\(([.]text.*)\)$")
    found = [match.groups() for match in map(line.match, map_file.read_text().splitlines()) if match]
    if not found:
        sys.exit("no section in the linker's map: is the linker LLVM's?")
    return sorted(Section(int(at, 16), int(size, 16), pattern(file, name)) for at, size, file, name in found)


def executed(program, folder, environment, config):
    """The addresses of the program's instructions that one launch executes."""
    out = pathlib.Path(tempfile.mkdtemp(dir=folder))
    callgrind = ["valgrind", "--tool=callgrind", "--dump-instr=yes", "--compress-strings=no", "--compress-pos=no"]
    callgrind += ["--dump-before=execve", f"--callgrind-out-file={out}/calls"]
    command = [*callgrind, program, "exec", "--config", config, "--", "/bin/true"]
    environment = {"HOME": str(folder), "PATH": "/usr/bin:/bin", **environment}
    subprocess.run(command, env=environment, check=True, stderr=subprocess.DEVNULL)
    addresses, is_ours = set(), False
    for part in out.iterdir():
        for line in part.read_text(errors="replace").splitlines():
            if line.startswith("ob="):
                is_ours = line[3:] == str(program)
            elif is_ours and line.startswith("0x"):
                addresses.add(int(line.split()[0], 16))
    if not addresses:
        sys.exit("callgrind saw no instruction of the program")
    return addresses


def called(code, addresses):
    """The sections that contain the addresses.

    An address in no section is the linker's own code, such as the table of calls into libraries.
    """
    starts = [section.address for section in code]
    nearest = ((address, code[bisect.bisect(starts, address) - 1]) for address in addresses)
    return {section for address, section in nearest if 0 <= address - section.address < section.size}


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
        "TLS": ({**secure, "VAULT_TOKEN": "root"}, folder / "token.toml"),
        "a login": ({"VAULT_ADDR": address}, folder / "login.toml"),
    }


def main():
    script = HERE / "launch.ld"
    script.unlink(missing_ok=True)
    program, map_file = TARGET / "release/jupyter-vault", TARGET / "release/jupyter-vault.map"
    build = ["cargo", "rustc", "--release", "--locked", "--bin", "jupyter-vault", "--"]
    subprocess.run([*build, "-C", f"link-arg=-Wl,-Map={map_file}"], cwd=ROOT, check=True)
    code = sections(map_file)
    whole = collections.Counter()
    for section in code:
        whole[section.pattern] += section.size
    text, seen, wide = "", set(), []
    with tempfile.TemporaryDirectory() as folder:
        server, kinds = launches(pathlib.Path(folder))
        try:
            for kind, (environment, config) in kinds.items():
                used = collections.Counter()
                for section in called(code, executed(program, folder, environment, config)):
                    used[section.pattern] += section.size
                new = sorted(name for name in used if name not in seen)
                seen.update(new)
                # Instances of a generic function differ only in the hash, so a pattern may match many that are not called.
                exact = [name for name in new if whole[name] <= 1.5 * used[name]]
                wide += [name for name in new if whole[name] > 1.5 * used[name]]
                text += f"    /* {kind} */\n" + "".join(f"    {name}\n" for name in exact)
                print(f"{kind}: {sum(used.values())} bytes of code, {len(new)} new names, {len(new) - len(exact)} wide")
        finally:
            server.terminate()
            server.wait()
    wide.sort(key=lambda name: (whole[name], name))
    text += "    /* patterns that also match code that is not called */\n" + "".join(f"    {name}\n" for name in wide)
    about = "/* Written by link/order.py: the code that a launch executes, placed side by side. See build.rs. */\n"
    script.write_text(f"{about}SECTIONS\n{{\n  .text.launch :\n  {{\n{text}  }}\n}}\nINSERT BEFORE .text;\n")


main()
