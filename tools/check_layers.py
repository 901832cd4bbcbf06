#!/usr/bin/env python3
"""Checks the allowed directions between folders of src/ (ARCHITECTURE.md, "Layers").

    tools/check_layers.py [TREE]

Reads every #include line of src/**/*.{h,cc} and every slipway_library() call. Prints one line for each
violation, `file:line: what is wrong and what is allowed`, and exits 1 when there is one.
"""
import dataclasses
import pathlib
import re
import sys

DOMAIN = ["identity", "detect", "repair", "scan", "policy", "ledger", "audit", "canary"]

# Folder -> folders it may include, itself aside. Listed in the order of the build: a folder uses only
# folders above it, so there is no cycle (the test checks both).
ALLOWED = {
    "base": [],
    "sys": ["base"],
    "model": ["base"],
    "json": ["base", "model"],
    **{folder: ["base", "model"] for folder in DOMAIN},
    "store": ["base", "sys", "model"],
    "db": ["base", "model", "json", *DOMAIN],
    "engine": ["base", "sys", "model"],
    "http": ["base", "sys", "model"],
    "build": ["base", "sys", "model", "json", "detect", "repair", "scan", "store", "engine"],
    "router": ["base", "sys", "model", "json", "store", "engine", "http"],
}
ALLOWED["deploy"] = list(ALLOWED)
ALLOWED["release"] = list(ALLOWED)
for face in ["api", "mcp", "cli"]:
    ALLOWED[face] = [folder for folder in ALLOWED if folder not in ("api", "mcp", "cli")]


@dataclasses.dataclass(frozen=True)
class HeaderRule:
    """System or library headers that only some folders may see."""

    pattern: re.Pattern
    folders: tuple
    why: str


PURE = ("model", "json", *DOMAIN)
IMPURE = tuple(folder for folder in ALLOWED if folder not in PURE)

HEADER_RULES = [
    HeaderRule(re.compile(r"^(boost/(asio|beast)\b|nghttp2/|openssl/(ssl|bio|x509)\b)"), ("http",),
               "Asio, Beast, nghttp2 and TLS stay behind http/"),
    HeaderRule(re.compile(r"^CLI/"), ("cli",), "CLI11 stays in cli/"),
    HeaderRule(re.compile(r"^sqlite3"), ("db",), "SQLite stays in db/"),
    HeaderRule(re.compile(r"^(sys/|linux/|netinet/|arpa/|net/|asm/|unistd\.h|fcntl\.h|poll\.h|sched\.h|"
                          r"signal\.h|csignal|spawn\.h|dirent\.h|netdb\.h|pthread\.h|curl/|seccomp\.h)"),
               IMPURE, "the domain makes no system calls"),
]

INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"(?P<quoted>[^"]+)"|<(?P<angled>[^>]+)>)')
LIBRARY = re.compile(r"slipway_library\(\s*(?P<folder>\w+)(?P<arguments>[^)]*)\)")


def check_include(folder, is_test, line):
    """What is wrong with one source line of src/<folder>/, or None."""
    match = INCLUDE.match(line)
    if not match:
        return None
    if match["quoted"] is not None:
        target = match["quoted"].split("/")[0]
        if "/" not in match["quoted"]:
            return f'"{match["quoted"]}": write the path from src/, as in "{folder}/{match["quoted"]}"'
        if target not in ALLOWED:
            return f'"{match["quoted"]}": there is no folder src/{target}'
        if target != folder and target not in ALLOWED[folder]:
            allowed = ", ".join(ALLOWED[folder]) or "nothing"
            return f"{folder} may not include {target} (allowed: {allowed})"
        return None
    for rule in HEADER_RULES:
        if rule.pattern.match(match["angled"]) and folder not in rule.folders:
            if is_test and rule.folders is IMPURE:
                return None  # a test of pure code may make a folder to read
            return f"{folder} may not include <{match['angled']}>: {rule.why}"
    return None


def check_source(path, folder, text):
    is_test = path.name.endswith("_test.cc")
    for number, line in enumerate(text.splitlines(), 1):
        problem = check_include(folder, is_test, line)
        if problem:
            yield f"{path}:{number}: {problem}"


def check_library(path, text):
    for match in LIBRARY.finditer(text):
        words = match["arguments"].split()
        deps = []
        if "DEPS" in words:
            for word in words[words.index("DEPS") + 1:]:
                if word.isupper():
                    break
                deps.append(word)
        for dep in deps:
            if dep not in ALLOWED.get(match["folder"], []):
                yield f"{path}: slipway_library({match['folder']}) may not depend on {dep}"


def check_tree(top):
    problems = []
    for folder_path in sorted((top / "src").iterdir()):
        if not folder_path.is_dir():
            continue
        folder = folder_path.name
        if folder not in ALLOWED:
            problems.append(f"{folder_path}: no row for it in tools/check_layers.py")
            continue
        cmake = folder_path / "CMakeLists.txt"
        if cmake.exists():
            problems += check_library(cmake.relative_to(top), cmake.read_text())
        for path in sorted(folder_path.rglob("*")):
            if path.suffix in (".h", ".cc"):
                problems += check_source(path.relative_to(top), folder, path.read_text())
    return problems


def main():
    top = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parents[1]
    problems = check_tree(top)
    print("\n".join(problems) if problems else "layers: every include goes in an allowed direction")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
