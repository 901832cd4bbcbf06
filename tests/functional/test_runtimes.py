"""Small real apps of every kind that can run here, deployed from their real registries, a batch at a time against one
server; and those that cannot, which must be planned right and fail with the exact reason."""
import json
import shutil
import time

import pytest

from support import http, runtime_apps
from support.slipway import write_app

BATCH = 6


def node(main, dependencies=None, **more):
    package = {"name": "app", "version": "1.0.0", "scripts": {"start": "node server.js"}, "dependencies": dependencies or {}, **more}
    return {"package.json": json.dumps(package), "server.js": main}


def python(main, requirements=None, name="app.py"):
    return {name: main, **({"requirements.txt": requirements + "\n"} if requirements else {})}


def pyproject(main, dependencies, **more):
    text = f'[project]\nname = "app"\nversion = "0.1.0"\nrequires-python = ">=3.9"\ndependencies = {json.dumps(dependencies)}\n'
    return {"pyproject.toml": text, "app.py": main, **more}


def go(main, *requires):
    text = "module app\n\ngo 1.21\n" + "".join(f"\nrequire {each}\n" for each in requires)
    return {"go.mod": text, "main.go": main}


HTTP = "const http = require('http');\nhttp.createServer((_, r) => r.end(%s)).listen(process.env.PORT || 3000);\n"
FLASK = "from flask import Flask\napp = Flask(__name__)\n\n@app.get('/')\ndef home():\n    return 'hello from %s'\n"
FASTAPI = "from fastapi import FastAPI\napp = FastAPI()\n\n@app.get('/')\ndef home():\n    return {'hello': 'from %s'}\n"
VERSION = ("import os, sys\nfrom http.server import BaseHTTPRequestHandler, HTTPServer\n\nclass Version(BaseHTTPRequestHandler):\n    def do_GET(self):\n"
           "        self.send_response(200)\n        self.end_headers()\n        self.wfile.write(sys.version.encode())\n\n"
           "HTTPServer(('0.0.0.0', int(os.environ['PORT'])), Version).serve_forever()\n")
POM = """<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>demo</groupId><artifactId>app</artifactId><version>1</version><packaging>jar</packaging>
<properties><maven.compiler.source>17</maven.compiler.source><maven.compiler.target>17</maven.compiler.target><project.build.sourceEncoding>UTF-8</project.build.sourceEncoding></properties>
<build><finalName>app</finalName><plugins><plugin><groupId>org.apache.maven.plugins</groupId><artifactId>maven-jar-plugin</artifactId>
<configuration><archive><manifest><mainClass>Main</mainClass></manifest></archive></configuration></plugin></plugins></build></project>
"""
JAVA = """import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
public class Main {
  public static void main(String[] args) throws Exception {
    int port = Integer.parseInt(System.getenv().getOrDefault("PORT", "8080"));
    HttpServer server = HttpServer.create(new InetSocketAddress(port), 0);
    server.createContext("/", exchange -> {
      byte[] body = "hello from java".getBytes();
      exchange.sendResponseHeaders(200, body.length);
      exchange.getResponseBody().write(body);
      exchange.close();
    });
    server.start();
  }
}
"""
RUST = """use std::io::{Read, Write};
fn main() {
    let port = std::env::var("PORT").unwrap_or("8080".into());
    let listener = std::net::TcpListener::bind(format!("0.0.0.0:{port}")).unwrap();
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\\r\\nContent-Length: 15\\r\\nConnection: close\\r\\n\\r\\nhello from rust");
    }
}
"""
CPP = """#include <arpa/inet.h>
#include <cstdlib>
#include <string>
#include <sys/socket.h>
#include <unistd.h>
int main() {
  const char* port = std::getenv("PORT");
  int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_port = htons(port ? std::atoi(port) : 8080);
  bind(listener, reinterpret_cast<sockaddr*>(&where), sizeof where);
  listen(listener, 16);
  for (;;) {
    int client = accept(listener, nullptr, nullptr);
    char request[4096];
    if (read(client, request, sizeof request) > 0) {
      std::string answer = "HTTP/1.1 200 OK\\r\\nContent-Length: 14\\r\\nConnection: close\\r\\n\\r\\nhello from c++";
      (void)!write(client, answer.data(), answer.size());
    }
    close(client);
  }
}
"""
DJANGO_SETTINGS = """import os
SECRET_KEY = os.environ.get("SECRET_KEY", "for tests")
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "site_.urls"
WSGI_APPLICATION = "site_.wsgi.application"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}
MIDDLEWARE = []
"""
GO_NET = """package main

import (
	"fmt"
	"net/http"
	"os"
)

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello from go") })
	http.ListenAndServe(":"+os.Getenv("PORT"), nil)
}
"""


