"""The audit log: every change is in it, nobody can alter it unnoticed, and no secret ever enters."""
import base64
import contextlib
import hashlib
import json
import random
import shutil
import sqlite3
import subprocess
import threading

import pytest

from support.slipway import change, wait_until

SERVER = "require('http').createServer((q,r)=>r.end('WORD')).listen(process.env.PORT)\n"
NODE = {"package.json": '{"name":"x","scripts":{"build":"node -e 0","start":"node s.js"}}', "s.js": SERVER}


def export(slipway, *arguments):
    return slipway.ok("audit", "export", *arguments).out


def records(slipway):
    return [json.loads(line) for line in export(slipway).splitlines()[1:] if '"seq":' in line]


def verify(slipway, text, *arguments, environment=None):
    file = slipway.directory / "export.jsonl"
    file.write_text(text)
    return slipway.cli("audit", "verify", file, *arguments, environment=environment)


def elsewhere(slipway):
    """The environment of somebody who has never seen the server."""
    return {"XDG_CONFIG_HOME": str(slipway.directory / "elsewhere")}


def leaf_hash(line):
    return hashlib.sha256(b"\0" + line.encode()).digest()


def root_of(leaves):
    """RFC 6962, section 2.1, as written there."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\1" + root_of(leaves[:split]) + root_of(leaves[split:])).digest()


def test_what_happened_is_recorded_and_can_be_looked_at(make_slipway, project):
    slipway = make_slipway()
    folder = project({"index.html": "one"})
    first = slipway.deploy(folder)
    change(folder / "index.html", "one", "two")
    (folder / "more.txt").write_text("more")
    second = slipway.deploy(folder)
    slipway.ok("rm", first["id"], "-y")

    rows = slipway.ok("audit", "ls", "--json", "-n", "200").json()["records"]
    assert [row["seq"] for row in rows] == list(range(len(rows), 0, -1))
    of_first = [row["event"] for row in reversed(rows) if row.get("resource") == f"deployment/{first['id']}"]
    assert of_first[0] == "deployment.created" and of_first[-1] == "deployment.deleted"
    for row in rows:
        assert row["actor"]["kind"] in ("human", "system") and row["actor"]["chain"], row
    only = slipway.ok("audit", "ls", "--json", "--action", "deployment.created").json()["records"]
    assert [row["resource"] for row in only] == [f"deployment/{d['id']}" for d in (second, first)]
    assert slipway.ok("audit", "ls", "--json", "--project", "nothing").json()["records"] == []
    assert slipway.ok("audit", "ls", "--json", "--until", "1h").json()["records"] == []
    assert "deployment.created" in slipway.ok("audit", "ls").out

    shown = slipway.ok("audit", "show", only[0]["seq"], "--json").json()
    assert shown["changed"]["added"] == ["more.txt"] and shown["changed"]["modified"] == ["index.html"]
    assert shown["changed"]["as_recorded"] is True
    assert shown["leaf_hash"] == "sha256:" + leaf_hash(shown["canonical"]).hex()
    assert "~ index.html" in slipway.ok("audit", "show", only[0]["seq"]).out
    assert slipway.cli("audit", "show", 100000).code == 3
    assert slipway.cli("audit", "what").code == 2


def test_an_export_verifies_offline_and_nothing_can_be_done_to_it(make_slipway, project):
    slipway = make_slipway()
    slipway.deploy(project({"index.html": "one"}))
    slipway.deploy(project({"index.html": "two"}))
    key = slipway.ok("audit", "keys").out.strip()
    text = export(slipway)
    slipway.stop()
    assert verify(slipway, text, "--key", key).code == 0
    known = verify(slipway, text, "--json").json()
    assert known["trusted"] == "remembered" and known["size"] == text.count('"seq":')
    assert verify(slipway, text, "--json", environment=elsewhere(slipway)).json()["trusted"] == "itself"

    # With nothing of ours: the chain, the tree and the checkpoint as their specifications say.
    lines = [line for line in text.splitlines()[1:] if '"seq":' in line]
    for before, line in zip(lines, lines[1:]):
        assert json.loads(line)["previous"] == "sha256:" + leaf_hash(before).hex()
    origin, size, root = json.loads(text.splitlines()[0])["checkpoint"].splitlines()[:3]
    assert int(size) == len(lines) and key.startswith(origin + "+")
    assert base64.b64decode(root) == root_of([leaf_hash(line) for line in lines])

    chance = random.Random(4)
    rows = text.splitlines(keepends=True)
    harmed = ["".join(rows[:-1]), "".join(rows[:3] + rows[4:]), text[:-1], ""]
    harmed.append("".join(rows[:2] + [rows[3], rows[2]] + rows[4:]))
    for _ in range(20):
        at = chance.randrange(len(text))
        harmed.append(text[:at] + chr(ord(text[at]) ^ 1) + text[at + 1:])
    for bad in harmed:
        ran = verify(slipway, bad, "--key", key)
        assert ran.code == 70, f"{ran}\n{bad}"
    other = key[:-8] + "AAAAAAA="
    assert verify(slipway, text, "--key", other).code == 2
    slipway.start()
    assert slipway.ok("audit", "verify").out.startswith("verified")


def rewritten(text, signer):
    """Another past for an export, with an honest chain, signed with the log's own key."""
    header, *lines = (json.loads(line) for line in text.splitlines())
    previous, leaves, out = "sha256:" + "0" * 64, [], []
    for record in (line for line in lines if "seq" in line):
        record["previous"] = previous
        if record["seq"] == 2:
            record["actor"] = {"chain": ["human:mallory"], "kind": "human", "name": "mallory"}
        line = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        leaves.append(leaf_hash(line))
        previous = "sha256:" + leaves[-1].hex()
        out.append(line)
    body = f"{header['origin']}\n{len(leaves)}\n{base64.b64encode(root_of(leaves)).decode()}\n"
    name, key_id, _ = header["keys"][0].split("+", 2)
    signature = base64.b64encode(bytes.fromhex(key_id) + signer(body.encode())).decode()
    header.update(checkpoint=f"{body}\n\N{EM DASH} {name} {signature}\n", checkpoints=0)
    first = json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "\n".join([first, *out]) + "\n"


