/**
 * The systems whose watches are compared, as processes, and how their protocols are spoken.
 *
 * @module
 */

// deno-lint-ignore no-external-import -- a module of the runtime
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from "node:http2";
// deno-lint-ignore no-external-import -- a module of the runtime
import { Buffer } from "node:buffer";
import { freePorts } from "../free_ports.ts";
import { Process, type ProcessOptions } from "../process.ts";
import { alone, ServerProcess } from "../server_process.ts";
import type { Sender, Watched } from "./measure.ts";

const foreign: ProcessOptions = { group: true, err: "discard" };
const encoder = new TextEncoder();

/** Starts a system. Its processes end with `stack`; its files are in `folder`. */
export type Start = (stack: AsyncDisposableStack, folder: string) => Promise<Watched>;

/** One server of this project. */
export async function startKv(stack: AsyncDisposableStack): Promise<Watched> {
  const server = stack.use(await ServerProcess.start({ flags: [...alone, "--quiet"] }));
  const { port } = server.address;
  let id = 0;
  return {
    name: "this project",
    pid: server.pid,
    watch: async (watchers, received) => {
      const conn = await dial(port, received);
      const one = (n: number) => `{"type":"WATCH","id":${n},"key":"key","after":0}\n`;
      await conn.send(encoder.encode(Array.from({ length: watchers }, (_, n) => one(n)).join("")));
      return conn;
    },
    writer: async (answered) => {
      const conn = await dial(port, (chunk) => answered(countOf(chunk, '"PUT_OK"')));
      return {
        close: conn.close,
        write: (value) => conn.send(putsOf(value, () => id++)),
      };
    },
  };
}

function putsOf(values: readonly string[], id: () => number): Uint8Array<ArrayBuffer> {
  const puts = values.map((value) =>
    `{"type":"PUT","id":${id()},"key":"key","value":"${value}"}\n`
  );
  return encoder.encode(puts.join(""));
}

/** One server of Redis. A watcher is a subscription of a pattern. */
export async function startRedis(stack: AsyncDisposableStack, folder: string): Promise<Watched> {
  const [port] = freePorts(1) as [number];
  const args = ["--port", `${port}`, "--bind", "127.0.0.1", "--dir", folder, "--save", ""];
  const limits = ["--client-output-buffer-limit", "pubsub 0 0 0"];
  const server = stack.use(new Process("redis-server", [...args, ...limits], foreign));
  await server.listensOn(port);
  return {
    name: "Redis, PUBLISH",
    pid: server.pid,
    watch: async (watchers, received) => {
      const conn = await dial(port, received);
      // One connection cannot subscribe twice to one channel, but to it by many patterns.
      const patterns = Array.from({ length: watchers }, (_, n) => `key${"*".repeat(n + 1)}`);
      await conn.send(encoder.encode(resp(["PSUBSCRIBE", ...patterns])));
      return conn;
    },
    writer: async (answered) => {
      const conn = await dial(port, (chunk) => answered(countOf(chunk, ":")));
      return {
        close: conn.close,
        write: (values) =>
          conn.send(
            encoder.encode(values.map((value) => resp(["PUBLISH", "key", value])).join("")),
          ),
      };
    },
  };
}

function resp(words: readonly string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join("")}`;
}

/** One member of etcd, over gRPC. */
export async function startEtcd(stack: AsyncDisposableStack, folder: string): Promise<Watched> {
  const [port, peers] = freePorts(2) as [number, number];
  const [url, peerUrl] = [port, peers].map((one) => `http://127.0.0.1:${one}`);
  const server = stack.use(
    new Process("etcd", [
      ...["--name", "m", "--data-dir", `${folder}/etcd`, "--log-level", "error"],
      ...["--listen-client-urls", url!, "--advertise-client-urls", url!],
      ...["--listen-peer-urls", peerUrl!, "--initial-advertise-peer-urls", peerUrl!],
      ...["--initial-cluster", `m=${peerUrl}`],
    ], foreign),
  );
  await server.listensOn(port);
  return {
    name: "etcd",
    pid: server.pid,
    watch: (watchers, received) => {
      const session = connect(url!);
      const stream = begin(session, "/etcdserverpb.Watch/Watch");
      stream.on("data", received);
      const create = grpc(field(1, field(1, encoder.encode("key"))));
      for (let n = 0; n < watchers; n++) stream.write(create);
      return Promise.resolve({ close: () => session.destroy() });
    },
    writer: (answered) => {
      const session = connect(url!);
      return Promise.resolve({
        close: () => session.destroy(),
        write: (values) => {
          for (const value of values) {
            const stream = begin(session, "/etcdserverpb.KV/Put");
            stream.on("data", () => {});
            stream.on("end", () => answered(1));
            const [key, text] = [encoder.encode("key"), encoder.encode(value)];
            stream.end(grpc(Buffer.concat([field(1, key), field(2, text)])));
          }
          return Promise.resolve();
        },
      });
    },
  };
}

function begin(session: ClientHttp2Session, path: string): ClientHttp2Stream {
  return session.request({
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    te: "trailers",
  });
}

/** A field of bytes in the format of Protocol Buffers. */
function field(number: number, bytes: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from([number * 8 + 2, bytes.length]), bytes]);
}

/** A message of gRPC. */
function grpc(message: Uint8Array): Uint8Array {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

function countOf(chunk: Uint8Array, text: string): number {
  let count = 0;
  const buffer = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
  for (let at = buffer.indexOf(text); at >= 0; at = buffer.indexOf(text, at + 1)) count++;
  return count;
}

async function dial(
  port: number,
  received: (chunk: Uint8Array) => void,
): Promise<Sender & { send(bytes: Uint8Array): Promise<void> }> {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  conn.setNoDelay();
  const buffer = new Uint8Array(256 * 1024);
  (async () => {
    try {
      for (let count = await conn.read(buffer); count !== null; count = await conn.read(buffer)) {
        received(buffer.subarray(0, count));
      }
    } catch { // closed
    }
  })();
  return {
    close: () => conn.close(),
    send: async (bytes) => {
      for (let sent = 0; sent < bytes.length;) sent += await conn.write(bytes.subarray(sent));
    },
  };
}
