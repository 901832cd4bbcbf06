defmodule Hello.MixProject do
  use Mix.Project

  def project do
    [
      app: :hello,
      version: "0.1.0",
      elixir: "~> 1.14",
      deps: deps(),
      aliases: aliases()
    ]
  end

  defp deps do
    [
      {:phoenix, "~> 1.7.11"},
      {:postgrex, ">= 0.0.0"},
      {:bandit, "~> 1.2"}
    ]
  end

  defp aliases do
    [
      "assets.deploy": ["tailwind default --minify", "phx.digest"]
    ]
  end
end
