/** TCP keepalive: the kernel notices a peer that vanished. */

import { assertEquals } from "@std/assert";
import { dialEtcd } from "../../lib/etcd/grpc.ts";
import { HttpServer } from "../../lib/net/http_server.ts";
import { anyPort } from "../support/ports.ts";
import { eventually } from "../support/waiting.ts";

type KeepAlive = Pick<Deno.TcpConn, "setKeepAlive">;

/** Notes the connections whose keepalive is switched on, by their local port. */
class KeepAlives implements Disposable {
  readonly ports: number[] = [];
  readonly #prototype: KeepAlive;
  readonly #real: KeepAlive["setKeepAlive"];

  constructor(conn: Deno.TcpConn) {
    this.#prototype = Object.getPrototypeOf(conn) as KeepAlive;
    const real = this.#real = this.#prototype.setKeepAlive;
    const { ports } = this;
    this.#prototype.setKeepAlive = function (this: Deno.TcpConn, on?: boolean): void {
      if (on !== false) ports.push(this.localAddr.port);
      real.call(this, on);
    };
  }

  [Symbol.dispose](): void {
    this.#prototype.setKeepAlive = this.#real;
  }
}

Deno.test("a connection to the HTTP server has keepalive", async () => {
  await using server = new HttpServer(anyPort, {
    connectionsMax: 1,
    connectionsPerIpMax: 1,
    handle: () => new Response(),
    report: () => {},
  });
  using listener = Deno.listen({ ...anyPort });
  using other = await Deno.connect({ ...anyPort, port: listener.addr.port });
  using accepted = await listener.accept();
  assertEquals(accepted.remoteAddr.port, other.localAddr.port);
  using keepAlives = new KeepAlives(other);
  using _conn = await Deno.connect(server.address);
  await eventually("keepalive", () => keepAlives.ports.length > 0);
  assertEquals(keepAlives.ports, [server.address.port]);
});

Deno.test("a connection to etcd has keepalive", async () => {
  using listener = Deno.listen({ ...anyPort });
  const url = new URL(`http://127.0.0.1:${listener.addr.port}`);
  const socket = dialEtcd(url, {});
  const calls: unknown[] = [];
  // The handle of the runtime, which switches it on once it is connected.
  const handle = (socket as unknown as { _handle: { setKeepAlive(on: boolean): number } })._handle;
  handle.setKeepAlive = (on) => {
    calls.push(on);
    return 0;
  };
  using _accepted = await listener.accept();
  try {
    await eventually("keepalive", () => calls.length > 0);
    assertEquals(calls, [true]);
  } finally {
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.destroy();
    await closed;
  }
});
