"""What follows a server goes on when the server comes back, and neither loses nor repeats a line."""
import json
import subprocess
import threading

from support import http
from support.slipway import BINARY, wait_until

# Says a numbered line for each request, and many more of its own accord, several in one write.
TALKER = """
let n = 0;
const say = many => { let s = ''; for (let i = 0; i < many; i++) s += `line ${++n}\\n`; process.stdout.write(s); };
setInterval(() => say(3), 5);
require('http').createServer((q, r) => { say(1); r.end(String(n)); }).listen(process.env.PORT);
"""


class Follower:
    """A command whose output is collected while it runs. Finds the server as people's CLI does: by its data directory."""

    def __init__(self, slipway, *arguments):
        self.lines, self.errors = [], []
        self.process = subprocess.Popen([str(BINARY), *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, env=slipway.environment())
        self.threads = [threading.Thread(target=self.collect, args=pair, daemon=True)
                        for pair in ((self.process.stdout, self.lines), (self.process.stderr, self.errors))]
        for thread in self.threads:
            thread.start()

    def collect(self, stream, into):
        for line in stream:
            into.append(line.rstrip("\n"))

    def wait(self, seconds=60):
        code = self.process.wait(seconds)
        for thread in self.threads:
            thread.join(10)
        return code

    def last_number(self):
        return int(self.lines[-1].split()[1]) if self.lines else 0


def test_logs_are_followed_over_restarts_without_gap_or_repetition(make_slipway, project):
    slipway = make_slipway()
    folder = project({"package.json": '{"name":"talker","scripts":{"start":"node s.js"}}', "s.js": TALKER})
    deployment = slipway.deploy(folder)
    follower = Follower(slipway, "logs", deployment["id"], "-f")
    for ending in (slipway.kill, slipway.kill, slipway.stop):
        seen = follower.last_number()
        wait_until(lambda: follower.last_number() > seen + 20, 60, "lines to come")
        ending()
        slipway.start()
    said = int(http.get(slipway.inspect(deployment["id"])["url"]).text)
    wait_until(lambda: follower.last_number() > said, 60, "what was said meanwhile")
    slipway.ok("rm", deployment["id"], "-y")
    assert follower.wait() == 0, follower.errors
    numbers = [int(line.split()[1]) for line in follower.lines]
    assert numbers == list(range(1, len(numbers) + 1)), follower.errors


def test_deploy_goes_on_over_a_kill_of_the_server(make_slipway, project):
    slipway = make_slipway()
    build = "node -e \"for(let i=0;i<20;i++)console.log('step '+i);setTimeout(()=>0,3000)\""
    folder = project({"package.json": '{"name":"x","scripts":{"build":%s,"start":"node s.js"}}' % json.dumps(build),
                      "s.js": "require('http').createServer((q,r)=>r.end('up')).listen(process.env.PORT)"})
    follower = Follower(slipway, "deploy", str(folder), "--verbose")
    wait_until(lambda: any("step 19" in line for line in follower.errors), 60, "the build's last line")
    slipway.kill()
    slipway.start()
    assert follower.wait(120) == 0, follower.errors
    assert http.get(follower.lines[-1]).text == "up"
    # The killed build's lines once, those of the build that the restarted server made once more.
    assert sum("step 19" in line for line in follower.errors) == 2, follower.errors
    assert any("restarted" in line for line in follower.errors), follower.errors
