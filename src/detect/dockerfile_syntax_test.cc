#include "detect/dockerfile_syntax.h"

#include <gtest/gtest.h>

namespace slipway {
namespace {

using Needs = std::vector<ImageNeed>;

TEST(DockerfileSyntax, JoinsContinuedLinesAndSkipsCommentsInThem) {
  const Dockerfile file = parse_dockerfile(
      "# syntax=docker/dockerfile:1\nFROM debian:12 \nRUN apt-get update && \\\n  # why\n\n"
      "    apt-get install -y curl\nCMD [\"a\"]\n");
  ASSERT_EQ(file.instructions.size(), 3u);
  EXPECT_EQ(file.instructions[1],
            (DockerInstruction{"RUN", {}, "apt-get update && apt-get install -y curl", 3}));
  EXPECT_EQ(file.instructions[2].line, 7);
}

TEST(DockerfileSyntax, LeavesWhatHereDocumentsHold) {
  const Dockerfile file = parse_dockerfile(
      "FROM scratch\nCOPY <<EOF /a\nFROM evil\nEOF\nRUN <<-'X' bash\nRUN no\n\tX\nUSER app\n");
  ASSERT_EQ(file.instructions.size(), 4u);
  EXPECT_EQ(file.instructions[3], (DockerInstruction{"USER", {}, "app", 8}));
}

TEST(DockerfileSyntax, KnowsTheEscapeDirective) {
  const Dockerfile file = parse_dockerfile("# escape=`\nFROM a\nRUN x `\n y\nRUN c:\\\n");
  ASSERT_EQ(file.instructions.size(), 3u);
  EXPECT_EQ(file.instructions[1].text, "x y");
  EXPECT_EQ(file.instructions[2].text, "c:\\");
}

TEST(ImagesNeeded, AreThoseFromOutsideWithArgumentsFilledIn) {
  const Dockerfile file = parse_dockerfile(
      "ARG V=20\nARG BASE=node:${V}-slim\nFROM ${BASE} AS Build\nFROM --platform=linux/amd64 "
      "build AS two\nFROM scratch\nCOPY --from=build /a /a\nCOPY --from=0 /b /b\n"
      "COPY --from=ghcr.io/x/uv:latest /uv /bin/\nRUN --mount=type=bind,from=golang:1,target=/g x\n"
      "COPY --from=ghcr.io/x/uv:latest /uvx /bin/\n");
  EXPECT_EQ(images_needed(file, {}),
            (Needs{{"node:20-slim", 3}, {"ghcr.io/x/uv:latest", 8}, {"golang:1", 9}}));
  EXPECT_EQ(images_needed(file, {{"V", "22"}}).front().image, "node:22-slim");
  EXPECT_EQ(declared_args(file), (std::vector<std::string>{"BASE", "V"}));
}

TEST(ImagesNeeded, FillsInDefaultsAsAShellDoes) {
  const Dockerfile file = parse_dockerfile("ARG T\nFROM a:${T:-1}\nFROM b${T:+x}\nFROM c:$T-d\n");
  EXPECT_EQ(images_needed(file, {}), (Needs{{"a:1", 2}, {"b", 3}, {"c:-d", 4}}));
  EXPECT_EQ(images_needed(file, {{"T", "9"}}), (Needs{{"a:9", 2}, {"bx", 3}, {"c:9-d", 4}}));
}

}  // namespace
}  // namespace slipway
