#include "deploy/witnesses.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/log.h"
#include "base/text.h"
#include "http/client.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;

constexpr Duration look_every = 2s, ask_every = 5s, answer_time = 10s, keeps_up = 1min;
constexpr std::size_t longest_url = 2048, largest_answer = 64u << 10, most_hashes = 63;

Result<HttpClient> client_for(const std::string& url, const Settings& settings) {
  SLIPWAY_TRY(HttpClient client, HttpClient::create(url));
  if (settings.alerts.addresses == Settings::Alerts::Addresses::public_only)
    client.set_address_check(check_public_address);
  client.set_timeout(answer_time);
  client.set_life(answer_time);
  client.set_answer_limit(largest_answer);
  return client;
}

// The body of add-checkpoint.
std::string submission(std::uint64_t old_size, const merkle::Proof& proof,
                       const SignedCheckpoint& checkpoint) {
  std::string out = fmt::format("old {}\n", old_size);
  for (const Digest& hash : proof)
    out +=
        note::base64({reinterpret_cast<const char*>(hash.bytes.data()), hash.bytes.size()}) + "\n";
  return out + "\n" + checkpoint.note.str();
}

// What a witness that has seen another size than was thought says of it: "<size>\n".
std::optional<std::uint64_t> size_of_conflict(std::string_view body) {
  std::uint64_t size = 0;
  if (!body.ends_with('\n')) return std::nullopt;
  body.remove_suffix(1);
  const auto [end, error] = std::from_chars(body.data(), body.data() + body.size(), size);
  if (error != std::errc{} || end != body.data() + body.size() || std::to_string(size) != body)
    return std::nullopt;
  return size;
}

// The witness' own cosignature in its answer.
Result<note::Cosignature> cosignature_in(std::string_view answer, const std::string& text,
                                         const note::WitnessKey& key) {
  SLIPWAY_TRY(const std::vector<note::Cosignature> all, note::parse_cosignatures(answer));
  for (const note::Cosignature& one : all) {
    if (one.name != key.name || one.key_id != key.id()) continue;
    if (one.time == 0) return fail(Errc::corrupt, "its cosignature has no time");
    if (note::verify(text, one, key)) return one;
    return fail(Errc::corrupt, "its cosignature does not match its key");
  }
  return fail(Errc::corrupt, "its answer has no cosignature by its key");
}

}  // namespace

Duration Witnesses::retry_delay(std::size_t failures) {
  constexpr std::array delays{Duration{5s},    Duration{30s},   Duration{2min},
                              Duration{10min}, Duration{30min}, Duration{1h}};
  return delays[std::min(std::max<std::size_t>(failures, 1) - 1, delays.size() - 1)];
}

Result<Witness> Witnesses::add(const AuditContext& by, std::string_view name, std::string_view key,
                               std::string_view url) {
  Witness witness{
      .name = std::string(name), .url = std::string(url), .created_at = parts_.clock.now()};
  if (!is_slug(name))
    return fail(Errc::invalid_argument,
                fmt::format("'{}' is no name for a witness", sanitize_line(name.substr(0, 80))),
                "small letters, digits and single dashes");
  SLIPWAY_TRY(witness.key, note::WitnessKey::parse(key));
  if (url.size() > longest_url)
    return fail(Errc::invalid_argument, "the witness' URL is longer than 2048 bytes");
  SLIPWAY_TRY(HttpClient client, client_for(witness.url, parts_.settings));
  // A private address is told at once; a name that does not resolve now may do so later.
  if (Status allowed = client.check_addresses();
      !allowed && allowed.error().code == Errc::permission_denied)
    return fail(std::move(allowed).error());
  SLIPWAY_CHECK(parts_.store.add(by, witness));
  worker_.wake();
  return witness;
}

Result<Witness> Witnesses::remove(const AuditContext& by, std::string_view name) {
  SLIPWAY_TRY(Witness removed, parts_.store.remove(by, name));
  paces_.lock()->erase(removed.key.str());
  return removed;
}

