/**
 * One request to etcd by HTTP, and its answer by pieces. The only file that uses `fetch`.
 *
 * @module
 */

import { EtcdError } from "./errors.ts";

/** The longest answer of etcd, in bytes: a value in base64 and some room. */
export const etcdAnswerBytesMax = 4 * 1024 * 1024;

/** The longest line of a watch, in UTF-16 units: etcd splits what is longer than a request may be. */
export const etcdLineCharsMax = 16 * 1024 * 1024;

/** One request by HTTP. What is not read of its answer is given up in the end. */
export class HttpRequest implements Disposable {
  /** The answer's beginning. */
  readonly response: Promise<Response>;
  readonly #stop = new AbortController();
  readonly #signals: readonly AbortSignal[];
  readonly #onAbort = (event: Event) => this.#stop.abort((event.target as AbortSignal).reason);
  readonly #timer: ReturnType<typeof setTimeout>;
  /** All of the answer has come. */
  #complete = false;

  /** Sends it. It fails after a time, or when one of the signals is aborted. */
  constructor(
    url: string,
    init: RequestInit & { client: Deno.HttpClient },
    withinMs: number,
    signals: readonly AbortSignal[],
  ) {
    const late = () => {
      const reason = `etcd did not answer within ${Math.round(withinMs)} ms`;
      this.#stop.abort(new EtcdError("silent", reason));
    };
    this.#timer = setTimeout(late, Math.max(0, withinMs));
    this.#signals = signals;
    for (const signal of signals) {
      if (signal.aborted) this.#stop.abort(signal.reason);
      signal.addEventListener("abort", this.#onAbort);
    }
    this.response = fetch(url, { ...init, signal: this.#stop.signal }).catch(whatBroke);
  }

  /** It may take as long as it likes from now on. */
  withoutLimit(): void {
    clearTimeout(this.#timer);
  }

  /** The whole body. */
  async text(): Promise<string> {
    const response = await this.response;
    const length = Number(response.headers.get("Content-Length") ?? Infinity);
    let text = "";
    if (length <= etcdAnswerBytesMax) {
      text = await response.text().catch(whatBroke);
      this.#complete = true;
      return text;
    }
    for await (const piece of this.#pieces()) {
      text += piece;
      if (text.length > etcdAnswerBytesMax) {
        throw new EtcdError("strange", `etcd's answer is longer than ${etcdAnswerBytesMax} bytes`);
      }
    }
    return text;
  }

  /** The body's lines. */
  async *lines(): AsyncGenerator<string> {
    let rest = "";
    for await (const piece of this.#pieces()) {
      const lines = piece.split("\n");
      lines[0] = rest + lines[0];
      rest = lines.pop()!;
      yield* lines;
      if (rest.length > etcdLineCharsMax) {
        throw new EtcdError("strange", `a line of etcd is longer than ${etcdLineCharsMax}`);
      }
    }
    if (rest !== "") yield rest;
  }

  /** Gives up what has not come. */
  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    for (const signal of this.#signals) signal.removeEventListener("abort", this.#onAbort);
    if (!this.#complete) this.#stop.abort();
  }

  async *#pieces(): AsyncGenerator<string> {
    const { body } = await this.response;
    const decoder = new TextDecoder();
    const reader = body?.getReader();
    if (reader === undefined) return;
    while (true) {
      const { done, value } = await reader.read().catch(whatBroke);
      if (done) break;
      yield decoder.decode(value, { stream: true });
    }
    this.#complete = true;
  }
}

/** Says whether anything was sent when a request failed. */
function whatBroke(error: unknown): never {
  if (error instanceof EtcdError) throw error; // a time limit, or this end has given up
  const { message, cause } = error as Error;
  const reason = cause instanceof Error ? cause.message : message;
  // Without a connection, or to a port that is never asked, nothing can have been sent.
  const [, whyNone] = /client error \(Connect\):? ?(.*)$/s.exec(reason) ??
    /^(.*are blocked)$/.exec(reason) ?? [];
  if (whyNone !== undefined) {
    const options = { cause: error, notApplied: true };
    throw new EtcdError("unreachable", `no connection: ${whyNone}`, options);
  }
  const [, broken = reason] = /client error (.*)$/s.exec(reason) ?? [];
  throw new EtcdError("silent", `the connection broke: ${broken}`, { cause: error });
}
