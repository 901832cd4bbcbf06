#pragma once

#include <cstddef>

#include "base/task_group.h"

namespace slipway {

// Runs `work()` on up to `threads` threads at once, this one among them, and returns when all are
// done. With fewer when the system gives no more: `work` shares out what is to do.
template <class Work>
void run_on_threads(std::size_t threads, const Work& work) {
  run_side_by_side("store", std::max<std::size_t>(threads, 1), [&](std::size_t) { work(); });
}

}  // namespace slipway
