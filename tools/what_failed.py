#!/usr/bin/env python3
"""Says what failed in the logs of builds and tests, in a few lines.

    tools/what_failed.py [--lines 40] LOG...

Of unit tests (ctest --output-on-failure): the failed tests, their failures, what a sanitizer said. Of pytest:
assertions and the short summary. Of a build or a fuzzer: errors. The end of a CI run's output may be all that is kept, so
./test prints this last.
"""

import argparse
import pathlib
import re

SANITIZER = re.compile(r"(WARNING|ERROR|SUMMARY): \w+Sanitizer|runtime error: ")
CTEST = re.compile(r"^\s*\d+/\d+ Test +#\d+: (.*(?:\*\*\*.*|Subprocess aborted.*))$")
FAILED_TEST = re.compile(r"^(?:\d+: )?\[  FAILED  \] (\S+)(?: \(\d+ ms\)|, where .*)?$")
COMPILER = re.compile(r"^FAILED: |: (fatal )?error: |undefined symbol|No space left|Killed|: FAILED$")


def of_units(lines):
    failed, said = [], []
    for at, line in enumerate(lines):
        if match := CTEST.match(line):
            failed.append(" ".join(match[1].split()))
        elif match := FAILED_TEST.match(line):
            if "." in match[1] and f"  {match[1]}" not in failed:
                failed.append(f"  {match[1]}")
        elif line.endswith(": Failure"):
            said.append(line)
            for more in lines[at + 1 : at + 6]:
                if not more.strip() or more.startswith("[") or more.endswith(": Failure"):
                    break
                said.append("  " + more)
        elif SANITIZER.search(line) or line.startswith("terminate called"):
            said.append(line)
    return failed + said


def of_pytest(lines):
    assertions, summary, where = [], [], "start"
    for line in lines:
        if re.match(r"=+ (FAILURES|ERRORS) =+$", line):
            where = "failures"
        elif re.match(r"=+ short test summary info =+$", line):
            where = "summary"
        elif line.startswith("====="):
            where = "end"
        elif where == "failures" and (line.startswith("E  ") or re.match(r"_{3,} .* _{3,}$", line)):
            assertions.append(line)
        elif where == "failures" and re.match(r"\S+\.py:\d+: ", line):
            assertions.append(line)
        elif where == "summary" and line.startswith(("FAILED", "ERROR")):
            summary.append(line)
    return assertions + summary


def of_build(lines):
    said = []
    for line in lines:
        if (COMPILER.search(line) or SANITIZER.search(line)) and line not in said:
            said.append(line)
    return said


def of_log(text):
    lines = text.splitlines()
    if any(re.match(r"=+ test session starts =+$", line) for line in lines):
        return of_pytest(lines)
    if any(re.match(r"\s*Start\s+\d+: ", line) for line in lines) or "[ RUN      ]" in text:
        return of_units(lines)
    return of_build(lines)


def bounded(found, most):
    """Both ends: names and first causes lead, a summary comes last."""
    cut = [line[:300] for line in found]
    if len(cut) <= most:
        return cut
    head = most * 3 // 4
    return cut[:head] + [f"… {len(cut) - most} lines more"] + cut[len(cut) - (most - head) :]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=40, help="of each log")
    parser.add_argument("logs", nargs="+", type=pathlib.Path)
    options = parser.parse_args()
    for log in options.logs:
        text = log.read_text(errors="replace") if log.exists() else ""
        found = bounded(of_log(text), options.lines) or text.splitlines()[-10:]
        print(f"--- {log.name} ---")
        print("\n".join(found))


if __name__ == "__main__":
    main()
