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
    Object.assign(new Error("Too many open files"), { code: "EMFILE" }),
    Object.assign(new Error("Too many open files in system"), { code: "ENFILE" }),
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
  let exhausted = 0;
  const accepting = listener.accept(
    (conn) => accepted.push(new Connection(conn)),
    (line) => reports.push(line),
    () => exhausted++,
  );
  using _wire = await Wire.connect(listener.address);
  await eventually("a connection", () => accepted.length === 1);
  assertEquals(reports, ["cannot accept a connection: no file descriptor left"], "once a minute");
  assertEquals(exhausted, 1, "only if the process, not the whole machine, may open no more");
  accepted[0]!.abort();
  listener.close();
  await within("the end of accepting", accepting);
});

Deno.test("a connection that cannot be served is closed, and accepting goes on", async () => {
  const listener = new Listener(anyPort);
  const errors = [
    new Deno.errors.ConnectionReset("the peer has reset it"),
    new Error("no room"),
    new Deno.errors.NotConnected("the peer has gone"),
  ];
  const failed = errors.length;
  const accepted: Connection[] = [];
  const reports: string[] = [];
  const accepting = listener.accept((conn) => {
    const error = errors.shift();
    if (error === undefined) {
      accepted.push(new Connection(conn));
      return;
    }
    if (errors.length === 0) conn.close(); // it may be closed already
    throw error;
  }, (line) => reports.push(line));
  for (let n = 0; n < failed; n++) {
    using wire = await Wire.connect(listener.address);
    assertEquals(await wire.rest(), []);
  }
  using _wire = await Wire.connect(listener.address);
  await eventually("a connection", () => accepted.length === 1);
  assertEquals(reports, ["cannot serve an accepted connection: no room"]);
  accepted[0]!.abort();
  listener.close();
  await within("the end of accepting", accepting);
});

Deno.test("a connection that was accepted just before the listener was closed is closed too", async () => {
  const inHand = Promise.withResolvers<void>();
  const handOver = Promise.withResolvers<void>();
  const listener = withListen((options) => {
    const real = Deno.listen(options);
    return new Proxy(real, {
      get(target, name) {
        const value = Reflect.get(target, name);
        if (name !== "accept") return typeof value === "function" ? value.bind(target) : value;
        return async () => {
          const conn = await target.accept();
          inHand.resolve();
          await handOver.promise;
          return conn;
        };
      },
    });
  }, () => new Listener(anyPort));
  let served = 0;
  const accepting = listener.accept(() => served++, () => {});
  using wire = await Wire.connect(listener.address);
  await within("the connection", inHand.promise);
  listener.close();
  handOver.resolve();
  await within("the end of accepting", accepting);
  assertEquals(served, 0);
  assertEquals(await within("the end of the connection", wire.line()), undefined);
});
