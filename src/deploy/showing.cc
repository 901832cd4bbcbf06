#include "deploy/showing.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>

#include "base/text.h"

namespace slipway {
namespace {

constexpr std::size_t most_assets = 12, most_missing = 3;

// Pages of frameworks that say with a good status that something is wrong.
struct ErrorPage {
  std::string_view mark, what;
};
constexpr ErrorPage error_pages[] = {
    {"id=\"__next_error__\"", "Next.js shows its error page"},
    {"Application error: a server-side exception has occurred", "Next.js shows its error page"},
    {"Application error: a client-side exception has occurred", "Next.js shows its error page"},
    {"Blocked request. This host", "Vite refuses the host name (server.allowedHosts)"},
    {"vite-error-overlay", "Vite's development server shows an error"},
    {"DisallowedHost at", "Django refuses the host name (ALLOWED_HOSTS)"},
    {"Invalid Host header", "the development server refuses the host name"},
    {"<title>Error - Nuxt</title>", "Nuxt shows its error page"},
    {"// Werkzeug Debugger", "Flask shows an exception"},
    {"Whoops, looks like something went wrong", "Laravel shows an exception"},
    {"<b>Fatal error</b>:", "PHP stopped with an error"},
    {"Traceback (most recent call last)", "it shows a Python exception"},
};

Warning finding(std::string code, std::string message, std::string fix) {
  return {.code = std::move(code),
          .message = std::move(message),
          .file = {},
          .line = 0,
          .fix = std::move(fix)};
}

// Whether anything of an HTML text would show without scripts.
bool has_visible_text(std::string_view html) {
  static const RE2 hidden(
      R"((?is)<(?:script|style|noscript|template|title|head)\b.*?</(?:script|style|noscript|template|title|head)\s*>|<!--.*?-->)");
  static const RE2 tags("<[^>]*>");
  static const RE2 media(R"((?i)<(?:img|svg|canvas|video|iframe|picture|object|frame)\b)");
  std::string text(html);
  RE2::GlobalReplace(&text, hidden, "");
  if (RE2::PartialMatch(text, media)) return true;
  RE2::GlobalReplace(&text, tags, "");
  return !trim(text).empty();
}

bool has_script(std::string_view html) {
  static const RE2 script(R"((?i)<script\b|http-equiv=["']?refresh|<frameset\b)");
  return RE2::PartialMatch(html, script);
}

bool is_html(const SeenPage& page) {
  return page.type == "text/html" || page.type == "application/xhtml+xml" ||
         (page.type.empty() && page.body.find('<') != std::string::npos);
}

// The path of a redirect on the same host; "" for another one.
std::string own_redirect(std::string_view location) {
  static const RE2 local(R"(https?://[^/]*\.?localhost(?::\d+)?(/.*)?)");
  std::string path;
  if (location.starts_with('/') && !location.starts_with("//")) return std::string(location);
  if (RE2::FullMatch(location, local, &path)) return path.empty() ? "/" : path;
  return {};
}

void judge_page(const SeenPage& page, std::string_view path, std::vector<Warning>& out) {
  const std::string shown = sanitize_line(path);
  if (page.status >= 500) {
    out.push_back(finding("page_error",
                          fmt::format("{} answers with status {}", shown, page.status),
                          "look at the app's log: slipway logs"));
  } else if (page.status == 400) {
    out.push_back(
        finding("page_error",
                fmt::format("{} answers 400, as frameworks do that refuse a host name", shown),
                "allow .localhost and your own domain (Django: ALLOWED_HOSTS)"));
  } else if (page.status == 404) {
    out.push_back(finding("page_missing",
                          fmt::format("{} answers 404: it has no first page", shown),
                          "fine for an API; a page wants a route for / or an index.html"));
  } else if (page.status < 300 && page.body.empty() && page.status != 204) {
    out.push_back(finding("page_empty", fmt::format("{} answers with nothing", shown),
                          "let it answer with a page"));
  }
  if (page.status >= 300 || !is_html(page)) return;
  for (const ErrorPage& known : error_pages)
    if (page.body.find(known.mark) != std::string::npos) {
      out.push_back(finding("page_error", fmt::format("{}: {}", shown, known.what),
                            "look at the app's log: slipway logs"));
      return;
    }
  if (!page.body.empty() && !has_visible_text(page.body) && !has_script(page.body))
    out.push_back(finding("page_empty", fmt::format("{} is a page without any content", shown),
                          "put something between <body> and </body>"));
}

}  // namespace

std::vector<std::string> own_assets(std::string_view html, std::size_t most) {
  static const RE2 script(R"((?is)<script\b[^>]*?\bsrc\s*=\s*["']?([^"'\s>]+))");
  static const RE2 link(R"((?is)<link\b([^>]*)>)");
  static const RE2 href(R"((?is)\bhref\s*=\s*["']?([^"'\s>]+))");
  static const RE2 style(R"((?is)\brel\s*=\s*["']?(?:stylesheet|modulepreload)\b)");
  static const RE2 base_tag(R"((?is)<base\b[^>]*?\bhref\s*=\s*["']?([^"'\s>]+))");
  std::string base = "/", found;
  if (RE2::PartialMatch(html, base_tag, &found) && found.starts_with('/') &&
      !found.starts_with("//"))
    base = found.substr(0, found.rfind('/') + 1);
  std::vector<std::string> out;
  const auto add = [&](std::string url) {
    url = url.substr(0, url.find('#'));
    if (url.empty() || url.starts_with("//") || url.find(':') != std::string::npos) return;
    while (url.starts_with("./")) url.erase(0, 2);
    if (url.find("{{") != std::string::npos || url.find("<%") != std::string::npos ||
        url.starts_with("../"))
      return;
    if (!url.starts_with('/')) url.insert(0, base);
    if (out.size() < most && std::ranges::find(out, url) == out.end())
      out.push_back(std::move(url));
  };
  re2::StringPiece rest(html);
  std::string url;
  while (RE2::FindAndConsume(&rest, script, &url)) add(url);
  rest = re2::StringPiece(html);
  std::string attributes;
  while (RE2::FindAndConsume(&rest, link, &attributes))
    if (RE2::PartialMatch(attributes, style) && RE2::PartialMatch(attributes, href, &url)) add(url);
  return out;
}

