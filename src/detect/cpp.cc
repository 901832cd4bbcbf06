#include <algorithm>

#include "base/text.h"
#include "detect/detectors.h"

namespace slipway::detection {
namespace {

// Names of add_executable(…) in a CMakeLists.txt, in order.
std::vector<std::string> executables(std::string_view text) {
  std::vector<std::string> names;
  std::string project;
  const std::vector<Token> tokens =
      tokenize(text, Language::python);  // '#' comments, words, brackets
  for (std::size_t i = 0; i + 2 < tokens.size(); ++i) {
    if (!tokens[i + 1].is("(")) continue;
    const std::string word = to_lower(tokens[i].text);
    // A name may hold '-': take the text up to a blank.
    const std::size_t from = static_cast<std::size_t>(tokens[i + 2].text.data() - text.data());
    std::string name(text.substr(from, text.substr(from).find_first_of(" \t\r\n)")));
    if (word == "project") project = name;
    if (name == "${PROJECT_NAME}" || name.starts_with("$")) name = project;
    if (word == "add_executable" && !name.empty()) names.push_back(std::move(name));
  }
  return names;
}

}  // namespace

std::optional<Proposal> detect_cpp(const Root& root) {
  const std::vector<const SourceFacts*>& sources = root.sources(Language::cpp);
  const bool cmake = root.has("CMakeLists.txt");
  const std::string makefile = root.first_of({"Makefile", "makefile", "GNUmakefile"});
  if (sources.empty()) return std::nullopt;
  Proposal proposal;
  Service& service = proposal.service;
  service.root = root.directory();
  service.provider = "cpp";
  service.runtime = {.name = "cpp", .version = "", .source = "default"};
  const SourceFacts* main = nullptr;
  bool serves = false;
  for (const SourceFacts* facts : sources) {
    if (facts->has_main && main == nullptr) main = facts;
    serves |= !facts->listens.empty();
  }
  if (main == nullptr) return std::nullopt;
  proposal.because(main->path, main->main_line, "int main");
  if (cmake) {
    std::vector<std::string> names = executables(root.text("CMakeLists.txt"));
    std::string folder;
    if (names.empty())
      for (const std::string_view sub : {"src", "app", "server"})
        if (names.empty() && root.has(join_path(sub, "CMakeLists.txt"))) {
          names = executables(root.text(join_path(sub, "CMakeLists.txt")));
          folder = std::string(sub) + "/";
        }
    if (names.empty()) return std::nullopt;
    service.package_manager = "cmake";
    service.build =
        "cmake -S . -B build -DCMAKE_BUILD_TYPE=Release && cmake --build build --parallel 2 "
        "--target " +
        names.front();
    service.start = "./build/" + folder + names.front();
    service.confidence = serves ? 0.9 : 0.75;
    if (names.size() > 1)
      proposal.questions.push_back({.id = "cmake_target",
                                    .text = "which program?",
                                    .choices = names,
                                    .default_choice = names.front(),
                                    .flag = "--start './build/<name>'"});
    proposal.reason = "CMakeLists.txt";
  } else if (!makefile.empty()) {
    std::string target;
    for (const std::string_view line : lines(root.text(makefile))) {
      for (const std::string_view key : {"TARGET", "BIN", "EXECUTABLE", "PROGRAM", "NAME"})
        if (target.empty() && line.starts_with(key)) {
          const std::size_t equals = line.find('=');
          if (equals != std::string_view::npos &&
              trim(line.substr(key.size(), equals - key.size())).find_first_not_of(":?") ==
                  std::string_view::npos)
            target = trim(line.substr(equals + 1));
        }
      if (target.empty() && !line.starts_with('.') && !line.starts_with('\t') &&
          line.find(':') != std::string_view::npos && line.find('=') == std::string_view::npos) {
        const std::string_view name = trim(line.substr(0, line.find(':')));
        if (name != "all" && name.find_first_of("$% ") == std::string_view::npos) target = name;
      }
    }
    if (target.empty() || target.find_first_of("$ ") != std::string::npos) return std::nullopt;
    service.package_manager = "make";
    service.build = "make";
    service.start = "./" + target;
    service.confidence = serves ? 0.85 : 0.6;
    proposal.reason = makefile;
  } else {
    const bool c = main->path.ends_with(".c");
    std::vector<std::string> files;
    for (const SourceFacts* facts : sources)
      if (directory_of(root.relative(facts->path)) == directory_of(root.relative(main->path)))
        files.push_back(root.relative(facts->path));
    service.build =
        (c ? "cc -O2 -o app " : "c++ -std=c++20 -O2 -pthread -o app ") + join(files, " ");
    service.start = "./app";
    service.confidence = serves ? 0.85 : 0.55;
    proposal.reason = root.relative(main->path) + " alone";
    proposal.warn("no_manifest", "no CMakeLists.txt or Makefile: the sources are compiled together",
                  main->path, 0, "add a CMakeLists.txt");
  }
  if (!serves) service.kind = "worker";
  for (const SourceFacts* facts : sources)
    for (const Listen& listen : facts->listens)
      if (listen.port && !listen.from_env && !facts->reads_port && !service.port)
        service.port = listen.port;
  add_source_facts(sources, root, proposal);
  return proposal;
}

}  // namespace slipway::detection