def go_app(imports, body):
    lines = "\n".join(f'\t"{each}"' for each in (*imports, "os"))
    return f"package main\n\nimport (\n{lines}\n)\n\nfunc main() {{\n{body}\n}}\n"


# name: (files, text on its page, more arguments)
RUN = {
    # node
    "node-http": (node(HTTP % "'hello from node'"), "hello from node"),
    "node-one-file": ({"server.js": HTTP % "'hello from one file'"}, "hello from one file"),
    "node-esm": (node("import http from 'http';\nhttp.createServer((_, r) => r.end('hello from esm')).listen(process.env.PORT);\n", type="module"), "hello from esm"),
    "node-main-only": ({"package.json": '{"name": "app", "main": "lib/start.js"}', "lib/start.js": HTTP % "'hello from main'"}, "hello from main"),
    "node-loopback": (node("require('http').createServer((_, r) => r.end('hello from loopback')).listen(4321, '127.0.0.1');\n"), "hello from loopback"),
    "node-nested": ({f"inner/{name}": text for name, text in node(HTTP % "'hello from below'").items()}, "hello from below"),
    "express": (node("const app = require('express')();\napp.get('/', (_, r) => r.send('hello from express'));\napp.listen(process.env.PORT);\n", {"express": "^4.19.0"}), "hello from express"),
    "fastify": (node("const app = require('fastify')();\napp.get('/', async () => 'hello from fastify');\napp.listen({ port: +process.env.PORT, host: '0.0.0.0' });\n", {"fastify": "^4.28.0"}), "hello from fastify"),
    "koa": (node("const Koa = require('koa');\nnew Koa().use((c) => { c.body = 'hello from koa'; }).listen(process.env.PORT);\n", {"koa": "^2.15.0"}), "hello from koa"),
    "hono": (node("import { serve } from '@hono/node-server';\nimport { Hono } from 'hono';\nconst app = new Hono();\napp.get('/', (c) => c.text('hello from hono'));\n"
                  "serve({ fetch: app.fetch, port: +process.env.PORT });\n", {"hono": "^4.6.0", "@hono/node-server": "^1.13.0"}, type="module"), "hello from hono"),
    "polka": (node("require('polka')().get('/', (_, r) => r.end('hello from polka')).listen(process.env.PORT);\n", {"polka": "^0.5.2"}), "hello from polka"),
    "h3": (node("import { createApp, eventHandler, toNodeListener } from 'h3';\nimport { createServer } from 'http';\nconst app = createApp();\napp.use('/', eventHandler(() => 'hello from h3'));\n"
                "createServer(toNodeListener(app)).listen(process.env.PORT);\n", {"h3": "^1.13.0"}, type="module"), "hello from h3"),
    "pnpm": ({**node(HTTP % "'hello from ' + require('is-odd/package.json').name", {"is-odd": "3.0.1"}, packageManager="pnpm@9.15.0")}, "hello from is-odd"),
    "node-22": (node(HTTP % "process.version", engines={"node": "22.x"}), "v22."),
    "node-18": ({**node(HTTP % "process.version"), ".nvmrc": "18\n"}, "v18."),
    "node-override": (node(HTTP % "process.version"), "v22.", "--runtime", "node@22"),
    # bun and deno
    "bun-serve": ({"package.json": '{"name": "app", "scripts": {"start": "bun index.ts"}}',
                   "index.ts": "Bun.serve({ port: process.env.PORT, fetch: () => new Response('hello from bun ' + Bun.version) });\n"}, "hello from bun 1."),
    "bun-one-file": ({"server.ts": "Bun.serve({ port: Number(process.env.PORT), fetch: () => new Response('hello from one bun') });\n"}, "hello from one bun"),
    "deno-serve": ({"deno.json": '{"tasks": {"start": "deno run --allow-net --allow-env main.ts"}}',
                    "main.ts": "Deno.serve({ port: Number(Deno.env.get('PORT')) }, () => new Response('hello from deno ' + Deno.version.deno));\n"}, "hello from deno 2."),
    # python
    "python-stdlib": (python("import os\nfrom http.server import BaseHTTPRequestHandler, HTTPServer\n\nclass Hello(BaseHTTPRequestHandler):\n    def do_GET(self):\n        self.send_response(200)\n"
                             "        self.end_headers()\n        self.wfile.write(b'hello from http.server')\n\nHTTPServer(('0.0.0.0', int(os.environ['PORT'])), Hello).serve_forever()\n"), "hello from http.server"),
    "python-312": ({"app.py": VERSION, ".python-version": "3.12\n"}, "3.12."),
    "python-override": (python(VERSION), "3.13.", "--runtime", "python@3.13"),
    "flask": (python(FLASK % "flask"), "hello from flask"),
    "flask-factory": (python("from flask import Flask\n\ndef create_app():\n    app = Flask(__name__)\n\n    @app.get('/')\n    def home():\n        return 'hello from a factory'\n    return app\n", "flask"), "hello from a factory"),
    "fastapi": (python(FASTAPI % "fastapi", "fastapi\nuvicorn", "main.py"), "from fastapi"),
    "starlette": (python("from starlette.applications import Starlette\nfrom starlette.responses import PlainTextResponse\nfrom starlette.routing import Route\n"
                         "app = Starlette(routes=[Route('/', lambda request: PlainTextResponse('hello from starlette'))])\n", "starlette\nuvicorn"), "hello from starlette"),
    "litestar": (python("from litestar import Litestar, get\n\n@get('/')\nasync def home() -> str:\n    return 'hello from litestar'\n\napp = Litestar([home])\n", "litestar\nuvicorn"), "hello from litestar"),
    "sanic": (python("from sanic import Sanic, text\napp = Sanic('hello')\n\n@app.get('/')\nasync def home(request):\n    return text('hello from sanic')\n", "sanic"), "hello from sanic"),
    "quart": (python("from quart import Quart\napp = Quart(__name__)\n\n@app.get('/')\nasync def home():\n    return 'hello from quart'\n", "quart"), "hello from quart"),
    "aiohttp": (python("import os\nfrom aiohttp import web\n\nasync def home(request):\n    return web.Response(text='hello from aiohttp')\n\napp = web.Application()\napp.add_routes([web.get('/', home)])\n\n"
                       "if __name__ == '__main__':\n    web.run_app(app, port=int(os.environ.get('PORT', 8080)))\n", "aiohttp"), "hello from aiohttp"),
    "tornado": (python("import os\nimport tornado.ioloop\nimport tornado.web\n\nclass Home(tornado.web.RequestHandler):\n    def get(self):\n        self.write('hello from tornado')\n\n"
                       "if __name__ == '__main__':\n    tornado.web.Application([('/', Home)]).listen(int(os.environ.get('PORT', 8888)))\n    tornado.ioloop.IOLoop.current().start()\n", "tornado"), "hello from tornado"),
    "bottle": (python("from bottle import Bottle\napp = Bottle()\n\n@app.get('/')\ndef home():\n    return 'hello from bottle'\n\nif __name__ == '__main__':\n    import os\n    app.run(host='0.0.0.0', port=int(os.environ['PORT']))\n", "bottle"), "hello from bottle"),
    "django": ({"manage.py": "import os, sys\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'site_.settings')\nfrom django.core.management import execute_from_command_line\nexecute_from_command_line(sys.argv)\n",
                "requirements.txt": "django\ngunicorn\n", "site_/__init__.py": "", "site_/settings.py": DJANGO_SETTINGS,
                "site_/wsgi.py": "import os\nfrom django.core.wsgi import get_wsgi_application\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'site_.settings')\napplication = get_wsgi_application()\n",
                "site_/urls.py": "from django.contrib.auth.models import User\nfrom django.http import HttpResponse\nfrom django.urls import path\n"
                                "urlpatterns = [path('', lambda request: HttpResponse(f'hello from django with {User.objects.count()} users'))]\n"}, "hello from django with 0 users"),
    "pep-723": (python("# /// script\n# requires-python = '>=3.9'\n# dependencies = ['flask']\n# ///\nimport os\nfrom flask import Flask\napp = Flask(__name__)\n\n@app.get('/')\ndef home():\n    return 'hello from pep 723'\n\n"
                       "if __name__ == '__main__':\n    app.run(host='0.0.0.0', port=int(os.environ['PORT']))\n", name="serve.py"), "hello from pep 723"),
    "pyproject-uv": (pyproject(FLASK % "uv", ["flask", "gunicorn"]), "hello from uv"),
    "pipenv": ({"Pipfile": '[[source]]\nurl = "https://pypi.org/simple"\nverify_ssl = true\nname = "pypi"\n\n[packages]\nflask = "*"\n', "app.py": FLASK % "pipenv"}, "hello from pipenv"),
    # go
    "go-net": (go(GO_NET), "hello from go"),
    "go-one-file": ({"main.go": GO_NET}, "hello from go"),
    "go-chi": (go(go_app(["net/http", "github.com/go-chi/chi/v5"], '\tr := chi.NewRouter()\n\tr.Get("/", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("hello from chi")) })\n\thttp.ListenAndServe(":"+os.Getenv("PORT"), r)'),
                  "github.com/go-chi/chi/v5 v5.0.12"), "hello from chi"),
    "go-echo": (go(go_app(["net/http", "github.com/labstack/echo/v4"], '\te := echo.New()\n\te.GET("/", func(c echo.Context) error { return c.String(http.StatusOK, "hello from echo") })\n\te.Start(":" + os.Getenv("PORT"))'),
                   "github.com/labstack/echo/v4 v4.12.0"), "hello from echo"),
    # others
    "rust-std": ({"Cargo.toml": '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n', "src/main.rs": RUST}, "hello from rust"),
    "java-maven": ({"pom.xml": POM, "src/main/java/Main.java": JAVA}, "hello from java"),
    "cpp-cmake": ({"CMakeLists.txt": "cmake_minimum_required(VERSION 3.16)\nproject(app CXX)\nadd_executable(app main.cc)\n", "main.cc": CPP}, "hello from c++"),
    # sites
    "plain-html": ({"index.html": "<h1>hello from html</h1>"}, "hello from html"),
    "eleventy": ({"package.json": json.dumps({"name": "app", "scripts": {"build": "eleventy"}, "devDependencies": {"@11ty/eleventy": "^2.0.1"}}), "index.md": "# hello from eleventy\n"}, "hello from eleventy"),
    "mkdocs": ({"mkdocs.yml": "site_name: app\n", "requirements.txt": "mkdocs\n", "docs/index.md": "# hello from mkdocs\n"}, "hello from mkdocs"),
    "vite": ({"package.json": json.dumps({"name": "app", "type": "module", "scripts": {"build": "vite build"}, "devDependencies": {"vite": "^5.4.0"}}),
              "index.html": "<title>hello from vite</title><script type=module src=/main.js></script>", "main.js": "document.body.append('hi');\n"}, "hello from vite"),
    # several services
    "compose": ({"compose.yaml": "services:\n  front:\n    build: ./front\n    ports: ['3000:3000']\n    environment:\n      API_URL: http://api:4000\n    depends_on: [api]\n  api:\n    build: ./api\n",
                 "front/package.json": '{"name": "front", "scripts": {"start": "node server.js"}}',
                 "front/server.js": HTTP.replace("(_, r) => r.end(%s)", "async (_, r) => r.end('front: ' + await (await fetch(process.env.API_URL)).text())"),
                 "api/requirements.txt": "flask\n", "api/app.py": FLASK % "the api"}, "front: hello from the api"),
    "procfile": ({**node(HTTP % "'hello from web'"), "Procfile": "web: node server.js\nworker: node worker.js\n", "worker.js": "setInterval(() => {}, 1000);\n"}, "hello from web", "--with-workers"),
}

