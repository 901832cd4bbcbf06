defmodule Hello.MixProject do
  use Mix.Project
  def project do
    [app: :hello, version: "0.1.0", elixir: "~> 1.16", deps: deps()]
  end
  defp deps do
    [{:bandit, "~> 1.5"}, {:plug, "~> 1.16"}]
  end
end
