/**
 * A link between two servers that can be made bad: TCP, taken in on one side and passed on to the other.
 *
 * @module
 */

// deno-lint-ignore-file no-external-import -- Deno's own sockets cannot send a reset: they end first, even over unread bytes
import { connect, createServer, type Server, type Socket } from "node:net";
import type { Address } from "../../../lib/wire/address.ts";

/** What waits in the proxy in one direction of one connection. Beyond it the sender feels that nobody reads. */
const waitingBytesMax = 1024 * 1024;
/** With a rate, pieces are so small that each takes this long. */
const sliceMs = 20;
const sliceBytesMin = 64;

/** One direction of the link. */
class Lane {
  /** Nothing passes. What was on its way passes when this ends, as with TCP after a partition. */
  #cut = false;
  #delayMs = 0;
  #bytesPerSecond = Infinity;
  /** The rate holds for all connections together: the next bytes may pass from here on. */
  #freeAtMs = 0;
  readonly #waiting = new Set<() => void>();

  set(cut: boolean, delayMs: number, bytesPerSecond: number): void {
    this.#cut = cut;
    this.#delayMs = delayMs;
    this.#bytesPerSecond = bytesPerSecond;
    this.#freeAtMs = 0;
    this.wake();
  }

  /** Everybody who waits looks again. */
  wake(): void {
    for (const resume of this.#waiting) resume();
  }

  /** Resolves when something that came at `atMs` may pass, or nobody wants it to any more. */
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

  /** The number of bytes that pass at once. */
  get sliceBytes(): number {
    return Math.max(sliceBytesMin, this.#bytesPerSecond * sliceMs / 1000);
  }

  /** So many bytes have passed. */
  passed(bytes: number): void {
    this.#freeAtMs += bytes / this.#bytesPerSecond * 1000;
  }
}

/** What a sender does. "end": it sends nothing more. "reset": its connection is broken. */
type Piece = Uint8Array | "end" | "reset";

/** One direction of one connection. */
class Flow {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #lane: Lane;
  /** In the order in which they came. */
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

  /** Passes on what comes, until the end of it. Returns true where that was a reset. */
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

  /** The first half of what waits, at once: the receiver is left in the middle of a frame. */
  writeHalf(): void {
    const what = this.#pieces[0]?.what;
    if (what instanceof Uint8Array) this.#to.write(what.subarray(0, what.length >> 1));
  }

  /** The connection was ended from here; that the sender has gone is known from its last piece instead. */
  get #over(): boolean {
    return this.#from.destroyed && this.#pieces.length === 0 || this.#to.destroyed;
  }

  async #pass(bytes: Uint8Array): Promise<void> {
    for (let start = 0; start < bytes.length && !this.#over;) {
      await this.#lane.passes(-Infinity, () => this.#over);
      const slice = bytes.subarray(start, start + this.#lane.sliceBytes);
      // That the receiver has gone shows itself in the other direction.
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

  /** Passes on until both directions have ended, or one with a reset. */
  async run(): Promise<void> {
    const closed = Promise.all(this.#sides.map(closing));
    await Promise.all(this.#flows.map(async (flow) => {
      if (await flow.run()) this.#reset();
    }));
    this.end();
    await closed;
  }

  /** Breaks it, in the middle of a frame where one is on its way: both sides get a reset. */
  reset(): void {
    for (const flow of this.#flows) flow.writeHalf();
    this.#reset();
  }

  /** Closes both sides, whatever is on its way. */
  end(): void {
    for (const side of this.#sides) side.destroy();
    this.#wake();
  }

  #reset(): void {
    for (const side of this.#sides) if (!side.destroyed) side.resetAndDestroy();
    this.#wake();
  }
}

/** What a direction is: "up" is from the one that dials to the one that listens. */
export type Direction = "up" | "down" | "both";

/**
 * A link to a server: whoever dials {@linkcode Proxy.address} gets through to it.
 *
 * - What passes keeps its order and is complete, as TCP has it, however late or slow.
 * - While a direction is cut nothing passes, not even that a connection was made or has ended.
 */
export class Proxy implements AsyncDisposable {
  /** Where it listens. */
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

  /** Lets nothing through any more. */
  cut(direction: Direction): void {
    this.heal();
    if (direction !== "down") this.#up.set(true, 0, Infinity);
    if (direction !== "up") this.#down.set(true, 0, Infinity);
  }

  /** Everything is this much late, in each direction. */
  slowDown(delayMs: number): void {
    for (const lane of [this.#up, this.#down]) lane.set(false, delayMs, Infinity);
  }

  /** So much gets through in each direction, and no more. */
  throttle(bytesPerSecond: number): void {
    for (const lane of [this.#up, this.#down]) lane.set(false, 0, bytesPerSecond);
  }

  /** As if nothing had been; what was on its way arrives. */
  heal(): void {
    for (const lane of [this.#up, this.#down]) lane.set(false, 0, Infinity);
  }

  /** Resets all connections, and returns how many. What was on its way is lost. */
  reset(): number {
    const { size } = this.#pairs;
    for (const pair of this.#pairs) pair.reset();
    return size;
  }

  /** Ends all connections. What was on its way is lost. */
  drop(): void {
    for (const pair of this.#pairs) pair.end();
  }

  /** Ends everything. */
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
    near.on("error", () => {}); // until there is somebody to tell
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

  /** A connection to the target, `undefined` where it refuses. */
  async #dial(): Promise<Socket | undefined> {
    const { hostname, port } = this.#target;
    const far = connect({ host: hostname, port, allowHalfOpen: true, noDelay: true });
    return await new Promise((resolve) => {
      far.once("connect", () => resolve(far));
      far.once("error", () => resolve(undefined)); // it destroys itself then
    });
  }
}

/** Resolves when there is nothing left of it. */
async function closing(emitter: Socket | Server): Promise<void> {
  await new Promise<void>((resolve) => emitter.once("close", resolve));
}
