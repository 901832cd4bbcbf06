#!/usr/bin/env python3
"""Deploys real, public apps with the real binary, one at a time, and writes down what became of each.

    tools/real_apps.py --binary build/release/slipway --checkouts DIR --results FILE [--names FILE] [--only TEXT]
    tools/real_apps.py --results FILE [--before FILE] --table docs/real-apps.md

DIR holds a folder for each repository, `owner+name`: a checkout, or a git directory (also as `repo` or `repo/.git`
in it). Nothing of the apps is kept: each is unpacked, deployed to a server of its own, looked at, and removed. FILE
is a line of JSON for each app; what is in it already is not deployed again, so a run that was cut short goes on.
"""
import argparse
import collections
import contextlib
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

BUILDERS = [("Lovable", r"lovable"), ("bolt.new", r"bolt"), ("v0", r"(^|[+/_-])v0[-_]"), ("Replit", r"replit"),
            ("vibe coding", r"vibe")]
GOOD = ("shows", "works")  # "works": a worker, which answers no requests
# What nobody can give here: hosts that a build or an app wants and this machine does not reach.
OUT_OF_REACH = re.compile(
    r"(ENOTFOUND|EAI_AGAIN|Could not resolve host|Failed to fetch|getaddrinfo|ECONNREFUSED|fetch failed|"
    r"Temporary failure in name resolution|403 Forbidden|Host not allowed)", re.I)


def builder_of(name):
    for builder, pattern in BUILDERS:
        if re.search(pattern, name, re.I):
            return builder
    return "samples"


def git_directory(folder):
    for place in (folder / "repo" / ".git", folder / "repo", folder / ".git", folder):
        if (place / "HEAD").exists() and (place / "objects").exists():
            return place
    return None


def unpack(folder, target):
    """The newest commit's files. A snapshot may lack its largest ones: those are left out. How many that were."""
    git = git_directory(folder)
    if git is None:
        shutil.copytree(folder, target, symlinks=True, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".git"))
        return 0
    run = ["git", f"--git-dir={git}", "-c", "core.quotePath=false"]
    listing = subprocess.run([*run, "ls-tree", "-r", "-z", "HEAD"], capture_output=True, check=True).stdout
    entries = []
    for line in listing.split(b"\0"):
        if line:
            meta, path = line.split(b"\t", 1)
            mode, kind, digest = meta.split()
            if kind == b"blob":
                entries.append((mode, digest, os.fsdecode(path)))
    cat = subprocess.Popen([*run, "cat-file", "--batch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    missing = 0
    for mode, digest, path in entries:
        cat.stdin.write(digest + b"\n")
        cat.stdin.flush()
        head = cat.stdout.readline().split()
        if head[-1] == b"missing":
            missing += 1
            continue
        data = cat.stdout.read(int(head[2]))
        cat.stdout.read(1)
        place = target / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if mode == b"120000":
            place.symlink_to(os.fsdecode(data))
        else:
            place.write_bytes(data)
            if mode == b"100755":
                place.chmod(0o755)
    cat.stdin.close()
    cat.wait()
    return missing


class Server:
    def __init__(self, binary):
        self.binary = binary
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="slipway-apps-"))
        home = self.directory / "home"
        home.mkdir()
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(("SLIPWAY_", "XDG_"))}
        self.environment.update(HOME=str(home), SLIPWAY_DATA=str(self.directory / "data"))
        with open(self.directory / "server.log", "wb") as log:
            self.process = subprocess.Popen(
                [binary, "serve", "--data", self.directory / "data", "--listen", "127.0.0.1:0"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment, start_new_session=True)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, ValueError):
                info = json.loads((self.directory / "data" / "server.json").read_text())
                if urllib.request.urlopen(info["url"] + "/healthz", timeout=5).status == 200:
                    self.url = info["url"]
                    return
            time.sleep(0.1)
        raise SystemExit("the server did not start")

    def run(self, *arguments, timeout):
        command = ["timeout", "-s", "INT", "-k", "20", str(timeout), self.binary, *arguments, "--server", self.url]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              errors="replace", env=self.environment)
        return done.returncode, done.stdout, done.stderr

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(60)
        if self.process.poll() is None:
            self.process.kill()
        shutil.rmtree(self.directory, ignore_errors=True)


