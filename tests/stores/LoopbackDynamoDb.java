import com.amazonaws.services.dynamodbv2.local.main.ServerRunner;
import com.amazonaws.services.dynamodbv2.local.server.DynamoDBProxyServer;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;

/**
 * DynamoDB Local on the loopback address only (by itself it listens on every address of the machine), on a port that
 * the system chooses and the first line of output says. Ends when its standard input does, so that it never outlives
 * whoever started it.
 */
public final class LoopbackDynamoDb {
    public static void main(String[] arguments) throws Exception {
        var standardOutput = System.out;
        System.setOut(System.err);
        DynamoDBProxyServer proxy = ServerRunner.createServerFromCommandLineArgs(
                new String[] {"-inMemory", "-disableTelemetry", "-port", "8000"});
        var field = DynamoDBProxyServer.class.getDeclaredField("server");
        field.setAccessible(true);
        var connector = (ServerConnector) ((Server) field.get(proxy)).getConnectors()[0];
        connector.setHost("127.0.0.1");
        connector.setPort(0);
        proxy.start();
        standardOutput.println("http://127.0.0.1:" + connector.getLocalPort());
        standardOutput.flush();
        while (System.in.read() >= 0) {
            // nothing is said to it; the end is what counts
        }
        proxy.stop();
        System.exit(0);
    }
}
