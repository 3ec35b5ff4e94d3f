import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.List;
import java.util.Map;
import java.util.Scanner;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;

/** The server of the layout that tools/grade/profiles/plain_java.json describes. */
public class Servidor {
  private final Map<String, Mensagem> table = new ConcurrentHashMap<>();
  private final List<String> followers = new CopyOnWriteArrayList<>();
  private final String own;
  private final String leader;
  private long counter = 0;

  Servidor(String own, String leader) {
    this.own = own;
    this.leader = leader;
  }

  void run(int port) throws IOException {
    try (ServerSocket listener = new ServerSocket(port)) {
      if (!own.equals(leader)) new Thread(this::join).start();
      while (true) {
        Socket socket = listener.accept();
        new Thread(() -> serve(socket)).start();
      }
    }
  }

  private void join() {
    try {
      new Mensagem("JOIN", null, null, 0, own).deliverTo(leader);
    } catch (IOException | InterruptedException error) {
      error.printStackTrace();
    }
  }

  private void serve(Socket socket) {
    try (Socket open = socket) {
      InetSocketAddress client = (InetSocketAddress) open.getRemoteSocketAddress();
      String name = client.getAddress().getHostAddress() + ":" + client.getPort();
      answer(Mensagem.read(open), name).writeTo(open);
    } catch (IOException | InterruptedException error) {
      error.printStackTrace();
    }
  }

  private Mensagem answer(Mensagem asked, String sender) throws IOException, InterruptedException {
    switch (asked.type) {
      case "JOIN":
        followers.add(asked.from);
        return asked;
      case "REPLICATION":
        System.out.println("REPLICATION key:" + asked.key + " value:" + asked.value + " ts:"
            + asked.timestamp);
        table.put(asked.key, asked);
        return new Mensagem("REPLICATION_OK", asked.key, null, asked.timestamp, null);
      case "GET":
        return get(asked, sender);
      default:
        String client = asked.from == null ? sender : asked.from;
        if (own.equals(leader)) return put(asked, client);
        System.out.println("Encaminhando PUT key:" + asked.key + " value:" + asked.value);
        return new Mensagem("PUT", asked.key, asked.value, 0, client).deliverTo(leader);
    }
  }

  private synchronized Mensagem put(Mensagem asked, String client)
      throws IOException, InterruptedException {
    System.out.println("Cliente " + client + " PUT key:" + asked.key + " value:" + asked.value);
    counter++;
    Mensagem stored = new Mensagem("REPLICATION", asked.key, asked.value, counter, null);
    table.put(asked.key, stored);
    for (String follower : followers) stored.deliverTo(follower);
    System.out.println("Enviando PUT_OK ao Cliente " + client + " da key:" + asked.key + " ts:"
        + counter);
    return new Mensagem("PUT_OK", asked.key, asked.value, counter, null);
  }

  private Mensagem get(Mensagem asked, String client) {
    Mensagem stored = table.get(asked.key);
    long timestamp = stored == null ? 0 : stored.timestamp;
    String value = stored == null ? "NULL" : stored.value;
    if (stored != null && timestamp < asked.timestamp) value = "TRY_OTHER_SERVER_OR_LATER";
    System.out.println("Cliente " + client + " GET key:" + asked.key + " ts:" + asked.timestamp
        + ". Meu ts é " + timestamp + ", portanto devolvendo " + value);
    return new Mensagem("GET_OK", asked.key, value, timestamp, null);
  }

  public static void main(String[] words) throws IOException {
    Scanner scanner = new Scanner(System.in);
    System.out.print("IP do servidor: ");
    String ip = scanner.next();
    System.out.print("Porta do servidor: ");
    int port = scanner.nextInt();
    System.out.print("IP do líder: ");
    String leaderIp = scanner.next();
    System.out.print("Porta do líder: ");
    int leaderPort = scanner.nextInt();
    new Servidor(ip + ":" + port, leaderIp + ":" + leaderPort).run(port);
  }
}
