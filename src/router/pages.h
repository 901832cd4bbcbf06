#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "router/route_table.h"

namespace slipway {

// The router's own pages, in place of an app that cannot answer. HTML that needs nothing else
// (light and dark), or the same as application/problem+json. All text in them is escaped; what
// comes from apps is sanitized first. Pure.
struct Page {
  int status = 404;
  int retry_after = 0;  // seconds; 0: no such header
  std::string content_type;
  std::string body;
};

enum class PageForm { html, json };

[[nodiscard]] Page unknown_host_page(std::string_view host, PageForm form);
// A static site without that file, and without a 404.html of its own.
[[nodiscard]] Page missing_file_page(std::string_view path, PageForm form);
[[nodiscard]] Page status_page(const StatusPage& status, PageForm form);
[[nodiscard]] Page crashed_page(const DeploymentId& deployment, const Error& error, PageForm form);
// The instance did not wake in time; `waited` seconds.
[[nodiscard]] Page wake_timeout_page(const DeploymentId& deployment, PageForm form);
// The app took the connection but broke off, or answered with something that is no HTTP.
[[nodiscard]] Page bad_answer_page(const DeploymentId& deployment, std::string_view problem,
                                   PageForm form);
[[nodiscard]] Page slow_answer_page(const DeploymentId& deployment, PageForm form);
[[nodiscard]] Page bad_request_page(std::string_view problem, PageForm form);
// With the status that belongs to the error's code, unless another is given.
[[nodiscard]] Page error_page(const Error& error, PageForm form, int status = 0);

}  // namespace slipway