def signer_of(slipway):
    """Signs with the server's own key, by OpenSSL."""
    seed = base64.b64decode(json.loads((slipway.data / "audit.key").read_text())["keys"][-1]["secret"])
    key = slipway.directory / "forger.der"
    key.write_bytes(bytes.fromhex("302e020100300506032b657004220420") + seed[-32:])

    def sign(text):
        message = slipway.directory / "forger.txt"
        message.write_bytes(text)
        return subprocess.run(["openssl", "pkeyutl", "-sign", "-rawin", "-keyform", "DER", "-inkey", key, "-in", message],
                              check=True, capture_output=True).stdout

    return sign


def test_an_older_export_is_told_from_a_rewritten_one(make_slipway, project):
    slipway = make_slipway()
    folder = project({"index.html": "one"})
    slipway.deploy(folder)
    older = export(slipway)
    forged = rewritten(older, signer_of(slipway))
    assert verify(slipway, forged, environment=elsewhere(slipway)).code == 0, "it is well made"
    slipway.deploy(folder)
    slipway.ok("audit", "verify")  # the newer log is what was seen now

    proven = verify(slipway, older, "--json")
    assert proven.code == 0 and proven.json()["agreement"] == "proven", proven
    assert proven.json()["seen"] > proven.json()["size"] == older.count('"seq":')
    assert "the same history as the" in verify(slipway, older).out
    assert verify(slipway, export(slipway), "--json").json()["agreement"] in ("recomputed", "proven")
    bad = verify(slipway, forged)
    assert bad.code == 70 and "rewritten" in bad.err, bad

    slipway.stop()
    for text in (older, forged):
        ran = verify(slipway, text, "--json")
        assert ran.code == 75 and ran.json()["error"]["cause"] == "consistency_unknown", ran
        assert "rewritten" not in ran.out and "proof" in ran.json()["error"]["hint"]
    slipway.start()
    newest = export(slipway)
    assert verify(slipway, rewritten(newest, signer_of(slipway))).code == 70


def test_a_record_is_proven_to_be_in_the_log(make_slipway, project):
    slipway = make_slipway()
    slipway.deploy(project({"index.html": "one"}))
    proof = slipway.ok("audit", "prove", 2, "--json").out
    assert verify(slipway, proof).code == 0
    assert verify(slipway, proof.replace("project", "projekt", 1)).code == 70
    assert "root " in slipway.ok("audit", "prove", 1).out
    assert slipway.cli("audit", "prove", 100000).code == 3


