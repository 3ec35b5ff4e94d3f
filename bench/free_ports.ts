/**
 * Free ports, for programs that take no port 0.
 *
 * @module
 */

/**
 * The ports to choose from. Systems give ports above them to connections and to port 0, so nothing
 * else takes one between its choice and its use.
 */
const portMin = 20_000;
const portMax = 31_999;

/** Tries for one port. */
const triesMax = 1_000;

/** Free ports of 127.0.0.1, all different, drawn at random. */
export function freePorts(count: number): number[] {
  const listeners = Array.from({ length: count }, listenAtRandomPort);
  const ports = listeners.map((listener) => listener.addr.port);
  for (const listener of listeners) listener.close();
  return ports;
}

function listenAtRandomPort(): Deno.TcpListener {
  for (let tries = 1;; tries++) {
    const port = portMin + Math.floor(Math.random() * (portMax - portMin + 1));
    try {
      return Deno.listen({ hostname: "127.0.0.1", port });
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse) || tries === triesMax) throw error;
    }
  }
}
