#pragma once

#include <cstddef>
#include <system_error>
#include <thread>
#include <vector>

namespace slipway {

// Runs `work()` on up to `threads` threads at once, this one among them, and returns when all are
// done. With fewer when the system gives no more: `work` shares out what is to do by itself.
template <class Work>
void run_on_threads(std::size_t threads, const Work& work) {
  std::vector<std::jthread> helpers;
  try {
    while (helpers.size() + 1 < threads) helpers.emplace_back(work);
  } catch (const std::system_error&) {  // no more threads: slower, but done all the same
  }
  work();
}

}  // namespace slipway