Result<std::optional<Witnesses::Cosigned>> Witnesses::cosigned() {
  SLIPWAY_TRY(const std::vector<Witness> all, parts_.store.list());
  const auto newest = std::ranges::max_element(all, {}, &Witness::size);
  if (newest == all.end() || newest->size == 0) return std::nullopt;
  Cosigned out{.note = newest->note};
  SLIPWAY_TRY(out.checkpoint, SignedCheckpoint::parse(newest->note));
  for (const Witness& one : all) {
    if (one.note != newest->note) continue;
    out.note += one.cosignature;
    if (one.cosigned_at) out.at = std::max(out.at, *one.cosigned_at);
  }
  return out;
}

std::string Witnesses::newest() {
  const auto latest = parts_.audit.latest();
  const auto cosigned_one = cosigned();
  if (!cosigned_one)
    log_error("cosignatures cannot be read", {{"error", cosigned_one.error().message}});
  else if (*cosigned_one &&
           ((*cosigned_one)->checkpoint.checkpoint == latest->checkpoint.checkpoint ||
            parts_.clock.now() - (*cosigned_one)->at < keeps_up))
    return (*cosigned_one)->note;
  return latest->checkpoint.note.str();
}

Status Witnesses::start() {
  return worker_.start([this](const std::stop_token& stop) -> std::optional<Duration> {
    return stop.stop_requested() ? std::nullopt : ask_due(stop);
  });
}

std::optional<Duration> Witnesses::ask_due(const std::stop_token& stop) {
  const auto all = parts_.store.list();
  if (!all) {
    log_error("witnesses cannot be read", {{"error", all.error().message}});
    return ask_every;
  }
  if (all->empty()) return std::nullopt;
  // The same for all, so that their cosignatures stand behind one checkpoint.
  const auto latest = parts_.audit.latest();
  for (const Witness& witness : *all) {
    if (stop.stop_requested()) return std::nullopt;
    const std::string key = witness.key.str();
    const Duration now = parts_.clock.monotonic();
    if (latest->checkpoint.checkpoint.size <= witness.size) continue;
    if (paces_.with([&](auto& paces) { return paces[key].next > now; })) continue;
    const Status asked = ask(witness, latest->checkpoint);
    const Pace pace = paces_.with([&](auto& paces) {
      Pace& mine = paces[key];
      mine.failures = asked ? 0 : mine.failures + 1;
      mine.next = parts_.clock.monotonic() + (asked ? ask_every : retry_delay(mine.failures));
      return mine;
    });
    if (asked) continue;
    const std::string why = sanitize_line(asked.error().message);
    log_warn("a witness did not cosign the audit log",
             {{"witness", witness.name}, {"failures", pace.failures}, {"error", why}});
    if (const Status kept = parts_.store.failed(witness, why, parts_.clock.now()); !kept)
      log_error("what a witness answered was not kept", {{"error", kept.error().message}});
  }
  return look_every;
}

Status Witnesses::ask(const Witness& witness, const SignedCheckpoint& checkpoint) {
  const std::uint64_t size = checkpoint.checkpoint.size;
  SLIPWAY_TRY(HttpClient client, client_for(witness.url, parts_.settings));
  client.set_header("Connection", "close");
  std::uint64_t old_size = witness.size;
  // It may have seen another size than was thought: it says so, once.
  for (const bool again : {false, true}) {
    SLIPWAY_TRY(const merkle::Proof proof, parts_.audit.store().consistency(old_size, size));
    if (proof.size() > most_hashes) return fail(Errc::internal, "a proof is too long to submit");
    SLIPWAY_TRY(const ClientResponse answer,
                client.request("POST", "/add-checkpoint", submission(old_size, proof, checkpoint),
                               "text/plain; charset=utf-8"));
    if (answer.status == 200) {
      SLIPWAY_TRY(const note::Cosignature one,
                  cosignature_in(answer.body, checkpoint.note.text, witness.key));
      return parts_.store.cosigned(witness, size, checkpoint.note.str(), one.line(),
                                   parts_.clock.now());
    }
    const auto seen = answer.status == 409 ? size_of_conflict(answer.body) : std::nullopt;
    if (!seen || again)
      return fail(Errc::unavailable, fmt::format("it answered {}", answer.status));
    if (*seen > size)
      return fail(Errc::corrupt,
                  fmt::format("it has seen {} records and the log has {}: was an older copy put "
                              "back?",
                              *seen, size));
    old_size = *seen;
  }
  return fail(Errc::unavailable, "it did not agree on a size");
}

}  // namespace slipway
