#include "release/alerts.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <cstdlib>

#include "audit/note.h"
#include "base/at_end.h"
#include "base/digest.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/text.h"
#include "http/address_guard.h"
#include "http/client.h"
#include "json/release_json.h"

namespace slipway {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t batch = 16;
constexpr Duration give_up_after = 24h;
constexpr Duration answer_time = 10s;
constexpr std::size_t longest_url = 2048;
constexpr std::string_view secret_prefix = "whsec_";

struct Place {
  std::string base, target;
};

Result<Place> place_of(std::string_view url) {
  const auto wrong = [&](std::string_view why) {
    return fail(Errc::invalid_argument, fmt::format("the webhook's URL {}", why),
                "give an http:// or https:// URL without a password");
  };
  if (url.size() > longest_url) return wrong("is longer than 2048 bytes");
  if (std::ranges::any_of(url, [](char c) {
        return static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) >= 0x7f;
      }))
    return wrong("has a space or another character that must be encoded");
  const std::size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return wrong("is no URL");
  const std::size_t end = std::min(url.find_first_of("/?#", scheme + 3), url.size());
  Place place{.base = std::string(url.substr(0, end)), .target = std::string(url.substr(end))};
  if (place.target.find('#') != std::string::npos) return wrong("has a fragment");
  if (!place.target.starts_with('/')) place.target.insert(0, "/");
  if (!HttpClient::create(place.base)) return wrong("is not one that can be called");
  return place;
}

Result<HttpClient> client_for(const Place& place, const Settings& settings) {
  SLIPWAY_TRY(HttpClient client, HttpClient::create(place.base));
  if (settings.alerts.addresses == Settings::Alerts::Addresses::public_only)
    client.set_address_check(check_public_address);
  client.set_timeout(answer_time);
  client.set_life(answer_time);
  return client;
}

std::string context_of(const AlertSubscription& subscription) {
  return "alert/" + subscription.id.str();
}

std::string body_of(std::string_view event, Timestamp at, json::object data) {
  return json::serialize(
      json::object{{"type", event}, {"timestamp", to_rfc3339(at)}, {"data", std::move(data)}});
}

}  // namespace

Alerts::Alerts(Parts parts) : parts_(std::move(parts)) {}
Alerts::~Alerts() { stop(); }

Duration Alerts::retry_delay(std::int64_t attempts) {
  constexpr std::array delays{Duration{5s},    Duration{30s}, Duration{2min}, Duration{10min},
                              Duration{30min}, Duration{1h},  Duration{2h},   Duration{4h}};
  const auto at = static_cast<std::size_t>(std::max<std::int64_t>(attempts, 1) - 1);
  return delays[std::min(at, delays.size() - 1)];
}

std::string Alerts::signature(std::string_view key, std::string_view id, std::int64_t timestamp,
                              std::string_view body) {
  const std::string text = fmt::format("{}.{}.{}", id, timestamp, body);
  std::array<unsigned char, 32> mac{};
  unsigned size = 0;
  if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
           reinterpret_cast<const unsigned char*>(text.data()), text.size(), mac.data(),
           &size) == nullptr)
    std::abort();
  return "v1," + note::base64({reinterpret_cast<const char*>(mac.data()), mac.size()});
}

Result<Alerts::Added> Alerts::add(const AuditContext& by, const Wanted& wanted) {
  SLIPWAY_TRY(const Place place, place_of(wanted.url));
  for (const std::string& event : wanted.events)
    if (std::ranges::find(alert_events, event) == alert_events.end())
      return fail(Errc::invalid_argument, fmt::format("'{}' is no event", sanitize_line(event)),
                  fmt::format("there are: {}", fmt::join(alert_events, ", ")));
  // A private address is told at once; a name that does not resolve now may do so later.
  SLIPWAY_TRY(HttpClient client, client_for(place, parts_.settings));
  if (Status allowed = client.check_addresses();
      !allowed && allowed.error().code == Errc::permission_denied)
    return fail(std::move(allowed).error());
  Added added;
  const Digest random = sha256(random_secret());
  added.secret =
      std::string(secret_prefix) +
      note::base64({reinterpret_cast<const char*>(random.bytes.data()), random.bytes.size()});
  added.subscription = {.id = AlertId::random(),
                        .project = wanted.project,
                        .environment = wanted.environment,
                        .url = wanted.url,
                        .events = wanted.events,
                        .created_at = parts_.clock.now(),
                        .actor = by.actor};
  const ReaderLock held(parts_.box.in_use());
  SLIPWAY_TRY(added.subscription.sealed_secret,
              parts_.box.seal(added.secret, context_of(added.subscription)));
  SLIPWAY_CHECK(parts_.store.add(by, added.subscription));
  return added;
}

