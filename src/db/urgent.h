#pragma once

namespace slipway {

// While one lives, its thread's transactions may have room that is kept for them when the disk is
// full (Database::on_full): for what stops things (ending an agent, revoking, rolling back,
// removing), and for nothing that begins any.
class Urgent {
 public:
  Urgent();
  ~Urgent();
  Urgent(const Urgent&) = delete;
  Urgent& operator=(const Urgent&) = delete;
  // Of this thread.
  [[nodiscard]] static bool is_active();

 private:
  bool before_;
};

}  // namespace slipway
