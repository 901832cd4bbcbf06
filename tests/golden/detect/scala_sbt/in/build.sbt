scalaVersion := "3.4.2"
