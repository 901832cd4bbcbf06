# slipway_library(<folder> [DEPS folder...] [LINK external...])
#
# Makes the static library slipway_<folder> from the *.cc files of src/<folder>, and, when there are
# *_test.cc files, one test program <folder>_test registered with ctest (one ctest entry per folder;
# gtest shards inside). DEPS are other Slipway folders; LINK are external targets.
if(SLIPWAY_PCH)
  file(WRITE "${CMAKE_BINARY_DIR}/pch/pch.cc" "// Only exists to own the precompiled header.\n")
  add_library(slipway_pch STATIC "${CMAKE_BINARY_DIR}/pch/pch.cc")
  target_link_libraries(slipway_pch PUBLIC slipway_flags fmt::fmt)
  target_compile_options(slipway_pch PUBLIC -Xclang -fno-pch-timestamp)
  target_precompile_headers(slipway_pch PUBLIC
    <algorithm> <array> <atomic> <chrono> <compare> <condition_variable> <cstdint> <cstring> <deque>
    <expected> <filesystem> <functional> <map> <memory> <mutex> <optional> <set> <span> <string>
    <string_view> <thread> <unordered_map> <utility> <variant> <vector> <fmt/format.h>)
endif()

# What only tests are made of is not optimized: compiling it takes most of a build, running it does not. What
# they test is. A header that is precompiled with other flags is another one; the tests' has GoogleTest as well.
# Sanitizers keep their own level: they are slow enough.
set(SLIPWAY_TEST_FLAGS "")
if(NOT SLIPWAY_SANITIZE)
  set(SLIPWAY_TEST_FLAGS -O0 -U_FORTIFY_SOURCE)
endif()
if(SLIPWAY_PCH)
  add_library(slipway_test_pch STATIC "${CMAKE_BINARY_DIR}/pch/pch.cc")
  target_link_libraries(slipway_test_pch PUBLIC slipway_flags fmt::fmt GTest::gmock GTest::gtest)
  target_compile_options(slipway_test_pch PUBLIC ${SLIPWAY_TEST_FLAGS} -Xclang -fno-pch-timestamp)
  target_precompile_headers(slipway_test_pch PUBLIC
    <algorithm> <array> <atomic> <chrono> <compare> <condition_variable> <cstdint> <cstring> <deque>
    <expected> <filesystem> <functional> <map> <memory> <mutex> <optional> <set> <span> <string>
    <string_view> <thread> <unordered_map> <utility> <variant> <vector> <fmt/format.h> <gtest/gtest.h>
    <gmock/gmock.h>)
endif()

# _slipway_use_pch(<target> [<target that owns the precompiled header>])
function(_slipway_use_pch target)
  set(owner slipway_pch ${ARGN})
  list(GET owner -1 owner)
  if(SLIPWAY_PCH)
    target_precompile_headers(${target} REUSE_FROM ${owner})
    target_compile_options(${target} PRIVATE -Xclang -fno-pch-timestamp)
  endif()
endfunction()

function(slipway_library folder)
  cmake_parse_arguments(ARG "" "" "DEPS;LINK;TEST_LINK" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cc")
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")

  if(NOT sources)  # headers only, so far
    file(WRITE "${CMAKE_CURRENT_BINARY_DIR}/empty.cc" "")
    set(sources "${CMAKE_CURRENT_BINARY_DIR}/empty.cc")
  endif()
  add_library(slipway_${folder} STATIC ${sources})
  set_target_properties(slipway_${folder} PROPERTIES LINKER_LANGUAGE CXX)
  target_link_libraries(slipway_${folder} PUBLIC slipway_flags fmt::fmt spdlog::spdlog Threads::Threads ${ARG_LINK})
  foreach(dep IN LISTS ARG_DEPS)
    target_link_libraries(slipway_${folder} PUBLIC slipway_${dep})
  endforeach()
  _slipway_use_pch(slipway_${folder})

  if(tests)
    slipway_test(${folder}_test SOURCES ${tests} DEPS ${folder} LINK ${ARG_TEST_LINK})
  endif()
endfunction()

# slipway_test(<name> SOURCES file... DEPS folder... [LINK external...])
function(slipway_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;LINK" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE GTest::gmock GTest::gtest GTest::gtest_main ${ARG_LINK})
  foreach(dep IN LISTS ARG_DEPS)
    target_link_libraries(${name} PRIVATE slipway_${dep})
  endforeach()
  target_compile_definitions(${name} PRIVATE SLIPWAY_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  target_compile_options(${name} PRIVATE ${SLIPWAY_TEST_FLAGS})
  _slipway_use_pch(${name} slipway_test_pch)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS unit TIMEOUT 300)
endfunction()
