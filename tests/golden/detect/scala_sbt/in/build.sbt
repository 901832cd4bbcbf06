name := "My API"
version := "0.1.0"
scalaVersion := "3.3.3"
enablePlugins(JavaAppPackaging)
libraryDependencies ++= Seq(
  "org.http4s" %% "http4s-ember-server" % "0.23.27"
)
