{-# LANGUAGE OverloadedStrings #-}
module Main where
import Web.Scotty
import System.Environment (lookupEnv)
main :: IO ()
main = do
  port <- maybe 3000 read <$> lookupEnv "PORT"
  scotty port $ get "/" $ text "hi"
