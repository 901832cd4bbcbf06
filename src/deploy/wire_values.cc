#include "deploy/wire_values.h"

#include <fmt/format.h>

#include "base/text.h"

namespace slipway {
namespace {

// A label never begins with a digit.
std::string name_of(std::string_view label) {
  return fmt::format("{}.{}", label.empty() ? "0" : label, wire_domain);
}
std::string bare_name_of(std::string_view label) {
  return fmt::format("{}.host.{}", label.empty() ? "0" : label, wire_domain);
}

void replace(std::string& text, std::string_view what, std::string_view with) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size()))
    text.replace(at, what.size(), with);
}

std::string escaped(std::string text, std::string_view slash, std::string_view colon) {
  replace(text, ":", colon);
  replace(text, "/", slash);
  return text;
}

}  // namespace

EnvVars build_wires(const Deployment& deployment, const Unit& unit) {
  EnvVars out;
  if (unit.service == nullptr) return out;
  for (const Wire& wire : unit.service->wires) {
    if (wire.when != "build") continue;
    for (const Unit& other : units_of(deployment))
      if (other.service != nullptr && other.service->name == wire.service &&
          other.label != unit.label) {
        std::string value = wire.value;
        replace(value, "{url}", "http://" + name_of(other.label));
        replace(value, "{host}:{port}", name_of(other.label));
        replace(value, "{host}", bare_name_of(other.label));
        replace(value, "{port}", "80");
        out[wire.env] = std::move(value);
      }
  }
  return out;
}

FilledWires run_wires(const Deployment& deployment, const Unit& unit, const Names& names,
                      const std::function<std::string(std::string_view label)>& host_of) {
  FilledWires out{.files = unit.artifact->wired, .values = {}};
  if (out.files.empty()) return out;
  for (const Unit& other : units_of(deployment)) {
    if (other.label == unit.label || !other.is_routed()) continue;
    const std::string host = host_of(other.label), url = names.url(host),
                      name = name_of(other.label);
    const std::string address = "http://" + name;
    out.values.emplace_back(address, url);
    // As JSON and as a query write it.
    out.values.emplace_back(escaped(address, "\\/", ":"), escaped(url, "\\/", ":"));
    out.values.emplace_back(escaped(address, "%2F", "%3A"), escaped(url, "%2F", "%3A"));
    if (url.starts_with("https:")) out.values.emplace_back("ws://" + name, "wss" + url.substr(5));
    out.values.emplace_back(name, url.substr(url.find("://") + 3));
    out.values.emplace_back(bare_name_of(other.label), host);
  }
  return out;
}

std::string wire_script(const FilledWires& wires) {
  if (wires.files.empty() || wires.values.empty()) return {};
  // Hosts and URLs hold no character that sed would read as anything but a dot.
  std::string rules, files;
  for (const auto& [name, value] : wires.values) {
    std::string pattern, with;
    for (const char c : name)
      pattern += c == '.' || c == '\\' ? std::string{'\\', c} : std::string{c};
    for (const char c : value)
      with += c == '\\' || c == '&' ? std::string{'\\', c} : std::string{c};
    rules += " -e " + shell_quote("s|" + pattern + "|" + with + "|g");
  }
  for (const std::string& file : wires.files) files += " " + shell_quote("/app/" + file);
  return fmt::format("sed -i{} --{} || exit\n", rules, files);
}

}  // namespace slipway
