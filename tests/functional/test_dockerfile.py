"""Dockerfiles: built without a daemon, run like everything else. Base images are made here, out of busybox, so
that no registry is needed."""
import hashlib
import io
import json
import pathlib
import re
import shutil
import tarfile

import pytest

from support import http
from support.slipway import change

BUSYBOX = pathlib.Path("/bin/busybox")

pytestmark = [
    pytest.mark.skipif(not shutil.which("buildah"), reason="needs buildah (apt-get install buildah)"),
    pytest.mark.skipif(not BUSYBOX.exists(), reason="needs busybox-static"),
]

SERVE = "httpd -f -p ${PORT} -h /www"


def save_image(server, name, files=(), links=(), config=None):
    """Puts an image of busybox where the server looks for base images, in the form of `docker save`."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        tar.add(BUSYBOX, "bin/busybox")
        for tool in ("sh", "cat", "ls", "mkdir", "echo", "httpd", "ln", "id", "wget", "adduser", "chown", "rm"):
            link = tarfile.TarInfo(f"bin/{tool}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        for path, text in dict(files).items():
            info = tarfile.TarInfo(path)
            info.size, info.mode = len(text), 0o644
            tar.addfile(info, io.BytesIO(text.encode()))
        for path, target in dict(links).items():
            info = tarfile.TarInfo(path)
            info.type, info.linkname = tarfile.SYMTYPE, target
            tar.addfile(info)
    layer = layer.getvalue()
    image = json.dumps({"architecture": "amd64", "os": "linux", "config": config or {"Env": ["PATH=/bin"]},
                        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
                        "created": "2026-01-01T00:00:00Z",
                        "history": [{"created": "2026-01-01T00:00:00Z", "created_by": "test"}]}).encode()
    archive = server.data / "images" / "archives" / f"{name}.tar"
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive, "w") as tar:
        for path, data in (("layer.tar", layer), ("config.json", image),
                           ("manifest.json", json.dumps([{"Config": "config.json", "RepoTags": [],
                                                          "Layers": ["layer.tar"]}]).encode())):
            info = tarfile.TarInfo(path)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


@pytest.fixture(scope="module")
def base(session_server):
    """The name of a base image that the shared server has."""
    save_image(session_server, "docker.io/library/toolbox:1",
               {"etc/passwd": "root:x:0:0::/root:/bin/sh\nweb:x:1000:1000::/www:/bin/sh\n",
                "etc/group": "root:x:0:\nweb:x:1000:\n"})
    return "toolbox:1"


def deploy(server, folder, *arguments):
    return server.deploy(folder, "--framework", "dockerfile", *arguments)


def failing(server, folder, *arguments):
    return server.deploy_failing(folder, "--framework", "dockerfile", *arguments)["error"]


def build_log(server, deployment):
    return server.ok("logs", deployment["id"], "--build").out


def get(deployment, path="/"):
    return http.get(deployment["url"] + path)


def test_an_image_from_scratch_is_built_and_answers(slipway, project):
    folder = project({"busybox": BUSYBOX.read_bytes(), "index.html": "from scratch",
                      "Dockerfile": 'FROM scratch\nCOPY busybox /busybox\nCOPY index.html /www/\nUSER 1000\n'
                                    'EXPOSE 8080\nCMD ["/busybox", "httpd", "-f", "-p", "8080", "-h", "/www"]\n'})
    (folder / "busybox").chmod(0o755)
    first = deploy(slipway, folder)
    assert get(first).text == "from scratch"
    again = deploy(slipway, folder)
    assert again["cache"]["build"] == "hit"
    assert get(again).text == "from scratch"


def test_stages_arguments_and_reused_layers(slipway, project, base):
    folder = project({
        "Dockerfile": "ARG BASE\nFROM ${BASE} AS build\nARG WHO=nobody\nRUN mkdir /out && echo slow-step && "
                      "echo for $WHO > /out/who\nCOPY src /src\nRUN cat /src/page /out/who > /out/index.html\n"
                      f"FROM {base}\nCOPY --from=build --chown=web:web /out/ /www/\nUSER web\nWORKDIR /www\n"
                      f"CMD {SERVE}\n",
        "src/page": "page one ", ".dockerignore": "*.secret\n", "a.secret": "x"})
    arguments = ("-b", f"BASE={base}", "-b", "WHO=tests")
    first = deploy(slipway, folder, *arguments)
    assert get(first).text == "page one for tests\n"
    assert "slow-step" in build_log(slipway, first)
    change(folder / "src/page", "one", "two")
    second = deploy(slipway, folder, *arguments)
    assert get(second).text == "page two for tests\n"
    assert second["cache"]["build"] == "miss"
    assert "slow-step" not in build_log(slipway, second).splitlines(), "an earlier layer was built again"
    assert get(first).text == "page one for tests\n"
    third = deploy(slipway, folder, "-b", f"BASE={base}", "-b", "WHO=others")
    assert get(third).text == "page two for others\n"


def test_it_runs_as_the_image_says_and_may_write_to_its_root(slipway, project, base):
    folder = project({"Dockerfile": f"FROM {base}\nRUN mkdir /www /state && chown web /state\nUSER web:web\n"
                                    "ENV GREETING='good day'\nWORKDIR /state\n"
                                    "ENTRYPOINT [\"/bin/sh\", \"-c\", \"(id; echo $GREETING; cat /etc/passwd; "
                                    "echo x > here && cat here; echo y > /etc/no 2>&1 || echo denied) > out; "
                                    "ln -s /proc/self/environ e; exec httpd -f -p $PORT -h /state\"]\n"})
    deployment = deploy(slipway, folder)
    text = get(deployment, "/out").text
    assert "uid=1000(web) gid=1000(web)" in text
    assert "good day\nroot:x:0:0::/root:/bin/sh" in text
    assert text.endswith("x\ndenied\n")


def test_a_failing_run_says_which_line(slipway, project, base):
    folder = project({"Dockerfile": f"FROM {base}\n\n# a comment\nRUN echo fine && \\\n"
                                    "    sh -c 'echo the-reason >&2; exit 9'\nCMD x\n"})
    error = failing(slipway, folder)
    assert error["phase"] == "build" and error["exit_code"] == 9
    assert error["file"] == "Dockerfile" and error["line"] == 4
    assert "exit 9" in error["command"]
    assert any("the-reason" in line for line in error["excerpt"])
    assert error["next"]


def test_an_unreachable_base_image_is_named_with_what_to_do(slipway, project):
    folder = project({"Dockerfile": "# why\nFROM registry.invalid/team/app:3\nCMD x\n"})
    error = failing(slipway, folder)
    assert error["cause"] == "base_image" and error["line"] == 2 and error["file"] == "Dockerfile"
    assert "registry.invalid/team/app:3" in error["message"] and "registry.invalid" in error["hint"]
    assert "images/archives/registry.invalid/team/app:3.tar" in error["hint"]


def test_a_name_that_is_none_and_a_missing_file(slipway, project, base):
    error = failing(slipway, project({"Dockerfile": "FROM Not/A/../Name\nCMD x\n"}))
    assert "no name of an image" in error["message"] and error["line"] == 1
    error = failing(slipway, project({"Dockerfile": f"FROM {base}\nCOPY absent /x\nCMD x\n"}))
    assert error["line"] == 2 and error["command"] == "COPY absent /x"
    error = failing(slipway, project({"Dockerfile": f"FROM {base}\nUSER stranger\nCMD x\n"}))
    assert "stranger" in error["message"]


def test_a_hostile_dockerfile_gets_nothing_of_the_host(slipway, project, base):
    """Each attempt prints what it got; none of it may be the host's."""
    data, port = slipway.data, slipway.port
    secret = data / "token"
    attempts = "\n".join([
        f"RUN cat {secret} || echo no-1",
        f"RUN cat /proc/1/root{secret} || echo no-2",
        "RUN busybox mount -t tmpfs none /tmp || echo no-3",
        "RUN busybox chroot / true || echo no-4",
        "RUN busybox unshare -Ur true || echo no-5",
        f"RUN busybox timeout 3 wget -q -O- http://127.0.0.1:{port}/healthz || echo no-6",
        "RUN busybox mknod /disk b 254 0 && cat /disk || echo no-7",
        "RUN ls /var/run/docker.sock || echo no-8",
        f"RUN ls {data} || echo no-9",
        "RUN echo core > /proc/sys/kernel/core_pattern || echo no-10",
    ])
    folder = project({"Dockerfile": f"FROM {base}\nRUN ln -s {secret} /stolen && ln -s /proc/1/root /up && mkdir /www"
                                    f"\n{attempts}\nCMD {SERVE}\n"})
    deployment = deploy(slipway, folder)
    log = build_log(slipway, deployment)
    # Both pipes of a step end in one log, so that a word may stand in the middle of another line.
    refused = {int(n) for n in re.findall(r"(?<!echo )no-(\d+)", log)}
    assert refused == set(range(1, 11)), log
    token = secret.read_text().strip()
    assert token not in log


