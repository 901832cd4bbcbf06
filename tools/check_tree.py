#!/usr/bin/env python3
"""Checks of the tracked files that need no compiler.

    tools/check_tree.py

- no path of a machine, no unfinished word, no sleep in a test;
- lockfiles name only the public default registry of their language, never a mirror;
- in src/ and apps/, locks, threads and the time come from base/, and no range-for runs over a directory_iterator, whose
  `++` throws whatever it was given;
- examples hold no dependencies folder and nothing large;
- no two classes of one namespace share a name: the linker would take either, and a program that holds both
  breaks where it hurts (the one-definition rule, C++ [basic.def.odr]).

Prints one line for each problem and exits 1 when there is one.
"""
import pathlib
import re
import subprocess
import sys

TOP = pathlib.Path(__file__).parents[1]
LOCKFILES = {"package-lock.json", "pnpm-lock.yaml", "yarn.lock", "bun.lock", "uv.lock", "poetry.lock",
             "Cargo.lock", "requirements.txt", "go.sum"}
PUBLIC_REGISTRIES = {"registry.npmjs.org", "registry.yarnpkg.com", "pypi.org", "files.pythonhosted.org",
                     "github.com", "repo.maven.apache.org"}
LOCKED_URL = re.compile(r'(?:"resolved"\s*:\s*"|resolved "|url\s*=\s*"|registry\s*=\s*"|source = "registry\+|'
                        r'--(?:extra-)?index-url[ =])(https?://[^"\s]+)')
# Written in pieces so that this file passes its own check.
UNFINISHED = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]) + r")\b")
HOME_PATH = re.compile(r"(?<![\w.])/(?:home/(?!app\b|user\b|you\b)\w+|" + "root" + r"/[.\w]|Users/\w+)")
SLEEP = re.compile(r"\bsleep_for\b|\btime\.sleep\(|^\s*sleep [0-9]")
CODE = {".cc", ".h", ".py", ".sh", ".ts", ".tsx", ".js", ".mjs", ".cmake", ".go", ".rs", ".java", ""}
LARGEST_EXAMPLE_FILE = 512 * 1024


def tracked_files():
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=TOP, check=True, capture_output=True).stdout
    return [pathlib.PurePosixPath(name) for name in listing.decode().split("\0") if name]


def is_test(path):
    return path.name.endswith("_test.cc") or path.parts[0] == "tests"


def check_text(path, text, machine_paths):
    previous = ""
    for number, line in enumerate(text.splitlines(), 1):
        where = f"{path}:{number}"
        # A random moment at which to kill something is an input, and says so.
        waits = "poll" not in line and "Not a wait" not in previous
        previous = line
        if any(prefix in line for prefix in machine_paths):
            yield f"{where}: a path of this machine"
        elif path.name not in LOCKFILES and path.suffix in CODE and HOME_PATH.search(line):
            yield f"{where}: somebody's home directory"
        if path.suffix in CODE and path.parts[0] != "examples" and UNFINISHED.search(line):
            yield f"{where}: unfinished"
        if is_test(path) and "golden" not in path.parts and path.suffix in CODE and SLEEP.search(line):
            if waits:
                yield f"{where}: wait for the event instead of sleeping"
        if path.name in LOCKFILES:
            match = LOCKED_URL.search(line)
            if match:
                host = re.match(r"https?://([^/:@]+)", match[1])
                if not host or host[1] not in PUBLIC_REGISTRIES:
                    yield f"{where}: names the registry {match[1]}"


# What only base/ (and sys/, where it says so) may name, and what to take instead. Tests make threads as they need them.
RAW_LOCK = re.compile(r"\bstd::(?:(?:recursive_|timed_|recursive_timed_|shared_|shared_timed_)?mutex|condition_variable(?:_any)?|"
                      r"lock_guard|unique_lock|scoped_lock|shared_lock)\b")
RAW_THREAD = re.compile(r"\bstd::(?:j?thread\b(?!::hardware_concurrency|::id)|async\b)|\bpthread_create\b")
RAW_TIME = re.compile(r"(?<![\w.>])(?:std::|::)?time\((?:nullptr|NULL|0)\)|\bsystem_clock::now\(|"
                      r"\bfile_time_type::clock::now\(")
DIRECTORY_LOOP = re.compile(r"\bfor \([^;{}]*?(?<!:):(?!:)\s*(?:std::filesystem::|fs::)?(?:recursive_)?directory_iterator\b")


def is_testing(path):
    return is_test(path) or "testing" in path.parts or path.name.startswith("test")


def check_primitives(path, text):
    if path.parts[0] not in ("src", "apps") or path.suffix not in (".cc", ".h") or path.parts[1] == "base":
        return
    rules = [(RAW_LOCK, "locks are those of base/mutex.h, which the compiler checks")]
    if not is_testing(path):
        rules.append((RAW_THREAD, "threads come from base/task_group.h"))
        if path.parts[1] != "sys":
            rules.append((RAW_TIME, "time comes from Clock, of files from sys/file_time.h"))
        rules.append((DIRECTORY_LOOP, "a directory_iterator throws in a range-for; use entries_of() of sys/directory.h"))
    for rule, advice in rules:
        for match in rule.finditer(text):
            line_start = text.rfind("\n", 0, match.start()) + 1
            if "//" in text[line_start:match.start()]:
                continue  # a comment may speak of them
            yield f"{path}:{text.count(chr(10), 0, match.start()) + 1}: {advice}"


NAMESPACE = re.compile(r"^(?:inline )?namespace(?: ([\w:]+))? \{")
CLASS = re.compile(r"^(?:class|struct) (\w+)(?: final)?(?: :[^;]*)?\s*\{")


def check_class_names():
    """Classes at namespace level of src/ and apps/, without those of anonymous namespaces and test files."""
    seen = {}
    for path in tracked_files():
        if path.parts[0] not in ("src", "apps") or path.suffix not in (".h", ".cc") or is_test(path):
            continue
        if not (TOP / path).is_file():
            continue
        scopes = []
        for number, line in enumerate((TOP / path).read_text().splitlines(), 1):
            if opened := NAMESPACE.match(line):
                scopes.append(opened[1])
            elif line.startswith("}  // namespace"):
                scopes = scopes[:-1]
            elif (found := CLASS.match(line)) and None not in scopes:
                name = "::".join(scopes + [found[1]])
                where = f"{path}:{number}"
                if name in seen:
                    yield f"{where}: {name} is also defined at {seen[name]}"
                seen.setdefault(name, where)


def check_tree():
    top = str(TOP.resolve())
    # A short path such as /app would accuse the innocent.
    machine_paths = [top + "/"] if len(top) > 6 else []
    for path in tracked_files():
        full = TOP / path
        if not full.is_file() or full.is_symlink():
            continue
        if path.parts[0] == "examples":
            if {"node_modules", ".venv", "target", "dist", ".next", "__pycache__"} & set(path.parts):
                yield f"{path}: generated, not source"
            if full.stat().st_size > LARGEST_EXAMPLE_FILE:
                yield f"{path}: larger than {LARGEST_EXAMPLE_FILE} bytes"
        try:
            text = full.read_text()
        except UnicodeDecodeError:
            continue
        yield from check_text(path, text, machine_paths)
        yield from check_primitives(path, text)


def main():
    problems = list(check_tree()) + list(check_class_names())
    print("\n".join(problems) if problems else "tree: clean")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