def test_a_rotated_key_is_followed(make_slipway, project):
    slipway = make_slipway()
    slipway.deploy(project({"index.html": "one"}))
    first = slipway.ok("audit", "keys").out.strip()
    second = slipway.ok("audit", "rotate-key").out.strip()
    slipway.deploy(project({"index.html": "two"}))
    slipway.ok("audit", "rotate-key")
    assert slipway.ok("audit", "keys").out.split()[:2] == [first, second]
    assert (slipway.data / "audit.key").stat().st_mode & 0o777 == 0o600
    slipway.stop()
    slipway.start()
    text = export(slipway)
    for key in (first, second):
        assert verify(slipway, text, "--key", key).code == 0, "trust follows the rotations"
    assert [row["event"] for row in records(slipway)].count("audit.key_rotated") == 2
    secret = json.loads((slipway.data / "audit.key").read_text())["keys"][-1]["secret"]
    assert secret not in text and secret.encode() not in (slipway.data / "slipway.db").read_bytes()


def database_copy(slipway, folder):
    folder.mkdir(exist_ok=True)
    for path in slipway.data.glob("slipway.db*"):
        shutil.copy(path, folder / path.name)


def restore(slipway, folder):
    for path in slipway.data.glob("slipway.db*"):
        path.unlink()
    for path in folder.glob("slipway.db*"):
        shutil.copy(path, slipway.data / path.name)


def test_an_older_copy_of_the_database_is_noticed(make_slipway, project, tmp_path):
    slipway = make_slipway({"server": {"listen": "127.0.0.1:0"}})
    slipway.deploy(project({"index.html": "one"}))
    port = slipway.port
    slipway.ok("audit", "ls")
    slipway.stop()
    database_copy(slipway, tmp_path / "old")
    slipway.config.write_text(slipway.config.read_text().replace("127.0.0.1:0", f"127.0.0.1:{port}"))
    slipway.start()
    slipway.deploy(project({"index.html": "two"}))
    slipway.ok("audit", "ls")
    slipway.stop()
    database_copy(slipway, tmp_path / "new")
    restore(slipway, tmp_path / "old")
    slipway.start()
    ran = slipway.cli("ls")
    assert ran.code == 70 and "REWRITTEN" in ran.err, str(ran)
    assert slipway.cli("ls", environment=elsewhere(slipway)).code == 0, "who saw nothing notices nothing"
    slipway.stop()
    restore(slipway, tmp_path / "new")
    slipway.start()
    assert slipway.cli("ls").code == 0


def test_history_rewritten_behind_the_servers_back_is_noticed(make_slipway, project):
    """Whoever has the database and even the key writes another past of the same length."""
    slipway = make_slipway()
    slipway.deploy(project({"index.html": "one"}))
    slipway.ok("audit", "ls")
    port = slipway.port
    slipway.stop()
    with contextlib.closing(sqlite3.connect(slipway.data / "slipway.db")) as db, db:
        with pytest.raises(sqlite3.IntegrityError):
            db.execute("UPDATE audit_record SET record='{}' WHERE seq=1")
        for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type='trigger' AND name LIKE 'audit%'").fetchall():
            db.execute(f"DROP TRIGGER {name}")
        previous = "sha256:" + "0" * 64
        for seq, text in db.execute("SELECT seq, record FROM audit_record ORDER BY seq").fetchall():
            record = json.loads(text)
            record["previous"] = previous
            if seq == 1:
                record["actor"] = {"chain": ["human:mallory"], "kind": "human", "name": "mallory"}
            text = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            db.execute("UPDATE audit_record SET record=? WHERE seq=?", (text, seq))
            previous = "sha256:" + leaf_hash(text).hex()
        db.execute("DELETE FROM audit_checkpoint")
    slipway.config.write_text(slipway.config.read_text().replace("127.0.0.1:0", f"127.0.0.1:{port}"))
    slipway.start()
    ran = slipway.cli("ls")
    assert ran.code == 70 and "REWRITTEN" in ran.err, str(ran)
    assert slipway.cli("audit", "verify").code == 70
    assert slipway.cli("audit", "verify", environment=elsewhere(slipway)).code == 0


def test_old_records_are_cut_off_and_the_rest_still_verifies(make_slipway, project):
    slipway = make_slipway({"audit": {"keep": "1s"}})
    folder = project({"index.html": "one"})
    slipway.deploy(folder)
    key = slipway.ok("audit", "keys").out.strip()

    def cut():
        slipway.deploy(folder)
        return records(slipway)[0]["seq"] > 1

    wait_until(cut, 30, "records to be cut off", every=0.5)
    text = export(slipway)
    assert verify(slipway, text, "--key", key).code == 0
    assert "audit.truncated" in text
    assert slipway.cli("audit", "show", 1).code == 3
    slipway.ok("ls")


