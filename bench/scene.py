"""What `source.py` measures with: objects, the programs that follow them, a reader of files."""

import asyncio
import json
import os
import subprocess
import threading
import time
from collections import deque
from pathlib import Path

import aiohttp
import psutil

from floor import connector

LABEL = "hotpeers.dev/peer"
_POLL = 0.0002
_AT_ONCE = 16
_IDLE_SECONDS = 5.0


def described(number, change):
    return f"Agent {number} answers questions about subject {number}; edition {change}."


def peer(namespace, number, port):
    return {
        "apiVersion": "hotpeers.dev/v1alpha1",
        "kind": "Peer",
        "metadata": {
            "name": f"agent-{number}",
            "namespace": namespace,
            "labels": {LABEL: "true"},
        },
        "spec": {
            "url": f"http://127.0.0.1:{port}/agent-{number}",
            "description": described(number, "first"),
        },
    }


def configmap(namespace, number, change="first"):
    """The same peer for a sidecar that writes what a ConfigMap holds."""
    spec = {
        "url": f"http://127.0.0.1:9/agent-{number}",
        "description": described(number, change),
    }
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": f"agent-{number}",
            "namespace": namespace,
            "labels": {LABEL: "true"},
        },
        "data": {f"agent-{number}.json": json.dumps(spec)},
    }


async def create(kubeconfig, path, manifests):
    """Create many objects of one kind, some at a time."""
    server, connection = connector(kubeconfig)
    left = deque(manifests)
    async with aiohttp.ClientSession(connector=connection) as session:

        async def work():
            while left:
                async with session.post(server + path, json=left.popleft()) as answer:
                    if answer.status != 201:
                        raise SystemExit(f"{path}: {answer.status} {await answer.text()}")

        await asyncio.gather(*(work() for _ in range(_AT_ONCE)))


class Reader(threading.Thread):
    """Looks at one file every 0.2 ms, and notes when it first held what is waited for.

    A thread of its own: a fast sidecar may have written before the API server's answer is here.
    """

    def __init__(self):
        super().__init__(daemon=True)
        self._target = None
        self._found = threading.Event()
        self.seen = 0
        self.looks = 0

    def expect(self, path, text):
        self._found.clear()
        self._target = (path, text.encode())

    def wait(self, seconds=30.0):
        """When the file was seen to hold it, in nanoseconds; None if it did not in time."""
        return self.seen if self._found.wait(seconds) else None

    def run(self):
        last = {}
        while True:
            time.sleep(_POLL)
            self.looks += 1
            target = self._target
            if target is None:
                continue
            path, text = target
            looked = time.monotonic_ns()
            try:
                stat = path.stat()
            except FileNotFoundError:
                continue
            stamp = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
            if stamp == last.get(path):
                continue
            # A file that is written in place may be half there: then it is looked at again.
            raw = path.read_bytes()
            if text in raw:
                last[path] = stamp
                self.seen = looked
                self._target = None
                self._found.set()


class Program:
    """A process under measurement."""

    def __init__(self, command, log, *, piped=False, cwd=None, environ=None):
        self.log = Path(log)
        self.began = time.monotonic()
        with self.log.open("wb") as output:
            self.popen = subprocess.Popen(
                [str(part) for part in command],
                env={**os.environ, **(environ or {})},
                stdout=subprocess.PIPE if piped else output,
                stderr=output,
                cwd=cwd,
                text=True,
            )
        self.process = psutil.Process(self.popen.pid)

    def wait_for(self, what, probe, seconds=120.0):
        """Seconds from its start until the probe is true."""
        while not probe():
            if self.popen.poll() is not None:
                raise SystemExit(f"{what}: it ended\n{self.tail()}")
            if time.monotonic() - self.began > seconds:
                raise SystemExit(f"{what}: not within {seconds} s\n{self.tail()}")
            time.sleep(0.005)
        return time.monotonic() - self.began

    def tail(self):
        return self.log.read_text()[-2000:]

    def cpu(self):
        return sum(sum(one.cpu_times()[:2]) for one in self._all())

    def rss(self):
        return sum(one.memory_info().rss for one in self._all()) / 2**20

    def _all(self):
        return [self.process, *self.process.children(recursive=True)]

    def settle(self, seconds=90.0):
        """Wait until it has done what it does after its start."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            before = self.cpu()
            time.sleep(1.0)
            if self.cpu() - before < 0.1:
                return

    def end(self):
        self.popen.terminate()
        try:
            return self.popen.communicate(timeout=20)[0]
        except subprocess.TimeoutExpired:
            self.popen.kill()
            return self.popen.communicate()[0]


def idle(programs):
    """How much of a core each takes while nothing happens, in percent."""
    before = [program.cpu() for program in programs]
    time.sleep(_IDLE_SECONDS)
    return [
        100 * (program.cpu() - used) / _IDLE_SECONDS
        for program, used in zip(programs, before, strict=True)
    ]
