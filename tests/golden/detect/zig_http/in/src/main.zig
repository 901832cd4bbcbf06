const std = @import("std");
const httpz = @import("httpz");
pub fn main() !void {
    var server = try httpz.Server().init(allocator, .{ .port = 5882 });
    try server.listen();
}
