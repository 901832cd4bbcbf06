#pragma once

#include <optional>
#include <string>
#include <vector>

namespace slipway {

// Where a decision comes from. `file` is relative to the project's root; line 0 means the whole
// file.
struct Evidence {
  std::string file;
  int line = 0;
  std::string fact;
  std::string
      field;  // the field of the service that it decides: "start", "runtime"; "" when several
  bool operator==(const Evidence&) const = default;
};

// An environment variable that the code reads.
struct EnvNeed {
  std::string name;
  bool required = false;
  std::string kind = "run";  // public | build | run | secret
  std::optional<std::string> default_value;
  std::string evidence;  // "server.js:12"
  bool operator==(const EnvNeed&) const = default;
};

// A language runtime: a range with its source; resolved to a version at build time.
struct RuntimeNeed {
  std::string name;     // node bun deno python go rust java ruby php ... ; "" for static
  std::string version;  // as the source wrote it: ">=20", "3.12", "1.22"; "" when nothing says
  std::string source;   // "package.json engines.node", ".nvmrc", "default"
  bool operator==(const RuntimeNeed&) const = default;
};

// How a service learns where another one of the same plan is: the variable `env` is given `value`,
// in which {url} stands for the other's address as browsers and services reach it, {host} and
// {port} for its parts. A value that the owner set for the variable wins.
struct Wire {
  std::string env;      // "API_URL"
  std::string service;  // the other's name
  std::string value = "{url}";
  std::string when = "run";  // build: must be known when the service is built, too
  std::string evidence;      // "src/api.ts:3"
  bool operator==(const Wire&) const = default;
};

// Requests below `path` are another service's, as the development server of a page says.
struct Proxy {
  std::string path;     // "/api"
  std::string service;  // the other's name
  bool strip = false;   // `path` is taken away before the request is passed on
  std::string evidence;
  bool operator==(const Proxy&) const = default;
};

// How a static site answers a path that is no file.
enum class StaticFallback { not_found_page, single_page_app };

// One thing to build and run. Commands are run by /bin/sh -c in `root`.
struct Service {
  std::string name;
  std::string root;          // relative to the project's root; "" is the root itself
  std::string kind = "web";  // web | worker | cron | static
  // Of a cron: when, as the five fields of crontab(5) in UTC; "" when nothing says. It runs `start`
  // or, when there is none, requests `cron_path` of the first of `needs`.
  std::string schedule;
  std::string cron_path;
  std::string provider;   // DESIGN.md §5
  std::string framework;  // "" when none
  std::string package_manager;
  std::string package_manager_version;  // "" when nothing says
  RuntimeNeed runtime;

  std::optional<std::string> install;
  std::optional<std::string> build;
  std::optional<std::string> start;
  std::optional<std::string> release;
  // What the install step reads (paths relative to the project's root): exactly these key its
  // layer, and only these are visible to it. Empty when there is no install step, or when it needs
  // the whole source.
  std::vector<std::string> install_inputs;
  // The install command itself names all that it needs: with no inputs, nothing is visible to it.
  bool install_names_packages = false;

  std::optional<std::string> output_dir;  // relative to `root`; set for static output
  bool is_static = false;
  StaticFallback fallback = StaticFallback::not_found_page;
  std::optional<int> port;  // as the code says; nothing when it reads $PORT
  std::string health_path = "/";

  std::vector<EnvNeed> env;
  std::vector<std::string> databases;
  std::vector<std::string> volumes;  // directories to keep: absolute, or relative to `root`
  std::vector<std::string> needs;    // names of services of this plan that it talks to
  std::vector<Wire> wires;
  std::vector<Proxy> proxies;
  std::vector<std::string> system_packages;
  std::vector<std::string> cache_dirs;  // framework's incremental caches, relative to `root`
  std::vector<Evidence> evidence;
  double confidence = 0;  // 0..1

  bool operator==(const Service&) const = default;
};

// A detector that lost, and why.
struct Candidate {
  std::string provider;
  std::string framework;
  std::string root;
  double confidence = 0;
  std::string reason;
  bool operator==(const Candidate&) const = default;
};

// An ambiguity that matters, answerable by a flag.
struct Question {
  std::string id;
  std::string text;
  std::vector<std::string> choices;
  std::string default_choice;
  std::string flag;
  bool operator==(const Question&) const = default;
};

// Something worth telling, with its fix.
struct Warning {
  std::string code;
  std::string message;
  std::string file;
  int line = 0;
  std::string fix;
  bool operator==(const Warning&) const = default;
};

// What detection decided. A pure function of the tree: the same tree gives the same plan.
struct Plan {
  std::vector<Service> services;
  std::vector<Warning> warnings;
  std::vector<Question> questions;
  std::vector<Candidate> candidates;
  bool operator==(const Plan&) const = default;
};

}  // namespace slipway
