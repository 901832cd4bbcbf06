#include "router/media_type.h"

#include <algorithm>
#include <array>
#include <string>

#include "base/text.h"

namespace slipway {
namespace {

struct Row {
  std::string_view extension, type;
};
constexpr std::array rows{
    Row{"html", "text/html; charset=utf-8"},
    Row{"htm", "text/html; charset=utf-8"},
    Row{"css", "text/css; charset=utf-8"},
    Row{"js", "text/javascript; charset=utf-8"},
    Row{"mjs", "text/javascript; charset=utf-8"},
    Row{"cjs", "text/javascript; charset=utf-8"},
    Row{"json", "application/json; charset=utf-8"},
    Row{"map", "application/json; charset=utf-8"},
    Row{"jsonld", "application/ld+json; charset=utf-8"},
    Row{"geojson", "application/geo+json; charset=utf-8"},
    Row{"webmanifest", "application/manifest+json; charset=utf-8"},
    Row{"svg", "image/svg+xml; charset=utf-8"},
    Row{"txt", "text/plain; charset=utf-8"},
    Row{"md", "text/markdown; charset=utf-8"},
    Row{"markdown", "text/markdown; charset=utf-8"},
    Row{"csv", "text/csv; charset=utf-8"},
    Row{"ics", "text/calendar; charset=utf-8"},
    Row{"vtt", "text/vtt; charset=utf-8"},
    Row{"xml", "application/xml; charset=utf-8"},
    Row{"xsl", "application/xml; charset=utf-8"},
    Row{"rss", "application/rss+xml; charset=utf-8"},
    Row{"atom", "application/atom+xml; charset=utf-8"},
    Row{"xhtml", "application/xhtml+xml; charset=utf-8"},
    Row{"yaml", "application/yaml; charset=utf-8"},
    Row{"yml", "application/yaml; charset=utf-8"},
    Row{"toml", "application/toml; charset=utf-8"},
    Row{"wasm", "application/wasm"},
    Row{"pdf", "application/pdf"},
    Row{"zip", "application/zip"},
    Row{"gz", "application/gzip"},
    Row{"tgz", "application/gzip"},
    Row{"tar", "application/x-tar"},
    Row{"7z", "application/x-7z-compressed"},
    Row{"png", "image/png"},
    Row{"apng", "image/apng"},
    Row{"jpg", "image/jpeg"},
    Row{"jpeg", "image/jpeg"},
    Row{"gif", "image/gif"},
    Row{"webp", "image/webp"},
    Row{"avif", "image/avif"},
    Row{"jxl", "image/jxl"},
    Row{"bmp", "image/bmp"},
    Row{"tif", "image/tiff"},
    Row{"tiff", "image/tiff"},
    Row{"ico", "image/x-icon"},
    Row{"mp3", "audio/mpeg"},
    Row{"m4a", "audio/mp4"},
    Row{"aac", "audio/aac"},
    Row{"ogg", "audio/ogg"},
    Row{"oga", "audio/ogg"},
    Row{"opus", "audio/ogg"},
    Row{"wav", "audio/wav"},
    Row{"flac", "audio/flac"},
    Row{"mp4", "video/mp4"},
    Row{"m4v", "video/mp4"},
    Row{"webm", "video/webm"},
    Row{"ogv", "video/ogg"},
    Row{"mov", "video/quicktime"},
    Row{"woff", "font/woff"},
    Row{"woff2", "font/woff2"},
    Row{"ttf", "font/ttf"},
    Row{"otf", "font/otf"},
    Row{"eot", "application/vnd.ms-fontobject"},
    Row{"glb", "model/gltf-binary"},
    Row{"gltf", "model/gltf+json; charset=utf-8"},
};

std::string_view file_name(std::string_view path) { return path.substr(path.rfind('/') + 1); }

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }

// 8 or more hex digits, of both kinds: "3f2a1b9c", not "20240101" or "facade".
bool is_hex_hash(std::string_view part) {
  return part.size() >= 8 && part.size() <= 64 && std::ranges::any_of(part, is_digit) &&
         std::ranges::any_of(part, is_lower) &&
         std::ranges::all_of(part, [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); });
}

// The eight base64url letters that Vite and Rollup write: "DiwrgTda", "B2x_9aQe".
bool is_short_hash(std::string_view part) {
  if (part.size() != 8 || !std::ranges::all_of(part, [](char c) {
        return is_digit(c) || is_lower(c) || is_upper(c) || c == '_' || c == '-';
      }))
    return false;
  const bool mixed_case =
      std::ranges::any_of(part, is_lower) && std::ranges::any_of(part.substr(1), is_upper);
  return mixed_case || (std::ranges::any_of(part, is_digit) &&
                        std::ranges::any_of(part, [](char c) { return !is_digit(c); }));
}

bool has_folder(std::string_view path, std::string_view folder) {
  return path.starts_with(folder) || path.find("/" + std::string(folder)) != std::string_view::npos;
}

}  // namespace

std::string_view media_type(std::string_view path) {
  const std::string_view name = file_name(path);
  const std::size_t dot = name.rfind('.');
  if (dot != std::string_view::npos) {
    const std::string extension = to_lower(name.substr(dot + 1));
    for (const Row& row : rows)
      if (row.extension == extension) return row.type;
  }
  if (name == "apple-app-site-association") return "application/json; charset=utf-8";
  constexpr std::array<std::string_view, 4> plain{"LICENSE", "README", "CNAME", "robots"};
  return std::ranges::find(plain, name) != plain.end() ? "text/plain; charset=utf-8"
                                                       : "application/octet-stream";
}

bool is_compressible(std::string_view type) {
  return type.find("charset=utf-8") != std::string_view::npos || type == "application/wasm" ||
         type == "font/ttf" || type == "font/otf" || type == "application/vnd.ms-fontobject" ||
         type == "image/x-icon" || type == "image/bmp";
}

bool has_content_hash(std::string_view path) {
  for (const std::string_view folder : {"_next/static/", "_astro/", "_app/immutable/", "_nuxt/"})
    if (has_folder(path, folder)) return true;
  const std::string_view name = file_name(path);
  const std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return false;
  std::string_view stem = name.substr(0, dot);
  if (stem.ends_with(".js") || stem.ends_with(".css") || stem.ends_with(".mjs"))  // source maps
    stem = stem.substr(0, stem.rfind('.'));
  const std::size_t mark = stem.find_last_of(".-_");
  const bool in_assets = has_folder(path, "assets/");
  // A short hash may contain '-' and '_' itself.
  if (in_assets && stem.size() > 9 &&
      (stem[stem.size() - 9] == '-' || stem[stem.size() - 9] == '.') &&
      is_short_hash(stem.substr(stem.size() - 8)))
    return true;
  return is_hex_hash(mark == std::string_view::npos ? stem : stem.substr(mark + 1));
}

std::string_view cache_policy(std::string_view path) {
  if (media_type(path).starts_with("text/html")) return "no-cache";
  if (has_content_hash(path)) return "public, max-age=31536000, immutable";
  return "public, max-age=0, must-revalidate";
}

}  // namespace slipway
