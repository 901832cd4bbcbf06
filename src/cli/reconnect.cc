#include "cli/reconnect.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "cli/server.h"

namespace slipway::cli {
namespace {

using namespace std::chrono_literals;

constexpr Duration outage_limit = 30s, longest_pause = 2s;

bool may_pass(const Error& error) {
  return info(error.code).retry == ErrcInfo::Retry::yes && error.code != Errc::disk_full;
}

}  // namespace

Reconnect::Reconnect(Context& context, ApiClient& api)
    : context_(context), api_(&api), outage_(Deadline::after(context.clock, outage_limit)) {}

void Reconnect::heard() {
  outage_ = Deadline::after(context_.clock, outage_limit);
  pause_ = first_pause;
}

bool Reconnect::again(const Status& status) {
  if (!status && !may_pass(status.error())) return false;
  if (outage_.passed(context_.clock)) return false;
  std::this_thread::sleep_for(pause_);
  pause_ = std::min(pause_ * 2, longest_pause);
  if (auto found = connect_running_server(context_)) {
    own_ = *std::move(found);
    api_ = own_.get();
  }
  return true;
}

}  // namespace slipway::cli
