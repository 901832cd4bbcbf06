#include "router/pages.h"

#include <fmt/format.h>

#include <boost/json/serialize.hpp>

#include "base/text.h"
#include "json/json.h"
#include "router/page_style.h"

namespace slipway {
namespace {

std::string escape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

// Text of an app: safe on a line, then safe in HTML.
std::string safe(std::string_view text) { return escape(sanitize_line(text)); }

std::string safe_lines(std::string_view text) {
  std::string out;
  for (const std::string_view line : lines(text)) {
    if (!out.empty()) out += '\n';
    out += safe(line);
  }
  return out;
}

enum class Tone { calm, busy, bad };

struct Content {
  int status = 404;
  Tone tone = Tone::calm;
  std::string title;   // plain text, as the three below
  std::string lead;    // one or two sentences
  std::string label;   // small print above the title
  std::string detail;  // HTML
  int refresh = 0;     // seconds
  Error error;         // for JSON
};

std::string_view tone_name(Tone tone) {
  switch (tone) {
    case Tone::calm:
      return "calm";
    case Tone::busy:
      return "busy";
    case Tone::bad:
      return "bad";
  }
  return "calm";
}

std::string row(std::string_view name, std::string_view html) {
  return html.empty() ? std::string()
                      : fmt::format("<div class=\"row\"><dt>{}</dt><dd>{}</dd></div>", name, html);
}

std::string code(std::string_view text) {
  return text.empty() ? std::string() : fmt::format("<code>{}</code>", safe(text));
}

std::string describe(const Error& error, std::string_view step) {
  std::string rows = row("Step", safe(step.empty() ? error.phase : step));
  rows += row("Command", code(error.command));
  if (error.exit_code) rows += row("Exit code", code(std::to_string(*error.exit_code)));
  if (!error.file.empty())
    rows +=
        row("Where", code(error.line ? fmt::format("{}:{}", error.file, *error.line) : error.file));
  std::string html;
  if (!rows.empty()) html += "<dl>" + rows + "</dl>";
  if (!error.hint.empty())
    html += "<h2>Hint</h2><p class=\"hint\">" + safe_lines(error.hint) + "</p>";
  if (!error.next.empty()) {
    html += "<h2>Next</h2><ul>";
    for (const NextStep& next : error.next)
      html += fmt::format("<li>{} <span>{}</span></li>", code(next.command), safe(next.when));
    html += "</ul>";
  }
  return html;
}

Page render(const Content& content, PageForm form) {
  Page page{.status = content.status, .retry_after = content.refresh};
  if (form == PageForm::json) {
    page.content_type = "application/problem+json";
    json::object object = to_json(content.error);
    // Anybody may look at a page: what an app printed and what policies saw is for who may read it.
    for (const std::string_view part : {"excerpt", "decision"}) object.erase(part);
    object["status"] = content.status;
    object["title"] = content.title;
    page.body = json::serialize(object) + "\n";
    return page;
  }
  page.content_type = "text/html; charset=utf-8";
  page.body = fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
      "<meta name=\"robots\" content=\"noindex\">{}<title>{}</title><style>{}</style></head>"
      "<body class=\"{}\"><main><p class=\"label\"><span class=\"dot\" aria-hidden=\"true\"></span>"
      "{}</p><h1>{}</h1><p class=\"lead\">{}</p>{}<footer>Slipway</footer></main></body></html>\n",
      content.refresh > 0
          ? fmt::format("<meta http-equiv=\"refresh\" content=\"{}\">", content.refresh)
          : "",
      escape(content.title), page_style, tone_name(content.tone), escape(content.label),
      escape(content.title), safe_lines(content.lead), content.detail);
  return page;
}

std::string name_of(const StatusPage& status) {
  return status.project.empty() ? status.deployment : status.project;
}

Content content_of(const StatusPage& status) {
  Content content;
  content.label = name_of(status) + (status.deployment.empty() ? "" : " · " + status.deployment);
  const auto say = [&](int code_, Tone tone, Errc errc, std::string title, std::string lead) {
    content.status = code_;
    content.tone = tone;
    content.title = std::move(title);
    content.lead = std::move(lead);
    content.error = status.error.value_or(Error{.code = errc, .message = content.lead});
  };
  if (status.kind == "building") {
    say(503, Tone::busy, Errc::unavailable, "Building",
        "This deployment is being built. The page reloads by itself and shows the app as soon as "
        "it runs.");
    content.refresh = 2;
    content.detail = describe({}, status.step);
    content.error.phase = status.step;
  } else if (status.kind == "failed") {
    say(502, Tone::bad, Errc::build_failed, "This deployment failed",
        status.error ? status.error->message : "It did not get as far as running.");
    content.detail = describe(content.error, status.step);
  } else if (status.kind == "canceled") {
    say(410, Tone::calm, Errc::canceled, "This deployment was canceled",
        "A newer one took its place, or somebody stopped it before it ran.");
  } else if (status.kind == "expired") {
    say(410, Tone::calm, Errc::not_found, "This preview has expired",
        "Previews live for a limited time. Deploy it again to get a fresh one.");
    content.detail =
        "<ul><li><code>slipway deploy</code> <span>in the project's folder</span></li></ul>";
  } else if (status.kind == "deleted") {
    say(410, Tone::calm, Errc::not_found, "This deployment was removed",
        "Its owner removed it. For two days it can be brought back.");
    content.detail = "<ul><li><code>slipway undo</code> <span>to bring it back</span></li></ul>";
  } else if (status.kind == "background") {
    say(404, Tone::calm, Errc::not_found, "This runs in the background",
        "It is a worker or a schedule: it does its work and answers no requests.");
    content.detail = "<ul><li><code>slipway logs " + safe(status.deployment) +
                     "</code> <span>to see what it does</span></li></ul>";
  } else {
    say(503, Tone::calm, Errc::unavailable, "This app is stopped",
        "It was stopped and answers no requests.");
  }
  return content;
}

}  // namespace

