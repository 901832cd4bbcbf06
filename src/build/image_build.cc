#include "build/image_build.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <re2/re2.h>
#include <sys/stat.h>

#include <algorithm>
#include <optional>

#include "base/digest.h"
#include "base/text.h"
#include "build/failure.h"
#include "build/image_config.h"
#include "build/image_layers.h"
#include "sys/files.h"
#include "sys/mounts.h"

namespace slipway {
namespace {

namespace fs = std::filesystem;

// Part of the key: raise it when the way of building changes what comes out.
constexpr std::string_view format_version = "1";
constexpr std::size_t dockerfile_limit = 1u << 20, answer_limit = 8u << 20;
constexpr std::uint64_t cache_limit_bytes = 6ull << 30;  // of one project
constexpr const char* names[] = {"Dockerfile", "Containerfile", "dockerfile"};

// The text of a small file of the image, as its topmost layer has it; "" when there is none. Links
// are not followed: an image whose passwd is a link has none.
std::string file_of(const LayerStore& layers, const std::vector<std::string>& ids,
                    std::string_view path) {
  for (std::size_t i = ids.size(); i-- > 0;) {
    const auto directory = layers.find(ids[i]);
    if (!directory) continue;
    const auto root = open_file(*directory, O_PATH | O_DIRECTORY);
    if (!root) continue;
    const auto found = open_beneath(*root, path);
    if (!found) continue;
    struct stat info{};
    if (::fstat(found->get(), &info) != 0 || !S_ISREG(info.st_mode)) return {};
    return read_file(fmt::format("/proc/self/fd/{}", found->get()), 1u << 20).value_or("");
  }
  return {};
}

// Collapses blanks, to compare an instruction with how a log shows it.
std::string plain_words(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool blank = c == ' ' || c == '\t' || c == '\n';
    if (blank && (out.empty() || out.back() == ' ')) continue;
    out += blank ? ' ' : c;
  }
  while (out.ends_with(' ')) out.pop_back();
  return out;
}

const DockerInstruction* instruction_of(const Dockerfile& file, std::string_view shown) {
  const std::string wanted = plain_words(shown);
  for (const DockerInstruction& each : file.instructions) {
    std::string whole = each.word;
    for (const std::string& flag : each.flags) whole += " " + flag;
    if (plain_words(whole + " " + each.text) == wanted) return &each;
  }
  // Arguments are filled in by then: the same kind and the same beginning will do.
  const DockerInstruction* best = nullptr;
  std::size_t most = 0;
  for (const DockerInstruction& each : file.instructions) {
    const std::string whole = plain_words(each.word + " " + each.text);
    const auto same =
        static_cast<std::size_t>(std::ranges::mismatch(whole, wanted).in1 - whole.begin());
    if (wanted.starts_with(each.word) && same > each.word.size() + 1 && same > most) {
      most = same;
      best = &each;
    }
  }
  return best;
}

class Run {
 public:
  Run(const ImageBuild& parts, const BuildRequest& request,
      const std::vector<std::string>& source_layers, BuildObserver& observer, std::stop_token stop)
      : parts_(parts),
        request_(request),
        service_(*request.service),
        source_layers_(source_layers),
        observer_(observer),
        stop_(std::move(stop)) {}

  Result<BuildOutcome> build() {
    SLIPWAY_CHECK(read_dockerfile());
    SLIPWAY_CHECK(get_bases());
    std::string remembered = key(BuildTrust::people);
    if (request_.trust != BuildTrust::people && !parts_.layers.find(remembered))
      remembered = key(request_.trust);
    Result<BuildOutcome> result = fail(Errc::internal, "");
    SLIPWAY_CHECK(observed("build", path_, [&]() -> Result<std::string_view> {
      if (recall(remembered)) {
        result = finish();
        if (result) result->cache_build = "hit";
      } else {
        SLIPWAY_CHECK(run_build(remembered));
        result = finish();
        if (result) result->cache_build = "miss";
      }
      if (!result) return fail(result.error());
      return result->cache_build == "hit" ? "cached" : "done";
    }));
    return result;
  }

 private:
  template <class Work>
  Status observed(std::string_view name, std::string_view detail, const Work& work) {
    const Duration started = parts_.clock.monotonic();
    observer_.step_started(name, detail);
    const Result<std::string_view> state = work();
    observer_.step_ended(name,
                         state                                  ? *state
                         : state.error().code == Errc::canceled ? "canceled"
                                                                : "failed",
                         parts_.clock.monotonic() - started);
    if (!state) return fail(state.error());
    return {};
  }

