#include "cli/cancel.h"

#include <fmt/format.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/server.h"

namespace slipway::cli {
namespace {

using namespace std::chrono_literals;

constexpr int canceled_code = 130;

}  // namespace

DeploymentCancel::DeploymentCancel(Context& context)
    : context_(context), watch_([this](int count) { interrupted(count); }) {}

void DeploymentCancel::creating() {
  const MutexLock lock(mutex_);
  stage_ = Stage::creating;
}

void DeploymentCancel::created(const ApiClient& api, std::string_view id) {
  const MutexLock lock(mutex_);
  stage_ = Stage::created;
  server_ = api.server();
  token_ = api.token();
  id_ = id;
  if (requested_) remove();
}

bool DeploymentCancel::requested() {
  const MutexLock lock(mutex_);
  return requested_;
}

void DeploymentCancel::interrupted(int count) {
  const MutexLock lock(mutex_);
  if (count > 1 || stage_ == Stage::nothing_yet) {
    context_.console.err(stage_ == Stage::nothing_yet ? "\ncanceled; nothing was deployed\n"
                                                      : "\nstopped waiting\n");
    ::_exit(canceled_code);
  }
  requested_ = true;
  if (stage_ == Stage::created) remove();
}

void DeploymentCancel::remove() {
  Result<std::unique_ptr<HttpTransport>> transport =
      context_.env.connect ? context_.env.connect(server_) : connect_http(server_);
  if (transport) {
    (*transport)->set_timeout(5s);
    ApiClient api(*std::move(transport), server_, token_);
    removed_ = api.remove(deployment_target(id_)).has_value();
  }
  if (removed_) return;
  context_.console.err(fmt::format(
      "\nthe server did not answer; {} may still come up. Remove it with: slipway rm {}\n",
      sanitize_line(id_), sanitize_line(id_)));
  ::_exit(canceled_code);
}

int DeploymentCancel::report(const json::object& deployment) {
  const MutexLock lock(mutex_);
  if (context_.common.json) context_.console.out(printable_json(deployment));
  context_.console.err(fmt::format("canceled; {} was removed\n", sanitize_line(id_)));
  return canceled_code;
}

}  // namespace slipway::cli