Page unknown_host_page(std::string_view host, PageForm form) {
  Content content{.status = 404, .title = "Nothing lives here", .label = "404"};
  content.lead = host.empty() ? "The request names no host."
                              : fmt::format("No deployment answers at {}.", sanitize_line(host));
  content.detail =
      "<ul><li><code>slipway ls</code> <span>lists what runs, with its address</span></li></ul>";
  content.error = {.code = Errc::not_found, .message = content.lead};
  content.error.next.push_back({"slipway ls", "to see what is deployed"});
  return render(content, form);
}

Page missing_file_page(std::string_view path, PageForm form) {
  Content content{.status = 404, .title = "Page not found", .label = "404"};
  content.lead = fmt::format("This site has no {}.", sanitize_line(path));
  content.error = {.code = Errc::not_found, .message = content.lead};
  return render(content, form);
}

Page status_page(const StatusPage& status, PageForm form) {
  return render(content_of(status), form);
}

Page crashed_page(const DeploymentId& deployment, const Error& error, PageForm form) {
  Content content{
      .status = 502,
      .tone = Tone::bad,
      .title = "The app is not running",
      .lead = error.message.empty() ? "It crashed, or does not accept connections." : error.message,
      .label = deployment.str(),
      .refresh = 5,
      .error = error};
  if (content.error.code == Errc::internal) content.error.code = Errc::unavailable;
  if (content.error.message.empty()) content.error.message = content.lead;
  content.detail = describe(error, "");
  content.detail += fmt::format(
      "<ul><li><code>slipway logs {}</code> <span>shows what it said</span>"
      "</li></ul>",
      safe(deployment.str()));
  return render(content, form);
}

Page wake_timeout_page(const DeploymentId& deployment, PageForm form) {
  Content content{.status = 503,
                  .tone = Tone::busy,
                  .title = "Waking up takes long",
                  .lead = "The app was asleep and has not become ready yet. Try again in a moment.",
                  .label = deployment.str(),
                  .refresh = 5};
  content.error = {.code = Errc::unavailable, .message = content.lead, .phase = "wake"};
  return render(content, form);
}

Page bad_answer_page(const DeploymentId& deployment, std::string_view problem, PageForm form) {
  Content content{.status = 502,
                  .tone = Tone::bad,
                  .title = "The app gave no proper answer",
                  .lead = fmt::format("Its answer could not be used: {}.", problem),
                  .label = deployment.str()};
  content.error = {.code = Errc::unavailable, .message = content.lead};
  content.detail = fmt::format(
      "<ul><li><code>slipway logs {}</code> <span>shows what it said</span>"
      "</li></ul>",
      safe(deployment.str()));
  return render(content, form);
}

Page slow_answer_page(const DeploymentId& deployment, PageForm form) {
  Content content{.status = 504,
                  .tone = Tone::bad,
                  .title = "The app did not answer in time",
                  .lead = "It took the request but sent nothing back.",
                  .label = deployment.str()};
  content.error = {.code = Errc::deadline_exceeded, .message = content.lead};
  return render(content, form);
}

Page bad_request_page(std::string_view problem, PageForm form) {
  Content content{.status = 400,
                  .title = "Bad request",
                  .lead = fmt::format("The request cannot be understood safely: {}.", problem),
                  .label = "400"};
  content.error = {.code = Errc::invalid_argument, .message = content.lead};
  return render(content, form);
}

Page error_page(const Error& error, PageForm form, int status) {
  Content content{.status = status != 0 ? status : info(error.code).http_status,
                  .tone = Tone::bad,
                  .title = "This did not work",
                  .lead = error.message,
                  .label = std::string(info(error.code).name),
                  .error = error};
  content.detail = describe(error, "");
  return render(content, form);
}

}  // namespace slipway
