"""Small real apps of languages beside Node and Python, and heavier ones of both: name -> (files, text on its page, more arguments)."""
import json

MAIN_JAVA = """import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
public class Main {
  public static void main(String[] args) throws Exception {
    int port = Integer.parseInt(System.getenv().getOrDefault("PORT", "8080"));
    HttpServer server = HttpServer.create(new InetSocketAddress(port), 0);
    server.createContext("/", exchange -> {
      byte[] body = "hello from %s".getBytes();
      exchange.sendResponseHeaders(200, body.length);
      exchange.getResponseBody().write(body);
      exchange.close();
    });
    server.start();
  }
}
"""


def pom(dependencies=(), plugins="", properties="", source="", final="app"):
    lines = "".join(f"<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version></dependency>"
                    for group, artifact, version in dependencies)
    return f"""<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>demo</groupId><artifactId>app</artifactId><version>1</version><packaging>jar</packaging>
<properties><maven.compiler.source>17</maven.compiler.source><maven.compiler.target>17</maven.compiler.target>
<project.build.sourceEncoding>UTF-8</project.build.sourceEncoding>{properties}</properties>
<dependencies>{lines}</dependencies>
<build><finalName>{final}</finalName>{source}<plugins>{plugins}</plugins></build></project>
"""


def shade(main):
    return f"""<plugin><groupId>org.apache.maven.plugins</groupId><artifactId>maven-shade-plugin</artifactId><version>3.5.1</version>
<executions><execution><phase>package</phase><goals><goal>shade</goal></goals><configuration><createDependencyReducedPom>false</createDependencyReducedPom>
<transformers><transformer implementation="org.apache.maven.plugins.shade.resource.ManifestResourceTransformer"><mainClass>{main}</mainClass></transformer>
<transformer implementation="org.apache.maven.plugins.shade.resource.ServicesResourceTransformer"/></transformers></configuration></execution></executions></plugin>"""


KOTLIN_PLUGIN = """<plugin><groupId>org.jetbrains.kotlin</groupId><artifactId>kotlin-maven-plugin</artifactId><version>2.0.21</version>
<executions><execution><id>compile</id><phase>compile</phase><goals><goal>compile</goal></goals></execution></executions>
<configuration><jvmTarget>17</jvmTarget></configuration></plugin>"""

KTOR = """import io.ktor.server.application.*
import io.ktor.server.engine.*
import io.ktor.server.netty.*
import io.ktor.server.response.*
import io.ktor.server.routing.*

fun main() {
  embeddedServer(Netty, port = System.getenv("PORT")?.toInt() ?: 8080, host = "0.0.0.0") {
    routing { get("/") { call.respondText("hello from ktor") } }
  }.start(wait = true)
}
"""
KOTLIN = """import com.sun.net.httpserver.HttpServer
import java.net.InetSocketAddress

fun main() {
  val server = HttpServer.create(InetSocketAddress((System.getenv("PORT") ?: "8080").toInt()), 0)
  server.createContext("/") { exchange ->
    val body = "hello from kotlin".toByteArray()
    exchange.sendResponseHeaders(200, body.size.toLong())
    exchange.responseBody.write(body)
    exchange.close()
  }
  server.start()
}
"""
JAVALIN = """import io.javalin.Javalin;
public class Main {
  public static void main(String[] args) {
    Javalin.create().get("/", context -> context.result("hello from javalin"))
        .start(Integer.parseInt(System.getenv().getOrDefault("PORT", "7070")));
  }
}
"""

RACK_SOCKET = """require 'socket'
server = TCPServer.new('0.0.0.0', Integer(ENV.fetch('PORT', '4567')))
loop do
  client = server.accept
  while (line = client.gets) && line != "\\r\\n"; end
  body = "hello from ruby #{RUBY_VERSION}"
  client.write "HTTP/1.1 200 OK\\r\\nContent-Length: #{body.bytesize}\\r\\nConnection: close\\r\\n\\r\\n#{body}"
  client.close
end
"""

MIX = """defmodule Hello.MixProject do
  use Mix.Project
  def project, do: [app: :hello, version: "0.1.0", elixir: "~> 1.12", deps: []]
  def application, do: [extra_applications: [:logger], mod: {Hello, []}]
end
"""
ELIXIR = """defmodule Hello do
  use Application

  def start(_type, _args) do
    Supervisor.start_link([{Task, &serve/0}], strategy: :one_for_one)
  end

  def serve do
    port = String.to_integer(System.get_env("PORT") || "4000")
    {:ok, listener} = :gen_tcp.listen(port, [:binary, packet: :raw, active: false, reuseaddr: true])
    accept(listener)
  end

  defp accept(listener) do
    {:ok, socket} = :gen_tcp.accept(listener)
    {:ok, _} = :gen_tcp.recv(socket, 0)
    :gen_tcp.send(socket, "HTTP/1.1 200 OK\\r\\nContent-Length: 17\\r\\nConnection: close\\r\\n\\r\\nhello from elixir")
    :gen_tcp.close(socket)
    accept(listener)
  end
end
"""

