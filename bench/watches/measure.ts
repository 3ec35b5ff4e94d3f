/**
 * What is measured of watches: how soon all watchers have a change, and how many changes arrive.
 *
 * @module
 */

/** The mark of a value. It is counted in what a watcher receives, whatever the protocol. */
const mark = "@@marked@";

/** The end of a connection. */
export interface Sender {
  /** Closes it. */
  close(): void;
}

/** A connection that writes. */
export interface Writer extends Sender {
  /** Writes values to the one key, each as a write of its own. */
  write(values: readonly string[]): Promise<void>;
}

/** A running system. */
export interface Watched {
  /** The name in the table. */
  readonly name: string;
  /** The process of the server. */
  readonly pid: number;
  /** Opens a connection with this number of watchers of the key. */
  watch(watchers: number, received: (chunk: Uint8Array) => void): Promise<Sender>;
  /** Opens a connection that writes. `answered` is called with the number of answers that came. */
  writer(answered: (count: number) => void): Promise<Writer>;
}

/** What was measured of one system. */
export interface Figures {
  /** Milliseconds from a write until all watchers have it: the median, and one of a hundred. */
  readonly soonMs: readonly [median: number, worst: number];
  /** Changes that all watchers together get in a second. */
  readonly fanOutPerSecond: number;
  /** Changes that a single watcher gets in a second. */
  readonly singlePerSecond: number;
  /** Processor time of the server for each of those, in microseconds. */
  readonly singleCpuUs: number;
}

/** Counts the marks in a stream of bytes. */
class Marks {
  count = 0;
  #wanted = Infinity;
  #reached: (() => void) | undefined;
  readonly #next: number[] = [];

  /** A receiver of one connection's chunks. */
  receiver(): (chunk: Uint8Array) => void {
    const index = this.#next.push(0) - 1;
    return (chunk) => {
      let matched = this.#next[index]!;
      for (let at = 0; at < chunk.length; at++) {
        if (matched === 0) {
          at = chunk.indexOf(codes[0]!, at);
          if (at < 0) break;
        }
        // The mark has no start within itself but its first two characters.
        if (chunk[at] === codes[matched]) matched++;
        else if (!(matched === 2 && chunk[at] === codes[0])) {
          matched = chunk[at] === codes[0] ? 1 : 0;
        }
        if (matched < codes.length) continue;
        this.count++;
        matched = 0;
      }
      this.#next[index] = matched;
      if (this.count >= this.#wanted) this.#reached?.();
    };
  }

  /** Resolves when there are `count` marks in all. */
  async until(count: number): Promise<void> {
    if (this.count >= count) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wanted = count;
    this.#reached = resolve;
    await promise;
    this.#wanted = Infinity;
  }
}

const codes = new TextEncoder().encode(mark);
const connections = 10;
const watchersEach = 100;
const rounds = 200;
/** Writes without an answer. */
const inFlightMax = 256;

function valueOf(n: number): string {
  return `${mark}${n}`.padEnd(100, "x");
}

/** Measures a system. Loads take `seconds` each. */
export async function measure(system: Watched, seconds: number): Promise<Figures> {
  const soonMs = await fanOut(system);
  const fanOutLoad = await load(system, seconds, connections, watchersEach);
  const single = await load(system, seconds, 1, 1);
  return {
    soonMs,
    fanOutPerSecond: fanOutLoad.perSecond,
    singlePerSecond: single.perSecond,
    singleCpuUs: single.cpuUs,
  };
}

async function fanOut(system: Watched): Promise<[median: number, worst: number]> {
  const marks = new Marks();
  using stack = new DisposableStack();
  await openWatchers(system, marks, stack, connections, watchersEach);
  const writer = stack.adopt(await system.writer(() => {}), (one) => one.close());
  const took: number[] = [];
  for (let n = 0; n < rounds; n++) {
    const before = marks.count;
    const startMs = performance.now();
    await writer.write([valueOf(n)]);
    await marks.until(before + connections * watchersEach);
    took.push(performance.now() - startMs);
  }
  took.sort((a, b) => a - b);
  return [took[rounds / 2]!, took[Math.floor(rounds * 0.99)]!];
}

async function load(
  system: Watched,
  seconds: number,
  connections: number,
  watchers: number,
): Promise<{ perSecond: number; cpuUs: number }> {
  const marks = new Marks();
  using stack = new DisposableStack();
  await openWatchers(system, marks, stack, connections, watchers);
  let [sent, answered] = [0, 0];
  let onAnswer: (() => void) | undefined;
  const writer = stack.adopt(
    await system.writer((count) => {
      answered += count;
      onAnswer?.();
    }),
    (one) => one.close(),
  );
  const [startMs, cpuBefore, before] = [performance.now(), await cpuMsOf(system.pid), marks.count];
  while (performance.now() - startMs < seconds * 1_000) {
    // The watchers must keep up, or they are ended.
    const behind =
      sent * watchers * connections - (marks.count - before) > 4_000 * connections * watchers;
    const room = behind ? 0 : inFlightMax - (sent - answered);
    if (room < inFlightMax / 2) {
      await new Promise<void>((resolve) => {
        onAnswer = resolve;
        setTimeout(resolve, 1);
      });
      continue;
    }
    await writer.write(Array.from({ length: room }, () => valueOf(sent++)));
  }
  await marks.until(before + sent * watchers * connections);
  const tookMs = performance.now() - startMs;
  const changes = marks.count - before;
  const cpuUs = (await cpuMsOf(system.pid) - cpuBefore) * 1_000 / changes;
  return { perSecond: changes / tookMs * 1_000, cpuUs };
}

async function openWatchers(
  system: Watched,
  marks: Marks,
  stack: DisposableStack,
  connections: number,
  watchers: number,
): Promise<void> {
  let ready = 0;
  for (let n = 0; n < connections; n++) {
    const receive = marks.receiver();
    const sender = await system.watch(watchers, (chunk) => {
      ready += chunk.length;
      receive(chunk);
    });
    stack.defer(() => sender.close());
  }
  // A watcher may get what there was. All are there when nothing more comes for a while.
  for (let last = -1; last !== ready || ready === 0;) {
    last = ready;
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
}

/** The processor time of a process so far, in milliseconds (Linux). Deno itself may not read /proc. */
async function cpuMsOf(pid: number): Promise<number> {
  const { stdout } = await new Deno.Command("cat", { args: [`/proc/${pid}/stat`] }).output();
  const text = new TextDecoder().decode(stdout);
  const fields = text.slice(text.lastIndexOf(")")).split(" ");
  return (Number(fields[12]) + Number(fields[13])) * 10;
}
