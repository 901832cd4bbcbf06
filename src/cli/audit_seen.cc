#include "cli/audit_seen.h"

#include <fmt/format.h>

#include <memory>

#include "base/text.h"
#include "cli/audit_watch.h"
#include "cli/server.h"

namespace slipway::cli {

Status prove_same_history(Context& context, const ExportSummary& exported, const Checkpoint& seen) {
  const auto unknown = [&](const std::string& why) {
    return fail({.code = Errc::unavailable,
                 .message = fmt::format(
                     "the export of {} records is in one piece; whether it is the same history as "
                     "the {} records that were seen before cannot be told from the file: {}",
                     exported.size, seen.size, sanitize_line(why)),
                 .hint = fmt::format("run it again while the server that keeps {} can be reached "
                                     "(slipway login, or SLIPWAY_SERVER): it gives the proof",
                                     sanitize_line(exported.origin)),
                 .cause = "consistency_unknown"});
  };
  const auto api = connect_running_server(context);
  if (!api) return unknown(api.error().message);
  const auto newest = (*api)->get("/v1/audit/checkpoint");
  if (!newest && newest.error().code == Errc::corrupt) return fail(newest.error());
  if (!newest) return unknown(newest.error().message);
  if (text_at(*newest, "origin") != exported.origin)
    return unknown(fmt::format("the server {} keeps another log", (*api)->server()));

  const bool older = exported.size < seen.size;
  const Checkpoint ends{.origin = exported.origin, .size = exported.size, .root = exported.root};
  const Checkpoint &from = older ? ends : seen, &to = older ? seen : ends;
  if (number_at(*newest, "size") < static_cast<std::int64_t>(to.size))
    return fail(Errc::corrupt,
                fmt::format("a log of {} records was seen before, the server has only {}", to.size,
                            number_at(*newest, "size")),
                "history was rewritten, or an older copy was put in its place");
  merkle::Proof proof;
  if (from.size > 0) {
    const auto answer =
        (*api)->get(fmt::format("/v1/audit/consistency?from={}&to={}", from.size, to.size));
    if (!answer && answer.error().code == Errc::corrupt) return fail(answer.error());
    if (!answer) return unknown(answer.error().message);
    SLIPWAY_TRY(proof, read_proof(*answer));
  }
  if (merkle::verify_consistency(from.size, from.root, to.size, to.root, proof)) return {};
  return fail(Errc::corrupt,
              older
                  ? fmt::format("its {} records are not the first of the {} that were seen before",
                                from.size, to.size)
                  : fmt::format("the {} records that were seen before are not the first of its {}",
                                from.size, to.size),
              "history was rewritten, or the export is of another history");
}

}  // namespace slipway::cli
