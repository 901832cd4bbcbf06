#include <re2/re2.h>

#include <boost/json/serialize.hpp>
#include <charconv>
#include <deque>
#include <thread>

#include "api/log_places.h"
#include "api/routes.h"
#include "base/text.h"
#include "deploy/events.h"
#include "deploy/logs.h"

namespace slipway::handlers {

using namespace std::chrono_literals;

namespace {

constexpr auto keep_alive_interval = 15s;

// One event of the stream (WHATWG HTML, "server-sent events"); JSON has no line ends, so one data
// line does.
std::string sse(std::string_view event, const json::value& data) {
  return fmt::format("event: {}\ndata: {}\n\n", event, json::serialize(data));
}

// Where a watcher goes on: the feed, and the number of the event after the last one it saw. As in
// an event's `id`.
struct EventPlace {
  std::string_view feed;
  std::uint64_t next = 0;
};
std::optional<EventPlace> read_place(std::string_view text) {
  const auto dot = text.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  EventPlace place{.feed = text.substr(0, dot)};
  const std::string_view number = text.substr(dot + 1);
  const auto [end, error] =
      std::from_chars(number.data(), number.data() + number.size(), place.next);
  if (error != std::errc{} || end != number.data() + number.size()) return std::nullopt;
  return place;
}

std::string sse(const DeployEvent& event) {
  if (const Step* step = std::get_if<Step>(&event))
    return sse("step", json::object{{"name", step->name},
                                    {"state", step->state},
                                    {"started_ms", step->started_ms},
                                    {"took_ms", step->took_ms},
                                    {"detail", step->detail}});
  if (const LogEvent* line = std::get_if<LogEvent>(&event))
    return sse("log", json::object{{"line", sanitize_line(line->line)}, {"step", line->step}});
  return sse("state", json::object{{"state", to_string(std::get<DeploymentState>(event))}});
}

struct LogQuestion {
  std::vector<MergedLogReader::Source> sources;
  LogPlaces places;
  std::optional<Timestamp> since;
  std::shared_ptr<const re2::RE2> filter;
  std::vector<std::string> secrets;  // hidden in what is sent
  std::size_t tail = 0;              // 0: all
  bool follow = false;
};

using Sources = std::vector<MergedLogReader::Source>;

bool asked_for(const ApiRequest& request, const Unit& unit) {
  const auto only = request.query_value("service");
  return !only || only->empty() || *only == unit.name() || *only == unit.label;
}

// What a deployment's own instances write.
Sources instance_sources(const ApiContext& context, const ApiRequest& request,
                         const Deployment& deployment) {
  Sources out;
  const std::vector<Unit> units = units_of(deployment);
  for (const Unit& unit : units)
    if (asked_for(request, unit))
      out.push_back({.service = units.size() > 1 ? std::string(unit.name()) : std::string(),
                     .directory = context.service.log_directory(
                         deployment.id, DeployService::LogKind::run, unit.label)});
  return out;
}

// What the instances of a release write: "web@4", and "web@4.2" of the second one. The release is
// part of the name, so that who follows an environment sees the next one's log from its beginning.
Sources release_sources(const ApiContext& context, const ApiRequest& request,
                        const Release& release, const Deployment& deployment) {
  Sources out;
  for (const Unit& unit : units_of(deployment)) {
    if (!asked_for(request, unit)) continue;
    std::size_t number = 0;
    for (const std::filesystem::path& directory :
         context.crews.log_directories(Crews::key_of(release), unit.label)) {
      std::string name = fmt::format("{}@{}", unit.name(), release.number);
      if (++number > 1) name += fmt::format(".{}", number);
      out.push_back({.service = std::move(name), .directory = directory});
    }
  }
  return out;
}

// How many logs the instances of a release write.
std::size_t log_count(const ApiContext& context, const Release& release,
                      const Deployment& deployment) {
  std::size_t out = 0;
  for (const Unit& unit : units_of(deployment))
    out += context.crews.log_directories(Crews::key_of(release), unit.label).size();
  return out;
}

// `running`: where what runs writes to; asked unless the build's log is wanted.
Result<LogQuestion> read_question(const ApiContext& context, const ApiRequest& request,
                                  const Deployment& deployment,
                                  const std::function<Sources()>& running) {
  LogQuestion question;
  const std::string_view kind = request.query_value("kind").value_or("run");
  if (kind != "run" && kind != "build")
    return fail(Errc::invalid_argument, "kind must be run or build");
  if (kind == "build") {
    question.sources = {
        {.service = {},
         .directory = context.service.log_directory(deployment.id, DeployService::LogKind::build)}};
  } else {
    question.sources = running();
    if (question.sources.empty())
      return fail(Errc::not_found,
                  fmt::format("this deployment has no service '{}'",
                              sanitize_line(request.query_value("service").value_or(""))));
  }
  if (const auto since = request.query_value("since"); since && !since->empty()) {
    if (const auto ago = parse_duration(*since))
      question.since = context.clock.now() - *ago;
    else
      question.since = parse_rfc3339(*since);
    if (!question.since)
      return fail(Errc::invalid_argument,
                  "since must be a duration such as 10m, or a time such as 2026-01-02T03:04:05Z");
  }
  SLIPWAY_TRY(question.places, LogPlaces::parse(request.query_value("after").value_or("")));
  if (const auto filter = request.query_value("filter"); filter && !filter->empty()) {
    re2::RE2::Options options(re2::RE2::Quiet);
    options.set_max_mem(1 << 20);
    auto compiled =
        std::make_shared<const re2::RE2>(re2::StringPiece(filter->data(), filter->size()), options);
    if (!compiled->ok())
      return fail(Errc::invalid_argument,
                  "the filter is no regular expression: " + compiled->error());
    question.filter = std::move(compiled);
  }
  if (const auto tail = request.query_value("tail"); tail && !tail->empty()) {
    const auto [end, error] =
        std::from_chars(tail->data(), tail->data() + tail->size(), question.tail);
    if (error != std::errc{} || end != tail->data() + tail->size() || question.tail > 1'000'000)
      return fail(Errc::invalid_argument, "tail must be a number up to 1000000");
  }
  SLIPWAY_TRY(Environments::Values configured, context.environments.values_for(deployment));
  question.secrets = std::move(configured.secrets);
  const auto follow = request.query_value("follow");
  question.follow = follow == "1" || follow == "true";
  return question;
}

std::string log_json(const MergedLogReader::Line& from, std::string_view cursor) {
  const LogLine& line = from.line;
  const std::string_view stream = line.stream == 'e' ? "err" : line.stream == 'b' ? "build" : "out";
  json::object out{{"time", to_rfc3339(line.time)},
                   {"stream", stream},
                   {"line", sanitize_line(line.line, Colors::keep)}};
  if (!from.service.empty()) out["service"] = sanitize_line(from.service);
  out["cursor"] = cursor;
  return json::serialize(out) + "\n";
}

bool matches(const LogQuestion& question, const LogLine& line) {
  if (question.since && line.time < *question.since) return false;
  return !question.filter || re2::RE2::PartialMatch(line.line, *question.filter);
}

// Everything there is, then, when following, what comes; `over` says that nothing more will.
void stream_log(const LogQuestion& question, StreamWriter& out, const std::function<bool()>& over) {
  MergedLogReader reader(question.sources);
  LogPlaces places = question.places;
  std::deque<std::string> last;
  std::string batch;
  bool caught_up = false, ended = false;
  auto quiet_since = std::chrono::steady_clock::now();
  for (;;) {
    auto line = reader.next();
    if (!line) return;
    if (*line) {
      if (!places.take((*line)->service, (*line)->line.time)) continue;
      // Hidden before the filter looks, so that no filter can guess a secret.
      if (!question.secrets.empty())
        (*line)->line.line = mask_secrets((*line)->line.line, question.secrets);
      if (!matches(question, (*line)->line)) continue;
      std::string text = log_json(**line, places.cursor());
      if (!caught_up && question.tail > 0) {
        last.push_back(std::move(text));
        if (last.size() > question.tail) last.pop_front();
        continue;
      }
      batch += text;
      if (batch.size() < 65536) continue;
    }
    if (!*line && !caught_up) {
      caught_up = true;
      for (const std::string& text : last) batch += text;
      last.clear();
    }
    if (!batch.empty()) {
      if (!out.write(batch)) return;
      batch.clear();
      quiet_since = std::chrono::steady_clock::now();
    }
    if (*line) continue;
    // One more look after the end, for what was written between.
    if (!question.follow || ended || out.closed()) return;
    ended = over();
    if (ended) continue;
    if (std::chrono::steady_clock::now() - quiet_since > keep_alive_interval) {
      if (!out.write("\n"))
        return;  // finds out whether somebody still reads; NDJSON readers skip empty lines
      quiet_since = std::chrono::steady_clock::now();
    }
    std::this_thread::sleep_for(50ms);
  }
}

}  // namespace

Result<ApiResponse> events(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(const Deployment found, find_deployment(context, call));
  const std::shared_ptr<EventFeed> feed = context.service.events(found.id);
  ApiResponse response{
      .headers = {{"Content-Type", "text/event-stream"}, {"Cache-Control", "no-cache"}}};
  // Where a watcher whose connection broke goes on, if this is still what it watched.
  std::uint64_t first = 0;
  if (const auto after = call.request.query_value("after"))
    if (const auto place = read_place(*after); place && feed && place->feed == feed->name())
      first = place->next;
  response.body = [&context, id = found.id, feed, first](StreamWriter& out) {
    std::uint64_t cursor = first;
    if (feed) {
      auto quiet_since = std::chrono::steady_clock::now();
      while (!feed->finished(cursor)) {
        if (const auto event = feed->next(cursor, 1000ms)) {
          if (!out.write(fmt::format("id: {}.{}\n", feed->name(), cursor) + sse(*event))) return;
          quiet_since = std::chrono::steady_clock::now();
        } else if (out.closed()) {
          return;
        } else if (std::chrono::steady_clock::now() - quiet_since > keep_alive_interval) {
          if (!out.write(": still here\n\n")) return;
          quiet_since = std::chrono::steady_clock::now();
        }
      }
    }
    const auto settled = context.service.find(id.str());
    // The server stops, and goes on with it after its restart: whoever watches asks again then.
    if (!settled || !(is_settled(settled->state) || waits_for_approval(*settled))) return;
    // Nobody watched while it was made: the record tells the steps.
    if (!feed)
      for (const Step& step : settled->steps)
        if (!out.write(sse(DeployEvent(step)))) return;
    std::ignore = out.write(sse("done", deployment_json(context, *settled)));
  };
  return response;
}

Result<ApiResponse> logs(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(const Deployment deployment, find_deployment(context, call));
  SLIPWAY_TRY(LogQuestion question, read_question(context, call.request, deployment, [&] {
                return instance_sources(context, call.request, deployment);
              }));
  const bool of_build = call.request.query_value("kind") == "build";
  ApiResponse response{
      .headers = {{"Content-Type", "application/x-ndjson"}, {"Cache-Control", "no-cache"}}};
  response.body = [&context, question = std::move(question), id = deployment.id,
                   of_build](StreamWriter& out) {
    stream_log(question, out, [&] {
      const auto now = context.service.find(id.str());
      if (!now) return true;
      return of_build ? is_settled(now->state) : is_settled(now->state) && !is_live(now->state);
    });
  };
  return response;
}

// Of the release that serves. Followed, it ends when another one does, or with other instances: who
// asks again with `after` goes on there.
Result<ApiResponse> environment_logs(const ApiContext& context, ApiCall& call) {
  const std::string& project = call.path_value("project");
  const std::string& environment = call.path_value("environment");
  SLIPWAY_CHECK(authorize(context, call, project, environment));
  SLIPWAY_TRY(const EnvironmentState state,
              context.release_store.environment(project, environment));
  if (state.current == 0)
    return fail(Errc::failed_precondition,
                fmt::format("nothing serves in {} of {}", sanitize_line(environment),
                            sanitize_line(project)),
                "promote a deployment there first");
  SLIPWAY_TRY(const Release release,
              context.release_store.release(project, environment, state.current));
  SLIPWAY_TRY(const Deployment deployment, context.repository.get(release.deployment));
  const auto sources = [&context, release, deployment, &call] {
    return release_sources(context, call.request, release, deployment);
  };
  SLIPWAY_TRY(LogQuestion question, read_question(context, call.request, deployment, sources));
  SLIPWAY_TRY(const Environments::Values values,
              context.environments.values_for(project, environment, release.config_version));
  question.secrets.insert(question.secrets.end(), values.secrets.begin(), values.secrets.end());
  ApiResponse response{
      .headers = {{"Content-Type", "application/x-ndjson"}, {"Cache-Control", "no-cache"}}};
  response.body = [&context, release, deployment, question = std::move(question),
                   logs = log_count(context, release, deployment)](StreamWriter& out) {
    stream_log(question, out, [&] {
      const auto now = context.release_store.environment(release.project, release.environment);
      return !now || now->current != release.number ||
             log_count(context, release, deployment) != logs;
    });
  };
  return response;
}

}  // namespace slipway::handlers