Result<std::vector<AlertSubscription>> Alerts::list(std::string_view project) {
  return parts_.store.list(project);
}

Result<AlertSubscription> Alerts::remove(const AuditContext& by, std::string_view project,
                                         const AlertId& id) {
  return parts_.store.remove(by, project, id);
}

Result<std::size_t> Alerts::reseal(const AuditContext& by) {
  return parts_.store.reseal(by, [this](const AlertSubscription& of) -> Result<std::string> {
    SLIPWAY_TRY(const std::string secret, parts_.box.unseal(of.sealed_secret, context_of(of)));
    return parts_.box.seal(secret, context_of(of));
  });
}

Result<int> Alerts::test(std::string_view project, const AlertId& id) {
  SLIPWAY_TRY(const AlertSubscription to, parts_.store.get(project, id));
  const std::string body = body_of("alert.test", parts_.clock.now(),
                                   {{"project", to.project},
                                    {"message", "a test of this webhook; nothing has happened"},
                                    {"url", parts_.server_url}});
  return post(to, "msg_" + random_id(), body);
}

void Alerts::tell(const ReleaseAlert& alert) {
  const Rollout& rollout = alert.rollout;
  const Timestamp now = parts_.clock.now();
  std::vector<AlertDelivery> deliveries;
  auto told = [&]() -> Status {
    SLIPWAY_TRY(const std::vector<AlertSubscription> all, parts_.store.list(rollout.project));
    json::array evidence;
    if (!rollout.verdicts.empty())
      for (const MetricEvidence& each : rollout.verdicts.back().evidence)
        evidence.push_back(to_json(each));
    const std::string body = body_of(
        alert.event, now,
        {{"project", rollout.project},
         {"environment", rollout.environment},
         {"url", alert.url},
         {"reason", rollout.reason},
         {"evidence", std::move(evidence)},
         {"rollout", to_json(rollout)},
         {"rollout_url", fmt::format("{}/v1/rollouts/{}", parts_.server_url, rollout.id.str())}});
    for (const AlertSubscription& each : all) {
      if (!each.wants(alert.event, rollout.environment)) continue;
      deliveries.push_back({.id = "msg_" + random_id(),
                            .subscription = each.id,
                            .event = alert.event,
                            .body = body,
                            .created_at = now,
                            .due_at = now});
    }
    return parts_.store.enqueue(deliveries);
  }();
  if (!told)
    log_error(
        "an alert was not queued",
        {{"event", alert.event}, {"rollout", rollout.id.str()}, {"error", told.error().message}});
  {
    const MutexLock lock(mutex_);
    if (!told && unqueued_.size() + deliveries.size() <= AlertStore::most_waiting) {
      unqueued_.insert(unqueued_.end(), deliveries.begin(), deliveries.end());
      queue_again_at_ = now + retry_delay(1);
    }
  }
  wake_all();
}

// As it is stored now: the key may have been rotated since `of` was read.
Result<std::string> Alerts::secret_of(const AlertSubscription& of) const {
  const ReaderLock held(parts_.box.in_use());
  SLIPWAY_TRY(const AlertSubscription now, parts_.store.get(of.project, of.id));
  return parts_.box.unseal(now.sealed_secret, context_of(now));
}

void Alerts::queue_again() {
  std::vector<AlertDelivery> waiting;
  {
    const MutexLock lock(mutex_);
    if (unqueued_.empty() || parts_.clock.now() < queue_again_at_) return;
    waiting.swap(unqueued_);
  }
  if (parts_.store.enqueue(waiting)) return;
  const MutexLock lock(mutex_);
  unqueued_.insert(unqueued_.begin(), waiting.begin(), waiting.end());
  queue_again_at_ = parts_.clock.now() + retry_delay(1);
}

Result<int> Alerts::post(const AlertSubscription& to, std::string_view id,
                         std::string_view body) const {
  SLIPWAY_TRY(const std::string secret, secret_of(to));
  const auto key = note::base64_decode(std::string_view(secret).substr(secret_prefix.size()));
  if (!key) return fail(Errc::corrupt, "the webhook's secret");
  SLIPWAY_TRY(const Place place, place_of(to.url));
  SLIPWAY_TRY(HttpClient client, client_for(place, parts_.settings));
  const std::int64_t seconds =
      std::chrono::duration_cast<std::chrono::seconds>(parts_.clock.now().time_since_epoch())
          .count();
  client.set_header("webhook-id", std::string(id));
  client.set_header("webhook-timestamp", std::to_string(seconds));
  client.set_header("webhook-signature", signature(*key, id, seconds, body));
  client.set_header("Connection", "close");
  SLIPWAY_TRY(const ClientResponse answer, client.request("POST", place.target, body));
  return answer.status;
}