C_SERVER = """#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
int main(void) {
  const char* port = getenv("PORT");
  int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons(port ? atoi(port) : 8080)};
  bind(listener, (struct sockaddr*)&where, sizeof where);
  listen(listener, 16);
  for (;;) {
    int client = accept(listener, 0, 0);
    char request[4096];
    const char* answer = "HTTP/1.1 200 OK\\r\\nContent-Length: 12\\r\\nConnection: close\\r\\n\\r\\nhello from c";
    if (read(client, request, sizeof request) > 0 && write(client, answer, strlen(answer)) < 0) return 1;
    close(client);
  }
}
"""

NEST = """import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { Controller, Get, Module } from '@nestjs/common';

@Controller()
class Home {
  @Get()
  hello() { return 'hello from nest'; }
}

@Module({ controllers: [Home] })
class App {}

NestFactory.create(App).then((app) => app.listen(process.env.PORT ?? 3000));
"""

EXPRESS_API = """const app = require('express')();
app.get('/api/hello', (_, r) => r.json({ hello: 'from the api' }));
app.post('/api/hello', (_, r) => r.json({ posted: true }));
app.listen(process.env.PORT || 3001);
"""


def cargo(name, dependencies):
    return f'[package]\nname = "{name}"\nversion = "0.1.0"\nedition = "2021"\n\n[dependencies]\n' + "\n".join(dependencies) + "\n"


ACTIX = """use actix_web::{get, App, HttpServer, Responder};

#[get("/")]
async fn hello() -> impl Responder { "hello from actix" }

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let port: u16 = std::env::var("PORT").ok().and_then(|p| p.parse().ok()).unwrap_or(8080);
    HttpServer::new(|| App::new().service(hello)).workers(1).bind(("0.0.0.0", port))?.run().await
}
"""
ROCKET = """#[macro_use] extern crate rocket;

#[get("/")]
fn hello() -> &'static str { "hello from rocket" }

#[launch]
fn rocket() -> _ { rocket::build().mount("/", routes![hello]) }
"""

BOTTLE = """from bottle import Bottle
app = Bottle()

@app.get('/')
def home():
    return "hello from %s"

if __name__ == '__main__':
    import os
    app.run(host='0.0.0.0', port=int(os.environ['PORT']))
"""
POETRY = """[tool.poetry]
name = "app"
version = "0.1.0"
description = ""
authors = []
package-mode = false

[tool.poetry.dependencies]
python = "^3.9"
bottle = "^0.13"

"""
POETRY_LOCK = """# This file is automatically @generated by Poetry 2.5.1 and should not be changed by hand.

[[package]]
name = "bottle"
version = "0.13.4"
description = "Fast and simple WSGI-framework for small web-applications."
optional = false
python-versions = "*"
groups = ["main"]
files = [
    {file = "bottle-0.13.4-py2.py3-none-any.whl", hash = "sha256:045684fbd2764eac9cdeb824861d1551d113e8b683d8d26e296898d3dd99a12e"},
    {file = "bottle-0.13.4.tar.gz", hash = "sha256:787e78327e12b227938de02248333d788cfe45987edca735f8f88e03472c3f47"},
]

[metadata]
lock-version = "2.1"
python-versions = "^3.9"
content-hash = "74dc3b1061c6260a270d1095bda2da85ff2341430187a04d4ea2a95f50fb8366"
"""
PDM_LOCK = """# This file is @generated by PDM.
# It is not intended for manual editing.

[metadata]
groups = ["default"]
strategy = ["inherit_metadata"]
lock_version = "4.5.0"
content_hash = "sha256:0000000000000000000000000000000000000000000000000000000000000000"

[[metadata.targets]]
requires_python = ">=3.9"

[[package]]
name = "bottle"
version = "0.13.4"
summary = "Fast and simple WSGI-framework for small web-applications."
groups = ["default"]
files = [
    {file = "bottle-0.13.4-py2.py3-none-any.whl", hash = "sha256:045684fbd2764eac9cdeb824861d1551d113e8b683d8d26e296898d3dd99a12e"},
    {file = "bottle-0.13.4.tar.gz", hash = "sha256:787e78327e12b227938de02248333d788cfe45987edca735f8f88e03472c3f47"},
]
"""

