#pragma once

#include "base/result.h"

namespace slipway {

// How long the calling thread keeps a core at a time, and threads and processes that it makes from
// then on. A short turn is had sooner: who waits for a core and needs it briefly does not wait for
// the whole turn of one that computes. Shares stay what they are. Kernels before 6.12 know one
// length.
enum class Turns { ordinary, brief };
[[nodiscard]] Status take_turns(Turns turns);

}  // namespace slipway
