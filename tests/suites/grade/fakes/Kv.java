import java.io.EOFException;
import java.io.IOException;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;
import java.io.PrintStream;
import java.io.Serializable;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.time.LocalDateTime;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Random;
import java.util.Scanner;

/**
 * A small implementation of the assignment for the tests of the grader, in the layout of many
 * programs in Java: serialized objects, one thread for each connection, a leader that asks for its
 * followers.
 *
 * <p>{@code java Kv.java server|client [--fault=NAME] [--style=NAME]}. A fault breaks one thing; a
 * style changes how the program asks and how it writes timestamps.
 */
public class Kv {
  static final List<String> FAULTS = Arrays.asList("early-put-ok", "inverted-get",
      "timestamp-never-sent", "same-timestamp", "no-refusal", "one-follower", "wrong-client",
      "null-missing", "no-sending-line", "no-accents", "get-blocked", "extra-server-line",
      "fixed-server");
  static final List<String> STYLES =
      Arrays.asList("plain", "second-scanner", "brazilian-dates", "milliseconds", "run-together");
  static final String REFUSAL = "TRY_OTHER_SERVER_OR_LATER";
  static final int ATTEMPTS = 100;
  static final int ATTEMPT_PAUSE_MS = 200;

  static String fault = "";
  static String style = "plain";
  static PrintStream out;
  static Scanner first;

  /** What servers and clients send to each other. */
  static class Mensagem implements Serializable {
    private static final long serialVersionUID = 1;
    String type;
    String key;
    String value;
    /** The timestamp as it is shown. */
    String timestamp;
    /** The timestamp as a number, to compare. */
    long order;
    /** The address of the client that sent a forwarded PUT. */
    String client;

    Mensagem(String type, String key, String value, String timestamp, long order) {
      this.type = type;
      this.key = key;
      this.value = value;
      this.timestamp = timestamp;
      this.order = order;
    }
  }

  static Mensagem request(InetSocketAddress address, Mensagem message) throws IOException {
    try (Socket socket = new Socket(address.getAddress(), address.getPort())) {
      new ObjectOutputStream(socket.getOutputStream()).writeObject(message);
      return (Mensagem) new ObjectInputStream(socket.getInputStream()).readObject();
    } catch (ClassNotFoundException error) {
      throw new IOException(error);
    }
  }

  static Mensagem requestUntilAnswered(InetSocketAddress address, Mensagem message)
      throws IOException {
    for (int i = 0; i < ATTEMPTS; i++) {
      try {
        return request(address, message);
      } catch (IOException error) {
        sleep(ATTEMPT_PAUSE_MS);
      }
    }
    throw new EOFException("no answer from " + address);
  }

  static void sleep(long ms) {
    try {
      Thread.sleep(ms);
    } catch (InterruptedException error) {
      Thread.currentThread().interrupt();
    }
  }

  static String ask(Scanner scanner, String prompt) {
    out.println(prompt);
    return scanner.nextLine();
  }

  static InetSocketAddress askAddress(Scanner scanner, String whose) {
    String ip = ask(scanner, "Digite o IP " + whose);
    return new InetSocketAddress(ip, Integer.parseInt(ask(scanner, "Digite a porta " + whose)));
  }

  static String nameOf(InetSocketAddress address) {
    return address.getAddress().getHostAddress() + ":" + address.getPort();
  }

  /** A server: the leader or a follower. */
  static class Server {
    final Map<String, Mensagem> table = new HashMap<>();
    final List<InetSocketAddress> followers = new ArrayList<>();
    final InetSocketAddress own = askAddress(first, "do servidor");
    final InetSocketAddress leader = askAddress(first, "do lider");
    final Object putLock = new Object();
    long counter = 0;

    void run() throws IOException {
      if (isLeader()) {
        for (int i = 1; i <= 2; i++) followers.add(askAddress(first, "do seguidor " + i));
      }
      try (ServerSocket listener = new ServerSocket()) {
        listener.setReuseAddress(true);
        listener.bind(own);
        while (true) {
          Socket socket = listener.accept();
          Thread thread = new Thread(() -> serve(socket));
          thread.setDaemon(true);
          thread.start();
        }
      }
    }