def fetch(url, server_url):
    """Status, type, body; names of apps are resolved here, as a browser does."""
    host = url.split("//", 1)[1].split("/", 1)[0]
    path = "/" + (url.split("//", 1)[1].split("/", 1) + [""])[1]
    request = urllib.request.Request(server_url + path, headers={"Host": host, "Accept": "text/html,*/*"})
    try:
        with urllib.request.build_opener(NoRedirect).open(request, timeout=30) as answer:
            return answer.status, answer.headers.get("content-type", ""), answer.read(1 << 20)
    except urllib.error.HTTPError as error:
        return error.code, error.headers.get("content-type", ""), error.read(1 << 20)
    except OSError as error:
        return 0, "", str(error).encode()


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def look(url, server_url):
    """What a person would see at first: ok, or what is wrong."""
    status, kind, body = fetch(url, server_url)
    if status == 0:
        return status, "no answer"
    if status >= 400:
        return status, f"status {status}"
    if 300 <= status < 400:
        return status, "ok"
    if not body.strip():
        return status, "empty"
    if "html" not in kind:
        return status, "ok"
    text = body.decode(errors="replace")
    for source in re.findall(r"<script[^>]+src=[\"']([^\"']+)", text)[:20]:
        if re.match(r"(?i)[a-z]+:|//", source):
            continue
        base = url.rstrip("/")
        code, script_kind, _ = fetch(base + "/" + source.lstrip("./").lstrip("/"), server_url)
        if code >= 400 or "html" in script_kind:
            return status, f"its script {source} is missing"
    return status, "ok"


def look_with_browser(url, picture):
    """How many characters of text a browser finds on the page once its scripts ran; a picture of it."""
    profile = tempfile.mkdtemp(prefix="slipway-browser-")
    browser = ["timeout", "-k", "5", "60", "chromium", "--headless=new", "--no-sandbox", "--disable-gpu",
               "--no-proxy-server", "--hide-scrollbars", "--window-size=1200,800", "--virtual-time-budget=10000",
               f"--user-data-dir={profile}"]
    try:
        subprocess.run([*browser, f"--screenshot={picture}", url], stdin=subprocess.DEVNULL, capture_output=True,
                       check=False)
        page = subprocess.run([*browser, "--dump-dom", url], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              errors="replace", check=False).stdout
    finally:
        shutil.rmtree(profile, ignore_errors=True)
    body = re.sub(r"(?is)<(script|style|noscript|head|template)\b.*?</\1>", " ", page)
    return len(" ".join(re.sub(r"<[^>]*>", " ", body).split()))


def keep_log(logs, name, answer, err):
    """What the deploy said, whole, to read what a row has no room for."""
    if logs:
        logs.mkdir(parents=True, exist_ok=True)
        (logs / f"{name}.json").write_text(json.dumps(answer, indent=1))
        (logs / f"{name}.txt").write_text(err)


