#include "audit/merkle.h"

#include <fmt/format.h>

#include <bit>
#include <cstring>

namespace slipway::merkle {
namespace {

// Folds the 2^n roots of neighbouring complete subtrees into one.
Digest fold(std::vector<Digest> hashes) {
  while (hashes.size() > 1) {
    for (std::size_t i = 0; i < hashes.size() / 2; ++i)
      hashes[i] = node_hash(hashes[2 * i], hashes[2 * i + 1]);
    hashes.resize(hashes.size() / 2);
  }
  return hashes[0];
}

Result<Digest> complete_root(const Nodes& nodes, unsigned level, std::uint64_t index) {
  const unsigned kept = level / stride * stride, between = level - kept;
  SLIPWAY_TRY(std::vector<Digest> hashes,
              nodes(kept, index << between, std::uint64_t{1} << between));
  if (hashes.size() != std::size_t{1} << between)
    return fail(Errc::corrupt, "hashes of the audit log's tree are missing");
  return fold(std::move(hashes));
}

// The largest power of two below `n` (n > 1).
std::uint64_t split_of(std::uint64_t n) { return std::bit_floor(n - 1); }

Status consistency(const Nodes& nodes, std::uint64_t from, std::uint64_t begin, std::uint64_t end,
                   bool whole, Proof& out) {
  if (from == end - begin) {
    if (whole) return {};
    SLIPWAY_TRY(const Digest root, root_of(nodes, begin, end));
    out.push_back(root);
    return {};
  }
  const std::uint64_t split = split_of(end - begin);
  if (from <= split) {
    SLIPWAY_CHECK(consistency(nodes, from, begin, begin + split, whole, out));
    SLIPWAY_TRY(const Digest right, root_of(nodes, begin + split, end));
    out.push_back(right);
    return {};
  }
  SLIPWAY_CHECK(consistency(nodes, from - split, begin + split, end, false, out));
  SLIPWAY_TRY(const Digest left, root_of(nodes, begin, begin + split));
  out.push_back(left);
  return {};
}

}  // namespace

Digest leaf_hash(std::string_view entry) {
  return Sha256{}.update(std::string_view("\0", 1)).update(entry).finish();
}

Digest node_hash(const Digest& left, const Digest& right) {
  std::array<std::byte, 65> bytes{std::byte{1}};
  std::memcpy(bytes.data() + 1, left.bytes.data(), 32);
  std::memcpy(bytes.data() + 33, right.bytes.data(), 32);
  return Sha256{}.update(bytes).finish();
}

Digest empty_root() { return sha256(""); }

Result<CompactRange> CompactRange::restore(std::uint64_t size, std::vector<Digest> hashes) {
  if (static_cast<int>(hashes.size()) != std::popcount(size))
    return fail(Errc::invalid_argument,
                fmt::format("a tree of {} leaves has {} complete subtrees, not {}", size,
                            std::popcount(size), hashes.size()));
  CompactRange range;
  range.size_ = size;
  range.hashes_ = std::move(hashes);
  return range;
}

void CompactRange::append(const Digest& leaf, const Completed& completed) {
  Digest hash = leaf;
  if (completed) completed(0, size_, hash);
  unsigned level = 0;
  for (std::uint64_t rest = size_; (rest & 1) != 0; rest >>= 1) {
    hash = node_hash(hashes_.back(), hash);
    hashes_.pop_back();
    ++level;
    if (completed) completed(level, size_ >> level, hash);
  }
  hashes_.push_back(hash);
  ++size_;
}

Digest CompactRange::root() const {
  if (hashes_.empty()) return empty_root();
  Digest root = hashes_.back();
  for (std::size_t i = hashes_.size() - 1; i-- > 0;) root = node_hash(hashes_[i], root);
  return root;
}

Result<Digest> root_of(const Nodes& nodes, std::uint64_t begin, std::uint64_t end) {
  if (begin == end) return empty_root();
  const std::uint64_t count = end - begin;
  if (std::has_single_bit(count) && begin % count == 0) {
    const auto level = static_cast<unsigned>(std::countr_zero(count));
    return complete_root(nodes, level, begin >> level);
  }
  const std::uint64_t split = split_of(count);
  SLIPWAY_TRY(const Digest left, root_of(nodes, begin, begin + split));
  SLIPWAY_TRY(const Digest right, root_of(nodes, begin + split, end));
  return node_hash(left, right);
}

Result<CompactRange> range_of(const Nodes& nodes, std::uint64_t size) {
  std::vector<Digest> hashes;
  std::uint64_t begin = 0;
  while (begin < size) {
    const std::uint64_t count = std::bit_floor(size - begin);
    SLIPWAY_TRY(const Digest hash, root_of(nodes, begin, begin + count));
    hashes.push_back(hash);
    begin += count;
  }
  return CompactRange::restore(size, std::move(hashes));
}

Result<Proof> inclusion_proof(const Nodes& nodes, std::uint64_t leaf, std::uint64_t size) {
  if (leaf >= size) return fail(Errc::invalid_argument, "the leaf lies outside of the tree");
  Proof from_root;
  std::uint64_t begin = 0, end = size;
  while (end - begin > 1) {
    const std::uint64_t middle = begin + split_of(end - begin);
    const bool left = leaf < middle;
    SLIPWAY_TRY(const Digest sibling,
                left ? root_of(nodes, middle, end) : root_of(nodes, begin, middle));
    from_root.push_back(sibling);
    (left ? end : begin) = middle;
  }
  return Proof(from_root.rbegin(), from_root.rend());
}

Result<Proof> consistency_proof(const Nodes& nodes, std::uint64_t from, std::uint64_t to) {
  if (from > to) return fail(Errc::invalid_argument, "the older tree is the larger one");
  Proof proof;
  if (from == 0 || from == to) return proof;
  SLIPWAY_CHECK(consistency(nodes, from, 0, to, true, proof));
  return proof;
}

bool verify_inclusion(const Digest& leaf, std::uint64_t index, std::uint64_t size,
                      std::span<const Digest> proof, const Digest& root) {
  if (index >= size) return false;
  std::uint64_t node = index, last = size - 1;
  Digest hash = leaf;
  for (const Digest& sibling : proof) {
    if (last == 0) return false;
    if ((node & 1) != 0 || node == last) {
      hash = node_hash(sibling, hash);
      while ((node & 1) == 0 && node != 0) {
        node >>= 1;
        last >>= 1;
      }
    } else {
      hash = node_hash(hash, sibling);
    }
    node >>= 1;
    last >>= 1;
  }
  return last == 0 && hash == root;
}

bool verify_consistency(std::uint64_t from, const Digest& from_root, std::uint64_t to,
                        const Digest& to_root, std::span<const Digest> proof) {
  if (from > to) return false;
  if (from == to) return proof.empty() && from_root == to_root;
  if (from == 0) return proof.empty() && from_root == empty_root();
  // A complete older tree is its own first node.
  std::size_t at = 0;
  Digest old_hash = from_root;
  if (!std::has_single_bit(from)) {
    if (proof.empty()) return false;
    old_hash = proof[at++];
  }
  Digest new_hash = old_hash;
  std::uint64_t node = from - 1, last = to - 1;
  while ((node & 1) != 0) {
    node >>= 1;
    last >>= 1;
  }
  for (; at < proof.size(); ++at) {
    if (last == 0) return false;
    if ((node & 1) != 0 || node == last) {
      old_hash = node_hash(proof[at], old_hash);
      new_hash = node_hash(proof[at], new_hash);
      while ((node & 1) == 0 && node != 0) {
        node >>= 1;
        last >>= 1;
      }
    } else {
      new_hash = node_hash(new_hash, proof[at]);
    }
    node >>= 1;
    last >>= 1;
  }
  return last == 0 && old_hash == from_root && new_hash == to_root;
}

}  // namespace slipway::merkle
