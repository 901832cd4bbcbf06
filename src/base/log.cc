#include "base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>

#include "base/clock.h"
#include "base/log_level.h"
#include "base/text.h"

namespace slipway {
namespace {

struct State {
  LogFormat format = LogFormat::text;
  std::shared_ptr<spdlog::logger> logger;
  State()
      : logger(std::make_shared<spdlog::logger>(
            "slipway", std::make_shared<spdlog::sinks::stderr_sink_mt>())) {
    logger->set_pattern("%v");
    logger->set_level(spdlog::level::warn);
    logger->flush_on(spdlog::level::trace);
  }
};

// The process's one log. A function-local static: set up by main(), read by every thread after.
State& state() {
  static State instance;
  return instance;
}

std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (char c : sanitize_line(text)) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\t')
      out += "\\t";
    else
      out += c;
  }
  return out + "\"";
}

std::string text_value(std::string_view text) {
  std::string safe = sanitize_line(text);
  if (!safe.empty() && safe.find_first_of(" \"=") == std::string::npos) return safe;
  return json_string(text);
}

constexpr std::string_view names[] = {"debug", "info", "warn", "error"};
constexpr spdlog::level::level_enum levels[] = {spdlog::level::debug, spdlog::level::info,
                                                spdlog::level::warn, spdlog::level::err};

}  // namespace

void set_log_level(LogLevel least) { state().logger->set_level(levels[static_cast<int>(least)]); }

void configure_log(LogLevel least, LogFormat format) {
  state().format = format;
  state().logger->set_level(levels[static_cast<int>(least)]);
}

void log(LogLevel level, std::string_view message, LogFields fields) {
  State& s = state();
  const auto spd_level = levels[static_cast<int>(level)];
  if (!s.logger->should_log(spd_level)) return;
  const std::string time = to_rfc3339(SystemClock{}.now());
  const std::string_view name = names[static_cast<int>(level)];
  std::string line;
  if (s.format == LogFormat::json) {
    line =
        fmt::format(R"({{"time":"{}","level":"{}","message":{})", time, name, json_string(message));
    for (const LogField& field : fields)
      line += fmt::format(",{}:{}", json_string(field.key), json_string(field.value));
    line += '}';
  } else {
    line = fmt::format("{} {:<5} {}", time, name, sanitize_line(message));
    for (const LogField& field : fields)
      line += fmt::format(" {}={}", field.key, text_value(field.value));
  }
  s.logger->log(spd_level, "{}", line);
}

}  // namespace slipway