def deploy(server, name, folder, timeout, logs=None, pictures=None):
    work = pathlib.Path(tempfile.mkdtemp(prefix="slipway-app-"))
    row = {"repository": name.replace("+", "/", 1), "builder": builder_of(name)}
    try:
        app = work / re.sub(r"[^a-z0-9]+", "-", name.split("+", 1)[-1].lower()).strip("-")[:40].strip("-")
        app.mkdir()
        row["missing_files"] = unpack(folder, app)
        began = time.monotonic()
        # A project belongs to the folder that it was made from: one for each app.
        project = "app-" + hashlib.sha256(name.encode()).hexdigest()[:8]
        code, out, err = server.run("deploy", str(app), "--project", project, "-y", "--json", timeout=timeout)
        row["seconds"] = round(time.monotonic() - began, 1)
        try:
            answer = json.loads(out)
        except ValueError:
            answer = {}
        keep_log(logs, name, answer, err)
        services = (answer.get("plan") or {}).get("services") or []
        row["kind"] = ", ".join(dict.fromkeys(s.get("framework") or s.get("provider") or "?" for s in services)) or "-"
        row["managers"] = sorted({s["package_manager"] for s in services if s.get("package_manager")})
        findings = (answer.get("findings") or []) + ((answer.get("plan") or {}).get("findings") or [])
        row["findings"] = sorted({f.get("code", "") for f in findings})
        row["repairs"] = sorted({f.get("code", "") for f in answer.get("findings") or []
                                 if f.get("code", "").startswith("repaired")})
        error = answer.get("error")
        if not answer and code != 0:
            error = {"message": err.strip().splitlines()[-1] if err.strip() else f"exit {code}", "cause": "cli"}
        if code == 0 and not error:
            answers = any(service.get("url") for service in answer.get("services") or [{"url": "?"}])
            row["status"], row["shows"] = look(answer.get("url", ""), server.url) if answers else (0, "ok")
            row["outcome"] = ("shows" if answers else "works") if row["shows"] == "ok" else "ready, " + row["shows"]
            if pictures and answers and row["shows"] == "ok":
                pictures.mkdir(parents=True, exist_ok=True)
                row["seen"] = look_with_browser(answer["url"], (pictures / f"{name}.png").resolve())
            needs = [f for f in answer.get("findings") or [] if f.get("code") in ("variable_unset", "page_blank")]
            row["cause"] = "; ".join(f["message"] for f in needs)[:200]
        else:
            row["outcome"] = "timeout" if code in (124, 130, 137) else "failed"
            error = error or {}
            row["cause"] = f"{error.get('phase') or '?'}: {error.get('message', '')}"[:300]
            row["class"] = error.get("cause") or error.get("code")
            row["excerpt"] = error.get("excerpt", [])[:6]
            log = "\n".join(error.get("excerpt") or []) + err
            row["out_of_reach"] = (bool(OUT_OF_REACH.search(log)) or
                                   error.get("cause") in ("network", "base_image"))
        if answer.get("id"):
            server.run("rm", answer["id"], "-y", timeout=60)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return row


def read_results(path):
    rows = {}
    if path and path.exists():
        for line in path.read_text().splitlines():
            row = json.loads(line)
            rows[row["repository"]] = row
    return rows


def rate(rows):
    good = [row for row in rows if row["outcome"] in GOOD]
    reach = [row for row in rows if not row.get("out_of_reach")]
    return f"{len(good)} of {len(rows)}" + (f" ({len(good)} of {len(reach)} within reach)" if len(reach) < len(rows) else "")


def outcome_of(row):
    """What became of it, with what the browser found."""
    if row["outcome"] != "shows" or row.get("seen") != 0:
        return row["outcome"]
    return "shows, blank for variables that nobody set (said)" if "variable_unset" in row["findings"] else "shows, blank"


