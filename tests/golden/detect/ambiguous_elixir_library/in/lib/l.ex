defmodule L do
  def add(a, b), do: a + b
end
