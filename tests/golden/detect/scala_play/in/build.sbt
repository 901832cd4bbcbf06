lazy val root = (project in file(".")).enablePlugins(PlayScala).settings(
  name := "shop",
  scalaVersion := "2.13.14",
  libraryDependencies += guice
)
