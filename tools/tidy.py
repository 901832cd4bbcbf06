#!/usr/bin/env python3
"""Runs clang-tidy over src/, apps/ and fuzz/ in bounded time.

    tools/tidy.py [--build DIR] [--minutes N] [FILE...]

A file whose text, compile command and headers did not change since it last passed is not checked again
(build/tidy-cache). Files changed against origin's main branch come first, so when the time is over what was
left out is the old part; it is counted and said, and is not a failure. Exits 1 on any finding.
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import time

TOP = pathlib.Path(__file__).parents[1]


def headers_digest():
    digest = hashlib.sha256((TOP / ".clang-tidy").read_bytes())
    for path in sorted((TOP / "src").rglob("*.h")):
        digest.update(path.read_bytes())
    return digest.digest()


def changed_files():
    for base in ("origin/main", "HEAD~1"):
        listing = subprocess.run(["git", "diff", "--name-only", base], cwd=TOP, capture_output=True, text=True)
        if listing.returncode == 0:
            return {str(TOP / line) for line in listing.stdout.splitlines()}
    return set()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=str(TOP / "build" / "release"))
    parser.add_argument("--minutes", type=float, default=12)
    parser.add_argument("files", nargs="*")
    arguments = parser.parse_args()

    commands = json.loads(pathlib.Path(arguments.build, "compile_commands.json").read_text())
    wanted = {str(pathlib.Path(name).resolve()) for name in arguments.files}
    changed = changed_files()
    entries = {}
    for entry in commands:
        path = entry["file"]
        inside = any(path.startswith(str(TOP / folder) + "/") for folder in ("src", "apps", "fuzz"))
        if path.endswith("_test.cc") and not wanted:
            continue  # gtest macros take most of the time and hide the findings
        if inside and (not wanted or path in wanted):
            entries[path] = entry["command"]
    order = sorted(entries, key=lambda path: (path not in changed, path))

    cache = TOP / "build" / "tidy-cache"
    cache.mkdir(parents=True, exist_ok=True)
    shared = headers_digest()
    deadline = time.monotonic() + arguments.minutes * 60

    def check(path):
        key = hashlib.sha256(shared + pathlib.Path(path).read_bytes() + entries[path].encode()).hexdigest()
        if (cache / key).exists():
            return path, "cached", ""
        if time.monotonic() > deadline:
            return path, "skipped", ""
        run = subprocess.run(["clang-tidy-19", "--quiet", "-p", arguments.build, path], cwd=TOP,
                             capture_output=True, text=True)
        if run.returncode != 0:
            return path, "failed", run.stdout + run.stderr
        (cache / key).touch()
        return path, "passed", ""

    counts = dict.fromkeys(["passed", "cached", "skipped", "failed"], 0)
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for path, outcome, output in pool.map(check, order):
            counts[outcome] += 1
            if outcome == "failed":
                print(output, flush=True)
    print("clang-tidy: " + ", ".join(f"{number} {outcome}" for outcome, number in counts.items()))
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
