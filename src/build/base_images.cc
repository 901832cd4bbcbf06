#include "build/base_images.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <charconv>

#include "base/digest.h"
#include "base/ids.h"
#include "base/text.h"
#include "sys/directory.h"
#include "sys/file_time.h"

namespace slipway {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr const char* note_file = "image";  // "<id>\n<fetched at, seconds>\n<from>\n"
constexpr const char* archive_inside = "/opt/slipway/archive";
constexpr auto fresh_for = 24h;

std::int64_t seconds(Timestamp time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

struct Note {
  std::string id, from;
  std::int64_t fetched = 0;
};

std::optional<Note> read_note(const fs::path& store) {
  const auto text = read_file(store / note_file, 4096);
  if (!text) return std::nullopt;
  const auto rows = lines(*text);
  if (rows.size() < 3) return std::nullopt;
  Note note{.id = std::string(rows[0]), .from = std::string(rows[2])};
  std::from_chars(rows[1].data(), rows[1].data() + rows[1].size(), note.fetched);
  return note;
}

// An archive as its owner put it, with a mark that changes when it does.
struct Archive {
  fs::path path;
  std::string mark;
};
std::optional<Archive> find_archive(const fs::path& root, const ImageReference& reference) {
  const std::string name = reference.str();
  std::error_code error;
  for (const char* suffix : {".tar", ""}) {
    const fs::path path = root / "archives" / (name + suffix);
    if (*suffix == '\0' ? !fs::is_directory(path, error) : !fs::is_regular_file(path, error))
      continue;
    const auto time = fs::last_write_time(*suffix == '\0' ? path / "index.json" : path, error);
    return Archive{path, fmt::format("archive {}", time.time_since_epoch().count())};
  }
  return std::nullopt;
}

}  // namespace

Error explain_fetch(const ImageReference& reference, std::string_view log) {
  Error error{.code = Errc::build_failed, .phase = "build"};
  error.cause = "base_image";
  const std::string name = reference.str();
  const std::string here =
      fmt::format("images/archives/{}.tar in the server's data directory", name);
  if (RE2::PartialMatch(log, "(?i)manifest unknown|name unknown|not found: manifest|404 ")) {
    error.message = fmt::format("{} has no image {}", reference.registry, name);
    error.hint = "check the name and the tag in the Dockerfile";
  } else if (RE2::PartialMatch(log, "(?i)toomanyrequests|rate limit|429 ")) {
    error.message = fmt::format("{} gives no more images for now: {} was not fetched",
                                reference.registry, name);
    error.hint = fmt::format("try again later, or save the image as {}", here);
  } else if (RE2::PartialMatch(log, "(?i)unauthorized|authentication required|denied|forbidden")) {
    error.message = fmt::format("{} does not give {} without an account", reference.registry, name);
    error.hint =
        fmt::format("check the name, or save the image as {} (docker save, skopeo copy)", here);
  } else {
    error.message =
        fmt::format("the base image {} is not here and its registry {} cannot be reached", name,
                    reference.registry);
    error.hint = fmt::format(
        "let the server reach {} (HTTPS_PROXY, or a mirror in /etc/containers/registries.conf), or "
        "save the image as {} (docker save, podman save, skopeo copy)",
        reference.registry, here);
  }
  std::vector<std::string> tail;
  for (const std::string_view line : lines(log))
    if (!trim(line).empty()) tail.push_back(sanitize_line(line.substr(0, 400)));
  if (tail.size() > 6) tail.erase(tail.begin(), tail.end() - 6);
  error.excerpt = std::move(tail);
  return error;
}

Result<BaseImages::Image> BaseImages::get(const ImageReference& reference, const Context& context) {
  const std::string name = reference.str();
  const fs::path store = root_ / "stores" / sha256(name).hex().substr(0, 40);
  // Who builds on another image does not wait; who waits can be canceled.
  SLIPWAY_TRY(const Limiter::Slot turn,
              fetches_.enter({.work = WorkClass::build, .key = name}, context.stop));
  const std::optional<Archive> archive = find_archive(root_, reference);
  const std::optional<Note> note = read_note(store);
  const std::string wanted = archive ? archive->mark : "registry";
  const auto used = [&](const std::string& id) -> Result<Image> {
    std::error_code ignored;
    fs::last_write_time(store, file_time_now(), ignored);
    return Image{store / "storage", id};
  };
  if (note && note->from == wanted &&
      (archive || !reference.digest.empty() ||
       seconds(context.now) - note->fetched < std::chrono::seconds(fresh_for).count()))
    return used(note->id);

  SLIPWAY_CHECK(make_directories(root_ / "stores"));
  SLIPWAY_TRY(const TempDir fresh, TempDir::create(root_ / "stores", ".new-"));
  SLIPWAY_CHECK(make_directories(fresh.path() / "storage"));
  ImageToolRun run{.name = "fetch",
                   .storage = fresh.path() / "storage",
                   .registries = ImageToolRun::Registries::of_host,
                   .uid_slot = context.uid_slot,
                   .limits = context.limits};
  if (archive) {
    run.binds.push_back({.source = archive->path,
                         .target = archive_inside,
                         .access = BindMount::Access::read_only_layer});
    run.script = archive->path.extension() == ".tar"
                     ? fmt::format(
                           "id=$($b pull -q docker-archive:{0} 2>$out/first) || "
                           "id=$($b pull -q oci-archive:{0}) || "
                           "{{ cat $out/first; exit 1; }}",
                           archive_inside)
                     : fmt::format("id=$($b pull -q oci:{})", archive_inside);
  } else {
    run.script =
        fmt::format("id=$($b pull -q --policy always {})", shell_quote("docker://" + name));
  }
  // A name with a digest is no tag; the image keeps the one that it came with.
  if (archive || reference.digest.empty())
    run.script += fmt::format("\n$b tag \"$id\" {}", shell_quote(name));
  run.script += "\necho \"$id\" > $out/id";
  SLIPWAY_TRY(const ImageToolOutcome outcome,
              run_image_tool(context.tool, run, context.output, context.stop));
  const Result<std::string> said = read_file(outcome.answers / "id", 200);
  std::string id(said ? trim(*said) : std::string_view{});
  if (id.starts_with("sha256:")) id.erase(0, 7);
  if (outcome.step.exit != SandboxExit{} || id.size() != 64 ||
      id.find_first_not_of("0123456789abcdef") != std::string::npos) {
    if (note) {
      context.output(
          fmt::format("slipway: {} could not be asked for a newer {}; the one from "
                      "before is used\n",
                      reference.registry, name));
      return used(note->id);
    }
    Error error = explain_fetch(reference, outcome.log);
    if (outcome.step.timed_out || outcome.step.disk_limit)
      error.message = fmt::format("{} was not fetched: it took too long, or is too large", name);
    if (archive) error.message = fmt::format("the archive of {} cannot be read", name);
    return fail(std::move(error));
  }
  SLIPWAY_CHECK(write_file_atomic(fresh.path() / note_file,
                                  fmt::format("{}\n{}\n{}\n", id, seconds(context.now), wanted)));
  std::error_code error;
  // The one from before stays for builds that read it, until they end and it is collected.
  if (note) fs::rename(store, root_ / "stores" / fmt::format(".old-{}", random_id()), error);
  fs::rename(fresh.path(), store, error);
  if (error) return fail(Errc::io, "keep a base image: " + error.message());
  fs::permissions(store, fs::perms(0711), error);
  return used(id);
}

std::uint64_t BaseImages::collect(Duration unused_for) {
  const auto before = file_time_now() - unused_for;
  std::uint64_t freed = 0;
  std::error_code error;
  std::vector<fs::path> old;
  for (const auto& entry : entries_of(root_ / "stores", error)) {
    const auto used = fs::last_write_time(entry.path(), error);
    if (used < before) old.push_back(entry.path());
  }
  for (const fs::path& path : old) {
    const std::uint64_t bytes = disk_usage(path, ~std::uint64_t{0});
    if (remove_tree(path)) freed += bytes;
  }
  return freed;
}

}  // namespace slipway
