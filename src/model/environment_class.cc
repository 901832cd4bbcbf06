#include "model/environment_class.h"

#include "model/environment.h"
#include "model/release.h"

namespace slipway {

std::string_view environment_class(std::string_view environment) {
  if (environment == production_environment) return production_environment;
  if (environment == staging_environment) return staging_environment;
  return preview_environment;
}

}  // namespace slipway
