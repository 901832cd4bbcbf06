#include <algorithm>
#include <array>
#include <cctype>

#include "base/text.h"
#include "detect/detectors.h"

namespace slipway::detection {
namespace {

// sbt's normalized name: "My App" -> "my-app".
std::string normalized(std::string_view name) {
  std::string out;
  for (const char c : name)
    out += std::isalnum(static_cast<unsigned char>(c)) != 0
               ? static_cast<char>(std::tolower(static_cast<unsigned char>(c)))
               : '-';
  return out;
}

// name := "x", version := "x", in any scope; the first one counts.
std::string setting(const std::vector<Token>& tokens, std::string_view key) {
  for (std::size_t i = 0; i + 3 < tokens.size(); ++i)
    if (tokens[i].is(key) && tokens[i + 1].is(":") && tokens[i + 2].is("=") &&
        tokens[i + 3].string())
      return std::string(tokens[i + 3].text);
  return {};
}

}  // namespace

std::optional<Proposal> detect_scala(const Root& root) {
  if (!root.has("build.sbt")) return std::nullopt;
  Proposal proposal;
  Service& service = proposal.service;
  const std::vector<Token> tokens = tokenize(root.text("build.sbt"), Language::java);
  const std::string_view plugins = root.text("project/plugins.sbt");
  service.root = root.directory();
  service.provider = "java";
  service.package_manager = "sbt";
  service.runtime = {.name = "java", .version = "", .source = "default"};
  read_java_version(root, proposal);
  for (const std::string_view line : lines(root.text("project/build.properties")))
    if (line.starts_with("sbt.version"))
      if (const std::size_t equals = line.find('='); equals != std::string_view::npos)
        service.package_manager_version = trim(line.substr(equals + 1));
  bool packages = false, assembly = plugins.find("sbt-assembly") != std::string_view::npos;
  int play = 0;
  struct Mark {
    std::string_view artifact, framework;
  };
  constexpr std::array marks{Mark{"http4s", "http4s"},
                             Mark{"akka-http", "akka-http"},
                             Mark{"pekko-http", "pekko-http"},
                             Mark{"zio-http", "zio-http"},
                             Mark{"cask", "cask"},
                             Mark{"scalatra", "scalatra"},
                             Mark{"finch", "finch"},
                             Mark{"tapir", "tapir"}};
  for (const Token& token : tokens) {
    if (token.is("PlayScala") || token.is("PlayJava") || token.is("PlayService")) play = token.line;
    packages |= token.is("JavaAppPackaging") || token.is("JavaServerAppPackaging");
    if (!token.string()) continue;
    for (const Mark& mark : marks)
      if (service.framework.empty() && token.text.starts_with(mark.artifact)) {
        service.framework = mark.framework;
        proposal.because(root.path("build.sbt"), token.line, "uses " + std::string(token.text));
      }
    add_dependency(token.text, service);
  }
  std::string name = normalized(setting(tokens, "name"));
  if (name.empty())
    name = normalized(root.directory().empty() ? "app" : base_name(root.directory()));
  if (play > 0) {
    service.framework = "play";
    proposal.because(root.path("build.sbt"), play, "enables the Play plugin");
    service.build = "sbt -batch stage";
    service.start = "target/universal/stage/bin/" + name +
                    " -Dhttp.port=$PORT -Dhttp.address=0.0.0.0 -Dpidfile.path=/dev/null";
    service.env.push_back(
        {.name = "APPLICATION_SECRET",
         .required = root.text("conf/application.conf").find("APPLICATION_SECRET") !=
                     std::string_view::npos,
         .kind = "secret",
         .evidence = root.path("conf/application.conf") + ":1"});
    service.confidence = 0.96;
  } else if (packages) {
    service.build = "sbt -batch stage";
    service.start = "target/universal/stage/bin/" + name;
    service.confidence = 0.93;
  } else if (assembly) {
    service.build = "sbt -batch assembly";
    service.start = "java -jar target/scala-*/" + name + "-assembly-*.jar";
    service.confidence = 0.9;
  } else {
    service.build = "sbt -batch compile";
    service.start = "sbt -batch run";
    service.confidence = 0.75;
    proposal.warn("no_packaging", "nothing packages the program: sbt starts it, which is slow",
                  root.path("build.sbt"), 0,
                  "add sbt-native-packager and enablePlugins(JavaAppPackaging)");
  }
  const std::vector<const SourceFacts*>& sources = root.sources(Language::java);
  const bool listens = std::ranges::any_of(
      sources, [](const SourceFacts* facts) { return !facts->listens.empty(); });
  if (service.framework.empty() && !listens) service.kind = "worker";
  if (play == 0) take_fixed_port(sources, "listen on sys.env.getOrElse(\"PORT\", …)", proposal);
  add_source_facts(sources, root, proposal);
  proposal.reason = "build.sbt";
  return proposal;
}

}  // namespace slipway::detection
