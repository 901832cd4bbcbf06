#include <algorithm>
#include <array>
#include <set>

#include "base/text.h"
#include "detect/node/package.h"

namespace slipway::detection::node {
namespace {

std::vector<std::string_view> words_of(std::string_view command) {
  std::vector<std::string_view> words;
  for (std::size_t i = 0; i < command.size();) {
    if (command[i] == ' ' || command[i] == '\t') {
      ++i;
      continue;
    }
    const std::size_t from = i;
    char quote = 0;
    for (; i < command.size() && (quote != 0 || (command[i] != ' ' && command[i] != '\t')); ++i) {
      if (quote != 0 && command[i] == quote)
        quote = 0;
      else if (quote == 0 && (command[i] == '"' || command[i] == '\''))
        quote = command[i];
    }
    words.push_back(command.substr(from, i - from));
  }
  return words;
}

bool is_assignment(std::string_view word) {
  const std::size_t equals = word.find('=');
  return equals != std::string_view::npos && equals > 0 && !word.starts_with('-') &&
         word.substr(0, equals).find_first_not_of(
             "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_abcdefghijklmnopqrstuvwxyz") ==
             std::string_view::npos;
}

bool is_source(std::string_view word) {
  const std::string_view extension = extension_of(word);
  return extension == ".js" || extension == ".mjs" || extension == ".cjs" || extension == ".ts" ||
         extension == ".mts" || extension == ".cts" || extension == ".tsx" || extension == ".jsx";
}

// Programs whose plain or named form serves for development only.
bool is_development(std::string_view program, std::string_view verb) {
  static const std::set<std::string_view> always{
      "nodemon",     "ts-node-dev",  "node-dev",        "webpack-dev-server",
      "live-server", "browser-sync", "concurrently",    "npm-run-all",
      "run-p",       "storybook",    "start-storybook", "tsnd",
      "lite-server", "snowpack"};
  static const std::set<std::string_view> verbs{"dev", "develop", "watch", "--watch"};
  if (always.contains(program)) return true;
  if (verbs.contains(verb)) return true;
  if (program == "vite") return verb.empty() || verb == "serve" || verb.starts_with('-');
  if (program == "react-scripts" || program == "docusaurus" || program == "craco")
    return verb == "start";
  if (program == "ng" || program == "webpack" || program == "vue-cli-service" ||
      program == "ember" || program == "rspack")
    return verb == "serve" || verb == "server" || verb == "s";
  if (program == "nx") return verb == "serve" || verb == "dev" || verb.starts_with("serve:");
  if (program == "parcel") return verb != "build";
  if (program == "astro") return verb == "start" || verb.empty();
  if (program == "eleventy" || program == "@11ty/eleventy") return verb == "--serve";
  if (program == "expo" || program == "quasar" || program == "ionic" || program == "hexo")
    return verb != "build" && verb != "export";
  return false;
}

// `npm start --prefix server`, `bun run --filter '*' dev`, `cd server && npm start`: a script of
// another folder.
bool runs_elsewhere(const std::vector<std::string_view>& words, std::string_view chain) {
  if (words.size() < 2) return false;
  const bool runner = words.front() == "npm" || words.front() == "yarn" ||
                      words.front() == "pnpm" || words.front() == "bun";
  if (!runner) return false;
  for (const std::string_view word : words)
    if (word == "--prefix" || word.starts_with("--prefix=") || word == "-C" || word == "--cwd" ||
        word == "--filter" || word.starts_with("--filter=") || word == "-F" ||
        word == "--workspace" || word.starts_with("--workspace=") || word == "--workspaces" ||
        word == "-ws" || word == "-w" || word == "-r" || word == "--recursive")
      return true;
  return chain.starts_with("cd ");
}

Start parse(const Package& package, std::string_view script, std::string_view name, int depth) {
  Start start{.script = std::string(name)};
  script = trim(script);
  // Of a chain only the last command stays; what comes before it still has to run.
  std::size_t cut = std::string_view::npos;
  for (const std::string_view sign : {"&&", ";"})
    if (const std::size_t at = script.rfind(sign);
        at != std::string_view::npos && (cut == std::string_view::npos || at + sign.size() > cut))
      cut = at + sign.size();
  const bool chain = cut != std::string_view::npos;
  const std::string_view last = chain ? trim(script.substr(cut)) : script;
  const bool background =
      last.find(" & ") != std::string_view::npos || last.find(" | ") != std::string_view::npos;
  std::vector<std::string_view> words = words_of(last);
  // A .env file is never uploaded; its variables are set in the environment instead.
  std::erase_if(words, [](std::string_view word) { return word.starts_with("--env-file"); });
  if (!words.empty() && (words.front() == "dotenv" || words.front() == "dotenvx"))
    if (const auto end = std::ranges::find(words, "--"); end != words.end())
      words.erase(words.begin(), end + 1);
  std::string prefix;  // assignments, kept before the command
  while (!words.empty() &&
         (is_assignment(words.front()) || words.front() == "cross-env" || words.front() == "env" ||
          words.front() == "exec" || words.front() == "dotenv" || words.front() == "--")) {
    if (is_assignment(words.front()) && !words.front().starts_with("PORT="))
      prefix += std::string(words.front()) + " ";
    words.erase(words.begin());
  }
  if (runs_elsewhere(words, chain ? script : std::string_view{})) {
    start.tool = words.empty() ? "npm" : words.front();
    start.delegates = true;
    start.command = package.run(name);
    start.development = std::ranges::any_of(
        words, [](std::string_view word) { return word == "dev" || word.starts_with("dev:"); });
    return start;
  }
  // A file of the project's own, by its own first line: ./start.sh.
  if (!words.empty() && words.front().find('/') != std::string_view::npos &&
      !words.front().starts_with('/') &&
      words.front().find("node_modules/") == std::string_view::npos && !is_source(words.front()))
    if (const Tree::File* file =
            package.root->project().files().find(package.root->path(words.front()))) {
      const std::string_view text = package.root->text(words.front());
      const std::string_view first = trim(text.substr(0, text.find('\n')));
      const std::string runner = first.find("bash") != std::string_view::npos ? "bash " : "sh ";
      start.tool = base_name(words.front());
      start.command = chain || background ? package.run(name)
                                          : prefix + (file->executable ? "" : runner) +
                                                std::string(last.substr(static_cast<std::size_t>(
                                                    words.front().data() - last.data())));
      return start;
    }
  while (!words.empty() &&
         (words.front() == "npx" || words.front() == "pnpm" || words.front() == "yarn" ||
          words.front() == "bunx" || words.front() == "npm")) {
    const std::string_view runner = words.front();
    words.erase(words.begin());
    while (!words.empty() && (words.front() == "exec" || words.front() == "--no-install" ||
                              words.front() == "-y" || words.front() == "dlx"))
      words.erase(words.begin());
    const bool run = !words.empty() && (words.front() == "run" || words.front() == "run-script");
    if (run) words.erase(words.begin());
    if (words.empty()) break;
    const std::string_view target = words.front();
    const bool other_package = target.starts_with('-');
    if (other_package) break;
    if (runner != "npx" && runner != "bunx" && !package.script(target).empty() && target != name &&
        depth < 4) {
      Start inner = parse(package, package.script(target), target, depth + 1);
      if (chain) inner.command = inner.command.empty() ? "" : package.run(name);
      if (chain) inner.script = name;
      return inner;
    }
  }
  if (words.empty()) return start;
  std::string_view program = base_name(words.front());
  const std::string_view verb = words.size() > 1 ? words[1] : std::string_view{};
  std::string rest;
  for (std::size_t i = 1; i < words.size(); ++i)
    rest += (rest.empty() ? "" : " ") + std::string(words[i]);
  const bool bun_runtime =
      program == "bun" && (verb == "run" || is_source(verb) || verb.starts_with('-'));
  start.tool = program;
  const bool watches = std::ranges::any_of(words, [](std::string_view word) {
    return word == "--watch" || word == "watch" || word.starts_with("--watch-path") ||
           word == "--hot" || word == "--serve";
  });
  start.development = is_development(program, verb) || (watches && program != "webpack");
  for (std::size_t i = 1; i < words.size() && start.entry.empty(); ++i) {
    const std::string_view word = words[i];
    if (word == "-r" || word == "--require" || word == "--import" || word == "--loader" ||
        word == "-e" || word == "--exec") {
      ++i;
      continue;
    }
    if (word.starts_with('-') || word == "watch" || word == "run") continue;
    if (program == "node" || program == "nodemon" || program == "tsx" || program == "ts-node" ||
        program == "bun" || program == "ts-node-dev" || program == "tsnd" ||
        program == "node-dev" || program == "pm2-runtime" || program == "pm2" ||
        program == "babel-node" || program == "forever" || program == "vite-node" ||
        program == "swc-node" || program == "esrun")
      if (word != "start" && word != "--") start.entry = word;
  }
  if (start.entry.starts_with("./")) start.entry.erase(0, 2);
  if (program == "bun" && !start.entry.empty() && !is_source(start.entry) &&
      !package.script(start.entry).empty() && depth < 4)
    return parse(package, package.script(start.entry), start.entry, depth + 1);
  if (start.development) return start;
  if (chain || background)
    start.command = package.run(name);
  else if (program == "node")
    start.command = prefix + (package.manager.plug_and_play ? "yarn node " : "node ") + rest;
  else if (program == "bun")
    start.command = prefix + (bun_runtime ? "bun " + rest : "bun " + rest);
  else if (program == "deno")
    start.command = prefix + "deno " + rest;
  else if (program == "pm2" || program == "forever")
    start.command = start.entry.empty() ? package.run(name) : prefix + "node " + start.entry;
  else
    start.command =
        prefix + package.execute(std::string(program) + (rest.empty() ? "" : " " + rest));
  return start;
}

// How a source file is run: JavaScript by node; TypeScript by what the project has for it.
std::string run_file(const Package& package, std::string_view file) {
  const std::string_view extension = extension_of(file);
  const bool typescript =
      extension == ".ts" || extension == ".mts" || extension == ".cts" || extension == ".tsx";
  const bool jsx = extension == ".jsx";
  if (package.manager.name == "bun" && package.manifest != nullptr && typescript)
    return "bun " + shell_word(file);
  if (typescript || jsx)
    for (const std::string_view tool : {"tsx", "ts-node"})
      if (package.has(tool)) return package.execute(std::string(tool) + " " + shell_word(file));
  return (package.manager.plug_and_play ? "yarn node " : "node ") + shell_word(file);
}

// The compiled file of a TypeScript entry, when the build compiles: src/server.ts ->
// dist/server.js.
std::string compiled(const Package& package, std::string_view entry) {
  const std::string_view build = package.script("build");
  if (build.find("tsc") == std::string_view::npos && build.find("swc") == std::string_view::npos)
    return {};
  const json::value* config = package.root->json("tsconfig.json");
  if (config == nullptr) return {};
  std::string out(string_at(*config, {"compilerOptions", "outDir"}));
  if (out.empty()) return {};
  std::string source_root(string_at(*config, {"compilerOptions", "rootDir"}));
  out = join_path(out, "");
  source_root = join_path(source_root, "");
  if (source_root.empty() && entry.starts_with("src/")) source_root = "src";
  std::string_view inner = is_within(entry, source_root) ? relative_to(entry, source_root) : entry;
  return join_path(out, std::string(without_extension(inner)) + ".js");
}

// `node index.js` where neither such a file lies nor a build is known to write it.
bool names_no_file(const Package& package, const Start& start) {
  if (start.tool != "node" || start.entry.empty() || start.entry.find('/') != std::string::npos)
    return false;
  const std::string stem(without_extension(start.entry));
  for (const std::string_view extension :
       {"", ".js", ".mjs", ".cjs", ".ts", ".mts", ".cts", "/index.js"})
    if (package.root->has(start.entry + std::string(extension)) ||
        package.root->has(stem + std::string(extension)))
      return false;
  return package.has("vite") && package.script("build").find(stem) == std::string_view::npos;
}

// Servers that only tests and examples start.
bool is_for_tests(std::string_view file) {
  const std::string_view stem = without_extension(base_name(file));
  for (const std::string_view mark : {"test", "mock", "example", "demo", "fake"})
    if (stem.starts_with(mark) || stem.ends_with("." + std::string(mark)) ||
        stem.ends_with("-" + std::string(mark)))
      return true;
  return stem.ends_with(".spec") || directory_of(file) == "test" || directory_of(file) == "tests";
}

}  // namespace

Start read_script(const Package& package, std::string_view name) {
  const std::string_view script = package.script(name);
  if (script.empty()) return {};
  return parse(package, script, name, 0);
}

std::string missing_start(const Package& package) {
  const Start start = read_script(package, "start");
  return names_no_file(package, start) ? start.entry : std::string();
}

Start find_start(const Package& package) {
  const Root& root = *package.root;
  Start development;
  for (const std::string_view name :
       {"start:prod", "start:production", "start", "serve:prod", "production", "serve", "server"}) {
    Start start = read_script(package, name);
    if (start.tool.empty() || names_no_file(package, start)) continue;
    if (!start.development) {
      const bool weak = name == "serve" || name == "server";
      if (weak && start.entry.empty()) continue;
      return start;
    }
    if (development.tool.empty()) development = std::move(start);
  }
  if (development.tool.empty() || development.entry.empty())
    if (Start dev = read_script(package, "dev"); !dev.entry.empty()) development = std::move(dev);
  // A development command that names a file tells which file to run without it.
  const auto start_file = [&](std::string_view file, std::string_view script) {
    if (development.tool == "bun")
      return Start{.command = "bun " + std::string(file),
                   .entry = std::string(file),
                   .tool = "bun",
                   .script = std::string(script)};
    Start start{.entry = std::string(file), .tool = "node", .script = std::string(script)};
    const std::string made =
        extension_of(file).ends_with("ts") ? compiled(package, file) : std::string();
    start.command = made.empty() ? run_file(package, file) : "node " + made;
    return start;
  };
  if (!development.entry.empty() && root.has(development.entry))
    return start_file(development.entry, development.script);
  if (package.manifest != nullptr) {
    std::string main(string_at(*package.manifest, {"main"}));
    if (main.starts_with("./")) main.erase(0, 2);
    for (const std::string& file : {main, main + ".js", main + "/index.js"})
      if (!main.empty() && root.has(file) && language_of(file) == Language::javascript) {
        const SourceFacts* facts = root.source(file);
        const bool serves = facts != nullptr && !facts->listens.empty();
        if (serves || development.tool.empty()) return start_file(file, "");
      }
  }
  // What Nx builds, by its own description of the project.
  if (development.tool == "nx")
    if (const json::value* project = root.json("project.json")) {
      const std::string_view made =
          string_at(*project, {"targets", "build", "options", "outputPath"});
      const std::string_view main = string_at(*project, {"targets", "build", "options", "main"});
      if (!made.empty() && main.ends_with(".ts")) {
        const std::string file =
            join_path(made, std::string(without_extension(base_name(main))) + ".js");
        return {.command = "node " + file, .entry = file, .tool = "node", .script = "start"};
      }
    }
  // A file that listens, usual names first.
  constexpr std::array stems{
      std::string_view("server"),       std::string_view("index"),
      std::string_view("app"),          std::string_view("main"),
      std::string_view("src/server"),   std::string_view("src/index"),
      std::string_view("src/app"),      std::string_view("src/main"),
      std::string_view("server/index"), std::string_view("server/server"),
      std::string_view("api/index"),    std::string_view("bin/www"),
      std::string_view("bot"),          std::string_view("server/src/index")};
  for (const std::string_view stem : stems)
    for (const std::string_view extension : {".js", ".mjs", ".cjs", ".ts", ".mts", ".tsx", ""}) {
      const std::string file = std::string(stem) + std::string(extension);
      const SourceFacts* facts = root.source(file);
      if (facts != nullptr && !facts->listens.empty()) return start_file(file, "");
      if (extension.empty() && stem == "bin/www" && root.has(file)) return start_file(file, "");
    }
  for (const SourceFacts* facts : root.sources(Language::javascript))
    if (!facts->listens.empty() && depth_of(root.relative(facts->path)) <= 1 &&
        root.relative(facts->path).find(".config.") == std::string::npos &&
        !is_for_tests(root.relative(facts->path)))
      return start_file(root.relative(facts->path), "");
  return development;
}

}  // namespace slipway::detection::node
