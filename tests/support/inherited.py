"""Writes its inherited state to a file, then becomes the kernel in its arguments."""

import ctypes
import json
import os
import resource
import signal
import sys


def status(*names):
    lines = [line.split(":", 1) for line in open("/proc/self/status")]
    return {name: value.split() for name, value in lines if name in names}


def descriptors():
    found = {}
    for number in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{number}")
        except FileNotFoundError:  # The descriptor that lists them.
            continue
        # Each pipe has its own number.
        found[number] = target.split(":")[0] if ":[" in target else target
    return found


def children():
    return [open(f"/proc/self/task/{task}/children").read() for task in os.listdir("/proc/self/task")]


# Python always ignores these signals.
USUAL = {signal.SIGPIPE, signal.SIGXFSZ}
prctl = ctypes.CDLL(None).prctl
DUMPABLE, DEATH_SIGNAL = 3, 2
death = ctypes.c_int()
prctl(DEATH_SIGNAL, ctypes.byref(death))
limits = [name for name in dir(resource) if name.startswith("RLIMIT_") and name != "RLIMIT_OFILE"]
ignored = [number for number in signal.valid_signals() if signal.getsignal(number) == signal.SIG_IGN]
seen = {
    "arguments": [open("/proc/self/cmdline").read().split("\0")[:-2]],
    "environment": dict(os.environ),
    "descriptors": descriptors(),
    "limits": {name[7:].lower(): resource.getrlimit(getattr(resource, name)) for name in limits},
    "signals": {
        "blocked": sorted(number.name for number in signal.pthread_sigmask(signal.SIG_BLOCK, [])),
        "ignored": sorted(number.name for number in ignored if number not in USUAL),
        "pending": sorted(number.name for number in signal.sigpending()),
    },
    "umask": "".join(status("Umask")["Umask"]),
    "rights": status("Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp"),
    "threads": status("Threads"),
    "children": children(),
    "folder": os.getcwd(),
    "session": (os.getsid(0) == os.getpid(), os.getpgid(0) == os.getpid()),
    "nice": (os.nice(0), sorted(os.sched_getaffinity(0)), os.sched_getscheduler(0)),
    "dumpable": prctl(DUMPABLE),
    "death": death.value,
    "slack": open("/proc/self/timerslack_ns").read() if os.access("/proc/self/timerslack_ns", os.R_OK) else None,
    "oom": open("/proc/self/oom_score_adj").read(),
    "personality": open("/proc/self/personality").read(),
}
with open(f"inherited-{os.getpid()}.json", "w") as file:
    json.dump(seen, file)
os.execv(sys.argv[1], sys.argv[1:])
