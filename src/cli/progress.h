#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/task_group.h"
#include "cli/console.h"

namespace slipway::cli {

// A step as the viewer sees it. `state` as in the API: running, done, failed, skipped, cached,
// canceled.
struct ProgressStep {
  std::string name, state, detail;
  Duration started{};  // on the viewer's clock, while running
  Duration took{};     // once it ended
};

struct ProgressModel {
  std::vector<ProgressStep> steps;
  std::string waiting_for;  // shown while nothing runs
  std::string log_line;     // the newest of the build log

  // Adds the step or replaces what is known of it.
  void update(ProgressStep step);
};

// What the terminal shows at `now`: one line a step, each at most `style.width` - 1 columns. Raw
// values go in, safe text comes out. Pure.
[[nodiscard]] std::vector<std::string> render_live(const ProgressModel& model, Duration now,
                                                   const Style& style);
// The line for a step where lines cannot be rewritten; "" when it is not worth one.
[[nodiscard]] std::string render_plain(const ProgressStep& step);

// Shows a deployment's progress on stderr: rewritten in place on a terminal (a thread of its own
// keeps the clock going), line by line elsewhere, not at all when quiet. Thread-safe. `console` and
// `clock` must outlive it; nothing else may write to stderr until finish() or the end of its life.
class ProgressView {
 public:
  enum class Mode { live, plain, quiet };
  enum class BuildLog { last_line, all };
  ProgressView(Console& console, const Clock& clock, Mode mode, BuildLog log);
  ~ProgressView();
  ProgressView(const ProgressView&) = delete;
  ProgressView& operator=(const ProgressView&) = delete;

  // The running time of a step counts from here.
  void start(std::string_view name, std::string_view detail);
  void detail(std::string_view name, std::string_view detail);
  void end(std::string_view name, std::string_view state, Duration took, std::string_view detail);
  void wait_for(std::string_view what);
  void log_line(std::string_view line);
  // A line that stays, above the steps.
  void note(std::string_view text);
  // Leaves the steps as they are, without the clock; one that still runs counts as canceled. Later
  // calls show nothing.
  void finish();

 private:
  void draw() SLIPWAY_REQUIRES(mutex_);
  void erase() SLIPWAY_REQUIRES(mutex_);
  void print(std::string_view text) SLIPWAY_REQUIRES(mutex_);
  void tick();

  Console& console_;
  const Clock& clock_;
  const Mode mode_;
  const BuildLog log_;
  Mutex mutex_;
  CondVar stopping_;
  ProgressModel model_ SLIPWAY_GUARDED_BY(mutex_);
  std::size_t drawn_ SLIPWAY_GUARDED_BY(mutex_) =
      0;  // lines on the terminal that belong to this view
  bool finished_ SLIPWAY_GUARDED_BY(mutex_) = false;
  TaskGroup ticker_{"progress", 1};  // last: it uses the others
};

}  // namespace slipway::cli
