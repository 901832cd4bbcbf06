#pragma once

#include <string_view>

namespace slipway {

// What waits for people says so in a field; before, only its reason told.
inline constexpr std::string_view waits_schema =
    R"(UPDATE deployment SET revision=revision+1,
  record=json_set(record,'$.approval',substr(json_extract(record,'$.state_reason'),22))
  WHERE state='queued' AND json_extract(record,'$.state_reason') LIKE 'waiting for approval apr\_%' ESCAPE '\';
UPDATE rollout SET revision=revision+1, record=json_set(record,'$.waits_for','approval')
  WHERE json_extract(record,'$.state')='waiting';
)";

}  // namespace slipway
