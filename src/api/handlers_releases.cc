// Promotions, rollbacks and what became of them.
#include <boost/json/serialize.hpp>
#include <charconv>

#include "api/release_answers.h"
#include "api/routes.h"
#include "api/volume_policy.h"
#include "base/text.h"
#include "json/reader.h"
#include "json/release_json.h"

namespace slipway::handlers {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t longest_message = 1024, most_smoke_requests = 20, most_canary_steps = 20;
constexpr Duration longest_wait = 60s;

struct Place {
  std::string project, environment;
};

// The environment that the path names, when the caller may do there what the
// route is for.
Result<Place> place_of(const ApiContext& context, const ApiCall& call) {
  Place place{call.path_value("project"), call.path_value("environment")};
  SLIPWAY_CHECK(authorize(context, call, place.project, place.environment));
  SLIPWAY_CHECK(check_environment_name(place.environment));
  if (place.environment == preview_environment)
    return fail(Error{.code = Errc::invalid_argument,
                      .message = "previews have no releases",
                      .hint = "promote to production, staging, or an environment of your own"}
                    .with_next("slipway deploy", "for another preview"));
  return place;
}

Status check_message(std::string_view message) {
  if (message.size() > longest_message)
    return fail(Errc::too_large, "the message is longer than 1,024 bytes");
  return {};
}

// Whether there is something that a release could be made of.
Status check_promotable(const Deployment& deployment) {
  if (is_live(deployment.state)) return {};
  Error error{.code = Errc::failed_precondition,
              .message = fmt::format("{} is {}, so it cannot be promoted", deployment.id.str(),
                                     to_string(deployment.state)),
              .hint = "promote a deployment that is ready or sleeping"};
  const std::string id = deployment.id.str();
  switch (deployment.state) {
    case DeploymentState::queued:
    case DeploymentState::building:
    case DeploymentState::starting:
      error.message =
          fmt::format("{} is still {}", deployment.id.str(), to_string(deployment.state));
      error.hint = "promote it once it is ready; `slipway deploy --prod` waits for that";
      error.next.push_back({"slipway inspect " + id, "to see how far it is"});
      break;
    case DeploymentState::failed:
      error.next.push_back({"slipway inspect " + id, "to see what failed"});
      break;
    case DeploymentState::deleted:
      error.next.push_back({"slipway undo " + id, "to bring it back"});
      break;
    default:
      error.next.push_back({"slipway redeploy " + id, "to make it again from its source"});
  }
  error.next.push_back({"slipway ls --project " + deployment.project, "for what there is"});
  return fail(std::move(error));
}

// What serves in `environment`, which the caller must be allowed to see.
Result<Deployment> serving_in(const ApiContext& context, const ApiCall& call,
                              const std::string& project, const std::string& environment) {
  SLIPWAY_CHECK(check_environment_name(environment));
  SLIPWAY_CHECK(context.identity.authorize(call.principal, Permission::read, project, environment));
  SLIPWAY_TRY(const EnvironmentState state,
              context.release_store.environment(project, environment));
  if (state.current == 0)
    return fail(Error{.code = Errc::failed_precondition,
                      .message = fmt::format("nothing serves in {} of {}", environment, project),
                      .hint = "promote something there first"}
                    .with_next(fmt::format("slipway promote ID --to {}", environment),
                               "with the id of a preview"));
  SLIPWAY_TRY(const Release release,
              context.release_store.release(project, environment, state.current));
  return context.repository.get(release.deployment);
}

// What a project's name alone means: its newest preview that is ready, never an experiment under
// another alias.
Result<Deployment> newest_ready(const ApiContext& context, const std::string& project) {
  DeploymentFilter filter{.project = project, .alias = std::string(default_alias)};
  do {
    SLIPWAY_TRY(const DeploymentPage page, context.service.list(filter));
    for (const Deployment& each : page.deployments)
      if (is_live(each.state)) return each;
    filter.before = page.next;
  } while (filter.before > 0);
  return fail(Error{.code = Errc::failed_precondition,
                    .message = fmt::format("no deployment of {} with the alias {} is ready",
                                           project, default_alias),
                    .hint = "name the one that you mean by its id"}
                  .with_next("slipway ls --project " + project, "for what there is"));
}

Result<Deployment> candidate_of(const ApiContext& context, const ApiCall& call, const Place& place,
                                const std::string& reference, const std::string& from) {
  if (reference.empty() == from.empty())
    return fail(Errc::invalid_argument, "say what to promote: either `deployment` or `from`");
  if (!from.empty()) {
    if (from == place.environment)
      return fail(Errc::invalid_argument, fmt::format("{} serves that already", from),
                  "name another environment to promote from");
    return serving_in(context, call, place.project, from);
  }
  if (reference == place.project) return newest_ready(context, place.project);
  SLIPWAY_TRY(Deployment deployment, find_deployment(context, call, reference));
  SLIPWAY_CHECK(authorize(context, call, deployment.project, place.environment));
  if (deployment.project != place.project)
    return fail(Errc::invalid_argument,
                fmt::format("{} is a deployment of {}, not of {}", deployment.id.str(),
                            deployment.project, place.project));
  SLIPWAY_CHECK(check_promotable(deployment));
  return deployment;
}

Status check_canary(const std::vector<int>& canary) {
  int last = 0;
  for (const int percent : canary) {
    if (percent <= last || percent > 99 || canary.size() > most_canary_steps)
      return fail(Error{.code = Errc::invalid_argument,
                        .message = fmt::format("canary: {} is no rising list of percents",
                                               fmt::join(canary, ", ")),
                        .hint = "each from 1 to 99, the next one larger, 20 at the most"}
                      .with_next("slipway promote ID --canary 5,25,50", "for example"));
    last = percent;
  }
  return {};
}

Result<std::int64_t> query_number(const ApiRequest& request, std::string_view name,
                                  std::int64_t otherwise, std::int64_t most) {
  const auto text = request.query_value(name);
  if (!text || text->empty()) return otherwise;
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (error != std::errc{} || end != text->data() + text->size() || number < 0 || number > most)
    return fail(Errc::invalid_argument, fmt::format("{} must be a number up to {}", name, most));
  return number;
}

struct Page {
  std::size_t limit = 50;
  std::int64_t before = 0;
};
Result<Page> page_of(const ApiRequest& request) {
  SLIPWAY_TRY(const std::int64_t limit, query_number(request, "limit", 50, 1000));
  SLIPWAY_TRY(const std::int64_t before, query_number(request, "cursor", 0, INT64_MAX));
  return Page{static_cast<std::size_t>(std::max<std::int64_t>(limit, 1)), before};
}

Result<Rollout> find_rollout(const ApiContext& context, const ApiCall& call) {
  const std::string& text = call.path_value("id");
  const auto id = RolloutId::parse(text);
  if (!id)
    return fail(Errc::not_found,
                fmt::format("no rollout is called '{}'", sanitize_line(text.substr(0, 80))),
                "slipway rollouts PROJECT lists them");
  SLIPWAY_TRY(Rollout rollout, context.releases.rollout(*id));
  SLIPWAY_CHECK(authorize(context, call, rollout.project, rollout.environment));
  return rollout;
}

struct PromotionRequest {
  std::string deployment, from, message, canary_step;
  std::vector<int> canary;
  std::vector<SmokeRequest> smoke;
  bool dry_run = false;
};
Result<PromotionRequest> promotion_request(const ApiCall& call) {
  SLIPWAY_TRY(const json::value body, call.body_json());
  PromotionRequest wanted;
  JsonReader reader(body);
  reader.read("deployment", wanted.deployment).read("from", wanted.from);
  reader.read("message", wanted.message).read("canary_step", wanted.canary_step);
  reader.read("dry_run", wanted.dry_run);
  reader.read_each("canary", wanted.canary, [](const json::value& value) -> Result<int> {
    if (!value.is_int64() || value.get_int64() < 0 || value.get_int64() > 100)
      return fail(Errc::invalid_argument, "canary must be a list of percents");
    return static_cast<int>(value.get_int64());
  });
  reader.read_each("smoke", wanted.smoke, smoke_request_from_json);
  if (wanted.smoke.size() > most_smoke_requests) reader.wrong("smoke", "at most 20 requests");
  SLIPWAY_CHECK(reader.status());
  SLIPWAY_CHECK(check_message(wanted.message));
  SLIPWAY_CHECK(check_canary(wanted.canary));
  return wanted;
}

}  // namespace

