#include "build/image_tool.h"

#include <fmt/format.h>
#include <unistd.h>

#include "base/ids.h"
#include "base/text.h"
#include "build/step.h"
#include "sys/directory.h"

namespace slipway {
namespace {

namespace fs = std::filesystem;

constexpr const char* buildah = "/usr/bin/buildah";
constexpr const char* answers_inside = "/opt/slipway/answers";
constexpr std::size_t config_limit = 1u << 20;

// What a sandbox sees as /etc/containers. Of the host's own only what says where registries are
// and whose signatures count: no accounts.
Status write_configuration(const fs::path& directory, ImageToolRun::Registries registries) {
  SLIPWAY_CHECK(make_directories(directory / "registries.conf.d"));
  std::string policy = R"({"default":[{"type":"insecureAcceptAnything"}]})";
  std::string conf = "unqualified-search-registries = [\"docker.io\"]\n";
  if (registries == ImageToolRun::Registries::of_host) {
    if (auto text = read_file("/etc/containers/policy.json", config_limit)) policy = *text;
    if (auto text = read_file("/etc/containers/registries.conf", config_limit)) conf = *text;
    std::error_code error;
    for (const auto& entry : entries_of("/etc/containers/registries.conf.d", error))
      if (entry.path().extension() == ".conf" && entry.is_regular_file(error))
        if (auto text = read_file(entry.path(), config_limit))
          SLIPWAY_CHECK(
              write_file_atomic(directory / "registries.conf.d" / entry.path().filename(), *text));
  }
  SLIPWAY_CHECK(write_file_atomic(directory / "policy.json", policy));
  return write_file_atomic(directory / "registries.conf", conf);
}

// On a busy machine the kernel may refuse to seal the copy of itself that buildah runs a step with
// (EBUSY of F_ADD_SEALS, fcntl(2)); buildah gives up at once. Nothing of the step has run by then.
constexpr std::string_view could_not_start = "sealing memfd copy: Device or resource busy";
constexpr int max_tries = 3;

}  // namespace

Result<ImageToolOutcome> run_image_tool(const ImageTool& tool, const ImageToolRun& run,
                                        const StepRunner::OutputSink& output,
                                        std::stop_token stop) {
  if (::access(buildah, X_OK) != 0)
    return fail(Errc::failed_precondition,
                "a Dockerfile is built by buildah, which is not installed on the server",
                "apt-get install --no-install-recommends buildah");
  SLIPWAY_CHECK(make_directories(tool.scratch));
  SLIPWAY_TRY(TempDir own, TempDir::create(tool.scratch, "image-"));
  ImageToolOutcome out;
  out.keep = std::make_shared<TempDir>(std::move(own));
  const fs::path& directory = out.keep->path();
  out.answers = directory / "answers";
  SLIPWAY_CHECK(make_directories(out.answers));
  SLIPWAY_CHECK(write_configuration(directory / "containers", run.registries));

  SandboxSpec spec;
  spec.id = fmt::format("image-{}-{}", run.name, random_id());
  spec.cgroup = "builds";
  spec.root.lowers = run.lowers;
  spec.root.upper = directory / "upper";
  SLIPWAY_CHECK(make_directories(spec.root.upper));
  spec.root.binds = tool.settings.binds;
  spec.root.binds.push_back({.source = directory / "containers", .target = "/etc/containers"});
  spec.root.binds.push_back(
      {.source = out.answers, .target = answers_inside, .access = BindMount::Access::read_write});
  // Where it wants to keep short names of images; without it finds none.
  SLIPWAY_CHECK(make_directories(directory / "names"));
  spec.root.binds.push_back({.source = directory / "names",
                             .target = "/var/cache/containers",
                             .access = BindMount::Access::read_write});
  spec.root.binds.push_back({.source = run.storage,
                             .target = std::string(image_storage_inside),
                             .access = BindMount::Access::read_write});
  std::string storages;
  for (std::size_t i = 0; i < run.bases.size(); ++i) {
    const std::string inside = fmt::format("/opt/slipway/base/{}", i);
    spec.root.binds.push_back(
        {.source = run.bases[i], .target = inside, .access = BindMount::Access::read_only_layer});
    storages += fmt::format(" --storage-opt overlay.imagestore={}", inside);
  }
  spec.root.binds.insert(spec.root.binds.end(), run.binds.begin(), run.binds.end());
  spec.root.measured = {run.storage};
  // What a killed run left half done goes first. Large temporary files belong on the disk.
  const std::string script = fmt::format(
      "set -e\nout={0}\nstorage={1}\nb=\"buildah --root $storage --runroot /run/buildah "
      "--storage-driver overlay{2}\"\nexport TMPDIR=$storage/tmp\nmkdir -p $TMPDIR\n"
      "if [ -e $storage/unfinished ]; then $b rm --all >/dev/null 2>&1 || true; fi\n"
      ": > $storage/unfinished\n{3}\nrm -f $storage/unfinished\n",
      answers_inside, image_storage_inside, storages, run.script);
  spec.argv = {"/bin/sh", "-c", script};
  spec.env = tool.settings.env;
  spec.env["BUILDAH_ISOLATION"] = "chroot";
  spec.env["_CONTAINERS_USERNS_CONFIGURED"] = "done";
  spec.workdir = run.workdir;
  spec.uid_slot = run.uid_slot;
  spec.powers = Powers::image_build;
  spec.egress = Egress::registries;
  spec.hostname = "build";
  spec.limits.memory_bytes = run.limits.memory_bytes;
  spec.limits.cpu_millis = run.limits.cpu_millis;
  spec.limits.pids = run.limits.pids;
  spec.limits.disk_bytes = run.limits.disk_bytes;

  for (int tries = 1;; ++tries) {
    LogTail tail(256u << 10);
    const auto sink = [&](std::string_view bytes) {
      tail.append(bytes);
      output(bytes);
    };
    SLIPWAY_TRY(out.step,
                tool.runner.run(spec, run.limits.step_time, run.limits.output_bytes, sink, stop));
    out.log = tail.text();
    if (tries == max_tries || out.step.exit.code == 0 || !out.log.contains(could_not_start)) break;
    // What was done before is in the storage, so that this goes on where it ended.
    output("buildah could not start a step: trying again\n");
    spec.id = fmt::format("image-{}-{}", run.name, random_id());
  }
  if (stop.stop_requested()) return fail(Errc::canceled, "the build was canceled");
  if (out.step.host_full && !out.step.timed_out && !out.step.disk_limit)
    return fail(Errc::disk_full, "the image had no room left on the server's disk",
                "free some: `slipway gc` removes what nothing uses; then try again");
  return out;
}

}  // namespace slipway