  const ManifestEntry* entry(std::string_view path) const {
    const auto& entries = request_.source->entries;
    const auto found = std::ranges::find(entries, path, &ManifestEntry::path);
    return found == entries.end() ? nullptr : &*found;
  }
  std::string in_root(std::string_view name) const {
    return service_.root.empty() ? std::string(name) : fmt::format("{}/{}", service_.root, name);
  }

  Status read_dockerfile() {
    const ManifestEntry* found = nullptr;
    for (const char* name : names) {
      found = entry(in_root(name));
      if (found == nullptr) continue;
      name_ = name;
      break;
    }
    if (found == nullptr)
      return fail(Errc::build_failed, "there is no Dockerfile in " +
                                          (service_.root.empty() ? "the folder" : service_.root));
    path_ = found->path;
    SLIPWAY_TRY(text_, parts_.blobs.read(found->digest, dockerfile_limit));
    file_ = parse_dockerfile(text_);
    // Arguments that the file does not declare have no effect, so they are no part of the key.
    const auto declared = declared_args(file_);
    for (const auto& [name, value] : request_.build_env)
      if (std::ranges::binary_search(declared, name)) args_[name] = value;
    return {};
  }

  Status get_bases() {
    const std::vector<ImageNeed> needs = images_needed(file_, args_);
    for (const ImageNeed& need : needs) {
      if (stop_.stop_requested()) return fail(Errc::canceled, "the build was canceled");
      auto reference = ImageReference::parse(need.image);
      if (!reference) return at_line(std::move(reference).error(), need.line);
      SLIPWAY_CHECK(observed("base", need.image, [&]() -> Result<std::string_view> {
        auto image = parts_.bases.get(
            *reference, {.tool = parts_.tool,
                         .output = [this](std::string_view bytes) { observer_.output(bytes); },
                         .stop = stop_,
                         .uid_slot = request_.uid_slot,
                         .limits = request_.limits,
                         .now = parts_.clock.now()});
        if (!image) return at_line(std::move(image).error(), need.line);
        base_names_.push_back(fmt::format("{}@sha256:{}", reference->str(), image->id));
        bases_.push_back(*std::move(image));
        return "done";
      }));
    }
    return {};
  }

  std::unexpected<Error> at_line(Error error, int line) const {
    if (error.code == Errc::invalid_argument) error.code = Errc::build_failed;
    if (error.code == Errc::build_failed) {
      error.phase = "build";
      error.file = path_;
      error.line = line;
    }
    return fail(std::move(error));
  }

  std::string domain() const { return build_domain(request_.project, request_.trust); }

  std::string key(BuildTrust trust) const {
    Sha256 hash;
    hash.field("imagerun").field(format_version).field(build_domain(request_.project, trust));
    hash.field(service_.root);
    hash.field(name_).field(text_);
    hash.field(std::to_string(args_.size()));
    for (const auto& [name, value] : args_) hash.field(name).field(value);
    for (const std::string& base : base_names_) hash.field(base);
    const std::string prefix = service_.root.empty() ? "" : service_.root + "/";
    for (const ManifestEntry& each : request_.source->entries)
      if (each.path.starts_with(prefix))
        hash.field(each.path)
            .field(each.digest.hex())
            .field(std::to_string(static_cast<int>(each.mode)));
    return fmt::format("imagerun-{}", hash.finish().hex().substr(0, 40));
  }

  // What an earlier build of exactly this came to, when all of it is still here.
  bool recall(const std::string& remembered) {
    const auto directory = parts_.layers.find(remembered);
    if (!directory) return false;
    const auto ids = read_file(*directory / "layers", answer_limit);
    const auto inspected = read_file(*directory / "config.json", answer_limit);
    if (!ids || !inspected) return false;
    layers_.clear();
    for (const std::string_view id : lines(*ids))
      if (!id.empty()) layers_.emplace_back(id);
    pin_.emplace(parts_.layers.pin(layers_));
    inspected_ = *inspected;
    return std::ranges::all_of(
        layers_, [&](const std::string& id) { return parts_.layers.find(id).has_value(); });
  }

  Status remember(const std::string& remembered) {
    SLIPWAY_TRY(auto draft, parts_.layers.begin(remembered));
    SLIPWAY_CHECK(write_file_atomic(draft.path() / "layers", join(layers_, "\n") + "\n"));
    SLIPWAY_CHECK(write_file_atomic(draft.path() / "config.json", inspected_));
    return draft.commit();
  }

