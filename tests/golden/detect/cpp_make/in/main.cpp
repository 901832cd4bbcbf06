#include "httplib.h"
#include <cstdlib>

int main() {
  httplib::Server server;
  server.Get("/health", [](const auto&, auto& r) { r.set_content("ok", "text/plain"); });
  const char* port = std::getenv("PORT");
  server.listen("0.0.0.0", std::atoi(port));
}
