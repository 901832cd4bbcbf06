require 'webrick'
WEBrick::HTTPServer.new(Port: ENV['PORT'].to_i).start