def table(rows, before, note):
    out = ["# Real apps", "",
           "Made by `tools/real_apps.py`: public repositories, taken unmodified, each deployed once by `slipway deploy`",
           "on a machine that reaches package registries and nothing else. None of their code is part of this project.",
           "\"shows\" means that the deployment became ready and its first page answers below 400 with a body and its own",
           "scripts; \"works\" that it is a worker, which answers no requests. Apps that want a host that was out of reach are counted and marked (*).", ""]
    out += [note, ""] if note else []
    groups = collections.defaultdict(list)
    for row in rows.values():
        groups[row["builder"]].append(row)
    out += ["| made with | first try, before | first try, now | median seconds |", "|---|---|---|---|"]
    for builder in sorted(groups) + ["all"]:
        mine = list(rows.values()) if builder == "all" else groups[builder]
        old = [before[row["repository"]] for row in mine if row["repository"] in before]
        took = [row["seconds"] for row in mine if row["outcome"] == "shows"]
        median = f"{statistics.median(took):.0f}" if took else "-"
        out.append(f"| {builder} | {rate(old) if old else 'not run'} | {rate(mine)} | {median} |")
    looked = [row for row in rows.values() if "seen" in row]
    if looked:
        text = sum(row["seen"] > 0 for row in looked)
        out += ["", f"A browser looked at {len(looked)} of those that show: {text} had text on the page."]
    repaired = [row for row in rows.values() if row.get("repairs")]
    held = [row for row in repaired if row["outcome"] in GOOD]
    needs = [row for row in rows.values() if row.get("class") in ("missing_env", "missing_service")]
    out += ["", f"Of those that failed, {len(needs)} want a variable or a service that nobody can give here, and were told which."]
    out += ["", f"A repair ran in {len(repaired)} of {len(rows)} deploys and held in {len(held)}.", "",
            "| repository | kind | seconds | before | now | repairs | cause, or what is said beside the URL |",
            "|---|---|---|---|---|---|---|"]
    clean = lambda text: re.sub(r"https?://[^\s|]+", "a URL", str(text)).replace("|", "\\|").replace("\n", " ")
    for name in sorted(rows, key=str.lower):
        row = rows[name]
        earlier = before.get(name)
        out.append(f"| {name} | {row['kind']} | {row['seconds']:.0f} | {outcome_of(earlier) if earlier else ''} | {outcome_of(row)}"
                   f"{' (*)' if row.get('out_of_reach') else ''} | {', '.join(row.get('repairs', []))} | "
                   f"{clean(row.get('cause', ''))[:160]} |")
    return "\n".join(out) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=pathlib.Path)
    parser.add_argument("--checkouts", type=pathlib.Path)
    parser.add_argument("--names", type=pathlib.Path, help="only those of this list, in its order; lines of owner/name")
    parser.add_argument("--only", help="only those whose name holds this")
    parser.add_argument("--again", action="store_true", help="deploy also what is in the results already")
    parser.add_argument("--timeout", type=int, default=400, help="seconds an app may take")
    parser.add_argument("--logs", type=pathlib.Path, help="a folder for what each deploy said")
    parser.add_argument("--browser", type=pathlib.Path,
                        help="look at what shows with chromium, too; a folder for its pictures")
    parser.add_argument("--until", help="HH:MM of the clock after which no further app is begun")
    parser.add_argument("--results", type=pathlib.Path, required=True)
    parser.add_argument("--before", type=pathlib.Path, help="the results of an earlier binary, to compare with")
    parser.add_argument("--table", type=pathlib.Path)
    parser.add_argument("--note", help="a sentence for the table: of what machine, in what state, it tells")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))  # the server is stopped on the way out
    results = read_results(arguments.results)
    if arguments.checkouts:
        wanted = None
        if arguments.names:
            lines = [line.strip() for line in arguments.names.read_text().splitlines()]
            wanted = list(dict.fromkeys(line for line in lines if line[:1] not in ("", "#")))
        server = None
        try:
            order = {name: place for place, name in enumerate(wanted or [])}
            for folder in sorted(arguments.checkouts.iterdir(), key=lambda folder: (
                    order.get(folder.name.replace("+", "/", 1), 0), folder.name)):
                name = folder.name.replace("+", "/", 1)
                if "+" not in folder.name or not folder.is_dir() or (wanted is not None and name not in wanted):
                    continue
                if (arguments.only and arguments.only not in name) or (name in results and not arguments.again):
                    continue
                if arguments.until and time.strftime("%H:%M") >= arguments.until:
                    break
                server = server or Server(arguments.binary.resolve())
                try:
                    row = deploy(server, folder.name, folder, arguments.timeout, arguments.logs,
                                 arguments.browser)
                except (OSError, subprocess.CalledProcessError) as error:
                    print(f"{name}: {error}", file=sys.stderr)
                    continue
                results[name] = row
                with open(arguments.results, "a") as file:
                    file.write(json.dumps(row) + "\n")
                print(f"{name}: {row['outcome']} in {row['seconds']} s {row.get('repairs') or ''} {row.get('cause', '')}",
                      flush=True)
        finally:
            if server:
                server.stop()
    if arguments.table:
        arguments.table.write_text(table(results, read_results(arguments.before), arguments.note))


if __name__ == "__main__":
    main()
