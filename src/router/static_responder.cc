#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/log.h"
#include "router/media_type.h"
#include "router/off_loop.h"
#include "router/query.h"
#include "router/responders.h"
#include "router/static_negotiation.h"
#include "router/variants.h"
#include "sys/files.h"

namespace slipway {
namespace {

using Expiry = Exchange::Expiry;
constexpr std::uint64_t read_at_once = 64u << 10;  // larger files go by sendfile(2)
constexpr std::uint64_t sent_at_once = 4u << 20;   // of them

// What of the request counts for a file, kept beyond the head's views.
struct Wish {
  std::string path;   // decoded
  std::string query;  // with '?', or empty
  std::string if_none_match, if_range, range;
  std::vector<Coding> codings;
};

std::optional<Wish> wish_of(const RequestHead& head) {
  const std::size_t mark = head.target.find('?');
  auto path = percent_decode(head.target.substr(0, mark));
  if (!path || path->empty() || path->front() != '/') return std::nullopt;
  return Wish{.path = *std::move(path),
              .query = std::string(mark == std::string_view::npos ? "" : head.target.substr(mark)),
              .if_none_match = std::string(head.value(FieldKind::if_none_match)),
              .if_range = std::string(head.value(FieldKind::if_range)),
              .range = std::string(head.value(FieldKind::range)),
              .codings = accepted_codings(head.value(FieldKind::accept_encoding))};
}

struct Chosen {
  Fd fd;
  std::shared_ptr<const std::string> content;  // instead of a file
  std::uint64_t size = 0;
  std::optional<Coding> coding;
};

// The best variant that is there, or the file itself.
Result<Chosen> choose(Exchange& x, const std::shared_ptr<const SiteIndex>& site,
                      const SiteIndex::File& file, const Wish& wish, std::string_view type) {
  if (file.content)
    return Chosen{.fd = {}, .content = file.content, .size = file.size, .coding = std::nullopt};
  if (wish.range.empty() && is_compressible(type)) {
    for (const Coding coding : wish.codings) {
      if (!can_make(coding)) continue;
      const auto size = x.lane.variants.find(site, file, coding);
      if (!size) continue;
      if (auto fd = open_file(site->variant_path(file, coding), O_RDONLY))
        return Chosen{.fd = *std::move(fd), .content = {}, .size = *size, .coding = coding};
      // Collected with its blob's neighbours: it will be made again.
      file.variants[static_cast<std::size_t>(coding)] = SiteIndex::variant_unknown;
    }
  }
  SLIPWAY_TRY(Fd fd, site->open_file(file));
  return Chosen{.fd = std::move(fd), .content = {}, .size = file.size, .coding = std::nullopt};
}

std::string disk_key(int file) {
  struct stat info{};
  ::fstat(file, &info);
  return fmt::format("{}:{}", info.st_dev, info.st_ino);
}

// What the kernel has in memory is read at once, the rest on another thread.
Task<bool> read_now_or_off_loop(Exchange& x, int file, std::uint64_t offset, std::string& into) {
  const iovec target{.iov_base = into.data(), .iov_len = into.size()};
  const auto whole = static_cast<ssize_t>(into.size());
  ssize_t n = ::preadv2(file, &target, 1, static_cast<off_t>(offset), RWF_NOWAIT);
  if (n == whole) co_return true;
  const bool ran = co_await run_off_loop(x, disk_key(file), [&] {
    n = ::pread(file, into.data(), into.size(), static_cast<off_t>(offset));
  });
  co_return ran&& n == whole;
}

// Sees to it that a part of a file is in memory, as far as one can tell: its first and last bytes.
Task<bool> in_memory(Exchange& x, int file, std::uint64_t offset, std::uint64_t bytes) {
  const auto there = [&](std::uint64_t at) {
    char byte = 0;
    const iovec target{.iov_base = &byte, .iov_len = 1};
    return ::preadv2(file, &target, 1, static_cast<off_t>(at), RWF_NOWAIT) == 1;
  };
  if (there(offset) && there(offset + bytes - 1)) co_return true;
  const bool ran = co_await run_off_loop(x, disk_key(file), [&] {
    std::string scratch(std::min<std::uint64_t>(bytes, 256u << 10), '\0');
    for (std::uint64_t at = 0; at < bytes; at += scratch.size())
      if (::pread(file, scratch.data(), std::min<std::uint64_t>(scratch.size(), bytes - at),
                  static_cast<off_t>(offset + at)) <= 0)
        return;
  });
  co_return ran;
}

Task<void> send_file(Exchange& x, int status, std::string headers, const Chosen& chosen,
                     ByteRange part) {
  const std::uint64_t bytes = chosen.size == 0 ? 0 : part.last - part.first + 1;
  if (x.unread_body) x.keep_alive = false;
  const std::string head =
      x.own_head(status, headers, fmt::format("Content-Length: {}\r\n", bytes));
  x.deadline(x.lane.settings.body_timeout, Expiry::close);
  bool sent = false;
  if (x.is_head || bytes == 0) {
    sent = co_await x.client.write({head});
  } else if (chosen.content) {
    sent = co_await x.client.write(
        {head, std::string_view(*chosen.content).substr(part.first, bytes)});
  } else if (bytes <= read_at_once) {
    std::string content(bytes, '\0');
    const bool read = co_await read_now_or_off_loop(x, chosen.fd.get(), part.first, content);
    x.deadline(x.lane.settings.body_timeout, Expiry::close);
    if (read) sent = co_await x.client.write({head, content});
  } else {
    sent = co_await x.client.write({head});
    bool all = true;
    // Piece by piece: each is in memory before the loop sends it.
    for (std::uint64_t at = 0; sent && at < bytes; at += sent_at_once) {
      const std::uint64_t piece = std::min(sent_at_once, bytes - at);
      const bool ready = co_await in_memory(x, chosen.fd.get(), part.first + at, piece);
      x.deadline(x.lane.settings.body_timeout, Expiry::close);
      all = ready;
      if (!ready) break;
      sent = co_await x.client.write_file(chosen.fd.get(), part.first + at, piece, [&x] {
        x.deadline(x.lane.settings.body_timeout, Expiry::close);
      });
    }
    sent = sent && all;
  }
  if (!sent) x.abort();
}

Task<void> cannot_be_read(Exchange& x, const DeploymentId& deployment, std::string_view path,
                          const Error& why) {
  log_error("a published file cannot be read",
            {{"deployment", deployment.str()}, {"path", path}, {"error", why.message}});
  co_await answer_with_page(
      x,
      error_page({.code = Errc::io, .message = "A file of this site cannot be read."}, form_of(x)));
}

Task<void> send(Exchange& x, const DeploymentId& deployment,
                const std::shared_ptr<const SiteIndex>& site, const Wish& wish,
                const SiteIndex::File& file, int status) {
  const std::string_view type = media_type(file.path);
  Result<Chosen> chosen = choose(x, site, file, wish, type);
  if (!chosen) co_return co_await cannot_be_read(x, deployment, file.path, chosen.error());
  const std::string tag = entity_tag(file.digest, chosen->coding);
  std::string headers = fmt::format("ETag: {}\r\nCache-Control: {}\r\n", tag,
                                    status == 404 ? "no-cache" : cache_policy(file.path));
  if (is_compressible(type)) headers += "Vary: Accept-Encoding\r\n";
  if (status == 200 && !wish.if_none_match.empty() &&
      none_match_hits(wish.if_none_match, file.digest))
    co_return co_await x.reply(304, "", headers, "");
  headers += fmt::format("Content-Type: {}\r\nX-Content-Type-Options: nosniff\r\n", type);
  if (chosen->coding)
    headers += fmt::format("Content-Encoding: {}\r\n", to_string(*chosen->coding));
  if (status != 200)
    co_return co_await send_file(x, status, std::move(headers), *chosen, {0, chosen->size - 1});
  headers += "Accept-Ranges: bytes\r\n";
  RangeAnswer range;
  // With If-Range a part is only good if it is of the file the client knows.
  if (!wish.range.empty() && (wish.if_range.empty() || wish.if_range == tag))
    range = choose_range(wish.range, file.size);
  switch (range.verdict) {
    case RangeVerdict::unsatisfiable:
      co_return co_await x.reply(
          416, "", headers + fmt::format("Content-Range: bytes */{}\r\n", file.size), "");
    case RangeVerdict::part:
      headers += fmt::format("Content-Range: bytes {}-{}/{}\r\n", range.part.first, range.part.last,
                             file.size);
      co_return co_await send_file(x, 206, std::move(headers), *chosen, range.part);
    case RangeVerdict::whole:
      co_return co_await send_file(x, 200, std::move(headers), *chosen, {0, chosen->size - 1});
  }
}

}  // namespace

Task<void> answer_from_site(Exchange& x, std::shared_ptr<const StaticSite> site) {
  const RequestHead& head = x.parser.head();
  if (head.method != "GET" && head.method != "HEAD") {
    x.drop_head();
    co_return co_await x.reply(405, "text/plain; charset=utf-8", "Allow: GET, HEAD\r\n",
                               "This is a static site: only GET and HEAD are answered.\n");
  }
  const std::optional<Wish> wish = wish_of(head);
  x.drop_head();
  if (!wish)
    co_return co_await answer_with_page(x,
                                        bad_request_page("broken escape in the path", form_of(x)));
  site->touch(x.lane.clock.monotonic());
  Result<std::shared_ptr<const SiteIndex>> index = site->ready_index();
  if (*index == nullptr) {
    const bool ran =
        co_await run_off_loop(x, site->deployment().str(), [&] { index = site->index(); });
    if (!ran)
      index = fail(Errc::unavailable, "Too many sites are being opened. Try again in a moment.");
  }
  if (!index)
    co_return co_await cannot_be_read(x, site->deployment(), "(its manifest)", index.error());
  const SiteIndex::Found found = (*index)->find(wish->path);
  if (found.status == 307)
    co_return co_await x.reply(307, "",
                               fmt::format("Location: {}{}\r\nCache-Control: no-cache\r\n",
                                           percent_encode_path(found.location), wish->query),
                               "");
  if (found.file == nullptr)
    co_return co_await answer_with_page(x, missing_file_page(wish->path, form_of(x)));
  co_await send(x, site->deployment(), *index, *wish, *found.file, found.status);
}

}  // namespace slipway
