/**
 * Free ports, for programs that take no port 0.
 *
 * @module
 */

/** Free ports of 127.0.0.1, all different. Another program may take one before it is used. */
export function freePorts(count: number): number[] {
  const listeners = Array.from(
    { length: count },
    () => Deno.listen({ hostname: "127.0.0.1", port: 0 }),
  );
  const ports = listeners.map((listener) => listener.addr.port);
  for (const listener of listeners) listener.close();
  return ports;
}
