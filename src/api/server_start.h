#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "db/identity_store.h"
#include "deploy/settings.h"
#include "engine/engine.h"
#include "identity/speed_gate.h"
#include "sys/fd.h"

// What the server finds or makes before its parts are put together; for server.cc alone.
namespace slipway {

// Makes the data directory, or takes one that is there, for its owner alone; and its database. One
// that others may look into is narrowed when it is ours or empty. Errors: failed_precondition when
// it holds other things.
[[nodiscard]] Status claim_data(const std::filesystem::path& data);
// Held for as long as the server runs: one server a data directory. Errors: conflict.
[[nodiscard]] Result<Fd> lock_data(const std::filesystem::path& data);
// The server's token, made at the first start.
[[nodiscard]] Result<std::string> local_token(const std::filesystem::path& data);
// The key that tokens are checked with, made at the first start. It never enters the database, so
// that a copy of the database makes no tokens.
[[nodiscard]] Result<TokenKey> token_key(const std::filesystem::path& data);
// A port that can be listened on: `port`, or any free one for 0. It is part of every URL, so it
// must be known before the first route is made, and the router may only listen once the routes are
// there.
[[nodiscard]] Result<int> find_port(const std::string& address, int port);
// Removes the files of instances that do not run (the server was killed between making them and
// starting the sandbox, or they ended while it was away) and what builds and uploads of a killed
// server had for themselves. Call it before anything is started. Returns what runs and keeps its
// files.
[[nodiscard]] Result<std::set<std::string>> remove_left_overs(const std::filesystem::path& data,
                                                              Engine& engine);
// The files of those of `kept` that ended since: before somebody had taken them up, nobody heard of
// it. Call it once everything that goes on has been taken up.
[[nodiscard]] Status remove_ended_since(const std::filesystem::path& data, Engine& engine,
                                        const std::set<std::string>& kept);
// The uid ranges of what runs are nobody else's, also where the records do not know it. Call it
// before anything is started.
[[nodiscard]] Status hold_running_uid_slots(Database& database, Engine& engine);
// Ends every instance that runs, some at a time; each has `grace`. For when nobody starts any more.
void end_apps(Engine& engine, Duration grace);
// Members of the team, and of the one that reaches every team, who may approve.
[[nodiscard]] std::vector<std::string> approvers_of(IdentityStore& identity,
                                                    const std::string& team);
// The role that whoever asked as `actor` has now in the team, which was `then` when they asked.
// Errors: permission_denied: they left, were killed, or may less by now.
[[nodiscard]] Result<std::string> standing_of(IdentityStore& identity, const Actor& actor,
                                              const std::string& team, const std::string& then);
// Ten seconds' worth of requests and a minute's worth of deployments may come at once.
[[nodiscard]] SpeedLimits speed_limits(const Settings::Limits& limits);

}  // namespace slipway
