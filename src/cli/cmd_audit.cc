// slipway audit: the audit log, looked at, exported and checked.
#include <fmt/format.h>

#include <fstream>
#include <iostream>
#include <memory>

#include "audit/export.h"
#include "audit/tlog_proof.h"
#include "base/text.h"
#include "cli/audit_seen.h"
#include "cli/audit_tlog.h"
#include "cli/audit_watch.h"
#include "cli/audit_witness.h"
#include "cli/server.h"
#include "cli/view.h"
#include "sys/files.h"

namespace slipway::cli {
namespace {

using namespace std::chrono_literals;

struct AuditArguments {
  std::optional<std::string> verb, what, name, witness_key, url;
  std::optional<std::string> project, actor, action, since, until, limit, format, key;
  std::vector<std::string> witnesses;
};

constexpr int page = 200, default_limit = 20;

Result<std::string> wanted_record(const AuditArguments& arguments) {
  if (!arguments.what)
    return fail(Errc::invalid_argument, "which record?",
                "give its number, as in `slipway audit ls`");
  SLIPWAY_TRY(const int number, parse_count("the record", *arguments.what));
  return std::to_string(number);
}

// "human:ann > agent:ci", or the name alone.
std::string who(const json::object& record) {
  const json::object& actor = object_at(record, "actor");
  std::string out;
  for (const json::value& link : array_at(actor, "chain"))
    if (link.is_string())
      out += fmt::format("{}{}", out.empty() ? "" : " > ", std::string_view(link.get_string()));
  if (out.empty()) out = fmt::format("{}:{}", text_at(actor, "kind"), text_at(actor, "name"));
  return sanitize_line(out);
}

Result<int> ls(Context& context, const AuditArguments& arguments) {
  int limit = default_limit;
  if (arguments.limit) {
    SLIPWAY_TRY(limit, parse_count("--limit", *arguments.limit));
  }
  SLIPWAY_TRY(const std::unique_ptr<ApiClient> api, connect_server(context));
  std::string query = fmt::format("/v1/audit?limit={}", std::min(limit, page));
  const auto add = [&](std::string_view key, const std::optional<std::string>& value) {
    if (value) query += fmt::format("&{}={}", key, url_encode(*value));
  };
  add("project", arguments.project);
  add("actor", arguments.actor);
  add("action", arguments.action);
  add("since", arguments.since);
  add("until", arguments.until);
  json::array rows;
  for (std::string cursor;;) {
    SLIPWAY_TRY(const json::object answer,
                api->get(cursor.empty() ? query : query + "&cursor=" + url_encode(cursor)));
    for (const json::value& row : array_at(answer, "records"))
      if (row.is_object() && rows.size() < static_cast<std::size_t>(limit)) rows.push_back(row);
    cursor = text_at(answer, "next_cursor");
    if (cursor.empty() || rows.size() == static_cast<std::size_t>(limit)) break;
  }
  SLIPWAY_CHECK(api->check_history());
  if (context.common.json) {
    context.console.out(printable_json(json::object{{"records", std::move(rows)}}));
    return 0;
  }
  const Style style = context.console.out_style();
  std::vector<std::vector<std::string>> cells;
  for (const json::value& value : rows) {
    const json::object& row = value.get_object();
    cells.push_back({std::to_string(number_at(row, "seq")), sanitize_line(text_at(row, "time")),
                     sanitize_line(text_at(row, "event")), who(row),
                     sanitize_line(text_at(row, "project")),
                     sanitize_line(text_at(row, "resource"))});
  }
  context.console.out(table({"SEQ", "TIME", "EVENT", "WHO", "PROJECT", "RESOURCE"}, cells, style));
  return 0;
}

void print_members(Context& context, const json::object& object, const std::string& before) {
  for (const auto& [name, value] : object) {
    const std::string label = before + std::string(name);
    if (value.is_object()) {
      print_members(context, value.get_object(), label + ".");
    } else if (value.is_array()) {
      std::string list;
      for (const json::value& each : value.get_array())
        list += fmt::format("{}{}", list.empty() ? "" : " > ",
                            each.is_string() ? std::string_view(each.get_string()) : "");
      context.console.out(fmt::format("{:<20} {}\n", label, sanitize_line(list)));
    } else {
      const std::string text = value.is_string() ? std::string(value.get_string())
                                                 : std::to_string(number_at(object, name));
      context.console.out(fmt::format("{:<20} {}\n", label, sanitize_line(text)));
    }
  }
}

Result<int> show(Context& context, const AuditArguments& arguments) {
  SLIPWAY_TRY(const std::string seq, wanted_record(arguments));
  SLIPWAY_TRY(const std::unique_ptr<ApiClient> api, connect_server(context));
  SLIPWAY_TRY(const json::object answer, api->get("/v1/audit/records/" + seq));
  SLIPWAY_CHECK(api->check_history());
  if (context.common.json) {
    context.console.out(printable_json(answer));
    return 0;
  }
  print_members(context, object_at(answer, "record"), "");
  context.console.out(fmt::format("{:<20} {}\n", "leaf hash", text_at(answer, "leaf_hash")));
  const json::object& changed = object_at(answer, "changed");
  if (changed.empty()) return 0;
  context.console.out("files changed\n");
  for (const auto& [list, mark] : {std::pair("added", '+'), {"modified", '~'}, {"removed", '-'}})
    for (const json::value& path : array_at(changed, list))
      if (path.is_string())
        context.console.out(
            fmt::format("  {} {}\n", mark, sanitize_line(std::string_view(path.get_string()))));
  const json::value* same = changed.if_contains("as_recorded");
  if (same != nullptr && same->is_bool() && !same->get_bool())
    return fail(Errc::corrupt, "these are not the files that were recorded",
                "the deployment's record was altered after it was made");
  return 0;
}

Result<int> export_log(Context& context, const AuditArguments& arguments) {
  SLIPWAY_TRY(const std::unique_ptr<ApiClient> api, connect_server(context));
  const std::string target =
      "/v1/audit/export?format=" + url_encode(arguments.format.value_or("jsonl"));
  SLIPWAY_CHECK(api->stream(target, 60s, [&](std::string_view piece) -> Status {
    context.console.out(piece);
    if (context.console.out_closed()) return fail(Errc::canceled, "nobody reads the export");
    return {};
  }));
  return 0;
}

// The key itself, or a file with it.
Result<note::VerifierKey> given_key(const Context& context, const std::string& word) {
  auto key = note::VerifierKey::parse(word);
  if (key) return key;
  const auto text = read_file(context.env.cwd / word, 65'536);
  return text ? note::VerifierKey::parse(trim(*text)) : key;
}

// How what was verified stands to the log that this user has seen.
struct Agreement {
  std::uint64_t seen = 0;              // records of that one; 0 when there is none
  std::string_view shown = "nothing";  // recomputed | proven | nothing
};

int report(Context& context, const ExportSummary& summary, std::string_view trusted,
           const Agreement& agreement, const Cosigned& cosigned) {
  if (context.common.json) {
    json::array keys, witnesses;
    for (const std::string& name : cosigned.by) witnesses.push_back(json::string(name));
    for (const note::VerifierKey& key : summary.keys) keys.push_back(json::string(key.str()));
    context.console.out(printable_json(json::object{{"verified", true},
                                                    {"origin", summary.origin},
                                                    {"first", summary.first},
                                                    {"size", summary.size},
                                                    {"checkpoints", summary.checkpoints},
                                                    {"root", summary.root.hex()},
                                                    {"trusted", trusted},
                                                    {"seen", agreement.seen},
                                                    {"agreement", agreement.shown},
                                                    {"cosigned", cosigned.size},
                                                    {"witnesses", std::move(witnesses)},
                                                    {"keys", std::move(keys)}}));
    return 0;
  }
  context.console.out(fmt::format("verified: records {} to {} of {}, {} checkpoints, root {}\n",
                                  summary.first, summary.size, summary.origin, summary.checkpoints,
                                  summary.root.hex()));
  if (!cosigned.by.empty())
    context.console.out(sanitize_line(fmt::format("cosigned: records 1 to {} by {}", cosigned.size,
                                                  join(cosigned.by, ", "))) +
                        "\n");
  if (agreement.shown == "proven")
    context.console.out(
        fmt::format("the same history as the {} records that were seen before, as the server's "
                    "proof of consistency shows\n",
                    agreement.seen));
  if (trusted == "itself")
    context.console.err(
        "the key was taken from the export itself, which shows that it is in one piece, not whose "
        "it is; give --key\n");
  return 0;
}

// Feeds pieces of any size to the verifier, line by line.
class Lines {
 public:
  explicit Lines(const std::function<Status(std::string_view)>& line) : line_(line) {}
  Status add(std::string_view piece) {
    rest_ += piece;
    std::size_t begin = 0;
    for (std::size_t end = 0; (end = rest_.find('\n', begin)) != std::string::npos; begin = end + 1)
      SLIPWAY_CHECK(line_(std::string_view(rest_).substr(begin, end - begin)));
    rest_.erase(0, begin);
    if (rest_.size() > (1u << 20)) return fail(Errc::corrupt, "a line is longer than any record");
    return {};
  }
  [[nodiscard]] Status finish() const {
    return rest_.empty() ? Status() : fail(Errc::corrupt, "the last line has no end");
  }

 private:
  std::function<Status(std::string_view)> line_;
  std::string rest_;
};

struct Trusted {
  ExportVerifier::Trust trust;
  std::string_view source = "itself";  // given | remembered | itself
};

Result<Trusted> trusted_for(Context& context, const AuditArguments& arguments,
                            std::string_view origin) {
  Trusted out;
  const auto known = AuditWatch::find(context.env.config_dir, origin);
  if (known) {
    out.trust.keys = known->keys;
    out.trust.seen = known->proven;
    out.source = "remembered";
  }
  if (arguments.key) {
    SLIPWAY_TRY(const note::VerifierKey key, given_key(context, *arguments.key));
    out.trust.keys = {key};
    out.source = "given";
  }
  return out;
}

// Verifies what comes line by line; the first says whose log it is.
class Checker {
 public:
  Checker(Context& context, const AuditArguments& arguments)
      : context_(context), arguments_(arguments) {}
  Status line(std::string_view text) {
    if (proof_) return fail(Errc::corrupt, "a proof is one line");
    if (tlog_ || (!verifier_ && TlogProof::looks_like_one(text))) {
      if (!tlog_) tlog_.emplace();
      if (tlog_->size() > (1u << 20)) return fail(Errc::corrupt, "a proof is not that long");
      tlog_->append(text).append("\n");
      return {};
    }
    if (verifier_) return verifier_->line(text);
    if (text.contains(R"("slipway_audit_proof":)")) {
      SLIPWAY_TRY(proof_, RecordProof::parse(text));
      SLIPWAY_TRY(trusted_,
                  trusted_for(context_, arguments_, proof_->checkpoint.checkpoint.origin));
      return proof_->verify(trusted_.trust.keys);
    }
    SLIPWAY_TRY(const ExportHeader header, ExportHeader::parse(text));
    SLIPWAY_TRY(trusted_, trusted_for(context_, arguments_, header.origin));
    verifier_.emplace(trusted_.trust);
    return verifier_->line(text);
  }
  // `api`: of the server whose log it is; nothing for a file.
  Result<int> finish(ApiClient* api) {
    if (tlog_) return finish_tlog();
    if (!arguments_.witnesses.empty())
      return fail(Errc::invalid_argument, "--witness goes with a tlog-proof file");
    if (proof_) {
      const Checkpoint& of = proof_->checkpoint.checkpoint;
      context_.console.out(context_.common.json
                               ? printable_json(json::object{{"verified", true},
                                                             {"seq", proof_->seq},
                                                             {"origin", of.origin},
                                                             {"size", of.size},
                                                             {"trusted", trusted_.source}})
                               : fmt::format("verified: record {} is one of the {} of {}\n",
                                             proof_->seq, of.size, of.origin));
      return 0;
    }
    if (!verifier_) return fail(Errc::corrupt, "the file is empty");
    SLIPWAY_TRY(const ExportSummary summary, verifier_->finish());
    SLIPWAY_TRY(const Agreement agreement, compare_with_seen(summary, api));
    Cosigned cosigned;
    if (api != nullptr) {
      SLIPWAY_TRY(cosigned, check_cosigned(*api, summary));
    }
    return report(context_, summary, trusted_.source, agreement, cosigned);
  }

 private:
  // A file may be older than what was seen; a server's own log may not.
  Result<Agreement> compare_with_seen(const ExportSummary& summary, const ApiClient* api) {
    const std::optional<Checkpoint>& seen = trusted_.trust.seen;
    if (!seen) return Agreement{};
    if (summary.seen == ExportSummary::Seen::agrees)
      return Agreement{.seen = seen->size, .shown = "recomputed"};
    if (api != nullptr && seen->size > summary.size)
      return fail(Errc::corrupt,
                  fmt::format("a log of {} records was seen before, this one has only {}",
                              seen->size, summary.size),
                  "history was rewritten, or an older copy was put in its place");
    SLIPWAY_CHECK(prove_same_history(context_, summary, *seen));
    return Agreement{.seen = seen->size, .shown = "proven"};
  }
  Result<int> finish_tlog() {
    SLIPWAY_TRY(const TlogProof proof, TlogProof::parse(*tlog_));
    SLIPWAY_TRY(trusted_, trusted_for(context_, arguments_, proof.checkpoint.checkpoint.origin));
    SLIPWAY_TRY(json::object verified,
                verify_tlog_proof(context_, proof, trusted_.trust.keys, arguments_.witnesses));
    verified["trusted"] = trusted_.source;
    context_.console.out(context_.common.json ? printable_json(verified)
                                              : describe_tlog_proof(verified));
    return 0;
  }

  Context& context_;
  const AuditArguments& arguments_;
  Trusted trusted_;
  std::optional<ExportVerifier> verifier_;
  std::optional<RecordProof> proof_;
  std::optional<std::string> tlog_;  // the text of a tlog-proof
};

Result<int> verify(Context& context, const AuditArguments& arguments) {
  Checker checker(context, arguments);
  Lines lines([&](std::string_view line) { return checker.line(line); });
  std::unique_ptr<ApiClient> api;
  if (!arguments.what) {
    SLIPWAY_TRY(api, connect_server(context));
    SLIPWAY_CHECK(api->check_history());
    SLIPWAY_CHECK(api->stream("/v1/audit/export", 60s,
                              [&](std::string_view piece) { return lines.add(piece); }));
  } else {
    std::ifstream file;
    if (*arguments.what != "-") {
      file.open(context.env.cwd / *arguments.what, std::ios::binary);
      if (!file)
        return fail(Errc::not_found, fmt::format("cannot read {}", sanitize_line(*arguments.what)));
    }
    std::istream& in = *arguments.what == "-" ? std::cin : file;
    std::vector<char> buffer(65'536);
    while (in.read(buffer.data(), std::ssize(buffer)) || in.gcount() > 0)
      SLIPWAY_CHECK(lines.add({buffer.data(), static_cast<std::size_t>(in.gcount())}));
  }
  SLIPWAY_CHECK(lines.finish());
  return checker.finish(api.get());
}

// A c2sp.org/tlog-proof file on stdout.
Result<int> prove_to_others(Context& context, const AuditArguments& arguments,
                            const std::string& seq, ApiClient& api) {
  std::string text;
  SLIPWAY_CHECK(api.stream(
      fmt::format("/v1/audit/records/{}/proof?format={}", seq, url_encode(*arguments.format)), 60s,
      [&](std::string_view piece) -> Status {
        text += piece;
        return {};
      }));
  SLIPWAY_TRY(const TlogProof proof, TlogProof::parse(text));
  SLIPWAY_TRY(const Trusted trusted,
              trusted_for(context, arguments, proof.checkpoint.checkpoint.origin));
  SLIPWAY_CHECK(proof.verify(proof.extra, trusted.trust.keys));
  SLIPWAY_TRY(const AuditRecord record, parse_audit_record(proof.extra));
  if (std::to_string(record.seq) != seq || proof.index + 1 != record.seq)
    return fail(Errc::corrupt, "the server proved another record than the one asked for");
  context.console.out(text);
  return 0;
}

Result<int> prove(Context& context, const AuditArguments& arguments) {
  SLIPWAY_TRY(const std::string seq, wanted_record(arguments));
  SLIPWAY_TRY(const std::unique_ptr<ApiClient> api, connect_server(context));
  SLIPWAY_CHECK(api->check_history());
  if (arguments.format) return prove_to_others(context, arguments, seq, *api);
  std::string line;
  SLIPWAY_CHECK(api->stream(fmt::format("/v1/audit/records/{}/proof", seq), 60s,
                            [&](std::string_view piece) -> Status {
                              line += piece;
                              return {};
                            }));
  SLIPWAY_TRY(const RecordProof proof, RecordProof::parse(trim(line)));
  SLIPWAY_TRY(const Trusted trusted,
              trusted_for(context, arguments, proof.checkpoint.checkpoint.origin));
  SLIPWAY_CHECK(proof.verify(trusted.trust.keys));
  if (std::to_string(proof.seq) != seq)
    return fail(Errc::corrupt, "the server proved another record than the one asked for");
  if (context.common.json) {
    context.console.out(line);
    return 0;
  }
  context.console.out(fmt::format("record {}   {}\nleaf hash   {}\n", proof.seq,
                                  escape_hidden(proof.record),
                                  merkle::leaf_hash(proof.record).hex()));
  for (const Digest& hash : proof.path)
    context.console.out(fmt::format("path        {}\n", hash.hex()));
  context.console.out(fmt::format("root        {}\n\n{}", proof.checkpoint.checkpoint.root.hex(),
                                  proof.checkpoint.note.str()));
  return 0;
}

Result<int> keys(Context& context, const AuditArguments&) {
  SLIPWAY_TRY(const std::unique_ptr<ApiClient> api, connect_server(context));
  SLIPWAY_TRY(const json::object answer, api->get("/v1/audit/checkpoint"));
  SLIPWAY_CHECK(api->check_history());
  if (context.common.json) {
    context.console.out(printable_json(answer));
    return 0;
  }
  for (const json::value& key : array_at(answer, "keys"))
    if (key.is_string())
      context.console.out(sanitize_line(std::string_view(key.get_string())) + "\n");
  return 0;
}

Result<int> rotate_key(Context& context, const AuditArguments&) {
  SLIPWAY_TRY(const std::unique_ptr<ApiClient> api, connect_server(context));
  SLIPWAY_TRY(const json::object answer, api->post("/v1/audit/key", {}));
  SLIPWAY_CHECK(api->check_history());
  context.console.out(context.common.json ? printable_json(answer)
                                          : sanitize_line(text_at(answer, "key")) + "\n");
  return 0;
}

Result<int> witness(Context& context, const AuditArguments& arguments) {
  return audit_witness(context, {.action = arguments.what,
                                 .name = arguments.name,
                                 .key = arguments.witness_key,
                                 .url = arguments.url});
}

struct Verb {
  std::string_view name;
  Result<int> (*run)(Context&, const AuditArguments&);
};
constexpr Verb verbs[] = {
    {"ls", ls},       {"show", show}, {"export", export_log},     {"verify", verify},
    {"prove", prove}, {"keys", keys}, {"rotate-key", rotate_key}, {"witness", witness}};

Result<int> audit(Context& context, const AuditArguments& arguments) {
  if ((arguments.name || arguments.url) && arguments.verb != "witness")
    return fail(Errc::invalid_argument,
                fmt::format("audit {} takes no more than one word",
                            sanitize_line(arguments.verb.value_or(""))),
                "see `slipway audit --help`");
  for (const Verb& verb : verbs)
    if (arguments.verb == verb.name) return verb.run(context, arguments);
  return fail(Errc::invalid_argument,
              fmt::format("audit does not know '{}'", sanitize_line(arguments.verb.value_or(""))),
              "one of: ls show export verify prove keys rotate-key witness");
}

}  // namespace

Action define_audit(Arguments& arguments, CommonOptions& common) {
  auto own = std::make_shared<AuditArguments>();
  arguments.positional("VERB", own->verb,
                       "ls, show, export, verify, prove, keys, rotate-key or witness",
                       ValueKind::text, Presence::required);
  arguments.positional(
      "WHAT", own->what,
      "a record's number; for verify a file (- for stdin); for witness ls, add, rm",
      ValueKind::file, Presence::optional);
  arguments.positional("NAME", own->name, "witness add, rm: what it is called here",
                       ValueKind::text, Presence::optional);
  arguments.positional("KEY", own->witness_key, "witness add: its public key, name+id+base64",
                       ValueKind::text, Presence::optional);
  arguments.option("--url", "URL", own->url, "witness add: where checkpoints are submitted to");
  arguments.option("--project", "NAME", own->project, "ls: of this project", ValueKind::project);
  arguments.option("--actor", "NAME", own->actor, "ls: by this actor, or on their behalf");
  arguments.option("--action", "NAME", own->action,
                   "ls: a permission (deploy), an event (token.revoked) or its noun (token)");
  arguments.option("--since", "TIME", own->since, "ls: since 2h ago, or 2026-01-02T03:04:05Z");
  arguments.option("--until", "TIME", own->until, "ls: before then");
  arguments.option("-n, --limit", "N", own->limit,
                   fmt::format("ls: at most N ({})", default_limit));
  arguments.option("--format", "NAME", own->format,
                   "export: jsonl, cloudevents or ocsf; prove: tlog, a C2SP tlog-proof file");
  arguments.option("--key", "KEY", own->key,
                   "verify, prove: the log's public key, or a file with it", ValueKind::file);
  arguments.list("--witness", "KEY", own->witnesses,
                 "verify: of a tlog-proof, a witness that must have cosigned; or a file with keys",
                 ValueKind::file);
  arguments.flag("--json", common.json, "print JSON");
  return [own](Context& context) { return audit(context, *own); };
}

}  // namespace slipway::cli
