open Giraffe
[<EntryPoint>]
let main _ = 0