    boolean isLeader() {
      return own.equals(leader);
    }

    void serve(Socket socket) {
      try (Socket open = socket) {
        Mensagem message = (Mensagem) new ObjectInputStream(open.getInputStream()).readObject();
        String client = nameOf((InetSocketAddress) open.getRemoteSocketAddress());
        new ObjectOutputStream(open.getOutputStream()).writeObject(answer(message, client));
      } catch (IOException | ClassNotFoundException error) {
        // the client is gone
      }
    }

    Mensagem answer(Mensagem message, String client) throws IOException {
      switch (message.type) {
        case "REPLICATION":
          return replication(message);
        case "GET":
          return get(message, client);
        default:
          return isLeader() ? put(message, client) : forward(message, client);
      }
    }

    Mensagem forward(Mensagem message, String client) throws IOException {
      print("Encaminhando PUT key:" + message.key + " value:" + message.value);
      if (!fault.equals("wrong-client")) message.client = client;
      return requestUntilAnswered(leader, message);
    }

    Mensagem put(Mensagem message, String sender) throws IOException {
      String client = message.client == null ? sender : message.client;
      print("Cliente " + client + " PUT key:" + message.key + " value:" + message.value);
      if (fault.equals("extra-server-line")) print("Mensagem recebida de " + sender);
      synchronized (putLock) {
        Mensagem replica;
        synchronized (table) {
          replica = stamped(message);
          table.put(message.key, replica);
        }
        Thread replication = new Thread(() -> replicate(replica));
        replication.start();
        if (!fault.equals("early-put-ok")) join(replication);
        if (!fault.equals("no-sending-line")) {
          print("Enviando PUT_OK ao Cliente " + client + " da key:" + message.key + " ts:"
              + replica.timestamp);
        }
        return new Mensagem("PUT_OK", message.key, message.value, replica.timestamp, replica.order);
      }
    }

    Mensagem stamped(Mensagem message) {
      Mensagem before = table.get(message.key);
      counter++;
      long order = counter;
      String shown = Long.toString(order);
      if (style.equals("milliseconds")) {
        // a clock of milliseconds alone could give two writes one timestamp
        order = Math.max(System.currentTimeMillis(), before == null ? 0 : before.order + 1);
        shown = Long.toString(order);
      }
      if (style.equals("brazilian-dates")) {
        shown = LocalDateTime.now().format(DateTimeFormatter.ofPattern("dd/MM/yyyy HH:mm:ss.nnnnnnnnn"));
      }
      if (fault.equals("same-timestamp") && before != null) {
        order = before.order;
        shown = before.timestamp;
      }
      return new Mensagem("REPLICATION", message.key, message.value, shown, order);
    }

    void replicate(Mensagem message) {
      List<Thread> threads = new ArrayList<>();
      for (InetSocketAddress follower : followers) {
        if (fault.equals("one-follower") && follower != followers.get(0)) continue;
        Thread thread = new Thread(() -> {
          try {
            requestUntilAnswered(follower, message);
          } catch (IOException error) {
            // the follower has died, which the assignment excludes
          }
        });
        thread.start();
        threads.add(thread);
      }
      for (Thread thread : threads) join(thread);
    }

    void join(Thread thread) {
      try {
        thread.join();
      } catch (InterruptedException error) {
        Thread.currentThread().interrupt();
      }
    }

    Mensagem replication(Mensagem message) {
      print("REPLICATION key:" + message.key + " value:" + message.value + " ts:"
          + message.timestamp);
      synchronized (table) {
        table.put(message.key, message);
      }
      return new Mensagem("REPLICATION_OK", message.key, null, message.timestamp, message.order);
    }

    Mensagem get(Mensagem message, String client) {
      if (!fault.equals("get-blocked")) return getAtOnce(message, client);
      synchronized (putLock) {
        return getAtOnce(message, client);
      }
    }

