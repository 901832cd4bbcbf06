#include "repair/kinds.h"

namespace slipway::repair {

std::optional<Change> legacy_openssl(const Failure& failure) {
  if (!holds_any(failure.log, {"digital envelope routines::unsupported", "ERR_OSSL_EVP_UNSUPPORTED",
                               "error:0308010C"}))
    return std::nullopt;
  Change change;
  change.build_env["NODE_OPTIONS"] = "--openssl-legacy-provider";
  change.message =
      "the bundler asks OpenSSL for a hash that it dropped; the build ran with its legacy provider";
  change.file = "package.json";
  change.fix =
      "slipway env set -b NODE_OPTIONS=--openssl-legacy-provider, or use webpack 5 "
      "(react-scripts 5)";
  return change;
}

}  // namespace slipway::repair
