# Compiler settings shared by every target. clang-19 is the compiler of record.
set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE OFF)

if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  message(FATAL_ERROR "Slipway is built with clang-19 (got ${CMAKE_CXX_COMPILER_ID}). "
                      "Use a preset: cmake --preset release")
endif()

set(SLIPWAY_SANITIZE "" CACHE STRING "Sanitizers: empty, 'address,undefined' or 'thread'")
option(SLIPWAY_FUZZ "Build the libFuzzer targets under fuzz/" OFF)
option(SLIPWAY_PCH "Use a precompiled header" ON)

add_library(slipway_flags INTERFACE)
target_compile_options(slipway_flags INTERFACE
  -Wall -Wextra -Wpedantic -Werror -Wshadow -Wconversion -Wno-sign-conversion -Wnon-virtual-dtor
  -Wold-style-cast -Woverloaded-virtual -Wimplicit-fallthrough -Wno-missing-designated-field-initializers
  -Wno-missing-field-initializers
  -Wthread-safety -Wthread-safety-beta
  -pthread -fno-omit-frame-pointer -fstack-protector-strong)
target_link_options(slipway_flags INTERFACE -pthread)
target_compile_definitions(slipway_flags INTERFACE
  SPDLOG_COMPILED_LIB SPDLOG_FMT_EXTERNAL BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_DISABLE_BOOST_COROUTINE
  SLIPWAY_VERSION="${PROJECT_VERSION}")
if(NOT CMAKE_BUILD_TYPE STREQUAL "Debug" AND NOT SLIPWAY_SANITIZE)
  target_compile_definitions(slipway_flags INTERFACE _FORTIFY_SOURCE=2)
endif()
target_include_directories(slipway_flags INTERFACE "${CMAKE_SOURCE_DIR}/src")

if(SLIPWAY_SANITIZE)
  target_compile_options(slipway_flags INTERFACE -fsanitize=${SLIPWAY_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(slipway_flags INTERFACE -fsanitize=${SLIPWAY_SANITIZE})
endif()
if(SLIPWAY_FUZZ)
  target_compile_options(slipway_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# A fast linker where there is one.
find_program(SLIPWAY_MOLD mold)
find_program(SLIPWAY_LLD NAMES ld.lld-19 ld.lld)
if(SLIPWAY_MOLD)
  add_link_options(-fuse-ld=mold)
elseif(SLIPWAY_LLD)
  add_link_options(-fuse-ld=${SLIPWAY_LLD})
endif()

find_program(SLIPWAY_CCACHE ccache)
if(SLIPWAY_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_DEPEND=1 ${SLIPWAY_CCACHE})
endif()

# Debian 12 ships Boost 1.81 beside 1.74; ask for the newer one by version.
set(Boost_NO_WARN_NEW_VERSIONS ON)
find_package(Boost 1.81 REQUIRED COMPONENTS json url)
find_package(OpenSSL REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(spdlog REQUIRED)
find_package(fmt REQUIRED)
find_package(Threads REQUIRED)
find_package(GTest REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(RE2 REQUIRED IMPORTED_TARGET re2)
