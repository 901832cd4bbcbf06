#!/usr/bin/env python3
"""Runs a command while stopping and continuing it at random, to find tests that depend on speed.

    tools/stall.py build/tsan/src/router/router_test
    tools/stall.py --runs 5 --jobs 4 build/release/src/deploy/deploy_test --gtest_filter='Fleet*'

Each stop takes 0.05 to 0.6 s and comes 0 to 150 ms after the one before: about what a noisy machine does to
a process that it does not schedule. Prints what failed in each run and leaves with 1 when any did. The command's
children are not stopped. Output of failing runs is kept in the folder given by --logs.
"""

import argparse
import concurrent.futures
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import tempfile
import time

FAILED = re.compile(r"\[  FAILED  \] \S+\.\S+|: Failure$|WARNING: \w+Sanitizer|SUMMARY: \w+Sanitizer")


def stalled_run(command, log, limit, seed):
    """The command's exit status; "time limit" when it was killed for taking longer than that."""
    dice = random.Random(seed)
    deadline = time.monotonic() + limit
    with open(log, "wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        while process.poll() is None:
            if time.monotonic() > deadline:
                process.kill()
                process.wait()
                return "time limit"
            try:
                process.wait(dice.uniform(0, 0.15))
                break
            except subprocess.TimeoutExpired:
                pass
            os.kill(process.pid, signal.SIGSTOP)
            time.sleep(dice.uniform(0.05, 0.6))
            os.kill(process.pid, signal.SIGCONT)
    return process.returncode


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2, help="runs at once")
    parser.add_argument("--limit", type=float, default=900, help="seconds a run may take")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--logs", type=pathlib.Path, help="folder for the output of failing runs")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    if not options.command:
        parser.error("no command")

    if not os.access(options.command[0], os.X_OK):
        parser.error(f"{options.command[0]} is no program")

    logs = options.logs or pathlib.Path(tempfile.mkdtemp(prefix="stall-"))
    logs.mkdir(parents=True, exist_ok=True)
    name = pathlib.Path(options.command[0]).name
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        runs = {}
        for number in range(options.runs):
            log = logs / f"{name}-{options.seed + number}.log"
            runs[pool.submit(stalled_run, options.command, log, options.limit, options.seed + number)] = log
        for run in concurrent.futures.as_completed(runs):
            log, status = runs[run], run.result()
            if status == 0:
                log.unlink()
                continue
            failed += 1
            print(f"{name}: {status}, see {log}")
            lines = log.read_text(errors="replace").splitlines()
            for line in dict.fromkeys(line for line in lines if FAILED.search(line)):
                print("   ", line)
    print(f"{name}: {options.runs - failed} of {options.runs} runs passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
