#include "cli/complete.h"

#include <fmt/format.h>

#include <memory>
#include <set>

#include "base/text.h"
#include "cli/server.h"

namespace slipway::cli {
namespace {

// What the words before the cursor amount to.
struct Position {
  const Command* command = nullptr;
  const Arguments::Option* value_of = nullptr;  // the cursor is on this option's value
  std::size_t positionals = 0;                  // given before the cursor
  bool options_ended = false;
};

class Completer {
 public:
  // Bash cuts words at "=": then that sign stands alone, before the value or as its beginning.
  Completer(Context& context, std::string current)
      : context_(context), current_(current == "=" ? "" : std::move(current)) {}

  // The cursor is behind "--name=": candidates are the whole word.
  void move_to_value() {
    const auto equals = current_.find('=');
    prefix_ = current_.substr(0, equals + 1);
    current_.erase(0, equals + 1);
  }

  void offer(std::string_view candidate, std::string_view description) {
    if (!candidate.starts_with(current_) || !seen_.emplace(candidate).second) return;
    out_ += prefix_ + sanitize_line(candidate);
    if (!description.empty()) out_ += "\t" + sanitize_line(description);
    out_ += '\n';
  }

  void offer_values(ValueKind kind) {
    switch (kind) {
      case ValueKind::folder:
        out_ += ":folders\n";
        break;
      case ValueKind::file:
        out_ += ":files\n";
        break;
      case ValueKind::deployment:
        offer_deployments();
        break;
      case ValueKind::project:
        offer_projects();
        break;
      case ValueKind::alias:
        offer_aliases();
        break;
      case ValueKind::state:
        for (const auto* state : {"queued", "building", "starting", "ready", "sleeping", "failed",
                                  "canceled", "stopped", "expired", "deleted"})
          offer(state, "");
        break;
      case ValueKind::shell:
        for (const auto* shell : {"bash", "zsh", "fish"}) offer(shell, "");
        break;
      case ValueKind::text:
        break;
    }
  }

  void print() { context_.console.out(out_); }
  [[nodiscard]] const std::string& current() const { return current_; }

 private:
  template <class Take>
  void each_of(std::string_view target, std::string_view member, const Take& take) {
    Result<std::unique_ptr<ApiClient>> api = connect_running_server(context_);
    if (!api) return;
    const Result<json::object> answer = (*api)->get(target);
    if (!answer) return;
    for (const json::value& value : array_at(*answer, member))
      if (value.is_object()) take(value.get_object());
  }
  void offer_deployments() {
    each_of("/v1/deployments?limit=100", "deployments", [this](const json::object& row) {
      offer(text_at(row, "id"),
            fmt::format("{} {}", text_at(row, "project"), text_at(row, "state")));
    });
    // Names come next: many are called by project.
    offer_projects();
  }
  void offer_projects() {
    each_of("/v1/projects?limit=1000", "projects",
            [this](const json::object& row) { offer(text_at(row, "name"), "project"); });
  }
  void offer_aliases() {
    each_of("/v1/deployments?limit=100", "deployments",
            [this](const json::object& row) { offer(text_at(row, "alias"), "alias"); });
  }

  Context& context_;
  std::string current_, prefix_, out_;
  std::set<std::string, std::less<>> seen_;
};

Position walk(const std::vector<std::string>& before, const Arguments& arguments) {
  Position position;
  for (const std::string& word : before) {
    if (position.value_of != nullptr) {
      if (word == "=") continue;
      position.value_of = nullptr;
    } else if (position.options_ended || word.size() < 2 || word[0] != '-') {
      ++position.positionals;
    } else if (word == "--") {
      position.options_ended = true;
    } else if (!word.contains('=')) {
      const Arguments::Option* option = arguments.find(word);
      if (option != nullptr && option->takes_value()) position.value_of = option;
    }
  }
  return position;
}

void complete_arguments(Completer& completer, const Arguments& arguments,
                        const std::vector<std::string>& before) {
  const Position position = walk(before, arguments);
  if (position.value_of != nullptr) return completer.offer_values(position.value_of->kind);
  if (completer.current().starts_with('-') && !position.options_ended) {
    const std::string& current = completer.current();
    if (const auto equals = current.find('='); equals != std::string::npos) {
      const Arguments::Option* option = arguments.find(current.substr(0, equals));
      if (option == nullptr || !option->takes_value()) return;
      completer.move_to_value();
      return completer.offer_values(option->kind);
    }
    for (const Arguments::Option& option : arguments.options())
      if (!option.name.empty()) completer.offer("--" + option.name, option.help);
    return;
  }
  const auto& specs = arguments.positional_specs();
  if (specs.empty()) return;
  if (position.positionals < specs.size())
    completer.offer_values(specs[position.positionals].kind);
  else if (specs.back().repeats())
    completer.offer_values(specs.back().kind);
}

}  // namespace

int complete(Context& context, const std::vector<std::string>& words) {
  if (words.empty()) return 0;
  Completer completer(context, words.back());
  std::vector<std::string> before(words.begin(), words.end() - 1);
  if (before.empty()) {
    for (const Command& command : commands()) completer.offer(command.name, command.summary);
    completer.offer("--help", "show help");
    completer.offer("--version", "print the version");
  } else if (const Command* command = find_command(before.front())) {
    Arguments arguments;
    CommonOptions common;
    const Action keeps_targets_alive = command->define(arguments, common);
    add_common_options(arguments, common);
    before.erase(before.begin());
    complete_arguments(completer, arguments, before);
  }
  completer.print();
  return 0;
}

}  // namespace slipway::cli