# What ./test --all runs.
RUN = {
    "nest": ({"package.json": json.dumps({"name": "app", "scripts": {"build": "tsc", "start:prod": "node dist/main"},
                                          "dependencies": {"@nestjs/common": "^10.4.0", "@nestjs/core": "^10.4.0", "@nestjs/platform-express": "^10.4.0",
                                                           "reflect-metadata": "^0.2.2", "rxjs": "^7.8.1"}, "devDependencies": {"typescript": "^5.6.0", "@types/node": "^20.0.0"}}),
              "tsconfig.json": '{"compilerOptions": {"module": "commonjs", "target": "es2021", "outDir": "dist", "rootDir": "src", "experimentalDecorators": true, "emitDecoratorMetadata": true, "skipLibCheck": true}}',
              "src/main.ts": NEST}, "hello from nest"),
    "elysia": ({"package.json": json.dumps({"name": "app", "scripts": {"start": "bun src/index.ts"}, "dependencies": {"elysia": "^1.1.0"}}),
                "src/index.ts": "import { Elysia } from 'elysia';\nnew Elysia().get('/', () => 'hello from elysia').listen(Number(process.env.PORT ?? 3000));\n"}, "hello from elysia"),
    "deno-npm": ({"deno.json": '{"imports": {"hono": "npm:hono@^4.6.0"}}',
                  "main.ts": "import { Hono } from 'hono';\nconst app = new Hono();\napp.get('/', (c) => c.text('hello from deno and npm'));\nDeno.serve({ port: Number(Deno.env.get('PORT') ?? 8000) }, app.fetch);\n"}, "hello from deno and npm"),
    "poetry-no-lock": ({"pyproject.toml": '[tool.poetry]\nname = "app"\nversion = "0.1.0"\ndescription = ""\nauthors = []\npackage-mode = false\n\n[tool.poetry.dependencies]\npython = "^3.9"\nflask = "^3.0"\n\n'
                                          '[build-system]\nrequires = ["poetry-core"]\nbuild-backend = "poetry.core.masonry.api"\n',
                        "app.py": "from flask import Flask\napp = Flask(__name__)\n\n@app.get('/')\ndef home():\n    return 'hello from poetry'\n"}, "hello from poetry"),
    "poetry-lock": ({"pyproject.toml": POETRY, "poetry.lock": POETRY_LOCK, "app.py": BOTTLE % "poetry's lock"}, "hello from poetry's lock"),
    "pdm": ({"pyproject.toml": '[project]\nname = "app"\nversion = "0.1.0"\nrequires-python = ">=3.9"\ndependencies = ["bottle>=0.13"]\n\n[tool.pdm]\ndistribution = false\n',
             "pdm.lock": PDM_LOCK, "app.py": BOTTLE % "pdm"}, "hello from pdm"),
    "go-toolchain": ({"go.mod": "module app\n\ngo 1.27.0\n",  # newer than any host's: fetched as a module
                      "main.go": 'package main\n\nimport (\n\t"fmt"\n\t"net/http"\n\t"os"\n\t"runtime"\n)\n\nfunc main() {\n\thttp.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello from ", runtime.Version()) })\n\thttp.ListenAndServe(":"+os.Getenv("PORT"), nil)\n}\n'}, "hello from go1.27"),
    "java-one-file": ({"Main.java": MAIN_JAVA % "one file of java"}, "hello from one file of java"),
    "javalin-plain-jar": ({"pom.xml": pom([("io.javalin", "javalin", "6.3.0")]), "src/main/java/demo/Main.java": "package demo;\n" + JAVALIN}, "hello from javalin"),
    "java-gradle": ({"build.gradle": "plugins { id 'java'; id 'application' }\nmainClassName = 'Main'\n", "settings.gradle": "rootProject.name = 'hello'\n",
                     "src/main/java/Main.java": MAIN_JAVA % "gradle"}, "hello from gradle"),
    "ruby-bundler": ({"Gemfile": "source 'https://rubygems.org'\n", "Gemfile.lock": "GEM\n  remote: https://rubygems.org/\n  specs:\n\nPLATFORMS\n  ruby\n\nDEPENDENCIES\n",
                      "server.rb": RACK_SOCKET}, "hello from ruby 3."),
    "php-plain": ({"index.php": "<?php echo 'hello from php ' . PHP_VERSION;\n"}, "hello from php 8."),
    "php-composer": ({"composer.json": '{"name": "demo/app", "require": {"php": ">=8.0"}, "autoload": {"psr-4": {"App\\\\": "src/"}}}',
                      "public/index.php": "<?php\nrequire __DIR__ . '/../vendor/autoload.php';\necho App\\Hello::say();\n",
                      "src/Hello.php": "<?php\nnamespace App;\nclass Hello { public static function say() { return 'hello from composer'; } }\n"}, "hello from composer"),
    "elixir": ({"mix.exs": MIX, "lib/hello.ex": ELIXIR}, "hello from elixir"),
    "c-make": ({"Makefile": "server: server.c\n\t$(CC) -O1 -o server server.c\n", "server.c": C_SERVER}, "hello from c"),
    "kotlin-maven": ({"pom.xml": pom([("org.jetbrains.kotlin", "kotlin-stdlib", "2.0.21")], KOTLIN_PLUGIN + shade("MainKt"), source="<sourceDirectory>src/main/kotlin</sourceDirectory>"),
                      "src/main/kotlin/Main.kt": KOTLIN}, "hello from kotlin"),
    "hugo": ({"hugo.toml": "baseURL = 'http://example.org/'\ntitle = 'app'\n", "layouts/index.html": "<h1>hello from hugo</h1>"}, "hello from hugo"),
    "vitepress": ({"package.json": json.dumps({"name": "app", "scripts": {"docs:build": "vitepress build docs"}, "devDependencies": {"vitepress": "^1.4.0"}}), "docs/index.md": "# hello from vitepress\n"}, "hello from vitepress"),
    "vite-and-express": ({"web/package.json": json.dumps({"name": "web", "type": "module", "scripts": {"build": "vite build"}, "devDependencies": {"vite": "^5.4.0"}}),
                          "web/vite.config.js": "export default { server: { proxy: { '/api': 'http://localhost:3001' } } };\n",
                          "web/index.html": "<title>hello from a page with an api</title><script type=module src=/main.js></script>", "web/main.js": "fetch('/api/hello');\n",
                          "api/package.json": json.dumps({"name": "api", "scripts": {"start": "node server.js"}, "dependencies": {"express": "^4.19.0"}}), "api/server.js": EXPRESS_API}, "hello from a page with an api"),
}