def test_links_and_addresses_of_a_dockerfile_lead_nowhere(slipway, project, base):
    secret = slipway.data / "token"
    error = failing(slipway, project({
        "Dockerfile": f"FROM {base} AS a\nRUN ln -s {secret} /stolen\nFROM {base}\nCOPY --from=a /stolen /got\nCMD x\n"}))
    assert error["line"] == 4
    error = failing(slipway, project(
        {"Dockerfile": f"FROM {base}\nADD http://127.0.0.1:{slipway.port}/healthz /got\nCMD x\n"}))
    assert error["line"] == 2
    for flag in ("--security=insecure", "--mount=type=secret,id=token,required=true"):
        error = failing(slipway, project({"Dockerfile": f"FROM {base}\nRUN {flag} true\nCMD x\n"}))
        assert error["phase"] == "build"


def test_a_hostile_base_image_keeps_its_links_to_itself(slipway, project):
    save_image(slipway, "docker.io/library/links:1",
               links={"etc/resolv.conf": "../../../../../../etc/passwd", "etc/hosts": str(slipway.data / "token"),
                      "dev": "/bin", "proc": "/bin"})
    folder = project({"Dockerfile": f"FROM links:1\nCOPY page /www/index.html\nCMD cat /etc/hosts > /www/hosts; {SERVE}\n",
                      "page": "still here"})
    deployment = deploy(slipway, folder)
    assert get(deployment).text == "still here"
    assert "localhost" in get(deployment, "/hosts").text


