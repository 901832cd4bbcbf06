#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/result.h"

// The Merkle tree of RFC 6962 §2.1 over SHA-256. Leaves are numbered from 0. A subtree is
// "complete" when it has 2^level leaves and starts at a multiple of that. Everything here is pure.
namespace slipway::merkle {

[[nodiscard]] Digest leaf_hash(std::string_view entry);
[[nodiscard]] Digest node_hash(const Digest& left, const Digest& right);
[[nodiscard]] Digest empty_root();

// The roots of the complete subtrees that make up a tree of some size, the largest first: all that
// is needed to go on appending, O(log size) of it.
class CompactRange {
 public:
  // Told of every complete subtree that an append finished, leaf included: its level, its number
  // among those of its level, its root.
  using Completed = std::function<void(unsigned level, std::uint64_t index, const Digest& hash)>;

  CompactRange() = default;
  // Errors: invalid_argument when `hashes` are not as many as `size` has bits set.
  [[nodiscard]] static Result<CompactRange> restore(std::uint64_t size, std::vector<Digest> hashes);

  void append(const Digest& leaf, const Completed& completed = {});
  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] const std::vector<Digest>& hashes() const { return hashes_; }
  [[nodiscard]] Digest root() const;

 private:
  std::uint64_t size_ = 0;
  std::vector<Digest> hashes_;
};

// Only the hashes of levels that are multiples of this are kept; those between are computed.
inline constexpr unsigned stride = 8;

// Where kept hashes come from: `count` roots of complete subtrees of `level` (a multiple of
// `stride`) from number `first` on.
using Nodes = std::function<Result<std::vector<Digest>>(unsigned level, std::uint64_t first,
                                                        std::uint64_t count)>;

// The root over the leaves [begin, end): O(log) calls of `nodes` with 255 hashes at the most each.
[[nodiscard]] Result<Digest> root_of(const Nodes& nodes, std::uint64_t begin, std::uint64_t end);
[[nodiscard]] Result<CompactRange> range_of(const Nodes& nodes, std::uint64_t size);

using Proof = std::vector<Digest>;
// RFC 6962 §2.1.1 and §2.1.2. Errors: invalid_argument outside `leaf < size`, `from <= to`.
[[nodiscard]] Result<Proof> inclusion_proof(const Nodes& nodes, std::uint64_t leaf,
                                            std::uint64_t size);
[[nodiscard]] Result<Proof> consistency_proof(const Nodes& nodes, std::uint64_t from,
                                              std::uint64_t to);

// RFC 9162 §2.1.3.2 and §2.1.4.2.
[[nodiscard]] bool verify_inclusion(const Digest& leaf, std::uint64_t index, std::uint64_t size,
                                    std::span<const Digest> proof, const Digest& root);
[[nodiscard]] bool verify_consistency(std::uint64_t from, const Digest& from_root, std::uint64_t to,
                                      const Digest& to_root, std::span<const Digest> proof);

}  // namespace slipway::merkle
