/**
 * A link between two servers that can be broken: a TCP proxy.
 *
 * @module
 */

// deno-lint-ignore-file no-external-import -- Deno's own sockets cannot send a reset: they end first, even over unread bytes
import { connect, createServer, type Server, type Socket } from "node:net";
import type { Address } from "../../../lib/wire/address.ts";

/** The most bytes that wait in one direction of a connection. Then the proxy stops reading from the sender. */
const waitingBytesMax = 1024 * 1024;
/** With a rate limit, the time that one slice takes. */
const sliceMs = 20;
const sliceBytesMin = 64;

/** One direction of the link. */
class Lane {
  /** Whether nothing passes. Bytes on their way pass later, as with TCP after a partition. */
  #cut = false;
  #delayMs = 0;
  #bytesPerSecond = Infinity;
  /** When the next bytes may pass. The rate is that of all connections together. */
  #freeAtMs = 0;
  readonly #waiting = new Set<() => void>();

  set(cut: boolean, delayMs: number, bytesPerSecond: number): void {
    this.#cut = cut;
    this.#delayMs = delayMs;
    this.#bytesPerSecond = bytesPerSecond;
    this.#freeAtMs = 0;
    this.wake();
  }

  /** Makes all waiting flows check again. */
  wake(): void {
    for (const resume of this.#waiting) resume();
  }

  /** Resolves when a piece that came at `atMs` may pass, or when `givenUp` returns true. */
  async passes(atMs: number, givenUp: () => boolean): Promise<void> {
    while (!givenUp()) {
      const now = performance.now();
      const waitMs = this.#cut ? Infinity : Math.max(atMs + this.#delayMs, this.#freeAtMs) - now;
      if (waitMs <= 0) {
        this.#freeAtMs = now;
        return;
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.add(resolve);
      const timer = waitMs === Infinity ? undefined : setTimeout(resolve, waitMs);
      await promise;
      clearTimeout(timer);
      this.#waiting.delete(resolve);
    }
  }

  /** The size of one slice in bytes. */
  get sliceBytes(): number {
    return Math.max(sliceBytesMin, this.#bytesPerSecond * sliceMs / 1000);
  }

  /** Counts bytes that have passed. */
  passed(bytes: number): void {
    this.#freeAtMs += bytes / this.#bytesPerSecond * 1000;
  }
}

/** What comes from a sender. "end": it has ended its direction. "reset": its connection is lost. */
type Piece = Uint8Array | "end" | "reset";

/** One direction of one connection. */
class Flow {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #lane: Lane;
  /** The pieces that wait, oldest first. */
  readonly #pieces: { readonly atMs: number; readonly what: Piece }[] = [];
  #bytes = 0;
  #arrived = Promise.withResolvers<void>();

  constructor(from: Socket, to: Socket, lane: Lane) {
    this.#from = from;
    this.#to = to;
    this.#lane = lane;
    from.on("data", (bytes: Uint8Array) => this.#push(bytes));
    from.on("end", () => this.#push("end"));
    from.on("error", () => this.#push("reset"));
    from.on("close", () => this.#arrived.resolve());
  }

  /** Passes pieces on until the end. Returns whether that was a reset. */
  async run(): Promise<boolean> {
    while (!this.#over) {
      const piece = this.#pieces[0];
      if (piece === undefined) {
        await this.#arrived.promise;
        continue;
      }
      await this.#lane.passes(piece.atMs, () => this.#over);
      this.#pieces.shift();
      if (piece.what === "reset") return true;
      if (piece.what === "end") {
        this.#to.end();
        return false;
      }
      await this.#pass(piece.what);
      this.#bytes -= piece.what.length;
      if (this.#bytes < waitingBytesMax) this.#from.resume();
    }
    return false;
  }

  /** Writes the first half of the oldest piece, so that the receiver has half a frame. */
  writeHalf(): void {
    const what = this.#pieces[0]?.what;
    if (what instanceof Uint8Array) this.#to.write(what.subarray(0, what.length >> 1));
  }

  /** Whether this proxy has ended the connection. The sender's end is a piece instead. */
  get #over(): boolean {
    return this.#from.destroyed && this.#pieces.length === 0 || this.#to.destroyed;
  }

  async #pass(bytes: Uint8Array): Promise<void> {
    for (let start = 0; start < bytes.length && !this.#over;) {
      await this.#lane.passes(-Infinity, () => this.#over);
      const slice = bytes.subarray(start, start + this.#lane.sliceBytes);
      // If the receiver has gone, the flow of the other direction notices it.
      await new Promise((resolve) => this.#to.write(slice, resolve));
      start += slice.length;
      this.#lane.passed(slice.length);
    }
  }

  #push(what: Piece): void {
    this.#pieces.push({ atMs: performance.now(), what });
    if (what instanceof Uint8Array) this.#bytes += what.length;
    if (this.#bytes >= waitingBytesMax) this.#from.pause();
    this.#arrived.resolve();
    this.#arrived = Promise.withResolvers();
  }
}

/** One connection through the proxy. */
class Pair {
  readonly #sides: readonly [Socket, Socket];
  readonly #flows: readonly [Flow, Flow];
  readonly #wake: () => void;

  constructor(near: Socket, far: Socket, up: Lane, down: Lane) {
    this.#sides = [near, far];
    this.#flows = [new Flow(near, far, up), new Flow(far, near, down)];
    this.#wake = () => {
      up.wake();
      down.wake();
    };
  }

  /** Passes on until both directions have ended, or one is reset. */
  async run(): Promise<void> {
    const closed = Promise.all(this.#sides.map(closing));
    await Promise.all(this.#flows.map(async (flow) => {
      if (await flow.run()) this.#reset();
    }));
    this.end();
    await closed;
  }

  /** Resets both sides, in the middle of a frame if one is on its way. */
  reset(): void {
    for (const flow of this.#flows) flow.writeHalf();
    this.#reset();
  }

  /** Closes both sides; bytes on their way are lost. */
  end(): void {
    for (const side of this.#sides) side.destroy();
    this.#wake();
  }

  #reset(): void {
    for (const side of this.#sides) if (!side.destroyed) side.resetAndDestroy();
    this.#wake();
  }
}

/** A direction: "up" is from the dialler to the listener. */
export type Direction = "up" | "down" | "both";

/**
 * A link to a server: a connection to {@linkcode Proxy.address} is passed on to it.
 *
 * - Bytes arrive complete and in order, as with TCP, however late or slow.
 * - While a direction is cut nothing passes, not even the start or the end of a connection.
 */
export class Proxy implements AsyncDisposable {
  /** The address on which it listens. */
  readonly address: Address;
  readonly #target: Address;
  readonly #server: Server;
  readonly #up = new Lane();
  readonly #down = new Lane();
  readonly #pairs = new Set<Pair>();
  /** One task for each connection. */
  readonly #tasks = new Set<Promise<void>>();
  #closed = false;
  #failure: { readonly error: unknown } | undefined;

  private constructor(server: Server, target: Address) {
    const { address, port } = server.address() as { address: string; port: number };
    this.address = { hostname: address, port };
    this.#target = target;
    this.#server = server;
    server.on("connection", (near: Socket) => this.#accept(near));
  }

  /** Listens on a free port. */
  static async start(target: Address): Promise<Proxy> {
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    server.listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    return new Proxy(server, target);
  }

  /** Stops everything in a direction. */
  cut(direction: Direction): void {
    this.heal();
    if (direction !== "down") this.#up.set(true, 0, Infinity);
    if (direction !== "up") this.#down.set(true, 0, Infinity);
  }

  /** Delays everything, in each direction. */
  slowDown(delayMs: number): void {
    for (const lane of [this.#up, this.#down]) lane.set(false, delayMs, Infinity);
  }

  /** Limits the rate, in each direction. */
  throttle(bytesPerSecond: number): void {
    for (const lane of [this.#up, this.#down]) lane.set(false, 0, bytesPerSecond);
  }

  /** Ends all faults; bytes on their way arrive. */
  heal(): void {
    for (const lane of [this.#up, this.#down]) lane.set(false, 0, Infinity);
  }

  /** Resets all connections; bytes on their way are lost. Returns how many there were. */
  reset(): number {
    const { size } = this.#pairs;
    for (const pair of this.#pairs) pair.reset();
    return size;
  }

  /** Closes all connections; bytes on their way are lost. */
  drop(): void {
    for (const pair of this.#pairs) pair.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    const closed = closing(this.#server);
    this.#server.close();
    this.drop();
    this.#up.wake();
    await Promise.all([...this.#tasks, closed]);
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #accept(near: Socket): void {
    const task = this.#serve(near).catch((error) => {
      this.#failure ??= { error };
    }).finally(() => this.#tasks.delete(task));
    this.#tasks.add(task);
  }

  async #serve(near: Socket): Promise<void> {
    near.on("error", () => {}); // until there is a pair that handles it
    near.pause();
    await this.#up.passes(performance.now(), () => this.#closed);
    const far = this.#closed ? undefined : await this.#dial();
    if (far === undefined || this.#closed) {
      far?.destroy();
      near.destroy();
      return;
    }
    const pair = new Pair(near, far, this.#up, this.#down);
    this.#pairs.add(pair);
    near.resume();
    await pair.run();
    this.#pairs.delete(pair);
  }

  /** A connection to the target; `undefined` if it refuses. */
  async #dial(): Promise<Socket | undefined> {
    const { hostname, port } = this.#target;
    const far = connect({ host: hostname, port, allowHalfOpen: true, noDelay: true });
    return await new Promise((resolve) => {
      far.once("connect", () => resolve(far));
      far.once("error", () => resolve(undefined)); // the socket destroys itself
    });
  }
}

/** Resolves when a socket or server is closed. */
async function closing(emitter: Socket | Server): Promise<void> {
  await new Promise<void>((resolve) => emitter.once("close", resolve));
}