# What a host without these cannot run: the tool, the files, the plan's provider. Swift, Dart and Gleam are in no Debian.
CANNOT = {
    "swift": ({"Package.swift": "// swift-tools-version:5.9\nimport PackageDescription\nlet package = Package(name: \"App\", targets: [.executableTarget(name: \"App\")])\n",
               "Sources/App/main.swift": "print(\"hello\")\n"}, "swift"),
    "dart": ({"pubspec.yaml": "name: app\nenvironment:\n  sdk: ^3.0.0\ndependencies:\n  shelf: ^1.4.0\n", "bin/server.dart": "import 'package:shelf/shelf_io.dart' as io;\nvoid main() {}\n"}, "dart"),
    "gleam": ({"gleam.toml": 'name = "app"\nversion = "1.0.0"\n\n[dependencies]\nwisp = ">= 1.0.0"\n', "src/app.gleam": "pub fn main() { Nil }\n"}, "gleam"),
    "kotlin-gradle": ({"build.gradle.kts": 'plugins { kotlin("jvm") version "2.0.0"; application }\napplication { mainClass = "MainKt" }\n', "src/main/kotlin/Main.kt": "fun main() {}\n"}, "java"),
    "ruby": ({"Gemfile": "source 'https://rubygems.org'\ngem 'sinatra'\n", "app.rb": "require 'sinatra'\nget('/') { 'hello' }\n"}, "ruby"),
    "php": ({"composer.json": '{"require": {"php": ">=8.1"}}', "index.php": "<?php echo 'hello';\n"}, "php"),
    "elixir": ({"mix.exs": "defmodule App.MixProject do\n  use Mix.Project\n  def project, do: [app: :app, version: \"0.1.0\", deps: [{:phoenix, \"~> 1.7\"}]]\nend\n"}, "elixir"),
}
RUN = {**RUN, **runtime_apps.RUN}


