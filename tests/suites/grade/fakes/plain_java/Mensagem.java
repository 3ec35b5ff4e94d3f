import java.io.IOException;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;
import java.io.Serializable;
import java.net.Socket;

/** What servers and clients send to each other. */
class Mensagem implements Serializable {
  private static final long serialVersionUID = 1;
  private static final int ATTEMPTS = 100;
  private static final int ATTEMPT_PAUSE_MS = 200;

  final String type;
  final String key;
  final String value;
  final long timestamp;
  /** The client of a forwarded PUT, or the address of a follower that joins. */
  final String from;

  Mensagem(String type, String key, String value, long timestamp, String from) {
    this.type = type;
    this.key = key;
    this.value = value;
    this.timestamp = timestamp;
    this.from = from;
  }

  /** Sends this to IP:port, and returns the answer. */
  Mensagem sendTo(String address) throws IOException {
    String[] parts = address.split(":");
    try (Socket socket = new Socket(parts[0], Integer.parseInt(parts[1]))) {
      writeTo(socket);
      return read(socket);
    }
  }

  /** Sends this until it is answered. */
  Mensagem deliverTo(String address) throws IOException, InterruptedException {
    for (int i = 1; i < ATTEMPTS; i++) {
      try {
        return sendTo(address);
      } catch (IOException error) {
        Thread.sleep(ATTEMPT_PAUSE_MS);
      }
    }
    return sendTo(address);
  }

  void writeTo(Socket socket) throws IOException {
    new ObjectOutputStream(socket.getOutputStream()).writeObject(this);
  }

  static Mensagem read(Socket socket) throws IOException {
    try {
      return (Mensagem) new ObjectInputStream(socket.getInputStream()).readObject();
    } catch (ClassNotFoundException error) {
      throw new IOException(error);
    }
  }
}
