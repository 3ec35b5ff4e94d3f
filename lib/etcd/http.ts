/**
 * One HTTP request to etcd and its answer. The only file of this folder that uses `fetch`.
 *
 * @module
 */

import { LinkedAbort } from "./abort.ts";
import { EtcdError } from "./errors.ts";

/** The longest answer: a value in base64 and some room. */
const answerBytesMax = 4 * 1024 * 1024;

/** The longest line of a watch, in UTF-16 units. etcd splits what exceeds its request limit. */
const lineCharsMax = 16 * 1024 * 1024;

/** An HTTP request. Disposing of it aborts what has not arrived. */
export class HttpRequest implements Disposable {
  /** Resolves when the head of the answer has arrived. */
  readonly response: Promise<Response>;
  readonly #abort: LinkedAbort;
  readonly #timer: ReturnType<typeof setTimeout>;
  /** Whether the whole answer has arrived. */
  #complete = false;

  /** Sends the request. It fails after `withinMs`, or when one of the signals is aborted. */
  constructor(
    url: string,
    init: RequestInit & { client: Deno.HttpClient },
    withinMs: number,
    signals: readonly AbortSignal[],
  ) {
    const abort = this.#abort = new LinkedAbort(signals);
    this.#timer = setTimeout(() => {
      const reason = `etcd did not answer within ${Math.round(withinMs)} ms`;
      abort.abort(new EtcdError("no answer", reason));
    }, Math.max(0, withinMs));
    this.response = fetch(url, { ...init, signal: abort.signal }).catch(throwEtcdError);
  }

  /** Removes the time limit. */
  withoutLimit(): void {
    clearTimeout(this.#timer);
  }

  /** The whole body. */
  async text(): Promise<string> {
    const response = await this.response;
    const length = Number(response.headers.get("Content-Length") ?? Infinity);
    let text = "";
    if (length <= answerBytesMax) {
      text = await response.text().catch(throwEtcdError);
      this.#complete = true;
      return text;
    }
    for await (const piece of this.#pieces()) {
      text += piece;
      if (text.length > answerBytesMax) {
        throw new EtcdError("unexpected", `etcd's answer is longer than ${answerBytesMax} bytes`);
      }
    }
    return text;
  }

  /** The lines of the body. */
  async *lines(): AsyncGenerator<string> {
    let rest = "";
    for await (const piece of this.#pieces()) {
      const lines = piece.split("\n");
      lines[0] = rest + lines[0];
      rest = lines.pop()!;
      yield* lines;
      if (rest.length > lineCharsMax) {
        throw new EtcdError(
          "unexpected",
          `a line of etcd's watch is longer than ${lineCharsMax} characters`,
        );
      }
    }
    if (rest !== "") yield rest;
  }

  /** Aborts what has not arrived. */
  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#abort[Symbol.dispose]();
    if (!this.#complete) this.#abort.abort();
  }

  async *#pieces(): AsyncGenerator<string> {
    const { body } = await this.response;
    const decoder = new TextDecoder();
    const reader = body?.getReader();
    if (reader === undefined) return;
    while (true) {
      const { done, value } = await reader.read().catch(throwEtcdError);
      if (done) break;
      yield decoder.decode(value, { stream: true });
    }
    this.#complete = true;
  }
}

/** Throws the error of a failed request, which says whether anything may have been sent. */
function throwEtcdError(error: unknown): never {
  if (error instanceof EtcdError) throw error; // the reason of an abort
  const { message, cause } = error as Error;
  const reason = cause instanceof Error ? cause.message : message;
  // If no connection was made, or `fetch` blocks the port, nothing was sent.
  const [, whyNotConnected] = /client error \(Connect\):? ?(.*)$/s.exec(reason) ??
    /^(.*are blocked)$/.exec(reason) ?? [];
  if (whyNotConnected !== undefined) {
    const options = { cause: error, notApplied: true };
    throw new EtcdError("unreachable", `no connection: ${whyNotConnected}`, options);
  }
  const [, broken = reason] = /client error (.*)$/s.exec(reason) ?? [];
  throw new EtcdError("no answer", `the connection broke: ${broken}`, { cause: error });
}