# Minutes of compiling or hundreds of megabytes: python3 -m pytest -c tests/functional/pytest.ini tests/functional -m heavy
HEAVY = {
    "go-gin": ({"go.mod": "module app\n\ngo 1.21\n\nrequire github.com/gin-gonic/gin v1.10.0\n",
                "main.go": 'package main\n\nimport "github.com/gin-gonic/gin"\n\nfunc main() {\n\tr := gin.New()\n\tr.GET("/", func(c *gin.Context) { c.String(200, "hello from gin") })\n\tr.Run()\n}\n'}, "hello from gin"),
    "go-fiber": ({"go.mod": "module app\n\ngo 1.21\n\nrequire github.com/gofiber/fiber/v2 v2.52.5\n",
                  "main.go": 'package main\n\nimport (\n\t"os"\n\n\t"github.com/gofiber/fiber/v2"\n)\n\nfunc main() {\n\tapp := fiber.New()\n\tapp.Get("/", func(c *fiber.Ctx) error { return c.SendString("hello from fiber") })\n\tapp.Listen(":" + os.Getenv("PORT"))\n}\n'}, "hello from fiber"),
    "docusaurus": ({"package.json": json.dumps({"name": "app", "scripts": {"build": "docusaurus build"}, "dependencies": {"@docusaurus/core": "3.6.3", "@docusaurus/preset-classic": "3.6.3", "react": "^18.3.0", "react-dom": "^18.3.0"}, "overrides": {"webpack": "5.95.0"}}),
                    "docusaurus.config.js": "module.exports = { title: 'app', url: 'http://example.org', baseUrl: '/', presets: [['classic', { docs: { routeBasePath: '/' }, blog: false }]] };\n",
                    "docs/index.md": "---\nslug: /\n---\n# hello from docusaurus\n"}, "hello from docusaurus"),
    "ktor": ({"pom.xml": pom([("io.ktor", "ktor-server-netty-jvm", "2.3.12"), ("org.jetbrains.kotlin", "kotlin-stdlib", "2.0.21")], KOTLIN_PLUGIN + shade("MainKt"), source="<sourceDirectory>src/main/kotlin</sourceDirectory>"),
              "src/main/kotlin/Main.kt": KTOR}, "hello from ktor"),
    "actix": ({"Cargo.toml": cargo("app", ['actix-web = { version = "4", default-features = false, features = ["macros"] }']), "src/main.rs": ACTIX}, "hello from actix"),
    "rocket": ({"Cargo.toml": cargo("app", ['rocket = { version = "0.5", default-features = false }']), "src/main.rs": ROCKET}, "hello from rocket"),
}
