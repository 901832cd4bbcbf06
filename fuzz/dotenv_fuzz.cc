// .env files: any bytes give variables or an error; what was read can be written and read back.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "cli/dotenv.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto vars = slipway::cli::parse_dotenv({reinterpret_cast<const char*>(data), size});
  if (!vars) return 0;
  std::string written;
  for (const auto& [name, value] : *vars) written += slipway::cli::dotenv_line(name, value);
  const auto again = slipway::cli::parse_dotenv(written);
  if (!again || *again != *vars) std::abort();
  return 0;
}
