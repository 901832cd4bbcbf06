#include "api/project_names.h"

#include "base/near.h"
#include "base/text.h"

namespace slipway {

Result<std::vector<std::string>> similar_projects(const ApiContext& context, const ApiCall& call,
                                                  std::string_view name) {
  SLIPWAY_TRY(const std::vector<Project> projects, context.repository.projects());
  std::vector<std::string> names;
  for (const Project& each : projects)
    if (each.name != name && authorize(context, call, each.name, {})) names.push_back(each.name);
  return near_names(name, names);
}

Status must_exist(const ApiContext& context, const ApiCall& call, std::string_view project) {
  SLIPWAY_TRY(const bool exists, context.repository.has_project(project));
  if (exists) return {};
  SLIPWAY_TRY(const std::vector<std::string> similar, similar_projects(context, call, project));
  return fail(Error{.code = Errc::not_found,
                    .message = fmt::format("no project is called '{}'", sanitize_line(project)),
                    .hint = similar.empty() ? "a deployment makes it: slipway deploy --project NAME"
                                            : did_you_mean(similar)}
                  .with_next("slipway ls", "for what there is"));
}

}  // namespace slipway
