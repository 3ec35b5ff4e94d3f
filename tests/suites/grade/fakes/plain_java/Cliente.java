import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Scanner;

/**
 * The client of the layout that tools/grade/profiles/plain_java.json describes. It reads numbers
 * with nextInt, which leaves the end of the line to the next nextLine.
 */
public class Cliente {
  private final Scanner scanner = new Scanner(System.in);
  private final List<String> servers = new ArrayList<>();
  private final Map<String, Long> seen = new HashMap<>();
  private final Random random = new Random();

  private int askNumber(String prompt) {
    System.out.print(prompt);
    int number = scanner.nextInt();
    scanner.nextLine();
    return number;
  }

  private String ask(String prompt) {
    System.out.print(prompt);
    return scanner.nextLine();
  }

  void run() throws IOException {
    while (true) {
      System.out.println("1 - INIT");
      System.out.println("2 - PUT");
      System.out.println("3 - GET");
      int choice = askNumber("Digite a opção: ");
      if (choice == 1) init();
      else if (choice == 2) put(ask("Digite a key: "), ask("Digite o value: "));
      else if (choice == 3) get(ask("Digite a key: "));
    }
  }

  private void init() {
    for (int i = 1; i <= 3; i++) {
      servers.add(ask("IP do servidor " + i + ": ") + ":" + askNumber("Porta do servidor " + i + ": "));
    }
  }

  private String anyServer() {
    return servers.get(random.nextInt(servers.size()));
  }

  private void put(String key, String value) throws IOException {
    String server = anyServer();
    Mensagem answer = new Mensagem("PUT", key, value, 0, null).sendTo(server);
    seen.merge(key, answer.timestamp, Math::max);
    System.out.println("PUT_OK key: " + key + " value " + value + " timestamp " + answer.timestamp
        + " realizada no servidor " + server);
  }

  private void get(String key) throws IOException {
    String server = anyServer();
    long timestamp = seen.getOrDefault(key, 0L);
    Mensagem answer = new Mensagem("GET", key, null, timestamp, null).sendTo(server);
    seen.merge(key, answer.timestamp, Math::max);
    System.out.println("GET key: " + key + " value: " + answer.value + " obtido do servidor "
        + server + ", meu timestamp " + timestamp + " e do servidor " + answer.timestamp);
  }

  public static void main(String[] words) throws IOException {
    new Cliente().run();
  }
}
