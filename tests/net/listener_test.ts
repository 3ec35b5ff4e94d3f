import { assert, assertEquals, assertRejects } from "@std/assert";
import { Connection } from "../../lib/net/connection.ts";
import { Listener } from "../../lib/net/listener.ts";
import { anyPort } from "../support/ports.ts";
import { eventually, within } from "../support/waiting.ts";
import { Wire } from "../support/wire_client.ts";

type Listen = (options: { hostname: string; port: number }) => Deno.TcpListener;

/** Makes a listener while `Deno.listen` is replaced. */
function withListen(listen: Listen, make: () => Listener): Listener {
  const real = Deno.listen;
  const replaced = (options: { hostname: string; port: number }) => {
    Deno.listen = real;
    return listen(options);
  };
  Deno.listen = replaced as typeof Deno.listen;
  try {
    return make();
  } finally {
    Deno.listen = real;
  }
}

Deno.test("a listener on port 0 tells the port that it took, and frees it when closed", async () => {
  const listener = new Listener(anyPort);
  assert(listener.address.port > 0);
  const accepted: Connection[] = [];
  const accepting = listener.accept((conn) => accepted.push(new Connection(conn)), () => {});
  using wire = await Wire.connect(listener.address);
  await eventually("a connection", () => accepted.length === 1);
  assertEquals(accepted[0]!.peer, wire.local);
  accepted[0]!.abort();
  listener.close();
  await within("the end of accepting", accepting);
  await assertRejects(() => Wire.connect(listener.address), Deno.errors.ConnectionRefused);
});

Deno.test("accepting goes on after a failure, which is reported, and ends with the listener", async () => {
  const errors: Error[] = [
    new Error("no file descriptor left"),
    new Deno.errors.ConnectionAborted("the peer was faster"),
  ];
  const listener = withListen((options) => {
    const real = Deno.listen(options);
    return new Proxy(real, {
      get(target, name) {
        if (name === "accept" && errors.length > 0) return () => Promise.reject(errors.shift());
        const member = Reflect.get(target, name, target);
        return typeof member === "function" ? member.bind(target) : member;
      },
    });
  }, () => new Listener(anyPort));
  const accepted: Connection[] = [];
  const reports: string[] = [];
  const accepting = listener.accept(
    (conn) => accepted.push(new Connection(conn)),
    (line) => reports.push(line),
  );
  using _wire = await Wire.connect(listener.address);
  await eventually("a connection", () => accepted.length === 1);
  assertEquals(reports, ["cannot accept a connection: no file descriptor left"]);
  accepted[0]!.abort();
  listener.close();
  await within("the end of accepting", accepting);
});
