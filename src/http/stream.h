#pragma once

#include <sys/uio.h>

#include <array>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>

#include "http/loop.h"
#include "http/task.h"
#include "sys/fd.h"

namespace slipway {

// A non-blocking TCP connection with an input buffer. One coroutine at a time may wait for input,
// and one for output. Reading can be armed ahead: then the kernel's news (bytes, or the end) arrive
// by themselves, which costs no system call more than asking later, and tells about a peer that
// leaves while nobody asks. Destroying or closing it ends all waits.
class Stream {
 public:
  static constexpr std::size_t small_buffer = 16u << 10;
  static constexpr std::size_t large_buffer = 64u << 10;

  // Takes a connected socket, or one whose connect() was started. Sets TCP_NODELAY.
  Stream(Loop& loop, Fd socket);
  Stream() = default;
  Stream(Stream&& other) noexcept;
  Stream& operator=(Stream&& other) noexcept;
  ~Stream();

  [[nodiscard]] bool open() const;
  // Ends waits and further use; what is in input() stays readable.
  void close();
  // No more output from here; the peer sees the end.
  void shut_output();

  // ---- connect
  struct Connected;
  // co_await stream.connected(): 0, or the errno of the failed connect.
  [[nodiscard]] Connected connected();

  // ---- input
  [[nodiscard]] std::string_view input() const;
  void consume(std::size_t bytes);
  // The peer will send nothing more (or failed): input() is the last there is.
  [[nodiscard]] bool input_ended() const;
  // It did not end in order: reset, or closed here.
  [[nodiscard]] bool input_failed() const;
  // At most this many unread bytes are buffered; the buffer grows up to it as needed.
  void limit_input(std::size_t bytes);
  // Starts a read unless one is under way or the buffer is full.
  void arm();
  // Called when an armed read brings something and no coroutine waits for it.
  void on_unasked_input(std::function<void()> handler);
  struct More;
  // co_await stream.more(): true with new bytes in input(), false at the end, after an error, or
  // when input() is full.
  [[nodiscard]] More more();
  // Ends a wait for input with false; the stream stays usable.
  void interrupt_input();
  // Gives a grown, empty buffer back. For connections that rest.
  void shrink();

  // ---- output
  struct Write;
  // co_await stream.write({a, b}): all of it, in order; false when the peer is gone. The bytes must
  // stay until then. At most eight pieces.
  [[nodiscard]] Write write(std::initializer_list<std::string_view> pieces);
  [[nodiscard]] Write write(const iovec* pieces, std::size_t count);
  // What the kernel takes at once, the rest is lost: for last words.
  void send_now(std::string_view bytes);
  // From an open file, by sendfile(2). False when the peer is gone or the file too short.
  [[nodiscard]] Task<bool> write_file(int file, std::uint64_t offset, std::uint64_t bytes,
                                      std::function<void()> progress);

  // Bytes that went through it so far.
  [[nodiscard]] std::uint64_t received() const;
  [[nodiscard]] std::uint64_t sent() const;

  struct Impl;

 private:
  Impl* impl_ = nullptr;  // shared with the kernel operations under way
};

struct Stream::Connected {
  Impl* impl;
  int error = 0;
  bool await_ready();
  void await_suspend(std::coroutine_handle<> waiter);
  int await_resume() const noexcept { return error; }
};

struct Stream::More {
  Impl* impl;
  bool immediate = false;  // nothing can come
  bool await_ready();
  void await_suspend(std::coroutine_handle<> waiter);
  bool await_resume() const;
};

struct Stream::Write {
  static constexpr std::size_t max_pieces = 80;
  Impl* impl;
  std::array<iovec, 8> own{};
  const iovec* pieces = nullptr;  // into own, or the caller's
  std::size_t count = 0;
  std::size_t offset = 0;  // sent of pieces[0]
  bool ok = true;
  std::coroutine_handle<> waiter{};

  bool await_ready();
  void await_suspend(std::coroutine_handle<> handle);
  [[nodiscard]] bool await_resume() const noexcept { return ok; }

 private:
  friend class Stream;
  // Sends what the kernel takes; true when it is all sent or will never be.
  bool progress();
  void wait();
};

// The peer's address as text, without port; "" when unknown.
[[nodiscard]] std::string peer_address(int socket);

}  // namespace slipway
