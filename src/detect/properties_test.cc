// What holds for every tree, tried on all labelled projects.
#include <gtest/gtest.h>

#include <random>

#include "detect/catalog.h"
#include "detect/describe.h"
#include "detect/detect.h"
#include "detect/explain.h"
#include "detect/testing/corpus.h"

namespace slipway {
namespace {

using namespace testing_corpus;

struct Content {
  std::string path, text;
};

std::vector<Content> contents(const MemoryTree& tree) {
  std::vector<Content> out;
  for (const Tree::File& file : tree.files())
    out.push_back({file.path, tree.read(file.path, 1u << 20).value_or("")});
  return out;
}

TEST(DetectProperties, TheSameTreeGivesTheSamePlan) {
  for (const std::string& name : cases()) {
    const MemoryTree tree = load(name);
    const Plan plan = detect(tree);
    EXPECT_EQ(plan, detect(tree)) << name;
    EXPECT_EQ(describe(plan), describe(detect(load(name)))) << name;
  }
}

TEST(DetectProperties, TheOrderInWhichATreeWasMadeIsNothing) {
  std::mt19937 random(7);
  for (const std::string& name : cases()) {
    const MemoryTree tree = load(name);
    std::vector<Content> files = contents(tree);
    std::ranges::shuffle(files, random);
    MemoryTree shuffled;
    for (const Content& file : files) shuffled.add(file.path, file.text);
    EXPECT_EQ(detect(tree), detect(shuffled)) << name;
  }
}

TEST(DetectProperties, AnUnrelatedFileNeverChangesACommand) {
  for (const std::string& name : cases()) {
    SCOPED_TRACE(name);
    const MemoryTree project = load(name);
    const Plan before = detect(project);
    if (before.services.empty()) continue;
    for (const std::string_view extra : {"NOTES.md", "data/table.csv", "docs/guide.md", "zzz.bin",
                                         "assets/logo.svg", "LICENSE", ".editorconfig"}) {
      MemoryTree tree = project;
      if (tree.read(extra, 1)) continue;
      tree.add(std::string(extra), "nothing that matters\n");
      const Plan after = detect(tree);
      ASSERT_EQ(before.services.size(), after.services.size()) << extra;
      EXPECT_EQ(before.questions, after.questions) << extra;
      for (std::size_t i = 0; i < before.services.size(); ++i) {
        const Service& was = before.services[i];
        const Service& is = after.services[i];
        EXPECT_EQ(was.install, is.install) << extra;
        EXPECT_EQ(was.build, is.build) << extra;
        EXPECT_EQ(was.release, is.release) << extra;
        EXPECT_EQ(was.start, is.start) << extra;
        EXPECT_EQ(was.output_dir, is.output_dir) << extra;
        EXPECT_EQ(was.install_inputs, is.install_inputs) << extra;
      }
    }
  }
}

// Damaged projects: a file gone, cut short, with bytes changed, or with another one's text.
TEST(DetectProperties, ADamagedProjectHasAPlanToo) {
  std::mt19937 random(11);
  const auto below = [&](std::size_t limit) {
    return limit == 0 ? 0 : std::uniform_int_distribution<std::size_t>(0, limit - 1)(random);
  };
  for (const std::string& name : cases()) {
    SCOPED_TRACE(name);
    const std::vector<Content> files = contents(load(name));
    for (int round = 0; round < 4 && !files.empty(); ++round) {
      MemoryTree tree;
      const std::size_t victim = below(files.size());
      for (std::size_t i = 0; i < files.size(); ++i) {
        std::string text = files[i].text;
        if (i == victim) {
          if (round == 0) continue;
          if (round == 1) text.resize(below(text.size()));
          if (round == 2)
            for (int k = 0; k < 8 && !text.empty(); ++k)
              text[below(text.size())] = static_cast<char>(below(256));
          if (round == 3) text = files[below(files.size())].text;
        }
        tree.add(files[i].path, text);
      }
      const Plan plan = detect(tree);
      EXPECT_FALSE(describe(plan).empty());
      EXPECT_EQ(plan, detect(tree));
      for (const Service& service : plan.services) {
        EXPECT_GE(service.confidence, 0.0);
        EXPECT_LE(service.confidence, 1.0);
        for (const std::string& needed : service.needs)
          EXPECT_TRUE(std::ranges::find(plan.services, needed, &Service::name) !=
                      plan.services.end());
      }
    }
  }
}

TEST(Explain, AnswersEveryFieldOfEveryProject) {
  for (const std::string& name : cases()) {
    const Plan plan = detect(load(name));
    for (const std::string_view field : explainable_fields()) {
      const Result<std::string> text = explain(plan, field);
      ASSERT_TRUE(text.has_value()) << field;
      for (const Service& service : plan.services)
        EXPECT_NE(text->find(service.name + ": "), std::string::npos) << name << " " << field;
    }
  }
  EXPECT_FALSE(explain(Plan{}, "colour").has_value());
}

TEST(Catalog, IsTheTableInTheDocs) { expect_section("detected", detection_catalog()); }

}  // namespace
}  // namespace slipway