Result<ApiResponse> promote(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(const Place place, place_of(context, call));
  SLIPWAY_TRY(PromotionRequest wanted, promotion_request(call));
  Releases::Promotion promotion{.deployment = {},
                                .environment = place.environment,
                                .message = std::move(wanted.message),
                                .canary = std::move(wanted.canary),
                                .canary_step = {},
                                .smoke = std::move(wanted.smoke)};
  if (!wanted.canary_step.empty()) {
    promotion.canary_step = parse_duration(wanted.canary_step);
    if (!promotion.canary_step || *promotion.canary_step <= Duration::zero())
      return fail(Errc::invalid_argument, "canary_step must be a length of time such as 5m");
  }
  SLIPWAY_TRY(const Deployment candidate,
              candidate_of(context, call, place, wanted.deployment, wanted.from));
  promotion.deployment = candidate.id;
  if (wanted.dry_run) {
    SLIPWAY_TRY(const Releases::Preview preview, context.releases.preview(call.by, promotion));
    return json_response(200, preview_answer(context, preview));
  }
  SLIPWAY_TRY(const Rollout rollout, context.releases.promote(call.by, promotion));
  return json_response(202, rollout_answer(context, rollout));
}

Result<ApiResponse> roll_back(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(const Place place, place_of(context, call));
  SLIPWAY_TRY(const json::value body, call.body_json());
  std::optional<std::int64_t> to;
  std::optional<std::string> restore;
  std::string message;
  JsonReader reader(body);
  reader.read("to", to).read("message", message).read("restore", restore);
  if (to && *to < 1) reader.wrong("to", "the number of a release");
  SLIPWAY_CHECK(reader.status());
  SLIPWAY_CHECK(check_message(message));
  // Going back with the files as well takes what going back with the files alone takes, too.
  if (restore) {
    SLIPWAY_TRY([[maybe_unused]] const AuditContext allowed,
                allow_restore(context, call, place.project, place.environment, *restore,
                              "with a rollback"));
  }
  SLIPWAY_TRY(const Rollout rollout,
              context.releases.roll_back(call.by, place.project, place.environment, to,
                                         std::move(message), std::move(restore)));
  return json_response(202, rollout_answer(context, rollout));
}

