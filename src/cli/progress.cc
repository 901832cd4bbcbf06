#include "cli/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "cli/view.h"

namespace slipway::cli {
namespace {

using namespace std::chrono_literals;

constexpr Duration frame = 80ms;
constexpr std::string_view spinner[] = {"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"};
constexpr std::string_view plain_spinner[] = {"|", "/", "-", "\\"};

std::string mark(const ProgressStep& step, Duration now, const Style& style) {
  const auto turn = static_cast<std::size_t>(std::max(now - step.started, Duration{}) / frame);
  if (step.state == "running")
    return style.cyan(style.unicode ? spinner[turn % std::size(spinner)]
                                    : plain_spinner[turn % std::size(plain_spinner)]);
  if (step.state == "failed") return style.red(style.unicode ? "✗" : "x");
  if (step.state == "canceled") return style.yellow(style.unicode ? "■" : "!");
  return style.green(style.unicode ? "✓" : "+");
}

std::string time_of(const ProgressStep& step, Duration now) {
  if (step.state == "cached") return "cached";
  return format_took(step.state == "running" ? now - step.started : step.took);
}

std::string step_line(const ProgressStep& step, Duration now, const Style& style) {
  const std::string name = sanitize_line(step.name), padded = pad(name, 9);
  const std::string time = fmt::format("{:>7}", time_of(step, now));
  const auto width = static_cast<std::size_t>(std::max(style.width - 1, 0));
  const std::size_t used = 4 + display_width(padded) + 1 + display_width(time);
  if (width < 4) return {};
  const std::string begin = fmt::format("  {} ", mark(step, now, style));
  if (width < used) return begin + clip(name, width - 4, style);
  std::string line = fmt::format("{}{} {}", begin, padded, style.dim(time));
  if (width > used + 2 && !step.detail.empty())
    line += "  " + clip(sanitize_line(step.detail), width - used - 2, style);
  return line;
}

}  // namespace

void ProgressModel::update(ProgressStep step) {
  waiting_for.clear();
  const auto known = std::ranges::find(steps, step.name, &ProgressStep::name);
  if (known == steps.end()) {
    steps.push_back(std::move(step));
    return;
  }
  if (step.detail.empty()) step.detail = std::move(known->detail);
  *known = std::move(step);
}

std::vector<std::string> render_live(const ProgressModel& model, Duration now, const Style& style) {
  std::vector<std::string> out;
  const auto width = static_cast<std::size_t>(std::max(style.width - 1, 0));
  bool running = false;
  for (const ProgressStep& step : model.steps) {
    if (step.state == "skipped") continue;
    out.push_back(step_line(step, now, style));
    running = running || step.state == "running";
  }
  if (!running && !model.waiting_for.empty())
    out.push_back(style.dim(clip("  " + sanitize_line(model.waiting_for), width, style)));
  if (running && !model.log_line.empty()) {
    std::string line = sanitize_line(model.log_line);
    std::ranges::replace(line, '\t', ' ');
    out.push_back(style.dim(clip("    " + line, width, style)));
  }
  return out;
}

std::string render_plain(const ProgressStep& step) {
  const std::string name = sanitize_line(step.name), detail = sanitize_line(step.detail);
  const std::string tail = detail.empty() ? "" : ": " + detail;
  if (step.state == "skipped") return {};
  if (step.state == "running") return fmt::format("{} started{}", name, tail);
  if (step.state == "cached") return fmt::format("{} cached{}", name, tail);
  return fmt::format("{} {} in {}{}", name, sanitize_line(step.state), format_took(step.took),
                     tail);
}

ProgressView::ProgressView(Console& console, const Clock& clock, Mode mode, BuildLog log)
    : console_(console), clock_(clock), mode_(mode), log_(log) {
  // Without a thread the clock stands still between the steps.
  if (mode_ == Mode::live) std::ignore = ticker_.start([this](const std::stop_token&) { tick(); });
}

ProgressView::~ProgressView() { finish(); }

void ProgressView::tick() {
  MutexLock lock(mutex_);
  while (
      !stopping_.wait_for(mutex_, frame, [this]() SLIPWAY_REQUIRES(mutex_) { return finished_; }))
    draw();
}

void ProgressView::start(std::string_view name, std::string_view detail) {
  const MutexLock lock(mutex_);
  ProgressStep step{.name = std::string(name),
                    .state = "running",
                    .detail = std::string(detail),
                    .started = clock_.monotonic()};
  // Steps that can take minutes are announced; the others speak when they are over.
  constexpr std::string_view long_ones[] = {"install", "build", "start", "wait",    "release",
                                            "canary",  "watch", "drain", "restart", "scale"};
  if (mode_ == Mode::plain && std::ranges::find(long_ones, name) != std::end(long_ones))
    print(render_plain(step));
  model_.update(std::move(step));
  draw();
}

void ProgressView::detail(std::string_view name, std::string_view detail) {
  const MutexLock lock(mutex_);
  const auto step = std::ranges::find(model_.steps, name, &ProgressStep::name);
  if (step != model_.steps.end()) step->detail = detail;
}

void ProgressView::end(std::string_view name, std::string_view state, Duration took,
                       std::string_view detail) {
  const MutexLock lock(mutex_);
  ProgressStep step{.name = std::string(name),
                    .state = std::string(state),
                    .detail = std::string(detail),
                    .took = took};
  if (mode_ == Mode::plain) print(render_plain(step));
  model_.log_line.clear();
  model_.update(std::move(step));
  draw();
}

void ProgressView::wait_for(std::string_view what) {
  const MutexLock lock(mutex_);
  model_.waiting_for = what;
  draw();
}

void ProgressView::log_line(std::string_view line) {
  const MutexLock lock(mutex_);
  if (log_ == BuildLog::all && mode_ != Mode::quiet) {
    erase();
    print("    " + sanitize_line(line));
    draw();
  } else if (mode_ == Mode::live && !trim(line).empty()) {
    model_.log_line = line;  // drawn with the next frame: logs come by the thousand
  }
}

void ProgressView::note(std::string_view text) {
  const MutexLock lock(mutex_);
  if (mode_ == Mode::quiet) return;
  erase();
  print(sanitize_line(text));
  draw();
}

void ProgressView::finish() {
  {
    const MutexLock lock(mutex_);
    if (!finished_) {
      const Duration now = clock_.monotonic();
      for (ProgressStep& step : model_.steps)
        if (step.state == "running") step.state = "canceled", step.took = now - step.started;
      model_.log_line.clear();
      model_.waiting_for.clear();
      draw();
    }
    finished_ = true;
  }
  stopping_.notify_all();
  ticker_.join();
}

void ProgressView::print(std::string_view text) {
  if (!text.empty() && !finished_) console_.err(std::string(text) + "\n");
}

void ProgressView::erase() {
  if (mode_ != Mode::live || finished_ || drawn_ == 0) return;
  console_.err(fmt::format("\x1b[{}A\r\x1b[J", drawn_));
  drawn_ = 0;
}

void ProgressView::draw() {
  if (mode_ != Mode::live || finished_) return;
  // One write a frame, so that the terminal never shows half of one.
  std::string out = drawn_ > 0 ? fmt::format("\x1b[{}A\r", drawn_) : "";
  const std::vector<std::string> lines_now =
      render_live(model_, clock_.monotonic(), console_.err_style());
  for (const std::string& line : lines_now) out.append("\x1b[2K").append(line).append("\n");
  out += "\x1b[J";
  drawn_ = lines_now.size();
  console_.err(out);
}

}  // namespace slipway::cli
