"""Mixed traffic on a site, made and checked by bench/promote_parts (bench_load): the program and the app that it asks."""
import json
import pathlib
import shutil
import subprocess

from support.slipway import BINARY, TOP, change

PROGRAM = BINARY.parent / "bench" / "promote_parts" / "bench_load"
APP = TOP / "bench" / "promote_parts" / "app"


def make_app(folder, release="one"):
    """The app that answers all of it, in a folder of its own."""
    shutil.copytree(APP, folder)
    rename(folder, release)
    return pathlib.Path(folder)


def rename(folder, release):
    """What the app calls itself in each answer, from its next deploy on."""
    path = pathlib.Path(folder) / "release.txt"
    change(path, path.read_text(), release + "\n")


class Load:
    """Traffic from here to finish(): `rate` small requests a second, ten downloads and twenty WebSockets."""

    def __init__(self, url, rate):
        self.process = subprocess.Popen([PROGRAM, url, str(rate)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "running\n"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def phase(self, name):
        """From now on answers are counted under this name."""
        self.process.stdin.write(name + "\n")
        self.process.stdin.flush()

    def finish(self):
        """Lets everything under way end; what happened in each phase, by name, and all failures together."""
        out, _ = self.process.communicate(timeout=120)
        phases = json.loads(out)
        return {one["phase"]: one for one in phases}, sum(one["failed"] for one in phases)


def failures(phases):
    return [f"{name}: {one['kind']}: {one['what']}" for name, phase in phases.items() for one in phase["failures"]]