    Mensagem getAtOnce(Mensagem message, String client) {
      Mensagem stored;
      synchronized (table) {
        stored = table.get(message.key);
      }
      long order = stored == null ? 0 : stored.order;
      String timestamp = stored == null ? "0" : stored.timestamp;
      String value = stored == null ? "NULL" : stored.value;
      if (stored == null && fault.equals("null-missing")) value = "nao_encontrada";
      boolean refuses = order < message.order;
      if (fault.equals("inverted-get")) refuses = order > message.order;
      if (fault.equals("no-refusal")) refuses = false;
      if (stored != null && refuses) value = REFUSAL;
      print("Cliente " + client + " GET key:" + message.key + " ts:" + message.timestamp
          + ". Meu ts é " + timestamp + ", portanto devolvendo " + value);
      return new Mensagem("GET_OK", message.key, value, timestamp, order);
    }

    void print(String line) {
      if (style.equals("run-together")) {
        // a line and its end in two parts: lines of other threads come between
        out.print(line);
        out.flush();
        Thread.yield();
        out.print("\n");
        out.flush();
      } else {
        out.println(line);
      }
    }
  }

  /** A client with a numbered menu. */
  static class Client {
    final List<InetSocketAddress> servers = new ArrayList<>();
    final Map<String, Mensagem> seen = new HashMap<>();
    final Random random = new Random();

    void run() throws IOException {
      while (true) {
        String choice = ask(first, "Menu: 1 INIT, 2 PUT, 3 GET").trim();
        // a second Scanner loses what the first one has read ahead
        Scanner scanner = style.equals("second-scanner") ? new Scanner(System.in, "UTF-8") : first;
        if (choice.equals("1")) {
          for (int i = 1; i <= 3; i++) servers.add(askAddress(scanner, "do servidor " + i));
        } else if (choice.equals("2")) {
          put(ask(scanner, "Digite a key"), ask(scanner, "Digite o value"));
        } else if (choice.equals("3")) {
          get(ask(scanner, "Digite a key"));
        }
      }
    }

    InetSocketAddress choose() {
      return servers.get(fault.equals("fixed-server") ? 0 : random.nextInt(servers.size()));
    }

    void put(String key, String typed) throws IOException {
      String value = typed;
      if (fault.equals("no-accents")) {
        value = new String(typed.getBytes(StandardCharsets.UTF_8), StandardCharsets.ISO_8859_1);
      }
      InetSocketAddress server = choose();
      Mensagem answer = request(server, new Mensagem("PUT", key, value, "0", 0));
      remember(key, answer);
      out.println("PUT_OK key: " + key + " value " + value + " timestamp " + answer.timestamp
          + " realizada no servidor " + nameOf(server));
    }

    void get(String key) throws IOException {
      InetSocketAddress server = choose();
      Mensagem last = seen.getOrDefault(key, new Mensagem("PUT_OK", key, null, "0", 0));
      Mensagem answer =
          request(server, new Mensagem("GET", key, null, last.timestamp, last.order));
      if (!answer.value.equals(REFUSAL) && answer.order > 0) remember(key, answer);
      out.println("GET key: " + key + " value: " + answer.value + " obtido do servidor "
          + nameOf(server) + ", meu timestamp " + last.timestamp + " e do servidor "
          + answer.timestamp);
    }

    void remember(String key, Mensagem answer) {
      if (fault.equals("timestamp-never-sent")) return;
      Mensagem last = seen.get(key);
      if (last == null || answer.order >= last.order) seen.put(key, answer);
    }
  }

  public static void main(String[] words) throws IOException {
    for (String word : words) {
      if (word.startsWith("--fault=")) fault = word.substring(8);
      if (word.startsWith("--style=")) style = word.substring(8);
    }
    boolean known = (fault.isEmpty() || FAULTS.contains(fault)) && STYLES.contains(style);
    if (!known || words.length == 0) {
      System.err.println("java Kv.java server|client [--fault=NAME] [--style=NAME]");
      System.exit(2);
    }
    out = new PrintStream(System.out, true, "UTF-8");
    first = new Scanner(System.in, "UTF-8");
    try {
      if (words[0].equals("server")) new Server().run();
      else new Client().run();
    } catch (NoSuchElementException end) {
      System.exit(0);
    }
  }
}
