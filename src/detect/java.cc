#include <algorithm>
#include <array>
#include <set>

#include "base/text.h"
#include "detect/detectors.h"

namespace slipway::detection {
namespace {

struct JavaFramework {
  std::string_view name, mark;  // mark: part of a group or artifact id
};
constexpr std::array frameworks{JavaFramework{"spring-boot", "spring-boot"},
                                JavaFramework{"quarkus", "quarkus"},
                                JavaFramework{"micronaut", "micronaut"},
                                JavaFramework{"ktor", "ktor-server"},
                                JavaFramework{"javalin", "javalin"},
                                JavaFramework{"helidon", "helidon"},
                                JavaFramework{"dropwizard", "dropwizard"},
                                JavaFramework{"vertx", "vertx"},
                                JavaFramework{"spark", "spark-core"},
                                JavaFramework{"http4k", "http4k"},
                                JavaFramework{"jooby", "jooby"}};

void take_version(const Root& root, std::string_view version, std::string source,
                  std::string_view file, Proposal& proposal) {
  RuntimeNeed& need = proposal.service.runtime;
  if (need.source != "default" || version.empty() || version.find('$') != std::string_view::npos)
    return;
  if (version.starts_with("1.") && version.size() == 3) version.remove_prefix(2);
  need.version = version;
  need.source = std::move(source);
  proposal.because(root.path(file), line_of(root.text(file), version), "Java " + need.version);
}

}  // namespace

void read_java_version(const Root& root, Proposal& proposal) {
  if (const auto fact = version_file(root, ".java-version"))
    take_version(root, fact->version, ".java-version", ".java-version", proposal);
  for (const std::string_view line : lines(root.text("system.properties")))
    if (line.starts_with("java.runtime.version="))
      take_version(root, trim(line.substr(21)), "system.properties", "system.properties", proposal);
  for (const std::string_view line : lines(root.text(".sdkmanrc")))
    if (line.starts_with("java="))
      take_version(
          root,
          trim(line.substr(
              5, line.find('-') == std::string_view::npos ? line.size() : line.find('-') - 5)),
          ".sdkmanrc", ".sdkmanrc", proposal);
  if (const auto fact = tool_version(root, {"java"}))
    take_version(root, fact->version, std::string(base_name(fact->file)), base_name(fact->file),
                 proposal);
}

namespace {

void start_jar(Service& service, const std::string& jar) {
  const std::string& framework = service.framework;
  if (framework == "spring-boot")
    service.start = "java -Dserver.port=$PORT -jar " + jar;
  else if (framework == "micronaut")
    service.start = "MICRONAUT_SERVER_PORT=$PORT java -jar " + jar;
  else if (framework == "quarkus")
    service.start = "java -Dquarkus.http.host=0.0.0.0 -Dquarkus.http.port=$PORT -jar " + jar;
  else
    service.start = "java -jar " + jar;
}

std::string resolved(const XmlNode& project, std::string_view text) {
  std::string out(text);
  for (int i = 0; i < 5; ++i) {
    const std::size_t open = out.find("${");
    const std::size_t close = open == std::string::npos ? open : out.find('}', open);
    if (close == std::string::npos) break;
    const std::string name = out.substr(open + 2, close - open - 2);
    std::string_view value;
    if (name.starts_with("project.")) value = project.text_at({std::string_view(name).substr(8)});
    if (value.empty()) value = project.text_at({"properties", name});
    if (value.empty()) return {};
    out.replace(open, close - open + 1, value);
  }
  return out;
}

// "demo.Main" when exactly one class below src/main/java has a main(); "" otherwise.
std::string only_program(const Root& root) {
  constexpr std::string_view top = "src/main/java/";
  std::string found;
  for (const SourceFacts* facts : root.sources(Language::java)) {
    std::string path = root.relative(facts->path);
    if (!facts->has_main || !path.starts_with(top) || !path.ends_with(".java")) continue;
    if (!found.empty()) return {};
    found = path.substr(top.size(), path.size() - top.size() - 5);
    std::ranges::replace(found, '/', '.');
  }
  return found;
}

std::optional<Proposal> plan_maven(const Root& root, Proposal proposal) {
  Service& service = proposal.service;
  const std::optional<XmlNode> document = parse_xml(root.text("pom.xml"));
  const XmlNode* project = document ? document->find("project") : nullptr;
  if (project == nullptr) {
    proposal.warn("broken_manifest", "pom.xml is not valid XML", root.path("pom.xml"), 0,
                  "correct pom.xml");
    return std::nullopt;
  }
  if (project->text_at({"packaging"}) == "pom" && project->find("modules") != nullptr)
    return std::nullopt;
  service.package_manager = "maven";
  std::set<std::string> artifacts;
  artifacts.emplace(project->text_at({"parent", "artifactId"}));
  if (const XmlNode* list = project->find("dependencies"))
    for (const XmlNode& dependency : list->children)
      artifacts.emplace(dependency.text_at({"artifactId"}));
  const XmlNode* plugins =
      project->find("build") == nullptr ? nullptr : project->find("build")->find("plugins");
  bool runnable = false;
  if (plugins != nullptr)
    for (const XmlNode& plugin : plugins->children) {
      const std::string_view name = plugin.text_at({"artifactId"});
      artifacts.emplace(name);
      runnable |= name == "maven-shade-plugin" || name == "maven-assembly-plugin" ||
                  !plugin.text_at({"configuration", "archive", "manifest", "mainClass"}).empty();
    }
  for (const JavaFramework& framework : frameworks)
    if (service.framework.empty())
      if (const auto at = std::ranges::find_if(artifacts,
                                               [&](const std::string& artifact) {
                                                 return artifact.find(framework.mark) !=
                                                        std::string::npos;
                                               });
          at != artifacts.end()) {
        service.framework = framework.name;
        proposal.because(root.path("pom.xml"), line_of(root.text("pom.xml"), *at), "uses " + *at);
      }
  for (const std::string& artifact : artifacts) add_dependency(artifact, service);
  for (const std::string_view key :
       {"java.version", "maven.compiler.release", "maven.compiler.target", "maven.compiler.source"})
    take_version(root, project->text_at({"properties", key}), "pom.xml " + std::string(key),
                 "pom.xml", proposal);
  if (plugins != nullptr)
    for (const XmlNode& plugin : plugins->children)
      if (plugin.text_at({"artifactId"}) == "maven-compiler-plugin")
        for (const std::string_view key : {"release", "target", "source"})
          take_version(root, resolved(*project, plugin.text_at({"configuration", key})),
                       "pom.xml maven-compiler-plugin", "pom.xml", proposal);
  read_java_version(root, proposal);
  const bool wrapper = root.has("mvnw") && root.has(".mvn/wrapper/maven-wrapper.properties");
  service.build = (wrapper ? "sh ./mvnw" : std::string("mvn")) + " -q -DskipTests package";
  std::string name = resolved(*project, project->text_at({"build", "finalName"}));
  if (name.empty()) {
    std::string version = resolved(*project, project->text_at({"version"}));
    if (version.empty()) version = resolved(*project, project->text_at({"parent", "version"}));
    if (const std::string artifact(project->text_at({"artifactId"}));
        !artifact.empty() && !version.empty())
      name = artifact + "-" + version;
  }
  const bool war = project->text_at({"packaging"}) == "war";
  std::string jar =
      name.empty() ? std::string("target/*.jar") : "target/" + name + (war ? ".war" : ".jar");
  if (service.framework == "quarkus") jar = "target/quarkus-app/quarkus-run.jar";
  start_jar(service, jar);
  const bool packs = service.framework == "spring-boot" || service.framework == "quarkus" ||
                     service.framework == "micronaut";
  // A plain jar names no program: the only one that the sources have, with what it depends on.
  if (!packs && !runnable && !war && !name.empty())
    if (const std::string program = only_program(root); !program.empty()) {
      const bool needs = project->find("dependencies") != nullptr;
      if (needs) *service.build += " dependency:copy-dependencies -DincludeScope=runtime";
      service.start =
          "java -cp " + (needs ? "'" + jar + ":target/dependency/*'" : jar) + " " + program;
    }
  const bool by_class = service.start->starts_with("java -cp ");
  service.confidence = packs                                    ? 0.97
                       : runnable                               ? 0.9
                       : by_class && !service.framework.empty() ? 0.85
                                                                : 0.6;
  proposal.reason = "pom.xml";
  return proposal;
}

// `name = "x"`, `name "x"`, `name = JavaVersion.VERSION_21`, `of(21)` in a Gradle script.
std::string gradle_value(const std::vector<Token>& tokens, std::string_view name) {
  for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
    if (!tokens[i].is(name)) continue;
    for (std::size_t k = i + 1;
         k < std::min(i + 8, tokens.size()) && tokens[k].line == tokens[i].line; ++k) {
      if (tokens[k].string()) return std::string(tokens[k].text);
      if (tokens[k].kind == Token::Kind::number) return std::string(tokens[k].text);
      if (tokens[k].word() && tokens[k].text.starts_with("VERSION_")) {
        std::string version(tokens[k].text.substr(8));
        if (version.starts_with("1_")) version = version.substr(2);
        return version;
      }
    }
  }
  return {};
}

std::optional<Proposal> plan_gradle(const Root& root, Proposal proposal) {
  Service& service = proposal.service;
  const std::string file = root.first_of({"build.gradle.kts", "build.gradle"});
  const std::vector<Token> tokens = tokenize(root.text(file), Language::java);
  const std::string settings_file = root.first_of({"settings.gradle.kts", "settings.gradle"});
  const std::vector<Token> settings = tokenize(root.text(settings_file), Language::java);
  service.package_manager = "gradle";
  bool application = false, boot = false, shadow = false;
  for (const Token& token : tokens) {
    const std::string_view text = token.text;
    if (token.is("application") || (token.string() && text == "application")) application = true;
    if (!token.string()) continue;
    boot |= text.find("org.springframework.boot") != std::string_view::npos;
    shadow |= text.find("shadow") != std::string_view::npos;
    application |= text == "io.ktor.plugin";
    for (const JavaFramework& framework : frameworks)
      if (service.framework.empty() && (text.find(framework.mark) != std::string_view::npos ||
                                        (framework.name == "spring-boot" && boot) ||
                                        (framework.name == "ktor" && text == "io.ktor.plugin"))) {
        service.framework = framework.name;
        proposal.because(root.path(file), token.line, "uses " + std::string(text));
      }
    // group:artifact:version
    const std::size_t colon = text.find(':');
    if (colon != std::string_view::npos)
      add_dependency(text.substr(colon + 1, text.find(':', colon + 1) - colon - 1), service);
  }
  if (tokens.empty() && root.has("settings.gradle")) return std::nullopt;
  for (const std::string_view key : {"languageVersion", "jvmToolchain", "sourceCompatibility",
                                     "targetCompatibility", "jvmTarget"})
    take_version(root, gradle_value(tokens, key), file + " " + std::string(key), file, proposal);
  read_java_version(root, proposal);
  const bool wrapper = root.has("gradlew") && root.has("gradle/wrapper/gradle-wrapper.properties");
  const std::string gradle = wrapper ? "sh ./gradlew --no-daemon" : "gradle --no-daemon";
  if (!wrapper)
    proposal.warn("no_wrapper", "no Gradle wrapper: the installed Gradle is used", root.path(file),
                  0, "gradle wrapper");
  // rootProject.name = "demo"
  std::string name;
  for (std::size_t i = 0; i + 2 < settings.size(); ++i)
    if (settings[i].is("rootProject") && settings[i + 2].is("name") && i + 4 < settings.size() &&
        settings[i + 4].string())
      name = settings[i + 4].text;
  std::string version;
  for (std::size_t i = 0; i + 1 < tokens.size(); ++i)
    if (tokens[i].is("version") && tokens[i].column == 0) {
      const Token& value = tokens[tokens[i + 1].is("=") && i + 2 < tokens.size() ? i + 2 : i + 1];
      if (value.string()) version = value.text;
    }
  if (boot) {
    service.build = gradle + " bootJar -x test";
    start_jar(service, name.empty() ? std::string("build/libs/*.jar")
                                    : "build/libs/" + name +
                                          (version.empty() ? "" : "-" + version) + ".jar");
  } else if (service.framework == "quarkus") {
    service.build = gradle + " build -x test";
    start_jar(service, "build/quarkus-app/quarkus-run.jar");
  } else if (service.framework == "ktor" && !application) {
    service.build = gradle + " build -x test";
    start_jar(service, "build/libs/*-all.jar");
  } else if (application) {
    service.build = gradle + " installDist -x test";
    service.start = name.empty() ? std::string("sh -c 'exec build/install/*/bin/*[!t]'")
                                 : "build/install/" + name + "/bin/" + name;
    if (name.empty()) {
      const std::string folder(base_name(root.directory()));
      service.start = folder.empty() ? "build/install/app/bin/app"
                                     : "build/install/" + folder + "/bin/" + folder;
    }
    if (service.framework == "micronaut")
      service.start = "MICRONAUT_SERVER_PORT=$PORT " + *service.start;
  } else if (shadow) {
    service.build = gradle + " shadowJar -x test";
    start_jar(service, "build/libs/*-all.jar");
  } else {
    service.build = gradle + " build -x test";
    start_jar(service, "build/libs/*.jar");
  }
  service.confidence = boot || !service.framework.empty() ? 0.96 : application ? 0.9 : 0.5;
  proposal.reason = file;
  return proposal;
}

}  // namespace

