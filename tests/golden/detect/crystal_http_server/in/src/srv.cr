require "http/server"
server = HTTP::Server.new { |c| c.response.print "hi" }
server.bind_tcp "0.0.0.0", ENV.fetch("PORT", "8080").to_i
server.listen()
