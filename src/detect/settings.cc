#include "detect/settings.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "detect/overrides.h"

namespace slipway {
namespace {

// The tree as detection alone would see it.
class WithoutSettings final : public Tree {
 public:
  explicit WithoutSettings(const Tree& tree) : tree_(tree), files_(tree.files()) {
    std::erase_if(files_, [](const File& file) { return file.path == "slipway.toml"; });
  }
  [[nodiscard]] const std::vector<File>& files() const override { return files_; }
  [[nodiscard]] Result<std::string> read(std::string_view path, std::size_t limit) const override {
    if (path == "slipway.toml") return fail(Errc::not_found, "slipway.toml is set aside");
    return tree_.read(path, limit);
  }

 private:
  const Tree& tree_;
  std::vector<File> files_;
};

std::string toml_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\')
      out += std::string("\\") + c;
    else if (c == '\n')
      out += "\\n";
    else if (c == '\t')
      out += "\\t";
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      out += fmt::format("\\u{:04X}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    else
      out += c;
  }
  return out + "\"";
}

}  // namespace

std::string settings_file(const Tree& tree, const DetectOptions& options) {
  const WithoutSettings bare(tree);
  const Plan alone = detect(bare);
  const detection::Project project(tree);
  const detection::Overrides said = detection::read_overrides(project, options);
  const Service none;
  const Service& first = alone.services.empty() ? none : alone.services.front();
  std::string out =
      "# What Slipway should do otherwise than it decides by itself (slipway detect shows all of "
      "it).\n";
  const auto line = [&](std::string_view key, const std::string& value,
                        const std::string& decided) {
    if (!value.empty() && value != decided)
      out += fmt::format("{} = {}\n", key, toml_string(value));
  };
  line("service", said.whole.service, first.name);
  line("root", said.whole.root, first.root);
  line("framework", said.whole.framework,
       first.framework.empty() ? first.provider : first.framework);
  line("runtime", said.whole.runtime,
       first.runtime.version.empty() ? first.runtime.name
                                     : first.runtime.name + "@" + first.runtime.version);
  line("install", said.whole.install, first.install.value_or(""));
  line("build", said.whole.build, first.build.value_or(""));
  line("release", said.whole.release, first.release.value_or(""));
  line("start", said.whole.start, first.start.value_or(""));
  line("output", said.whole.output, first.output_dir.value_or(""));
  line("fallback", said.whole.fallback, "");
  line("health", said.whole.health, first.health_path);
  if (!said.whole.port.empty() &&
      said.whole.port != (first.port ? std::to_string(*first.port) : std::string()))
    out += fmt::format("port = {}\n", said.whole.port);
  for (const Question& question : alone.questions)
    out += fmt::format("\n# {}\n# Taken: {}. Otherwise: {}\n", sanitize_line(question.text),
                       sanitize_line(question.default_choice), sanitize_line(question.flag));
  for (const auto& [name, settings] : said.services) {
    out += fmt::format("\n[services.{}]\n", toml_string(name));
    for (const auto& [key, value] : settings)
      out += fmt::format("{} = {}\n", key, toml_string(value));
  }
  return out;
}

}  // namespace slipway
