#pragma once

#include <set>
#include <string>
#include <string_view>

#include "api/context.h"

namespace slipway {

// What the caller may see of lists that are read a page at a time, for what the route is for.
// Looked up once, so that a store may ask it row by row while it reads: it uses no database itself.
// `call` must outlive it.
class Sight {
 public:
  [[nodiscard]] static Result<Sight> of(const ApiContext& context, const ApiCall& call);
  // As authorize(). Without a project: the whole server.
  [[nodiscard]] bool sees(std::string_view project, std::string_view environment) const;
  // As may_read().
  [[nodiscard]] bool sees(const json::object& decision) const;

 private:
  explicit Sight(const ApiCall& call) : call_(&call) {}
  const ApiCall* call_;
  std::set<std::string, std::less<>> own_;  // the projects of the caller's team, if it has one
};

}  // namespace slipway
