#include "detect/dockerfile_syntax.h"

#include <algorithm>
#include <cctype>
#include <set>

#include "base/text.h"

namespace slipway {
namespace {

using Variables = std::map<std::string, std::string>;

constexpr std::size_t most_instructions = 5000, most_text = 1u << 20;

bool is_name_char(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

std::string_view unquoted(std::string_view text) {
  if (text.size() >= 2 && (text.front() == '"' || text.front() == '\'') &&
      text.back() == text.front())
    return text.substr(1, text.size() - 2);
  return text;
}

// $NAME, ${NAME}, ${NAME:-default} and ${NAME:+other}; what is unknown is empty.
std::string expanded(std::string_view text, const Variables& variables) {
  std::string out;
  const auto value_of = [&](std::string_view name) {
    const auto found = variables.find(std::string(name));
    return found == variables.end() ? std::string() : found->second;
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '$' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    if (text[i + 1] == '{') {
      const std::size_t end = text.find('}', i);
      if (end == std::string_view::npos) return out;
      const std::string_view inner = text.substr(i + 2, end - i - 2);
      const std::size_t colon = inner.find(':');
      const std::string value = value_of(inner.substr(0, colon));
      const std::string_view how =
          colon == std::string_view::npos ? std::string_view{} : inner.substr(colon + 1);
      if (how.starts_with('-'))
        out += value.empty() ? std::string(how.substr(1)) : value;
      else if (how.starts_with('+'))
        out += value.empty() ? std::string() : std::string(how.substr(1));
      else
        out += value;
      i = end;
      continue;
    }
    std::size_t end = i + 1;
    while (end < text.size() && is_name_char(text[end])) ++end;
    if (end == i + 1) {
      out += '$';
      continue;
    }
    out += value_of(text.substr(i + 1, end - i - 1));
    i = end - 1;
  }
  return out;
}

// Names that end the here-documents which an instruction starts: "<<EOF", "<<-'EOF'".
std::vector<std::string> heredocs_of(std::string_view text) {
  std::vector<std::string> out;
  for (auto at = text.find("<<"); at != std::string_view::npos; at = text.find("<<", at + 2)) {
    std::string_view rest = text.substr(at + 2);
    if (rest.starts_with('<')) {  // "<<<" is something else
      ++at;
      continue;
    }
    if (rest.starts_with('-')) rest.remove_prefix(1);
    const bool quoted = rest.starts_with('"') || rest.starts_with('\'');
    if (quoted) rest.remove_prefix(1);
    std::size_t end = 0;
    while (end < rest.size() && is_name_char(rest[end])) ++end;
    if (end == 0 || std::isdigit(static_cast<unsigned char>(rest[0])) != 0) continue;
    out.emplace_back(rest.substr(0, end));
  }
  return out;
}

// The escape character that the directives at the top choose.
char escape_of(const std::vector<std::string_view>& all) {
  for (const std::string_view raw : all) {
    const std::string_view line = trim(raw);
    if (!line.starts_with('#')) break;
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) break;
    if (to_lower(trim(line.substr(1, equals - 1))) == "escape" &&
        trim(line.substr(equals + 1)) == "`")
      return '`';
  }
  return '\\';
}

DockerInstruction instruction_of(std::string_view text, int line) {
  DockerInstruction out;
  out.line = line;
  text = trim(text);
  const std::size_t blank = text.find_first_of(" \t");
  for (const char c : text.substr(0, blank))
    out.word += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  text = blank == std::string_view::npos ? std::string_view{} : trim(text.substr(blank));
  while (text.starts_with("--")) {
    const std::size_t end = text.find_first_of(" \t");
    out.flags.emplace_back(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view{} : trim(text.substr(end));
  }
  out.text = std::string(text);
  return out;
}

// "--mount=type=bind,from=build" has "build".
std::string_view source_of_flag(std::string_view flag) {
  if (flag.starts_with("--from=")) return flag.substr(7);
  if (!flag.starts_with("--mount=")) return {};
  for (const std::string_view part : split(flag.substr(8), ','))
    if (part.starts_with("from=")) return part.substr(5);
  return {};
}

}  // namespace

std::vector<DockerInstruction> Dockerfile::last_stage() const {
  std::vector<DockerInstruction> out;
  for (const DockerInstruction& each : instructions) {
    if (each.word == "FROM") out.clear();
    out.push_back(each);
  }
  return out;
}

Dockerfile parse_dockerfile(std::string_view text) {
  Dockerfile out;
  text = text.substr(0, most_text);
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  const std::vector<std::string_view> all = lines(text);
  const char escape = escape_of(all);
  for (std::size_t i = 0; i < all.size() && out.instructions.size() < most_instructions; ++i) {
    const int line = static_cast<int>(i) + 1;
    std::string joined;
    for (; i < all.size(); ++i) {
      const std::string_view part = trim(all[i]);
      // Comments and empty lines within a continued instruction do not end it.
      if (part.starts_with('#') || part.empty()) {
        if (joined.empty()) break;
        continue;
      }
      const bool goes_on = part.back() == escape;
      joined += joined.empty() ? "" : " ";
      joined += trim(goes_on ? part.substr(0, part.size() - 1) : part);
      if (!goes_on) break;
      if (joined.empty()) joined = " ";
    }
    if (trim(joined).empty()) continue;
    DockerInstruction instruction = instruction_of(joined, line);
    if (instruction.word == "RUN" || instruction.word == "COPY" || instruction.word == "ADD")
      for (const std::string& end : heredocs_of(instruction.text))
        while (i + 1 < all.size())
          if (trim(all[++i]) == end) break;
    out.instructions.push_back(std::move(instruction));
  }
  return out;
}

std::vector<ImageNeed> images_needed(const Dockerfile& file, const Variables& args) {
  Variables variables;
  std::vector<ImageNeed> out;
  std::set<std::string> stages;
  std::size_t stage_count = 0;
  const auto need = [&](std::string image, int line) {
    image = trim(image);
    const std::string lower = to_lower(image);
    if (image.empty() || lower == "scratch" || stages.contains(lower)) return;
    if (std::ranges::all_of(
            image, [](char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }))
      return;  // a stage by its number
    if (std::ranges::none_of(out, [&](const ImageNeed& each) { return each.image == image; }))
      out.push_back({std::move(image), line});
  };
  for (const DockerInstruction& each : file.instructions) {
    if (each.word == "ARG" && stage_count == 0) {
      for (const std::string_view part : split(each.text, ' ')) {
        const std::size_t equals = part.find('=');
        const std::string name(part.substr(0, equals));
        if (name.empty()) continue;
        if (const auto given = args.find(name); given != args.end())
          variables[name] = given->second;
        else if (equals != std::string_view::npos)
          variables[name] = expanded(unquoted(part.substr(equals + 1)), variables);
      }
    } else if (each.word == "FROM") {
      ++stage_count;
      const std::size_t blank = each.text.find_first_of(" \t");
      need(expanded(unquoted(std::string_view(each.text).substr(0, blank)), variables), each.line);
      if (blank == std::string::npos) continue;
      const std::string_view rest = trim(std::string_view(each.text).substr(blank));
      if (to_lower(rest.substr(0, 3)) == "as " && rest.size() > 3)
        stages.insert(to_lower(trim(rest.substr(3))));
    } else {
      for (const std::string& flag : each.flags)
        if (const std::string_view source = source_of_flag(flag); !source.empty())
          need(expanded(source, variables), each.line);
    }
  }
  return out;
}

std::vector<std::string> declared_args(const Dockerfile& file) {
  std::set<std::string> names;
  for (const DockerInstruction& each : file.instructions)
    if (each.word == "ARG")
      for (const std::string_view part : split(each.text, ' '))
        if (const std::string name(part.substr(0, part.find('='))); !name.empty())
          names.insert(name);
  return {names.begin(), names.end()};
}

}  // namespace slipway
