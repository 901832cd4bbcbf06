#include "deploy/environments.h"

#include <algorithm>

#include "base/digest.h"
#include "base/text.h"
#include "deploy/logs.h"

namespace slipway {
namespace {

// Binds a sealed value to its place, so that moving a row's text elsewhere opens nothing.
std::string context_of(const Configuration& of, std::string_view name) {
  return fmt::format("{}/{}/{}", of.project, of.environment, name);
}

std::vector<EnvironmentVar>::iterator find_var(std::vector<EnvironmentVar>& vars,
                                               std::string_view name) {
  return std::ranges::find(vars, name, &EnvironmentVar::name);
}

Configuration without_secrets(Configuration configuration) {
  for (EnvironmentVar& var : configuration.vars)
    if (var.disclosure == Disclosure::secret) var.value.clear();
  return configuration;
}

std::vector<VarChange> difference(const Configuration& before, const Configuration& after) {
  std::vector<VarChange> out;
  for (const EnvironmentVar& var : after.vars) {
    const auto at = std::ranges::find(before.vars, var.name, &EnvironmentVar::name);
    if (at == before.vars.end())
      out.push_back({var.name, VarChange::What::added, var.disclosure, {}});
    else if (*at != var)
      out.push_back({var.name, VarChange::What::modified,
                     at->disclosure == Disclosure::secret ? at->disclosure : var.disclosure, *at});
  }
  for (const EnvironmentVar& var : before.vars)
    if (std::ranges::find(after.vars, var.name, &EnvironmentVar::name) == after.vars.end())
      out.push_back({var.name, VarChange::What::removed, var.disclosure, var});
  return out;
}

// What was once secret stays so: making it plain by accident would give it away.
void keep_secrets(const Configuration& before, Configuration& next) {
  for (EnvironmentVar& var : next.vars) {
    const auto at = std::ranges::find(before.vars, var.name, &EnvironmentVar::name);
    if (at != before.vars.end() && at->disclosure == Disclosure::secret)
      var.disclosure = Disclosure::secret;
  }
}

// How much of a plain value those who approve a change are shown.
constexpr std::size_t shown_bytes = 1024;

std::string cut(std::string_view value) {
  if (value.size() <= shown_bytes) return std::string(value);
  std::size_t end = shown_bytes;
  while (end > 0 && (static_cast<unsigned char>(value[end]) & 0xC0) == 0x80) --end;
  return fmt::format("{}… ({} bytes)", value.substr(0, end), value.size());
}

std::string asked_context(std::string_view resource, std::string_view name,
                          std::string_view which) {
  return fmt::format("approval of {}: {} {}", resource, which, name);
}

// Values of -e that are words of every log: hiding them would spoil it and protect nothing.
constexpr std::string_view well_known_values[] = {
    "production", "development", "staging",   "preview", "testing", "warning", "verbose",
    "enabled",    "disabled",    "localhost", "default", "public",  "0.0.0.0", "127.0.0.1"};

using Detail = std::map<std::string, std::string>;

// Under `word` as many names as an audit record keeps of one text. Where that is not all of them it
// says how many are left out, and `word`_count and `word`_digest (SHA-256 of all names, sorted,
// each with a newline behind it) hold what the names alone would not.
void list_names(Detail& detail, const std::string& word, std::vector<std::string> names) {
  constexpr std::size_t most = 960;
  if (names.empty()) return;
  std::ranges::sort(names);
  std::string shown;
  std::size_t count = 0;
  for (const std::string& name : names) {
    if (shown.size() + name.size() + 2 > most) break;
    shown += fmt::format("{}{}", count++ == 0 ? "" : ", ", name);
  }
  if (count < names.size()) {
    shown += fmt::format(" and {} more", names.size() - count);
    Sha256 all;
    for (const std::string& name : names) all.update(name + "\n");
    detail[word + "_count"] = std::to_string(names.size());
    detail[word + "_digest"] = all.finish().str();
  }
  detail[word] = std::move(shown);
}

std::vector<std::string> names_of(const std::vector<VarChange>& changes, VarChange::What what) {
  std::vector<std::string> names;
  for (const VarChange& change : changes)
    if (change.what == what) names.push_back(change.name);
  return names;
}

}  // namespace

Result<Configuration> Environments::opened(Configuration sealed) const {
  for (EnvironmentVar& var : sealed.vars) {
    auto value = parts_.box.unseal(var.value, context_of(sealed, var.name));
    if (!value) {
      Error error = value.error();
      error.message = fmt::format("{} of {} {}: {}", var.name, sealed.project, sealed.environment,
                                  error.message);
      return fail(std::move(error));
    }
    var.value = *std::move(value);
  }
  return sealed;
}

Result<std::vector<Configuration>> Environments::list(std::string_view project) const {
  SLIPWAY_TRY(const std::vector<std::string> names, parts_.store.environments(project));
  std::vector<Configuration> out;
  for (const std::string& name : names) {
    SLIPWAY_TRY(Configuration newest, show(project, name));
    out.push_back(std::move(newest));
  }
  return out;
}

Result<Configuration> Environments::show(std::string_view project,
                                         std::string_view environment) const {
  const ReaderLock held(parts_.box.in_use());
  SLIPWAY_TRY(Configuration sealed, parts_.store.current(project, environment));
  SLIPWAY_TRY(Configuration all, opened(std::move(sealed)));
  return without_secrets(std::move(all));
}

Result<std::vector<Configuration>> Environments::history(std::string_view project,
                                                         std::string_view environment,
                                                         std::size_t limit) const {
  SLIPWAY_TRY(std::vector<Configuration> all, parts_.store.history(project, environment, limit));
  for (Configuration& each : all)
    for (EnvironmentVar& var : each.vars) var.value.clear();
  return all;
}

Result<Environments::Draft> Environments::preview(std::string_view project,
                                                  std::string_view environment,
                                                  const ConfigurationChange& change) const {
  SLIPWAY_CHECK(check_environment_name(environment));
  const ReaderLock held(parts_.box.in_use());
  SLIPWAY_TRY(Configuration sealed, parts_.store.current(project, environment));
  SLIPWAY_TRY(const Configuration before, opened(std::move(sealed)));
  Configuration next = before;
  for (const std::string& name : change.remove) {
    const auto at = find_var(next.vars, name);
    if (at == next.vars.end())
      return fail(
          Errc::not_found,
          fmt::format("{} of {} has no variable {}", environment, project, sanitize_line(name)),
          "see: slipway env ls");
    next.vars.erase(at);
  }
  for (const EnvironmentVar& var : change.set) {
    SLIPWAY_CHECK(check_variable_name(var.name));
    if (var.value.size() > max_value_bytes)
      return fail(Errc::too_large, fmt::format("the value of {} is longer than {}", var.name,
                                               format_bytes(max_value_bytes)));
    if (var.value.find('\0') != std::string::npos)
      return fail(Errc::invalid_argument, fmt::format("the value of {} has a NUL in it", var.name));
    const auto at = find_var(next.vars, var.name);
    if (at == next.vars.end())
      next.vars.push_back(var);
    else
      *at = var;
  }
  keep_secrets(before, next);
  if (next.vars.size() > max_vars)
    return fail(Errc::too_large,
                fmt::format("an environment has {} variables at the most", max_vars));
  std::ranges::sort(next.vars, {}, &EnvironmentVar::name);
  next.note = change.note;
  std::vector<VarChange> changes = difference(before, next);
  return Draft{std::move(next), std::move(changes)};
}

// Added plain names of which the newest earlier value was a secret: somebody removed it first.
Result<std::string> Environments::unsealed_names(const Draft& draft) const {
  constexpr std::size_t versions = 100;
  std::vector<std::string_view> names;
  std::vector<Configuration> past;
  for (const VarChange& change : draft.changes) {
    if (change.what != VarChange::What::added || change.disclosure == Disclosure::secret) continue;
    if (past.empty()) {
      SLIPWAY_TRY(past, parts_.store.history(draft.next.project, draft.next.environment, versions));
    }
    for (const Configuration& each : past) {
      const auto at = std::ranges::find(each.vars, change.name, &EnvironmentVar::name);
      if (at == each.vars.end()) continue;
      if (at->disclosure == Disclosure::secret) names.push_back(change.name);
      break;
    }
  }
  return fmt::format("{}", fmt::join(names, ","));
}

ChangeDigest Environments::digest(const Actor& requester, const Draft& draft) const {
  ChangeDigest out(requester, "env_write");
  out.add("project", draft.next.project).add("environment", draft.next.environment);
  out.add("from version", draft.next.version);
  for (const VarChange& change : draft.changes) {
    out.add("change", static_cast<std::int64_t>(change.what)).add("variable", change.name);
    const auto at = std::ranges::find(draft.next.vars, change.name, &EnvironmentVar::name);
    if (at == draft.next.vars.end()) continue;
    out.add("kind", to_string(at->kind));
    out.add("secret", at->disclosure == Disclosure::secret ? 1 : 0);
    out.add("value", parts_.box.fingerprint(at->value));
  }
  return out;
}

std::string_view to_string(VarChange::What what) {
  switch (what) {
    case VarChange::What::added:
      return "added";
    case VarChange::What::modified:
      return "modified";
    case VarChange::What::removed:
      break;
  }
  return "removed";
}

Result<std::vector<AskedVariable>> Environments::asked(const Draft& draft, Disclosure side) const {
  const std::string resource =
      fmt::format("configuration/{}/{}", draft.next.project, draft.next.environment);
  const ReaderLock held(parts_.box.in_use());
  std::vector<AskedVariable> out;
  for (const VarChange& change : draft.changes) {
    if (change.disclosure != side) continue;
    const auto at = std::ranges::find(draft.next.vars, change.name, &EnvironmentVar::name);
    AskedVariable one{.name = change.name,
                      .change = std::string(to_string(change.what)),
                      .kind = at == draft.next.vars.end() ? change.before.kind : at->kind,
                      .disclosure = side};
    const auto kept = [&](std::string_view value, std::string_view which) -> Result<std::string> {
      if (side == Disclosure::secret) return parts_.box.fingerprint(value).substr(0, 12);
      return parts_.box.seal(cut(value), asked_context(resource, change.name, which));
    };
    if (at != draft.next.vars.end()) {
      SLIPWAY_TRY(one.value, kept(at->value, "value"));
    }
    if (change.what != VarChange::What::added) {
      SLIPWAY_TRY(one.before, kept(change.before.value, "before"));
    }
    out.push_back(std::move(one));
  }
  return out;
}

std::vector<AskedVariable> Environments::readable(std::string_view resource,
                                                  std::vector<AskedVariable> asked) const {
  const ReaderLock held(parts_.box.in_use());
  for (AskedVariable& each : asked) {
    if (each.disclosure == Disclosure::secret) continue;
    for (auto [text, which] :
         {std::pair(&each.value, "value"), std::pair(&each.before, "before")}) {
      if (!*text) continue;
      auto opened = parts_.box.unseal(**text, asked_context(resource, each.name, which));
      *text = opened ? std::optional(*std::move(opened)) : std::nullopt;
    }
  }
  return asked;
}

Result<Configuration> Environments::commit(const AuditContext& by, Draft draft) {
  if (draft.changes.empty()) return without_secrets(std::move(draft.next));
  Configuration& next = draft.next;
  ++next.version;
  next.actor = by.actor;
  const ReaderLock held(parts_.box.in_use());
  Configuration sealed = next;
  for (EnvironmentVar& var : sealed.vars) {
    SLIPWAY_TRY(var.value, parts_.box.seal(var.value, context_of(sealed, var.name)));
  }
  sealed.created_at = next.created_at = parts_.clock.now();
  Detail detail;
  if (!next.note.empty()) detail["note"] = next.note;
  for (const auto& [word, what] :
       {std::pair{"added", VarChange::What::added}, std::pair{"changed", VarChange::What::modified},
        std::pair{"removed", VarChange::What::removed}})
    list_names(detail, word, names_of(draft.changes, what));
  SLIPWAY_TRY(const std::string unsealed, unsealed_names(draft));
  std::vector<std::string> plain_now;
  if (!unsealed.empty())
    for (const std::string_view name : split(unsealed, ',')) plain_now.emplace_back(name);
  list_names(detail, "unsealed", std::move(plain_now));
  SLIPWAY_CHECK(parts_.store.add(by, sealed, std::move(detail)));
  return without_secrets(std::move(next));
}

Result<Configuration> Environments::change(const AuditContext& by, std::string_view project,
                                           std::string_view environment,
                                           const ConfigurationChange& change) {
  SLIPWAY_TRY(Draft draft, preview(project, environment, change));
  return commit(by, std::move(draft));
}

Result<Environments::Draft> Environments::preview_rollback(std::string_view project,
                                                           std::string_view environment,
                                                           std::int64_t to) const {
  const ReaderLock held(parts_.box.in_use());
  SLIPWAY_TRY(Configuration sealed, parts_.store.current(project, environment));
  SLIPWAY_TRY(const Configuration before, opened(std::move(sealed)));
  SLIPWAY_TRY(Configuration wanted, parts_.store.get(project, environment, to));
  SLIPWAY_TRY(Configuration next, opened(std::move(wanted)));
  keep_secrets(before, next);
  std::vector<VarChange> changes = difference(before, next);
  next.version = before.version;
  next.note = fmt::format("rollback to {}", to);
  return Draft{std::move(next), std::move(changes)};
}

Result<Configuration> Environments::roll_back(const AuditContext& by, std::string_view project,
                                              std::string_view environment, std::int64_t to) {
  SLIPWAY_TRY(Draft draft, preview_rollback(project, environment, to));
  return commit(by, std::move(draft));
}

Result<std::size_t> Environments::rotate_key(const AuditContext& by,
                                             const std::function<Result<std::size_t>()>& others) {
  const auto reseal = [this](const Configuration& of,
                             const EnvironmentVar& var) -> Result<std::string> {
    const std::string context = context_of(of, var.name);
    SLIPWAY_TRY(const std::string value, parts_.box.unseal(var.value, context));
    return parts_.box.seal(value, context);
  };
  std::size_t count = 0;
  SLIPWAY_CHECK(parts_.box.rotate([&]() -> Status {
    SLIPWAY_TRY(count, parts_.store.reseal(by, reseal));
    if (!others) return {};
    SLIPWAY_TRY(const std::size_t more, others());
    count += more;
    return {};
  }));
  return count;
}

Result<Environments::Values> Environments::values_for(const Deployment& deployment) const {
  SLIPWAY_TRY(Values out,
              values_for(deployment.project, preview_environment, deployment.config_version));
  // What came with the deployment itself (-e, -b) is hidden as what was set before.
  for (const EnvVars* vars : {&deployment.options.env, &deployment.options.build_env})
    for (const auto& [name, value] : *vars)
      if (std::ranges::find(well_known_values, value) == std::end(well_known_values))
        out.secrets.push_back(value);
  return out;
}

Result<Environments::Values> Environments::values_for(std::string_view project,
                                                      std::string_view environment,
                                                      std::int64_t version) const {
  Values out;
  if (version == 0) return out;
  const ReaderLock held(parts_.box.in_use());
  SLIPWAY_TRY(Configuration sealed, parts_.store.get(project, environment, version));
  SLIPWAY_TRY(const Configuration all, opened(std::move(sealed)));
  for (const EnvironmentVar& var : all.vars) {
    if (var.kind != VarKind::build) out.run[var.name] = var.value;
    if (var.kind != VarKind::run) out.build[var.name] = var.value;
    if (var.disclosure == Disclosure::secret) out.secrets.push_back(var.value);
  }
  return out;
}

Result<std::int64_t> Environments::newest_version(std::string_view project,
                                                  std::string_view environment) const {
  SLIPWAY_TRY(const Configuration newest, parts_.store.current(project, environment));
  return newest.version;
}

std::string masked_tail(const Environments& environments, const Deployment& deployment,
                        const std::filesystem::path& log, std::size_t bytes) {
  const auto values = environments.values_for(deployment);
  return values ? mask_secrets(log_tail(log, bytes), values->secrets) : std::string();
}

}  // namespace slipway
