// Every manifest parser and every language's scanner on hostile text: no crash, no hang.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "detect/formats.h"
#include "detect/python/project.h"
#include "detect/source.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace slipway::detection;
  if (size < 1 || size > 64 * 1024) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 19) {
    case 0:
      static_cast<void>(parse_json_lenient(text));
      break;
    case 1:
      static_cast<void>(parse_toml(text));
      break;
    case 2:
      static_cast<void>(parse_yaml(text));
      break;
    case 3:
      static_cast<void>(parse_xml(text));
      break;
    case 4:
      static_cast<void>(scan_source("a.js", text));
      break;
    case 5:
      static_cast<void>(scan_source("a.py", text));
      break;
    case 6:
      static_cast<void>(scan_source("a.go", text));
      break;
    case 7:
      static_cast<void>(scan_source("a.rs", text));
      break;
    case 8:
      static_cast<void>(scan_source("A.java", text));
      break;
    case 9:
      static_cast<void>(scan_source("a.rb", text));
      break;
    case 10:
      static_cast<void>(scan_source("a.php", text));
      break;
    case 11:
      static_cast<void>(python::parse_requirement(text));
      break;
    case 12:
      static_cast<void>(scan_source("a.swift", text));
      break;
    case 13:
      static_cast<void>(scan_source("a.cr", text));
      break;
    case 14:
      static_cast<void>(scan_source("a.hs", text));
      break;
    case 15:
      static_cast<void>(scan_source("a.clj", text));
      break;
    case 16:
      static_cast<void>(scan_source("a.zig", text));
      break;
    case 17:
      static_cast<void>(scan_source("a.gleam", text));
      break;
    default:
      static_cast<void>(python::read_script_metadata(text));
      break;
  }
  return 0;
}