CANARIES = {name: f"canary{hashlib.sha256(name.encode()).hexdigest()[:20]}" for name in
            ("env", "build", "message", "file", "log")}


def test_no_secret_enters(make_slipway, project):
    slipway = make_slipway()
    source = SERVER.replace("WORD", "ok") + f"console.log('{CANARIES['log']}')\n"
    folder = project({**NODE, "s.js": source, "notes.txt": CANARIES["file"]})
    deployment = slipway.deploy(folder, "-e", f"SECRET={CANARIES['env']}", "-b", f"BUILD={CANARIES['build']}",
                                "-m", CANARIES["message"])
    broken = project({"package.json": '{"name":"x","scripts":{"build":"echo $KEY; exit 3","start":"node s.js"}}'})
    slipway.deploy_failing(broken, "-b", f"KEY={CANARIES['build']}")
    slipway.ok("redeploy", deployment["id"])
    slipway.ok("rm", deployment["id"], "-y")
    slipway.ok("undo")
    slipway.api("GET", "/v1/deployments", token="slp_" + CANARIES["env"])
    token = slipway.info["token"]
    for text in (export(slipway), export(slipway, "--format", "cloudevents"), export(slipway, "--format", "ocsf")):
        assert text.count("deployment.created") >= 3
        for name, canary in {**CANARIES, "token": token}.items():
            assert canary not in text, f"the canary of {name} is in the audit log"


def test_exports_for_other_systems(make_slipway, project):
    slipway = make_slipway()
    slipway.deploy(project({"index.html": "one"}))
    native = [line for line in export(slipway).splitlines()[1:] if '"seq":' in line]
    clouds = [json.loads(line) for line in export(slipway, "--format", "cloudevents").splitlines()]
    for event, line in zip(clouds, native):
        assert event["specversion"] == "1.0" and event["type"].startswith("slipway.") and event["source"]
        assert event["data"] == json.loads(line) and event["id"] == str(event["data"]["seq"])
    for event, line in zip((json.loads(line) for line in export(slipway, "--format", "ocsf").splitlines()), native):
        assert event["class_uid"] == 6003 and event["type_uid"] == 600300 + event["activity_id"]
        assert event["raw_data"] == line and event["actor"]["user"]["name"] and event["metadata"]["product"]["name"]
    assert slipway.cli("audit", "export", "--format", "xml").code == 2


def test_every_answer_carries_a_checkpoint(make_slipway, project):
    slipway = make_slipway()
    slipway.deploy(project({"index.html": "one"}))
    for path in ("/healthz", "/v1/deployments", "/v1/nothing"):
        origin, size, root, signature = slipway.api("GET", path).headers["slipway-checkpoint"].split()
        assert len(base64.b64decode(root)) == 32 and len(base64.b64decode(signature)) == 68

    def covered():
        signed = int(slipway.api("GET", "/healthz").headers["slipway-checkpoint"].split()[1])
        return signed == slipway.ok("audit", "ls", "--json", "-n", "1").json()["records"][0]["seq"]

    wait_until(covered, 10, "a checkpoint over everything")


@pytest.mark.parametrize("rounds", [2, pytest.param(8, marks=pytest.mark.long)])
def test_kill_loses_no_record_and_leaves_no_change_without_one(make_slipway, project, rounds):
    slipway = make_slipway()
    chance = random.Random(rounds)
    promised = set()
    for number in range(rounds):
        sites = [project({"index.html": f"{number} {i}"}) for i in range(3)]
        clients = [slipway.popen("deploy", site, "--json") for site in sites]
        threading.Event().wait(chance.uniform(0, 0.6))  # the random instant is the point of the test
        slipway.kill()
        for client in clients:
            out, _ = client.communicate(timeout=120)
            if client.returncode == 0:
                promised.add(json.loads(out)["id"])
        slipway.start()
        ran = slipway.cli("audit", "verify")
        assert ran.code == 0, str(ran)
    for row in slipway.deployments():
        slipway.wait_state(row["id"], "ready", "sleeping", "failed", "canceled")
    made = {}
    for record in records(slipway):
        kind, _, identity = record.get("resource", "").partition("/")
        if kind == "deployment":
            made.setdefault(identity, []).append(record)
    assert promised <= made.keys(), "an acknowledged deployment is in the log"
    for row in slipway.deployments():
        mine = made[row["id"]]
        assert mine[0]["event"] == "deployment.created"
        assert mine[-1]["event"] == f"deployment.{row['state']}", "the newest record says what is so"
        assert all(a["after"] == b["before"] for a, b in zip(mine, mine[1:])), "no change between two records"