  std::string script() const {
    // Capabilities beyond those that installing software takes are not for RUN; the sandbox around
    // it is the boundary all the same.
    std::string out =
        "$b build --layers --isolation chroot --network host --format docker --pull-never "
        "--cap-drop CAP_SYS_CHROOT --iidfile $out/id";
    for (const auto& [name, value] : args_)
      out += " --build-arg " + shell_quote(fmt::format("{}={}", name, value));
    const std::string own_ignore = name_ + ".dockerignore";
    if (entry(in_root(own_ignore)) != nullptr) out += " --ignorefile " + shell_quote(own_ignore);
    out += fmt::format(" -f {} .\n", shell_quote(name_));
    out += "$b inspect --type image \"$(cat $out/id)\" > $out/config.json\n";
    return out;
  }

  Status run_build(const std::string& remembered) {
    auto leased = parts_.caches.lease(domain(), service_, {"buildah"});
    if (!leased) return fail(leased.error());
    std::unique_ptr<ProjectCaches::Lease> lease = *std::move(leased);
    const fs::path storage = lease->binds.at(0).source;
    ImageToolRun run{.name = "build",
                     .script = script(),
                     .storage = storage,
                     .workdir = service_.root.empty() ? "/app" : "/app/" + service_.root,
                     .uid_slot = request_.uid_slot,
                     .limits = request_.limits};
    for (const BaseImages::Image& base : bases_) run.bases.push_back(base.storage);
    for (const std::string& id : source_layers_)
      if (auto directory = parts_.layers.find(id)) run.lowers.push_back(*std::move(directory));
    SLIPWAY_TRY(
        const ImageToolOutcome outcome,
        run_image_tool(
            parts_.tool, run, [this](std::string_view bytes) { observer_.output(bytes); }, stop_));
    if (outcome.step.exit != SandboxExit{} || outcome.step.timed_out || outcome.step.output_limit ||
        outcome.step.disk_limit)
      return fail(explain_image_failure(file_, path_, outcome.step, observer_.quotable(outcome.log),
                                        service_));
    SLIPWAY_TRY(const std::string id, answer(outcome, "id"));
    SLIPWAY_TRY(inspected_, answer(outcome, "config.json"));
    SLIPWAY_TRY(const ImageStorage project, ImageStorage::open(storage));
    std::vector<ImageStorage> bases;
    for (const BaseImages::Image& base : bases_) {
      SLIPWAY_TRY(ImageStorage each, ImageStorage::open(base.storage));
      bases.push_back(std::move(each));
    }
    SLIPWAY_TRY(layers_, import_image(trim(id), domain(), project, bases, parts_.layers));
    pin_.emplace(parts_.layers.pin(layers_));
    SLIPWAY_CHECK(remember(remembered));
    lease.reset();
    return parts_.caches.trim(domain(), cache_limit_bytes);
  }

  static Result<std::string> answer(const ImageToolOutcome& outcome, const char* name) {
    SLIPWAY_TRY(const Fd root, open_file(outcome.answers, O_PATH | O_DIRECTORY));
    SLIPWAY_TRY(const Fd found, open_beneath(root, name));
    struct stat info{};
    if (::fstat(found.get(), &info) != 0 || !S_ISREG(info.st_mode))
      return fail(Errc::corrupt, "the image's build left no answer");
    return read_file(fmt::format("/proc/self/fd/{}", found.get()), answer_limit);
  }

  Result<BuildOutcome> finish() const {
    SLIPWAY_TRY(const ImageConfig config, parse_image_config(inspected_));
    auto user = resolve_user(config.user, file_of(parts_.layers, layers_, "etc/passwd"),
                             file_of(parts_.layers, layers_, "etc/group"));
    if (!user) return at_line(std::move(user).error(), line_of("USER"));
    ImageRun image{.argv = config.entrypoint,
                   .uid = user->uid,
                   .gid = user->gid,
                   .groups = user->groups,
                   .stop_signal = signal_number(config.stop_signal),
                   .volumes = config.volumes,
                   .bases = base_names_};
    image.argv.insert(image.argv.end(), config.command.begin(), config.command.end());
    BuildOutcome out;
    Artifact& artifact = out.artifact;
    artifact.layers = layers_;
    artifact.start = service_.start.value_or("");
    if (!trim(artifact.start).empty()) image.argv = {"/bin/sh", "-c", artifact.start};
    if (image.argv.empty()) {
      Error error{.code = Errc::build_failed,
                  .message = "the image says neither by CMD nor by ENTRYPOINT what it runs",
                  .hint = "add a CMD to the Dockerfile, or say it with --start COMMAND",
                  .phase = "build"};
      error.cause = "nothing_to_run";
      return at_line(std::move(error), line_of("FROM"));
    }
    artifact.start = shell_line(image.argv);
    artifact.workdir = config.workdir;
    artifact.env = config.env;
    artifact.env.try_emplace("HOME", user->home);
    if (service_.port) {
      artifact.port = service_.port;
    } else if (!config.ports.empty()) {
      artifact.port = config.ports.front();
    }
    artifact.health_path =
        service_.health_path != "/" ? service_.health_path : config.health_path.value_or("/");
    artifact.image = std::move(image);
    return out;
  }

