const std = @import("std");
const httpz = @import("httpz");

pub fn main() !void {
    var gpa = std.heap.GeneralPurposeAllocator(.{}){};
    var server = try httpz.Server(void).init(gpa.allocator(), .{ .port = 8080, .address = "0.0.0.0" }, {});
    try server.listen();
}
