module Main where
import Network.Wai.Handler.Warp (run)
main = run 8081 app