Alerts::Outcome Alerts::send(const AlertStore::Due& due) const {
  const Result<int> status = post(due.subscription, due.delivery.id, due.delivery.body);
  Outcome out{.at = parts_.clock.now()};
  if (status && *status >= 200 && *status < 300) {
    out.kind = Outcome::Kind::delivered;
    out.text = fmt::format("delivered ({})", *status);
    return out;
  }
  out.text =
      status ? fmt::format("it answered {}", *status) : sanitize_line(status.error().message);
  out.again = out.at + retry_delay(due.delivery.attempts + 1);
  if (status == 410 || out.again > due.delivery.created_at + give_up_after) {
    log_warn("an alert was given up", {{"subscription", due.subscription.id.str()},
                                       {"project", due.subscription.project},
                                       {"event", due.delivery.event},
                                       {"error", out.text}});
    out.kind = Outcome::Kind::given_up;
    out.text = "given up: " + out.text;
  }
  return out;
}

Status Alerts::record(const AlertStore::Due& due, const Outcome& outcome) {
  if (outcome.kind == Outcome::Kind::postponed)
    return parts_.store.postpone(due.delivery, outcome.at, outcome.again, outcome.text);
  return parts_.store.conclude(due.delivery, outcome.at, outcome.text);
}

bool Alerts::rests(const AlertStore::Due& due, Timestamp now) const {
  const auto known = unrecorded_.find(due.delivery.id);
  return known != unrecorded_.end() && known->second.next > now;
}

Result<bool> Alerts::attempt(const AlertStore::Due& due) {
  std::optional<Outcome> known;
  {
    const MutexLock lock(mutex_);
    if (const auto at = unrecorded_.find(due.delivery.id); at != unrecorded_.end())
      known = at->second.outcome;
  }
  const Outcome outcome = known ? *std::move(known) : send(due);
  const Status recorded = record(due, outcome);
  const MutexLock lock(mutex_);
  if (recorded) {
    unrecorded_.erase(due.delivery.id);
    return outcome.kind == Outcome::Kind::delivered;
  }
  Unrecorded& waits = unrecorded_[due.delivery.id];
  waits.outcome = outcome;
  waits.next = parts_.clock.now() + retry_delay(++waits.tries);
  return fail(recorded.error());
}

Result<std::size_t> Alerts::deliver_due() {
  queue_again();
  std::size_t delivered = 0;
  const Timestamp now = parts_.clock.now();
  SLIPWAY_TRY(const std::vector<AlertStore::Due> due,
              parts_.store.due(now, AlertStore::most_waiting));
  for (const AlertStore::Due& each : due) {
    {
      const MutexLock lock(mutex_);
      if (rests(each, now)) continue;
    }
    SLIPWAY_TRY(const bool done, attempt(each));
    if (done) ++delivered;
  }
  return delivered;
}

Status Alerts::start() {
  for (Worker& worker : workers_)
    SLIPWAY_CHECK(worker.start([this](const std::stop_token&) { return work(); }));
  return {};
}

void Alerts::stop() {
  for (Worker& worker : workers_) worker.request_stop();
  for (Worker& worker : workers_) worker.stop();
}

void Alerts::wake_all() {
  for (Worker& worker : workers_) worker.wake();
}

std::optional<Duration> Alerts::work() {
  queue_again();
  std::optional<AlertStore::Due> mine;
  {
    // Held while the database is read: what another thread has just delivered is not among them.
    auto in_flight = in_flight_.lock();
    const Timestamp now = parts_.clock.now();
    const auto due = parts_.store.due(now, workers_.size() + batch);
    const auto next = parts_.store.next_due();
    if (!due || !next)
      log_error("alerts cannot be read",
                {{"error", due ? next.error().message : due.error().message}});
    if (due)
      for (const AlertStore::Due& each : *due) {
        if (mine) break;
        {
          const MutexLock lock(mutex_);
          if (rests(each, now)) continue;
        }
        if (in_flight->insert(each.subscription.id).second) mine = each;
      }
    if (!mine) {
      if (!next) return 10s;
      if (!*next) {
        const MutexLock lock(mutex_);
        if (unqueued_.empty()) return std::nullopt;  // nothing waits: no wake-ups
        return retry_delay(1);
      }
      // What is due already is in another thread's hands, which tells when it is done.
      return std::clamp<Duration>(**next - now, 1s, 10min);
    }
  }
  const AtEnd free([&] {
    in_flight_.lock()->erase(mine->subscription.id);
    wake_all();
  });
  if (const Result<bool> done = attempt(*mine); !done)
    log_error("an alert's outcome was not recorded", {{"error", done.error().message}});
  return Duration{0};
}

}  // namespace slipway
