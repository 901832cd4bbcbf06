require "kemal"
get "/health" do
  "ok"
end
Kemal.run
