// Logs of apps: whatever they hold, what is said of a failure is harmless text of bounded size, and
// a command offered for copying is made of plain words.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/text.h"
#include "build/failure.h"

namespace {
void check(std::string_view text, std::size_t most) {
  if (text.size() > most || slipway::sanitize_line(text) != text) std::abort();
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace slipway;
  if (size == 0) return 0;
  constexpr std::string_view providers[] = {"node", "python", "go", "rust"};
  constexpr std::string_view managers[] = {"npm", "uv", "pip", "cargo"};
  constexpr std::string_view phases[] = {"install", "build", "start"};
  Service service;
  service.provider = providers[data[0] % 4];
  service.package_manager = managers[data[0] / 4 % 4];
  if (data[0] & 16) service.root = "apps/web";
  FailureFacts facts;
  facts.phase = phases[data[0] / 32 % 3];
  facts.command = "run";
  facts.exit.code = data[0];
  facts.log = {reinterpret_cast<const char*>(data + 1), size - 1};
  const Error error = explain_failure(facts, service);
  if (error.cause.empty() || error.message.empty() || error.excerpt.size() > 12) std::abort();
  check(error.message, 8192);
  check(error.hint, 8192);
  check(error.file, 64u << 10);
  if (error.file.starts_with('/') || error.file.find("node_modules/") == 0) std::abort();
  for (const std::string& line : error.excerpt) check(line, 4096);
  for (const NextStep& step : error.next) {
    check(step.command, 1024);
    if (step.command.find_first_of("\n;&|$`") != std::string::npos) std::abort();
  }
  return 0;
}
