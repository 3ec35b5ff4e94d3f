/**
 * A minimal connection that carries lines, for the bare programs.
 *
 * @module
 */

const LF = 10;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** One connection. The texts of one turn of the event loop leave in one write. */
export class LinePeer {
  /** "ip:port" of the other end. */
  readonly name: string;
  readonly #conn: Deno.TcpConn;
  #bytes = new Uint8Array(64 * 1024);
  #unsent = "";
  #writeBuffer = new Uint8Array(64 * 1024);
  #writing = false;

  /** Takes over an open connection. */
  constructor(conn: Deno.TcpConn) {
    const { hostname, port } = conn.remoteAddr;
    this.name = `${hostname}:${port}`;
    this.#conn = conn;
    conn.setNoDelay(true);
  }

  /** Sends a text, together with the others of this turn. */
  send(text: string): void {
    this.#unsent += text;
    if (this.#writing) return;
    this.#writing = true;
    queueMicrotask(() => this.#write());
  }

  /** Calls `take` with the complete lines of each chunk, until the connection ends. */
  async run(take: (lines: string[]) => void): Promise<void> {
    let length = 0;
    while (true) {
      if (length === this.#bytes.length) this.#grow();
      const count = await this.#conn.read(this.#bytes.subarray(length)).catch(() => null);
      if (count === null) break;
      const end = length + count;
      const last = this.#bytes.lastIndexOf(LF, end - 1);
      if (last >= 0) take(decoder.decode(this.#bytes.subarray(0, last)).split("\n"));
      this.#bytes.copyWithin(0, last + 1, end);
      length = end - last - 1;
    }
    this.#conn.close();
  }

  #grow(): void {
    const bytes = new Uint8Array(this.#bytes.length * 2);
    bytes.set(this.#bytes);
    this.#bytes = bytes;
  }

  async #write(): Promise<void> {
    try {
      while (this.#unsent !== "") {
        const text = this.#unsent;
        this.#unsent = "";
        if (this.#writeBuffer.length < text.length * 3) {
          this.#writeBuffer = new Uint8Array(text.length * 3);
        }
        const { written } = encoder.encodeInto(text, this.#writeBuffer);
        for (let sent = 0; sent < written;) {
          sent += await this.#conn.write(this.#writeBuffer.subarray(sent, written));
        }
      }
    } catch {
      this.#unsent = ""; // the other end has closed the connection
    }
    this.#writing = false;
  }
}
