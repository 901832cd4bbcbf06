import org.http4s.ember.server.EmberServerBuilder
object Main { def main(args: Array[String]): Unit = println(sys.env.getOrElse("PORT","8080")) }