std::vector<Warning> judge_showing(const Look& look) {
  std::vector<Warning> out;
  std::string path = "/";
  std::optional<SeenPage> page = look(path);
  for (int hops = 0; page && page->status >= 300 && page->status < 400 && hops < 3; ++hops) {
    const std::string next = own_redirect(page->location);
    if (next.empty()) return out;  // another host's page is not ours to judge
    if (next == path) {
      out.push_back(finding("page_error",
                            fmt::format("{} redirects to itself", sanitize_line(path)),
                            "an app that insists on HTTPS must trust X-Forwarded-Proto"));
      return out;
    }
    path = next;
    page = look(path);
  }
  if (!page) return out;
  judge_page(*page, path, out);
  if (!out.empty() || !is_html(*page)) return out;
  std::vector<std::string> missing;
  for (const std::string& asset : own_assets(page->body, most_assets)) {
    const std::optional<SeenPage> seen = look(asset);
    if (!seen) continue;
    // A single-page app's fallback answers with the page itself.
    const bool page_instead = seen->status < 300 && seen->type == "text/html";
    if (seen->status >= 400 || page_instead) missing.push_back(sanitize_line(asset));
  }
  if (missing.empty()) return out;
  const std::size_t all = missing.size();
  if (all > most_missing) missing.resize(most_missing);
  out.push_back(
      finding("asset_missing",
              fmt::format("the first page loads {}{}, which {} not there", join(missing, ", "),
                          all > most_missing ? fmt::format(" and {} more", all - most_missing) : "",
                          all == 1 ? "is" : "are"),
              "check the path, and the base path that the build was told"));
  return out;
}

}  // namespace slipway
