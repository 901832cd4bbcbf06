// The vectors are those of the reference implementations of RFC 6962: eight leaves, their roots,
// and proofs (github.com/transparency-dev/merkle, proof/verify_test.go; from
// certificate-transparency's merkle_tree_test.cc before it).
#include "audit/merkle.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>

namespace slipway::merkle {
namespace {

using namespace std::string_literals;

const std::vector<std::string> entries = {
    "",
    "\0"s,
    "\x10",
    "\x20\x21",
    "\x30\x31",
    "\x40\x41\x42\x43",
    "\x50\x51\x52\x53\x54\x55\x56\x57",
    "\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f"};
const std::vector<std::string> roots = {
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};

// A tree in memory that keeps what a store keeps.
struct Tree {
  CompactRange range;
  std::map<std::pair<unsigned, std::uint64_t>, Digest> kept;
  void append(std::string_view entry) {
    range.append(leaf_hash(entry), [&](unsigned level, std::uint64_t index, const Digest& hash) {
      if (level % stride == 0) kept[{level, index}] = hash;
    });
  }
  [[nodiscard]] Nodes nodes() const {
    return [this](unsigned level, std::uint64_t first,
                  std::uint64_t count) -> Result<std::vector<Digest>> {
      std::vector<Digest> out;
      for (std::uint64_t i = first; i < first + count; ++i)
        if (const auto found = kept.find({level, i}); found != kept.end())
          out.push_back(found->second);
      return out;
    };
  }
};

Tree tree_of(std::size_t size) {
  Tree tree;
  for (std::size_t i = 0; i < size; ++i)
    tree.append(size <= entries.size() ? entries[i] : fmt::format("entry {}", i));
  return tree;
}

std::vector<std::string> hex(const Proof& proof) {
  std::vector<std::string> out;
  for (const Digest& hash : proof) out.push_back(hash.hex());
  return out;
}

TEST(Merkle, GivesThePublishedRoots) {
  EXPECT_EQ(empty_root().hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(CompactRange().root(), empty_root());
  for (std::size_t size = 1; size <= entries.size(); ++size) {
    const Tree tree = tree_of(size);
    EXPECT_EQ(tree.range.root().hex(), roots[size - 1]);
    EXPECT_EQ(root_of(tree.nodes(), 0, size).value().hex(), roots[size - 1]);
  }
}

TEST(Merkle, GivesThePublishedInclusionProofs) {
  const struct {
    std::uint64_t leaf, size;
    std::vector<std::string> proof;
  } vectors[] = {{0, 1, {}},
                 {0,
                  8,
                  {"96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                   "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                   "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"}},
                 {5,
                  8,
                  {"bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                   "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                   "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"}},
                 {2, 3, {"fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"}},
                 {1,
                  5,
                  {"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                   "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                   "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"}}};
  const Tree tree = tree_of(8);
  for (const auto& vector : vectors) {
    const Proof proof = inclusion_proof(tree.nodes(), vector.leaf, vector.size).value();
    EXPECT_EQ(hex(proof), vector.proof);
    EXPECT_TRUE(verify_inclusion(leaf_hash(entries[vector.leaf]), vector.leaf, vector.size, proof,
                                 *Digest::parse(roots[vector.size - 1])));
  }
  EXPECT_FALSE(inclusion_proof(tree.nodes(), 8, 8));
}

TEST(Merkle, GivesThePublishedConsistencyProofs) {
  const struct {
    std::uint64_t from, to;
    std::vector<std::string> proof;
  } vectors[] = {{1, 1, {}},
                 {1,
                  8,
                  {"96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                   "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                   "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"}},
                 {6,
                  8,
                  {"0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                   "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                   "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"}},
                 {2,
                  5,
                  {"5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                   "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"}},
                 {6,
                  7,
                  {"0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                   "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
                   "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"}}};
  const Tree tree = tree_of(8);
  const auto root = [](std::uint64_t size) { return *Digest::parse(roots[size - 1]); };
  for (const auto& vector : vectors) {
    const Proof proof = consistency_proof(tree.nodes(), vector.from, vector.to).value();
    EXPECT_EQ(hex(proof), vector.proof);
    EXPECT_TRUE(
        verify_consistency(vector.from, root(vector.from), vector.to, root(vector.to), proof));
  }
  EXPECT_FALSE(consistency_proof(tree.nodes(), 3, 2));
}

// The edge cases of TestVerifyConsistency there.
TEST(Merkle, RefusesWhatIsNoProof) {
  const Digest a = sha256("a"), b = sha256("b");
  EXPECT_FALSE(verify_consistency(0, a, 0, b, {}));
  EXPECT_FALSE(verify_consistency(1, a, 1, b, {}));
  EXPECT_TRUE(verify_consistency(1, a, 1, a, {}));
  EXPECT_FALSE(verify_consistency(1, a, 0, b, {}));
  EXPECT_FALSE(verify_consistency(2, a, 1, b, {}));
  EXPECT_FALSE(verify_consistency(1, a, 2, b, {}));
  EXPECT_FALSE(verify_consistency(1, a, 1, a, Proof{a}));
  EXPECT_FALSE(verify_consistency(0, empty_root(), 1, a, Proof{a}));
  EXPECT_TRUE(verify_consistency(0, empty_root(), 1, a, {}));
  EXPECT_FALSE(verify_inclusion(a, 0, 0, {}, a));
  EXPECT_FALSE(verify_inclusion(a, 1, 0, {}, a));
  EXPECT_FALSE(verify_inclusion(a, 2, 1, {}, a));
  EXPECT_TRUE(verify_inclusion(a, 0, 1, {}, a));
}

RC_GTEST_PROP(MerkleProperty, EveryProofOfEverySizeHoldsAndNoOtherDoes, ()) {
  const auto size = *rc::gen::inRange<std::uint64_t>(1, 700);
  const auto older = *rc::gen::inRange<std::uint64_t>(1, size + 1);
  const auto leaf = *rc::gen::inRange<std::uint64_t>(0, size);
  const Tree tree = tree_of(static_cast<std::size_t>(size)),
             then = tree_of(static_cast<std::size_t>(older));
  const bool few = older <= entries.size() && size > entries.size();
  const Digest root = tree.range.root();
  const Digest old_root = few ? root_of(tree.nodes(), 0, older).value() : then.range.root();
  RC_ASSERT(range_of(tree.nodes(), size).value().hashes() == tree.range.hashes());
  Proof proof = inclusion_proof(tree.nodes(), leaf, size).value();
  const Digest hash = tree.kept.at({0, leaf});
  RC_ASSERT(verify_inclusion(hash, leaf, size, proof, root));
  RC_ASSERT(!verify_inclusion(hash, leaf + 1, size, proof, root));
  RC_ASSERT(!verify_inclusion(sha256("other"), leaf, size, proof, root));
  Proof consistency = consistency_proof(tree.nodes(), older, size).value();
  RC_ASSERT(verify_consistency(older, old_root, size, root, consistency));
  RC_ASSERT(!verify_consistency(older, sha256("x"), size, root, consistency));
  for (Proof* one : {&proof, &consistency}) {
    if (one->empty()) continue;
    const auto at = *rc::gen::inRange<std::size_t>(0, one->size());
    const auto bit = *rc::gen::inRange<unsigned>(0, 256);
    one->at(at).bytes[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
    const bool refused = one == &proof ? !verify_inclusion(hash, leaf, size, *one, root)
                                       : !verify_consistency(older, old_root, size, root, *one);
    RC_ASSERT(refused);
  }
}

}  // namespace
}  // namespace slipway::merkle