Result<ApiResponse> list_releases(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(const Place place, place_of(context, call));
  SLIPWAY_TRY(const Page page, page_of(call.request));
  SLIPWAY_TRY(const EnvironmentState state,
              context.release_store.environment(place.project, place.environment));
  SLIPWAY_TRY(
      const std::vector<Release> releases,
      context.release_store.releases(place.project, place.environment, page.limit, page.before));
  json::array out;
  for (const Release& release : releases) out.push_back(release_answer(context, release, state));
  const bool more = releases.size() == page.limit && releases.back().number > 1;
  return json_response(
      200, json::object{{"releases", std::move(out)},
                        {"state", to_json(state)},
                        {"url", context.releases.url(place.project, place.environment)},
                        {"next_cursor", more ? json::value(std::to_string(releases.back().number))
                                             : json::value(nullptr)}});
}

Result<ApiResponse> list_rollouts(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(const Place place, place_of(context, call));
  SLIPWAY_TRY(const Page page, page_of(call.request));
  SLIPWAY_TRY(const std::vector<Rollout> rollouts,
              context.release_store.rollouts(place.project, place.environment, page.limit));
  json::array out;
  for (const Rollout& rollout : rollouts) out.push_back(rollout_answer(context, rollout));
  return json_response(200, json::object{{"rollouts", std::move(out)}});
}

// ?wait=SECONDS&seen=REVISION: the answer begins at once and ends when the
// rollout is no longer as the caller saw it, or the time is up. It streams,
// because waiting must not take a thread from requests that do not wait.
Result<ApiResponse> get_rollout(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(const Rollout rollout, find_rollout(context, call));
  SLIPWAY_TRY(const std::int64_t seconds, query_number(call.request, "wait", 0, longest_wait / 1s));
  const std::string seen(call.request.query_value("seen").value_or(""));
  if (seconds == 0 || seen != revision_of(rollout) || is_over(rollout.state))
    return json_response(200, rollout_answer(context, rollout));
  ApiResponse response{
      .headers = {{"Content-Type", "application/json"}, {"Cache-Control", "no-cache"}}};
  response.body = [&context, rollout, seconds](StreamWriter& out) {
    const Deadline deadline = Deadline::after(context.clock, std::chrono::seconds(seconds));
    Rollout now = rollout;
    while (!deadline.passed(context.clock) && !out.closed()) {
      // In short turns, so that a client that went away is noticed.
      auto next =
          context.releases.wait(now.id, now, std::min<Duration>(2s, deadline.left(context.clock)));
      if (!next || *next != now) {
        if (next) now = *std::move(next);
        break;
      }
    }
    std::ignore = out.write(json::serialize(rollout_answer(context, now)) + "\n");
  };
  return response;
}

Result<ApiResponse> cancel_rollout(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(const Rollout rollout, find_rollout(context, call));
  std::string reason(call.request.query_value("reason").value_or(""));
  SLIPWAY_CHECK(check_message(reason));
  SLIPWAY_TRY(const AuditContext by, context.releases.may_take_back(call.by, rollout));
  SLIPWAY_TRY(const Rollout canceled, context.releases.cancel(by, rollout.id, std::move(reason)));
  return json_response(200, rollout_answer(context, canceled));
}

}  // namespace slipway::handlers
