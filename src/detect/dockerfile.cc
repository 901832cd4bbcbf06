#include <algorithm>
#include <array>
#include <charconv>

#include "base/text.h"
#include "detect/detectors.h"

namespace slipway::detection {

std::optional<Proposal> detect_dockerfile(const Root& root) {
  const std::string file = root.first_of({"Dockerfile", "Containerfile", "dockerfile"});
  if (file.empty()) return std::nullopt;
  Proposal proposal;
  Service& service = proposal.service;
  service.root = root.directory();
  service.provider = "dockerfile";
  service.runtime.source = "default";
  bool runs = false;
  int number = 0;
  for (const std::string_view raw : lines(root.text(file))) {
    ++number;
    const std::string_view line = trim(raw);
    const std::size_t blank = line.find_first_of(" \t");
    const std::string word = to_lower(line.substr(0, blank));
    const std::string_view rest =
        blank == std::string_view::npos ? std::string_view{} : trim(line.substr(blank));
    if (word == "from") {
      runs = false;  // a new stage: only the last one counts
      service.port.reset();
      proposal.because(root.path(file), number, "from " + std::string(rest.substr(0, 100)));
    } else if (word == "cmd" || word == "entrypoint") {
      runs = true;
      proposal.because(root.path(file), number, word + " " + std::string(rest.substr(0, 100)));
    } else if (word == "expose" && !service.port) {
      int port = 0;
      if (std::from_chars(rest.data(), rest.data() + rest.size(), port).ec == std::errc{} &&
          port > 0 && port < 65536)
        service.port = port;
    }
  }
  service.confidence = runs ? 0.75 : 0.2;
  proposal.reason =
      runs ? file + " says how to run it" : file + " has no CMD or ENTRYPOINT: it only builds";
  return proposal;
}

namespace {

// Nothing but the shell's own words and printing: no program of it waits for requests.
bool only_prints(std::string_view text) {
  constexpr std::array words{
      std::string_view("while"),  std::string_view("do"),    std::string_view("done"),
      std::string_view("for"),    std::string_view("if"),    std::string_view("then"),
      std::string_view("else"),   std::string_view("fi"),    std::string_view("echo"),
      std::string_view("printf"), std::string_view("sleep"), std::string_view("date"),
      std::string_view("true"),   std::string_view("set"),   std::string_view("until")};
  for (const std::string_view line : lines(text)) {
    if (trim(line).starts_with('#')) continue;
    for (std::size_t from = 0; from < line.size();) {
      const std::size_t end = std::min(line.find(';', from), line.size());
      std::string_view part = trim(line.substr(from, end - from));
      from = end + 1;
      // `do echo tick`: what follows the shell's own word is a command of its own.
      for (const std::string_view own : {"while ", "until ", "do ", "then ", "else ", "if "})
        if (part.starts_with(own)) part = trim(part.substr(own.size()));
      const std::string_view first = part.substr(0, part.find(' '));
      if (!first.empty() && std::ranges::find(words, first) == words.end()) return false;
      if (part.find('|') != std::string_view::npos || part.find('&') != std::string_view::npos ||
          part.find("$(") != std::string_view::npos || part.find('`') != std::string_view::npos)
        return false;
    }
  }
  return true;
}

}  // namespace

std::optional<Proposal> detect_shell(const Root& root) {
  Proposal proposal;
  Service& service = proposal.service;
  service.root = root.directory();
  service.provider = "shell";
  service.runtime.source = "default";
  for (const std::string_view file : {"start.sh", "run.sh", "server.sh", "entrypoint.sh"})
    if (root.has(file)) {
      service.start = "sh " + std::string(file);
      const std::string_view text = root.text(file);
      if (text.substr(0, text.find('\n')).find("bash") != std::string_view::npos)
        service.start = "bash " + std::string(file);
      if (only_prints(text)) service.kind = "worker";
      service.confidence = 0.55;
      proposal.because(root.path(file), 0, "a script to start with");
      proposal.reason = std::string(file);
      return proposal;
    }
  if (!root.has("Procfile")) return std::nullopt;
  service.confidence = 0.6;  // its command is applied with the other declared intent
  proposal.reason = "Procfile";
  return proposal;
}

}  // namespace slipway::detection
