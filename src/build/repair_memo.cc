#include "build/repair_memo.h"

#include <algorithm>
#include <boost/json.hpp>

#include "base/text.h"
#include "sys/directory.h"
#include "sys/files.h"

namespace slipway {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr std::size_t file_limit = 256u << 10;

json::object to_json(const EnvVars& env) {
  json::object out;
  for (const auto& [name, value] : env) out[name] = value;
  return out;
}
EnvVars env_at(const json::object& object, std::string_view key) {
  EnvVars out;
  if (const json::value* env = object.if_contains(key); env != nullptr && env->is_object())
    for (const auto& [name, value] : env->get_object())
      if (value.is_string()) out[std::string(name)] = std::string(value.get_string());
  return out;
}
std::optional<std::string> text_at(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr || !value->is_string()) return std::nullopt;
  return std::string(value->get_string());
}

void prune(const fs::path& directory) {
  std::error_code error;
  std::vector<std::pair<fs::file_time_type, fs::path>> all;
  for (const auto& entry : entries_of(directory, error))
    all.emplace_back(entry.last_write_time(error), entry.path());
  if (all.size() <= RepairMemo::most_memos) return;
  std::ranges::sort(all);
  for (std::size_t i = 0; i < all.size() - RepairMemo::most_memos; ++i)
    fs::remove(all[i].second, error);
}

}  // namespace

std::vector<RepairMemo::Entry> RepairMemo::load(const fs::path& directory, std::string_view key) {
  const auto text = read_file(directory / (std::string(key) + ".json"), file_limit);
  if (!text) return {};
  boost::system::error_code error;
  const json::value value = json::parse(*text, error);
  if (error || !value.is_array()) return {};
  std::vector<Entry> out;
  for (const json::value& item : value.get_array()) {
    if (!item.is_object()) return {};
    const json::object& object = item.get_object();
    Entry entry{.repair = text_at(object, "repair").value_or(""), .change = {}};
    entry.change.install = text_at(object, "install");
    entry.change.build = text_at(object, "build");
    entry.change.install_env = env_at(object, "install_env");
    entry.change.build_env = env_at(object, "build_env");
    if (const json::value* percent = object.if_contains("memory_percent");
        percent != nullptr && percent->is_int64())
      entry.change.memory_percent =
          static_cast<int>(std::clamp<std::int64_t>(percent->get_int64(), 100, 200));
    entry.change.runtime_version = text_at(object, "runtime_version").value_or("");
    entry.change.message = text_at(object, "message").value_or("");
    entry.change.file = text_at(object, "file").value_or("");
    entry.change.fix = text_at(object, "fix").value_or("");
    if (entry.repair.empty()) return {};
    out.push_back(std::move(entry));
  }
  return out;
}

void RepairMemo::save(const fs::path& directory, std::string_view key,
                      const std::vector<Entry>& entries) {
  json::array all;
  for (const Entry& entry : entries) {
    json::object object{{"repair", entry.repair},
                        {"install_env", to_json(entry.change.install_env)},
                        {"build_env", to_json(entry.change.build_env)},
                        {"runtime_version", entry.change.runtime_version},
                        {"memory_percent", entry.change.memory_percent},
                        {"message", entry.change.message},
                        {"file", entry.change.file},
                        {"fix", entry.change.fix}};
    if (entry.change.install) object["install"] = *entry.change.install;
    if (entry.change.build) object["build"] = *entry.change.build;
    all.push_back(std::move(object));
  }
  if (!make_directories(directory)) return;
  std::ignore = write_file_atomic(directory / (std::string(key) + ".json"), json::serialize(all));
  prune(directory);
}

}  // namespace slipway
