defmodule Hello do
  use Application
  def start(_, _) do
    port = String.to_integer(System.get_env("PORT") || "4000")
    {:ok, listener} = :gen_tcp.listen(port, [:binary])
    {:ok, self()}
  end
end