def test_two_projects_share_base_layers_and_nothing_else(slipway, project, base):
    one = project({"Dockerfile": f"FROM {base}\nRUN mkdir /www && echo one > /www/index.html\nCMD {SERVE}\n"})
    two = project({"Dockerfile": f"FROM {base}\nRUN mkdir /www && echo one > /www/index.html\nCMD {SERVE}\n"})
    first, second = deploy(slipway, one), deploy(slipway, two)
    assert get(first).text == get(second).text == "one\n"
    storages = {path.parent for path in slipway.data.glob("cache/*/images/overlay-images")}
    assert len(storages) >= 2
    assert second["cache"]["build"] == "miss"


@pytest.mark.long
def test_it_survives_a_restart_redeploys_and_is_promoted(make_slipway, project):
    server = make_slipway()
    save_image(server, "docker.io/library/toolbox:1")
    folder = project({"Dockerfile": f"FROM toolbox:1\nCOPY page /www/index.html\nCMD {SERVE}\n", "page": "kept"})
    deployment = deploy(server, folder)
    server.kill()
    server.start()
    server.wait_state(deployment["id"], "ready", "sleeping")
    assert http.get(server.info["url"].replace("localhost", deployment["url"].split("//")[1].split(":")[0])).text == "kept"
    again = server.ok("redeploy", deployment["id"], "--json").json()
    assert again["state"] == "ready" and again["cache"]["build"] == "hit"
    promoted = server.ok("promote", again["id"], "--json")
    assert promoted.json()
    production = server.info["url"].replace("localhost", f"{deployment['project']}.localhost")
    assert http.get(production).text == "kept"
    server.stop()
    server.sweep()  # production outlives its deployments
    server.info = None


@pytest.mark.long
def test_a_build_that_takes_too_long_is_ended_with_all_it_started(make_slipway, project):
    server = make_slipway({"builds": {"time": "4s"}})
    save_image(server, "docker.io/library/toolbox:1")
    folder = project({"Dockerfile": "FROM toolbox:1\nRUN busybox sleep 300 & busybox sleep 300\nCMD x\n"})
    error = failing(server, folder)
    assert error["cause"] == "timeout" and error["line"] == 2
    folder.joinpath("Dockerfile").write_text(f"FROM toolbox:1\nRUN mkdir /www\nCMD {SERVE}\n")
    assert deploy(server, folder)["state"] == "ready"
