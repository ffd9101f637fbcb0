package dynapinot.source;

import com.amazonaws.services.dynamodbv2.local.main.ServerRunner;
import com.amazonaws.services.dynamodbv2.local.server.DynamoDBProxyServer;
import java.net.InetAddress;
import java.net.ServerSocket;

/** DynamoDB Local in memory, on a free port that it says, for as long as somebody holds its stdin open. */
public final class Serve {
  private Serve() {
  }

  public static void main(String[] arguments) throws Exception {
    int port = freePort();
    String[] options = {"-inMemory", "-disableTelemetry", "-port", Integer.toString(port)};
    DynamoDBProxyServer server = ServerRunner.createServerFromCommandLineArgs(options);
    server.start();
    System.out.println("port " + port);
    while (System.in.read() >= 0) {
      // nothing is said to it
    }
    System.exit(0); // its other threads would go on
  }

  private static int freePort() throws Exception {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return socket.getLocalPort();
    }
  }
}
