import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;

public class Main {
  public static void main(String[] a) throws Exception {
    HttpServer.create(new InetSocketAddress(Integer.parseInt(System.getenv("PORT"))), 0).start();
  }
}
