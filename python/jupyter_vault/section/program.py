"""Runs the program once for each request, and parses its errors.

A page may send many requests at once. At most four processes run at a time. A request that does not get its turn in time
is refused. A process that takes too long, or whose client has disconnected, is terminated.
"""

import asyncio
import errno
import json
import os

AT_ONCE = 4
# More than a user's page would send.
WAITING = 32


class Refused(Exception):
    """A refusal by the program, or by Vault through it: exit code, error and advice."""

    def __init__(self, code, what, advice, status=422):
        super().__init__(what)
        self.code, self.what, self.advice, self.status = code, what, advice, status


class Program:
    """Runs the program, with limits on time and number."""

    def __init__(self, path, config, environment, timeout, queue_timeout):
        self._path, self._config, self._environment = path, config, environment
        self._timeout, self._queue_timeout = timeout, queue_timeout
        self._turns = None
        self._pending = 0

    def of_sources(self, sources):
        """The same program, for other sources than the configured ones."""
        environment = dict(self._environment, JUPYTER_VAULT_SECRETS=sources)
        return Program(self._path, self._config, environment, self._timeout, self._queue_timeout)

    async def environment_of(self, env):
        """The variables that a launch would set; `env` is the program that prints an environment."""
        output = await self._run(["exec", *self._settings(), "--", env, "-0"], b"")
        entries = (entry.partition("=") for entry in output.decode("utf-8", "replace").split("\0") if entry)
        return {name: value for name, _, value in entries}

    async def listed(self):
        """`secrets list --json`, as an object."""
        # A place that can't be read is listed with its error, which sets the exit code.
        return json.loads(await self._run(["secrets", "list", *self._settings(), "--json"], b"", any_code=True))

    async def secrets(self, action, *arguments, to=None, value=b""):
        """`secrets ACTION --json`, as an object; `value` is its standard input."""
        options = ["--json", "--yes"]
        if to:
            options.append(f"--to={to}")
        # User input comes last, and is never parsed as an option.
        text = await self._run(["secrets", action, *self._settings(), *options, *arguments], value)
        return json.loads(text)

    async def switch(self, name, notebook, on):
        """`secrets on|off NAME --notebook PATH`, as an object."""
        return json.loads(
            await self._run(["secrets", "on" if on else "off", "--json", f"--notebook={notebook}", "--", name], b"")
        )

    async def login_status(self):
        """`login --status`, as an object, even without a login."""
        return json.loads(await self._run(["login", "--status", *self._settings(), "--json"], b"", any_code=True))

    async def login(self, method, username, try_again, password):
        """`login`, as an object; the password is its standard input."""
        options = [f"--method={method}"]
        if username:
            options.append(f"--username={username}")
        if try_again:
            options.append("--try-again")
        return json.loads(await self._run(["login", *self._settings(), "--json", *options], password))

    async def kernels(self):
        """This user's running kernels on this machine."""
        return json.loads(await self._run(["kernels", "--json"], b""))["kernels"]

    async def sources(self):
        """`sources list`, and which kernels have each of them."""
        # A data source that can't be used is listed with its error, which sets the exit code.
        listed, kernels = await asyncio.gather(
            self._run(["sources", "list", *self._settings(), "--json"], b"", any_code=True),
            self.kernels(),
        )
        listing = json.loads(listed)
        for source in listing["data_sources"]:
            source["kernels"] = [_holder(kernel) for kernel in kernels if _has(kernel, source)]
        return {"data_sources": listing["data_sources"]}

    async def source(self, action, name, to):
        """`sources ACTION NAME`; returns its output."""
        options = [f"--to={to}"] if to else []
        text = await self._run(["sources", action, *self._settings(), *options, "--yes", "--", name], b"")
        return text.decode("utf-8", "replace").strip()

    async def inject(self, kernel):
        """`inject KERNEL`; returns its output."""
        text = await self._run(["inject", *self._settings(), "--wait=20", "--", kernel], b"")
        return text.decode("utf-8", "replace").strip()

    def _settings(self):
        return [f"--config={self._config}"] if self._config else []

    async def _run(self, arguments, value, any_code=False):
        if self._turns is None:
            # Before Python 3.10, a semaphore belongs to the event loop that it is created in.
            self._turns = asyncio.Semaphore(AT_ONCE)
        if self._pending >= AT_ONCE + WAITING:
            raise Refused(75, f"{WAITING} requests are already waiting for Vault", "try again in a moment", 429)
        self._pending += 1
        try:
            return await self._in_turn(arguments, value, any_code)
        finally:
            self._pending -= 1

    async def _in_turn(self, arguments, value, any_code):
        try:
            await asyncio.wait_for(self._turns.acquire(), self._queue_timeout)
        except asyncio.TimeoutError:
            what = f"{AT_ONCE} requests to Vault are under way, and none of them ended in {self._queue_timeout:g} s"
            raise Refused(75, what, "try again in a moment", 503) from None
        try:
            return await self._process(arguments, value, any_code)
        finally:
            self._turns.release()

    async def _process(self, arguments, value, any_code):
        pipe = asyncio.subprocess.PIPE
        try:
            process = await asyncio.create_subprocess_exec(
                self._path, *arguments, stdin=pipe, stdout=pipe, stderr=pipe, env=self._environment
            )
        except OSError as cause:
            if cause.errno == errno.E2BIG:
                raise Refused(64, "a name or a description is too long", "shorten it") from None
            what = f"the program {self._path} can't be started"
            raise Refused(71, what, "install it (pip install jupyter-vault), or set VaultSection.launcher") from None
        try:
            out, err = await asyncio.wait_for(process.communicate(value), self._timeout)
        except asyncio.TimeoutError:
            what = f"there was no answer within {self._timeout:g} s"
            raise Refused(75, what, "try again; Vault or the kernel may be slow", 503) from None
        finally:
            # It timed out, or the client disconnected.
            if process.returncode is None:
                await _end(process)
        if process.returncode and not (any_code and _is_json(out)):
            raise _refusal(process.returncode, err.decode("utf-8", "replace"))
        return out


def _is_json(text):
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


async def _end(process):
    """Terminates a process, and gives it time to revoke its login."""
    try:
        process.terminate()
        await asyncio.wait_for(process.wait(), 2)
    except asyncio.TimeoutError:
        process.kill()
        await process.wait()
    except ProcessLookupError:
        pass


def _has(kernel, source):
    """Whether a kernel has a data source's variables: they come from it, or from a shared file of its folder."""
    given = (kernel["secrets"] or {}).get("variables", {})
    paths = (source["source"], f"{source['source']}/{source['name']}")
    return any(given.get(name, {}).get("path") in paths for name in source.get("variables", ()))


def _holder(kernel):
    name = os.path.splitext(os.path.basename(kernel["connection_file"]))[0]
    return {"kernel": name, "leases": kernel["secrets"]["leases"], "renewed": kernel["keeper"] is not None}


def _refusal(code, errors):
    """Parses the error from the program's last lines: what failed, then what to do."""
    lines = errors.strip().splitlines()
    begins = [at for at, line in enumerate(lines) if line.startswith("jupyter-vault: ")]
    if not begins:
        return Refused(code, f"the program exited with {code}", "see `jupyter-vault doctor`")
    what = lines[begins[-1]][len("jupyter-vault: ") :]
    advice = " ".join(line.strip() for line in lines[begins[-1] + 1 :])
    return Refused(code, what, advice)
