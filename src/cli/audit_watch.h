#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/checkpoint.h"
#include "audit/merkle.h"
#include "base/clock.h"
#include "json/json.h"

namespace slipway::cli {

// What this user has seen of a server's audit log, and whether it is still the same log. Every
// answer carries the newest checkpoint; one with fewer records than were seen, or with another root
// for as many, is noticed at once and without asking. That a longer log begins with the one seen
// takes a proof: asked for at most once a minute. The first checkpoint and its key are taken on
// trust. Remembered in one file a server; written when the object goes. Not thread-safe.
class AuditWatch {
 public:
  // A log of another name in the place of the known one is an alarm from a server elsewhere, and a
  // new beginning on this very machine, where data directories come and go.
  enum class Place { here, elsewhere };
  AuditWatch(std::filesystem::path file, Place place, const Clock& clock);
  ~AuditWatch();
  AuditWatch(const AuditWatch&) = delete;
  AuditWatch& operator=(const AuditWatch&) = delete;

  // The file for a server, in the user's folder.
  [[nodiscard]] static std::filesystem::path file_of(const std::filesystem::path& config_dir,
                                                     std::string_view server);

  // The header `Slipway-Checkpoint` of an answer. Errors: corrupt when history was rewritten.
  [[nodiscard]] Status observe(std::string_view header);
  // Whether what was seen since the last proof should be proven now.
  [[nodiscard]] bool due() const;
  // Proves it, through `get` (a target of the API -> its answer). Errors: corrupt when history was
  // rewritten; those of `get`.
  using Get = std::function<Result<json::object>(const std::string& target)>;
  [[nodiscard]] Status prove(const Get& get);

  [[nodiscard]] const std::vector<note::VerifierKey>& keys() const { return keys_; }
  [[nodiscard]] const std::optional<Checkpoint>& proven() const { return proven_; }

  // What is remembered of the log of this name, whatever its server; for verifying offline.
  struct Known {
    std::vector<note::VerifierKey> keys;
    Checkpoint proven;
  };
  [[nodiscard]] static std::optional<Known> find(const std::filesystem::path& config_dir,
                                                 std::string_view origin);

 private:
  void load();
  void remember(const Checkpoint& checkpoint);
  [[nodiscard]] const Checkpoint* longest() const;
  void save() const;
  [[nodiscard]] std::unexpected<Error> alarm(std::string what) const;

  std::filesystem::path file_;
  Place place_;
  const Clock& clock_;
  std::vector<note::VerifierKey> keys_;  // empty until the first proof
  std::optional<Checkpoint> proven_;
  std::vector<Checkpoint> seen_;  // since then and unproven, growing; a few at the most
  Timestamp proven_at_{};
  bool changed_ = false;
};

// The hashes of a proof in an answer of the API. Errors: corrupt.
[[nodiscard]] Result<merkle::Proof> read_proof(const json::object& answer);

}  // namespace slipway::cli