def settle(slipway, names):
    """Waits until all are settled; the deployments by name."""
    done, deadline = {}, time.monotonic() + 420
    while len(done) < len(names) and time.monotonic() < deadline:
        for name in names:
            if name not in done:
                now = slipway.inspect(f"preview--{name}")
                if now["state"] not in ("queued", "building", "starting"):
                    done[name] = now
        time.sleep(0.3)  # the poll interval of this wait
    return done


def run_all(slipway, folder, apps):
    for name, (files, _, *arguments) in apps.items():
        slipway.ok("deploy", write_app(folder / name, files), "--project", name, "--no-wait", *arguments)
    problems = {}
    done = settle(slipway, list(apps))
    for name, (_, text, *_) in apps.items():
        deployment = done.get(name)
        if not deployment or deployment["state"] != "ready":
            problems[name] = deployment and deployment["error"]
            continue
        page = http.get(deployment["url"], timeout=30)
        if text not in page.text:
            problems[name] = f"{page.status} {page.text[:300]}"
        print(f"{name:20} {deployment['timings_ms']['total']:7} ms  {' '.join(deployment['toolchains'])}")
        slipway.ok("rm", deployment["id"], "-y")
    assert not problems, json.dumps(problems, indent=1)


@pytest.mark.long
@pytest.mark.parametrize("first", range(0, len(RUN), BATCH))
def test_everything_that_can_run_here_runs(slipway, tmp_path, first):
    run_all(slipway, tmp_path, {name: RUN[name] for name in list(RUN)[first:first + BATCH]})


@pytest.mark.heavy
@pytest.mark.parametrize("name", runtime_apps.HEAVY)
def test_what_takes_minutes_runs_too(slipway, tmp_path, name):
    run_all(slipway, tmp_path, {name: runtime_apps.HEAVY[name]})


def tool_of(name):
    return {"kotlin-gradle": "gradle"}.get(name, name)


# Which these are depends on the machine: what has its toolchain here runs, in the matrix above.
@pytest.mark.parametrize("name", [name for name in CANNOT if not shutil.which(tool_of(name))])
def test_what_cannot_run_here_says_exactly_why(slipway, tmp_path, name):
    files, provider = CANNOT[name]
    tool = tool_of(name)
    failed = slipway.deploy_failing(write_app(tmp_path / name, files), "--project", f"cannot-{name}", code=4)
    assert failed["plan"]["services"][0]["provider"] == provider
    assert failed["error"]["cause"] == "missing_toolchain", failed["error"]
    assert tool in failed["error"]["message"].lower()
    assert "install" in failed["error"]["hint"]
