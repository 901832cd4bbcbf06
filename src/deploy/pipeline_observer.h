#pragma once

// Private to the pipeline's own files.

#include <fmt/format.h>

#include <string>

#include "build/builder.h"
#include "deploy/journey.h"
#include "deploy/logs.h"

namespace slipway {

// Carries what the builder tells into the journey and the build's log. `service` names the one that
// is built, "" when there is only one.
class PipelineObserver final : public BuildObserver {
 public:
  PipelineObserver(Journey& journey, BuildLog& log, std::string service)
      : journey_(journey), log_(log), service_(std::move(service)) {}

  void step_started(std::string_view name, std::string_view detail) override {
    if (service_.empty()) return journey_.begin(name, detail);
    journey_.begin(name, fmt::format("{}: {}", service_, detail));
    log_.append(fmt::format("slipway: {} of {}\n", name, service_), on_line_);
  }
  void step_ended(std::string_view, std::string_view state, Duration) override {
    flush();
    journey_.end(state);
  }
  void output(std::string_view bytes) override { log_.append(bytes, on_line_); }
  [[nodiscard]] std::string quotable(std::string_view output) const override {
    return log_.hidden(output);
  }
  void flush() { log_.flush(on_line_); }

 private:
  Journey& journey_;
  BuildLog& log_;
  const std::string service_;
  std::function<void(std::string_view)> on_line_ = [this](std::string_view line) {
    journey_.log(line);
  };
};

}  // namespace slipway
