import mist
import wisp
pub fn main() {
  mist.new |> mist.port(8000) |> mist.start_http
}