std::optional<Proposal> detect_java(const Root& root) {
  Proposal proposal;
  Service& service = proposal.service;
  service.root = root.directory();
  service.provider = "java";
  service.runtime = {.name = "java", .version = "", .source = "default"};
  const std::vector<const SourceFacts*>& sources = root.sources(Language::java);
  std::optional<Proposal> made;
  if (root.has("pom.xml"))
    made = plan_maven(root, proposal);
  else if (root.has("build.gradle") || root.has("build.gradle.kts"))
    made = plan_gradle(root, proposal);
  if (!made) {
    if (root.has("pom.xml") || root.has("build.gradle") || root.has("build.gradle.kts"))
      return std::nullopt;
    // One source file: java runs it by itself.
    for (const SourceFacts* facts : sources)
      if (facts->has_main && facts->path.ends_with(".java") &&
          depth_of(root.relative(facts->path)) == 0 && !made) {
        read_java_version(root, proposal);
        const bool serves = std::ranges::any_of(facts->imports, [](const Import& import) {
          return import.module.starts_with("com.sun.net.httpserver");
        });
        service.start = "java " + root.relative(facts->path);
        service.confidence = serves ? 0.9 : 0.55;
        if (!serves) service.kind = "worker";
        proposal.because(facts->path, facts->main_line, "a program in one file");
        proposal.reason = root.relative(facts->path);
        made = proposal;
      }
  }
  if (!made) return std::nullopt;
  if (made->service.framework == "spring-boot")
    for (const std::string_view name :
         {"src/main/resources/application.properties", "src/main/resources/application.yml"})
      if (root.text(name).find("management.endpoints") != std::string_view::npos)
        made->service.health_path = "/actuator/health";
  add_source_facts(sources, root, *made);
  if (!made->service.framework.empty()) return made;
  for (const SourceFacts* facts : sources)
    for (const Listen& listen : facts->listens)
      if (listen.port && !listen.from_env && !facts->reads_port && !made->service.port)
        made->service.port = listen.port;
  return made;
}

}  // namespace slipway::detection
