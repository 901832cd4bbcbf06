#include "router/route_table.h"

#include <algorithm>
#include <array>
#include <unordered_map>

namespace slipway {
namespace {

// Two levels of 64: with 20,000 routes a leaf holds about five, and publishing one copies two
// arrays of pointers and that leaf.
constexpr std::size_t width = 64;

std::size_t hash_of(std::string_view host) { return std::hash<std::string_view>{}(host); }
std::size_t branch_of(std::size_t hash) { return hash % width; }
std::size_t leaf_of(std::size_t hash) { return hash / width % width; }

using Leaf = std::vector<std::pair<std::string, RouteTarget>>;
using Branch = std::array<std::shared_ptr<const Leaf>, width>;

}  // namespace

struct RouteTable::Snapshot {
  std::array<std::shared_ptr<const Branch>, width> branches{};
  std::size_t size = 0;
};

RouteTable::RouteTable() : snapshot_(std::make_shared<const Snapshot>()) {}
RouteTable::~RouteTable() = default;

std::shared_ptr<const RouteTable::Snapshot> RouteTable::current() const {
  const MutexLock lock(snapshot_mutex_);
  return snapshot_;
}

std::optional<RouteTarget> RouteTable::find(std::string_view host) const {
  const std::shared_ptr<const Snapshot> snapshot = current();
  const std::size_t hash = hash_of(host);
  const auto& branch = snapshot->branches[branch_of(hash)];
  if (!branch) return std::nullopt;
  const auto& leaf = (*branch)[leaf_of(hash)];
  if (!leaf) return std::nullopt;
  for (const auto& [name, target] : *leaf)
    if (name == host) return target;
  return std::nullopt;
}

std::vector<RouteTable::Change> RouteTable::settled(std::vector<Change> wanted, Claim claim) {
  std::vector<Change> changes;
  for (auto& [host, target] : wanted) {
    const auto taken = behind_.find(host);
    if (claim == Claim::deployment) {
      if (taken == behind_.end())
        changes.emplace_back(std::move(host), std::move(target));
      else
        taken->second = std::move(target);
    } else if (target) {
      if (taken == behind_.end()) behind_.emplace(host, find(host));
      changes.emplace_back(std::move(host), std::move(target));
    } else if (taken != behind_.end()) {
      changes.emplace_back(std::move(host), std::move(taken->second));
      behind_.erase(taken);
    }
  }
  return changes;
}

void RouteTable::publish(std::vector<Change> changes, Claim claim) {
  const MutexLock lock(publish_mutex_);
  changes = settled(std::move(changes), claim);
  auto next = std::make_shared<Snapshot>(*current());
  // What this publication copied already may be changed in place.
  std::array<std::shared_ptr<Branch>, width> own_branches;
  std::unordered_map<std::size_t, std::shared_ptr<Leaf>> own_leaves;
  for (auto& [host, target] : changes) {
    const std::size_t hash = hash_of(host);
    const std::size_t b = branch_of(hash), l = leaf_of(hash);
    if (!own_branches[b]) {
      own_branches[b] = next->branches[b] ? std::make_shared<Branch>(*next->branches[b])
                                          : std::make_shared<Branch>();
      next->branches[b] = own_branches[b];
    }
    std::shared_ptr<Leaf>& leaf = own_leaves[b * width + l];
    if (!leaf) {
      const auto& old = (*own_branches[b])[l];
      leaf = old ? std::make_shared<Leaf>(*old) : std::make_shared<Leaf>();
      (*own_branches[b])[l] = leaf;
    }
    const auto found = std::find_if(leaf->begin(), leaf->end(),
                                    [&](const auto& route) { return route.first == host; });
    if (target && found != leaf->end()) {
      found->second = *std::move(target);
    } else if (target) {
      leaf->emplace_back(std::move(host), *std::move(target));
      ++next->size;
    } else if (found != leaf->end()) {
      leaf->erase(found);
      --next->size;
    }
  }
  std::shared_ptr<const Snapshot> published = std::move(next);
  {
    const MutexLock swap(snapshot_mutex_);
    snapshot_.swap(published);  // the old one is freed after the lock
  }
}

std::size_t RouteTable::size() const { return current()->size; }

}  // namespace slipway
