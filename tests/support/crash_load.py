"""A mixed load whose acknowledgements are remembered, to be compared with what a server says after a crash.

Each client has a project of its own and does one thing at a time, so that what must hold is exact: a thing that was
acknowledged holds, a thing that was refused did not happen, and only the one under way when the server died may have
happened or not.
"""
import json
import random
import threading

from support import http
from support.slipway import wait_until, write_app

APP = """
require('http').createServer((q, r) => r.end('%s ' + (process.env.VALUE || ''))).listen(process.env.PORT);
"""
OVER = ("done", "failed", "rolled_back", "canceled", "denied")
# Exit codes of a command that was told of no end: whatever it asked may have happened.
UNTOLD = (1, 70, 75, 130, -9)


class Client:
    """One project, what it was promised, and the next thing to do with it."""

    def __init__(self, server, directory, name, seed):
        self.server, self.directory, self.name = server, directory, name
        self.chance = random.Random(seed)
        self.number = 0
        self.live = {}        # id -> the word that it answers
        self.gone = set()     # ids whose removal was acknowledged
        self.current = {None}  # ids of which one is the current release
        self.values = {None}  # values of which one is what `env` says
        self.counts = {"done": 0, "refused": 0, "untold": 0}

    def step(self):
        moves = [(self.deploy, 5), (self.set_value, 2), (self.rotate, 1)]
        if self.live:
            moves += [(self.promote, 3), (self.remove, 1 + len(self.live)), (self.redeploy, 1)]
        if self.current != {None}:
            moves += [(self.rollback, 1), (self.restart, 1)]
        move = self.chance.choices([move for move, _ in moves], [weight for _, weight in moves])[0]
        self.counts[move()] += 1

    def told(self, ran):
        return "done" if ran.code == 0 else "untold" if ran.code in UNTOLD else "refused"

    def deploy(self):
        self.number += 1
        word = f"{self.name}-{self.number}"
        folder = self.directory / f"{self.name}-app"
        if self.chance.random() < 0.5:
            files = {"package.json": json.dumps({"name": "app", "scripts": {"start": "node server.js"}}), "server.js": APP % word}
        else:
            files = {"index.html": word}
        for old in ("package.json", "server.js", "index.html"):
            (folder / old).unlink(missing_ok=True)
        ran = self.server.cli("deploy", write_app(folder, files), "--project", self.name, "--json")
        if ran.code == 0:
            self.live[ran.json()["id"]] = word
        return self.told(ran)

    def redeploy(self):
        made_of = self.chance.choice(list(self.live))
        ran = self.server.cli("redeploy", made_of, "--json")
        if ran.code == 0:
            self.live[ran.json()["id"]] = self.live[made_of]
        return self.told(ran)

    def remove(self):
        identity = self.chance.choice([each for each in self.live if {each} != self.current] or list(self.live))
        ran = self.server.cli("rm", "-y", identity, "-q")
        told = self.told(ran)
        if told != "refused":
            self.live.pop(identity)
        if told == "done":
            self.gone.add(identity)
        return told

    def promote(self):
        identity = self.chance.choice(list(self.live))
        return self.moved(self.server.cli("promote", identity, "--json"), {identity})

    def rollback(self):
        # To which of the kept releases is the server's to say: asked for when it is settled.
        return self.moved(self.server.cli("rollback", self.name, "--json"), None)

    def restart(self):
        return self.told(self.server.cli("restart", self.name, "--json"))

    def moved(self, ran, goal):
        told = self.told(ran)
        if goal is None:
            self.current = set() if told != "refused" else self.current
        elif told == "done":
            self.current = goal
        elif told == "untold":
            self.current = self.current | goal if self.current else set()
        return told

    def set_value(self):
        value = f"value-{self.chance.random()}"
        ran = self.server.cli("env", "set", f"VALUE={value}", "--project", self.name, "--json")
        told = self.told(ran)
        if told == "done":
            self.values = {value}
        elif told == "untold":
            self.values = self.values | {value}
        return told

    def rotate(self):
        return self.told(self.server.cli("env", "rotate-key", "--json"))

    # --- what must hold

    def check(self):
        rows = {row["id"]: row for row in self.server.deployments(project=self.name)}
        for identity, word in self.live.items():
            assert identity in rows, f"{identity} was acknowledged and is not listed"
            url = rows[identity]["url"]
            answer = self.ask(url)
            assert answer.status == 200 and answer.text.split(" ")[0] == word, (identity, word, answer)
        for identity in self.gone:
            assert rows.get(identity, {}).get("state", "deleted") == "deleted", rows[identity]
        self.check_value()
        self.check_release(rows)

    def ask(self, url):
        def answered():
            try:
                answer = http.get(url, timeout=20)
            except OSError:
                return None
            return answer if answer.status not in (502, 503) else None

        return wait_until(answered, 60, f"{url} to answer")

    def check_value(self):
        if self.values == {None}:
            return
        listed = self.server.ok("env", "ls", "--project", self.name, "--json").json()
        found = {row["value"] for row in listed["vars"] if row["name"] == "VALUE"} or {None}
        assert found <= self.values, (self.name, found, self.values)

    def check_release(self, rows):
        response = self.server.api("GET", f"/v1/projects/{self.name}/environments/production")
        if response.status == 404:
            assert None in self.current or not self.current, (self.name, self.current)
            return
        place = f"/v1/projects/{self.name}/environments/production"
        wait_until(lambda: all(each["state"] in OVER for each in self.server.api("GET", place + "/rollouts").json()["rollouts"]),
                   90, f"every rollout of {self.name} to end")
        state = self.server.api("GET", place).json()
        if not state["current"]:
            assert None in self.current or not self.current, (self.name, self.current)
            return
        releases = self.server.api("GET", place + "/releases").json()["releases"]
        numbers = [release["number"] for release in releases]
        assert numbers == sorted(set(numbers), reverse=True), numbers
        current = [release for release in releases if release["current"]]
        assert len(current) == 1, current
        identity = current[0]["deployment"]
        if self.current:
            assert identity in self.current, (self.name, identity, self.current)
        answer = self.ask(f"http://{self.name}.localhost:{self.server.port}")
        assert answer.status == 200, (self.name, answer)
        word = self.live.get(identity)
        assert word is None or answer.text.split(" ")[0] == word, (identity, word, answer)
        self.current = {identity}


class Load:
    """Clients that go on until they are held; `held()` returns once each has ended what it did."""

    def __init__(self, clients):
        self.clients = clients
        self.changed = threading.Condition()
        self.going, self.over, self.inside = False, False, 0
        self.broken = []
        self.threads = [threading.Thread(target=self.run, args=(client,)) for client in clients]
        for thread in self.threads:
            thread.start()

    def run(self, client):
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.going or self.over)
                if self.over:
                    return
                self.inside += 1
            try:
                client.step()
            except Exception as error:  # noqa: BLE001 - told to the test, which fails by it
                self.broken.append(repr(error))
                self.over = True
            with self.changed:
                self.inside -= 1
                self.changed.notify_all()

    def go(self):
        with self.changed:
            self.going = True
            self.changed.notify_all()

    def hold(self):
        with self.changed:
            self.going = False

    def held(self):
        with self.changed:
            self.changed.wait_for(lambda: self.inside == 0)
        assert not self.broken, self.broken

    def close(self):
        with self.changed:
            self.over = True
            self.changed.notify_all()
        for thread in self.threads:
            thread.join()
