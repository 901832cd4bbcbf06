#include "http/gzip.h"

#include <boost/beast/zlib/deflate_stream.hpp>
#include <boost/crc.hpp>
#include <cstdint>

namespace slipway {
namespace {

void append_le32(std::string& out, std::uint32_t value) {
  for (int shift = 0; shift < 32; shift += 8) out += static_cast<char>(value >> shift & 0xff);
}

}  // namespace

std::string gzip(std::string_view bytes) {
  namespace zlib = boost::beast::zlib;
  // Deflate, no flags, no time, best compression, Unix.
  std::string out("\x1f\x8b\x08\0\0\0\0\0\x02\x03", 10);
  zlib::deflate_stream stream;
  stream.reset(9, 15, 9, zlib::Strategy::normal);
  const std::size_t header = out.size();
  out.resize(header + stream.upper_bound(bytes.size()) + 64);
  zlib::z_params params;
  params.next_in = bytes.data();
  params.avail_in = bytes.size();
  params.next_out = out.data() + header;
  params.avail_out = out.size() - header;
  boost::beast::error_code error;
  stream.write(params, zlib::Flush::finish, error);
  out.resize(header + params.total_out);
  boost::crc_32_type crc;
  crc.process_bytes(bytes.data(), bytes.size());
  append_le32(out, static_cast<std::uint32_t>(crc.checksum()));
  append_le32(out, static_cast<std::uint32_t>(bytes.size()));
  return out;
}

}  // namespace slipway