  int line_of(std::string_view word) const {
    int line = 0;
    for (const DockerInstruction& each : file_.instructions)
      if (each.word == word) line = each.line;
    return line;
  }

  const ImageBuild& parts_;
  const BuildRequest& request_;
  const Service& service_;
  const std::vector<std::string>& source_layers_;
  BuildObserver& observer_;
  std::stop_token stop_;

  std::string name_, path_, text_;  // of the Dockerfile
  Dockerfile file_;
  EnvVars args_;
  std::vector<BaseImages::Image> bases_;
  std::vector<std::string> base_names_;
  std::vector<std::string> layers_;
  std::optional<LayerStore::Pin> pin_;
  std::string inspected_;
};

}  // namespace

Error explain_image_failure(const Dockerfile& file, const std::string& path,
                            const StepRunner::Outcome& outcome, std::string_view log,
                            const Service& service) {
  // The last step that began is the one that failed, also when a limit ended it. What it printed
  // is what counts, without buildah's own words about it.
  std::string shown, printed;
  for (const std::string_view line : lines(log)) {
    std::string step;
    if (RE2::PartialMatch(line, R"(^(?:\[\d+/\d+\] )?STEP \d+/\d+: (.*)$)", &step)) {
      shown = step;
      printed.clear();
    } else if (!RE2::PartialMatch(line, R"(^subprocess exited with|^Error: building at STEP)")) {
      printed += line;
      printed += '\n';
    }
  }
  const DockerInstruction* instruction = instruction_of(file, shown);
  FailureFacts facts{.phase = "build",
                     .command = instruction != nullptr ? plain_words(instruction->text)
                                                       : std::string("buildah build"),
                     .exit = outcome.exit,
                     .timed_out = outcome.timed_out,
                     .output_limit = outcome.output_limit,
                     .disk_limit = outcome.disk_limit,
                     .log = printed};
  Error error = explain_failure(facts, service);
  const bool runs = instruction != nullptr && instruction->word == "RUN";
  if (!runs && error.excerpt.empty())
    for (const std::string_view line : lines(log))
      if (line.starts_with("Error: ")) error.excerpt = {sanitize_line(line.substr(0, 400))};
  const bool by_limit =
      outcome.timed_out || outcome.output_limit || outcome.disk_limit || outcome.exit.out_of_memory;
  if (instruction != nullptr) {
    error.file = path;
    error.line = instruction->line;
    if (!runs) error.command = instruction->word + " " + error.command;
    std::string why;
    if (!runs && !by_limit) {
      error.exit_code.reset();
      if (RE2::PartialMatch(log, R"((?m)^Error: .*at STEP ".*?": (.*)$)", &why)) {
        error.message = fmt::format("{} failed: {}", instruction->word, sanitize_line(why));
        error.cause = "dockerfile";
        error.hint = why.find("no such file") != std::string::npos
                         ? "check the path, and .dockerignore and .gitignore: what they leave out "
                           "is not there to copy"
                         : "see the instruction in the Dockerfile";
      }
    } else if (error.cause == "unknown") {
      error.message =
          fmt::format("a RUN of the Dockerfile failed with exit code {}", outcome.exit.code);
    }
    if (log.find("nsufficient UIDs or GIDs") != std::string_view::npos)
      error.hint = "a sandbox has the ids 0 to 65535: give the files of the image smaller ones";
    if (instruction->text.find("<<") != std::string::npos && !by_limit)
      error.hint = "here-documents need buildah 1.33 or newer on the server";
  }
  return error;
}

Result<BuildOutcome> build_image(const ImageBuild& parts, const BuildRequest& request,
                                 const std::vector<std::string>& source_layers,
                                 BuildObserver& observer, std::stop_token stop) {
  return Run(parts, request, source_layers, observer, std::move(stop)).build();
}

}  // namespace slipway
