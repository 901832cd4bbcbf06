"""What the benchmark programs share: servers to measure, clocks, tables. Needs root, like the server itself."""
import contextlib
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(TOP / "tests"))

from support import http  # noqa: E402
from support.slipway import BINARY, EXAMPLES, Slipway, wait_until  # noqa: E402,F401


def need_binary():
    if not BINARY.exists():
        sys.exit(f"{BINARY} is not built; ./run builds it")


@contextlib.contextmanager
def scratch():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="slipway-bench-", dir=os.environ.get("SLIPWAY_BENCH_DIR")))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def server(folder, settings=None):
    # One client does here in a minute what many do in a day.
    limits = {"human_requests": 100_000, "human_deploys": 1_000_000, "project_deploys": 1_000_000}
    slipway = Slipway(folder / "slipway", {"limits": limits, **(settings or {})}).start()
    try:
        yield slipway
    finally:
        try:
            slipway.close()
        finally:
            slipway.sweep()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until_200(url, seconds=60):
    """Asks as fast as it can until there is a 200; returns its body."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError, ValueError, IndexError):
            response = http.get(url, timeout=5)
            if response.status == 200:
                return response.body
        if time.monotonic() > deadline:
            raise TimeoutError(f"no 200 from {url}")
        time.sleep(0.001)


def to_first_200(command, port, cwd, path="/", environment=None):
    """Seconds from starting a server process to its first 200; ends it again."""
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               env={**os.environ, "PORT": str(port), **(environment or {})}, start_new_session=True)
    try:
        until_200(f"http://127.0.0.1:{port}{path}")
        return time.perf_counter() - started
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def deploy_to_first_200(slipway, folder, path="/"):
    """Seconds from starting the CLI to the first 200 of the URL that it printed, and the URL."""
    started = time.perf_counter()
    url = slipway.ok("deploy", folder).out.strip()
    until_200(url + path)
    return time.perf_counter() - started, url


def median(values):
    return statistics.median(values)


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))]


def ms(seconds):
    return f"{seconds * 1000:.0f} ms"


def mb(size):
    return f"{size / 1e6:.0f} MB"


def table(rows, head):
    cells = [list(map(str, row)) for row in [head, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    for number, row in enumerate(cells):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
        if number == 0:
            print("  ".join("-" * width for width in widths))
    sys.stdout.flush()


def disk_of(folder):
    done = subprocess.run(["du", "-sxB1", folder], capture_output=True, text=True)
    return int(done.stdout.split()[0]) if done.stdout else 0
