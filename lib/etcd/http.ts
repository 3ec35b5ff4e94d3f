/**
 * HTTP to one address, over connections that stay open. The only file of this folder that opens
 * sockets.
 *
 * It uses `node:http`, because the runtime's `fetch` obeys `http_proxy` and its like, for loopback
 * too and with any client. Requests to etcd contain passwords and values, so no proxy may see them.
 *
 * @module
 */

// deno-lint-ignore-file no-external-import -- part of the runtime

import { Agent, type ClientRequest, type ClientRequestArgs, type IncomingMessage } from "node:http";
import { request as newRequest } from "node:http";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { LinkedAbort } from "./abort.ts";
import { EtcdError } from "./errors.ts";

/** The longest answer: a value in base64 and some room. */
const answerBytesMax = 4 * 1024 * 1024;

/** The longest line of a watch, in UTF-16 units. etcd splits what exceeds its request limit. */
const lineCharsMax = 16 * 1024 * 1024;

/** A connection without a request is closed after this time. */
const idleMs = 90_000;

/** Certificates in PEM. */
export interface HttpTls {
  /** The CAs to trust; the runtime's own if left out. */
  readonly ca?: string | undefined;
  /** The certificate to show, if the other end requires one. */
  readonly cert?: string | undefined;
  /** Its private key. */
  readonly key?: string | undefined;
}

/** The connections to one address. Never through a proxy, whatever the environment says. */
export class HttpConnections extends Agent implements Disposable {
  /** Whether connections are encrypted. */
  readonly secure: boolean;
  readonly #host: string;
  readonly #port: number;
  readonly #tls: HttpTls;
  /** The connections on which requests may be sent: open, and with TLS verified. */
  readonly #ready = new WeakSet<Socket>();

  /** Connects only when a request is made. Keeps at most `idleMax` connections without one. */
  constructor(url: URL, tls: HttpTls, idleMax: number) {
    // Without `proxyEnv`, the runtime obeys NODE_USE_ENV_PROXY.
    const direct = { keepAlive: true, timeout: idleMs, maxFreeSockets: idleMax, proxyEnv: {} };
    super(direct);
    this.secure = url.protocol === "https:";
    this.#host = url.hostname.replace(/^\[(.*)\]$/, "$1");
    this.#port = Number(url.port) || (this.secure ? 443 : 80);
    this.#tls = tls;
  }

  /** Makes a request. Nothing is sent before the caller ends it. */
  request(path: string, headers: Record<string, string>): ClientRequest {
    const [host, port] = [this.#host, this.#port];
    return newRequest({ agent: this, host, port, method: "POST", path, headers });
  }

  /** Calls `ready` once requests may be sent on a connection. */
  whenReady(socket: Socket, ready: () => void): void {
    if (this.#ready.has(socket)) ready();
    else socket.once(this.#readyEvent, ready);
  }

  /** Opens a connection. Called by the base class if no open one is free. */
  override createConnection(_options: ClientRequestArgs): Socket {
    // With `keepAlive` the kernel notices an etcd that vanished under an idle watch.
    const to = { host: this.#host, port: this.#port, noDelay: true, keepAlive: true };
    // `rejectUnauthorized` is explicit, so that NODE_TLS_REJECT_UNAUTHORIZED has no effect.
    const socket = this.secure
      ? connectTls({ ...to, ...given(this.#tls), rejectUnauthorized: true })
      : connect(to);
    socket.once(this.#readyEvent, () => this.#ready.add(socket));
    return socket;
  }

  /**
   * Called by the base class for a request on an open connection. It marks the request. Deno 2.9
   * sends a marked request again if the connection breaks or the request is aborted, although etcd
   * may have carried it out. So the mark is removed.
   */
  override reuseSocket(socket: Socket, request: ClientRequest): void {
    super.reuseSocket(socket, request);
    request.reusedSocket = false;
  }

  /** Closes all connections. */
  [Symbol.dispose](): void {
    this.destroy();
  }

  get #readyEvent(): string {
    return this.secure ? "secureConnect" : "connect";
  }
}

/** The fields that are given: an `undefined` CA is not the same as none. */
function given({ ca, cert, key }: HttpTls): Partial<Record<keyof HttpTls, string>> {
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined || key === undefined ? {} : { cert, key }),
  };
}

/** The head of an answer. */
export interface HttpHead {
  /** The HTTP status. */
  readonly status: number;
  /** Whether the status says that the request succeeded. */
  readonly ok: boolean;
}

/** A POST and its answer. Disposing of it aborts what has not arrived. */
export class HttpRequest implements Disposable {
  readonly #request: ClientRequest;
  readonly #response: Promise<IncomingMessage>;
  readonly #abort: LinkedAbort;
  readonly #timer: ReturnType<typeof setTimeout>;
  /** Whether the request may have reached the other end. */
  #sent = false;
  /** Whether the whole answer has arrived. */
  #complete = false;

  /** Sends the request. It fails after `withinMs`, or when one of the signals is aborted. */
  constructor(
    connections: HttpConnections,
    path: string,
    headers: Record<string, string>,
    body: string,
    withinMs: number,
    signals: readonly AbortSignal[],
  ) {
    this.#abort = new LinkedAbort(signals);
    const { signal } = this.#abort;
    const request = this.#request = connections.request(path, {
      "Content-Type": "application/json",
      // So that the length of what arrives is the length of the answer.
      "Accept-Encoding": "identity",
      ...headers,
    });
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    this.#response = promise;
    request.on("error", (error) => reject(this.#errorOf(error)));
    request.once("response", resolve);
    request.once("socket", (socket) =>
      connections.whenReady(socket, () => {
        if (signal.aborted) return;
        this.#sent = true;
        request.end(body);
      }));
    this.#timer = setTimeout(() => {
      const reason = this.#sent
        ? `etcd did not answer within ${Math.round(withinMs)} ms`
        : `no connection within ${Math.round(withinMs)} ms`;
      this.#abort.abort(new EtcdError(this.#sent ? "no answer" : "unreachable", reason));
    }, Math.max(0, withinMs));
    const destroy = () => request.destroy(signal.reason);
    if (signal.aborted) destroy();
    else signal.addEventListener("abort", destroy);
  }

  /** Resolves when the head of the answer has arrived. */
  async head(): Promise<HttpHead> {
    const { statusCode: status = 0, headers } = await this.#response;
    const encoding = headers["content-encoding"] ?? "identity";
    if (encoding !== "identity") {
      const reason = "an answer with a Content-Encoding, which was not asked for";
      throw new EtcdError("unexpected", `not an answer of etcd's gateway: ${reason}`);
    }
    return { status, ok: status >= 200 && status < 300 };
  }

  /** Removes the time limit. */
  withoutLimit(): void {
    clearTimeout(this.#timer);
  }

  /** The whole body. */
  async text(): Promise<string> {
    let text = "";
    let bytes = 0;
    const decoder = new TextDecoder();
    for await (const piece of this.#pieces()) {
      bytes += piece.length;
      if (bytes > answerBytesMax) {
        throw new EtcdError("unexpected", `etcd's answer is longer than ${answerBytesMax} bytes`);
      }
      text += decoder.decode(piece, { stream: true });
    }
    return text;
  }

  /** The lines of the body. */
  async *lines(): AsyncGenerator<string> {
    let rest = "";
    const decoder = new TextDecoder();
    for await (const piece of this.#pieces()) {
      const lines = decoder.decode(piece, { stream: true }).split("\n");
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
    if (!this.#complete) this.#request.destroy();
  }

  async *#pieces(): AsyncGenerator<Uint8Array> {
    try {
      for await (const piece of await this.#response) yield piece;
    } catch (error) {
      throw this.#errorOf(error as Error);
    }
    this.#complete = true;
  }

  /** The error of a failed request, which says whether anything may have been sent. */
  #errorOf(cause: Error & { readonly code?: string }): EtcdError {
    const notApplied = !this.#sent;
    const { signal } = this.#abort;
    if (signal.aborted && signal.reason instanceof EtcdError) {
      const { kind, message } = signal.reason;
      return new EtcdError(kind, message, { cause, notApplied });
    }
    if (cause instanceof EtcdError) return cause;
    if (this.#sent) {
      return new EtcdError("no answer", `the connection broke: ${cause.message}`, { cause });
    }
    // EPERM: the runtime may not resolve the name.
    if (cause.name === "NotCapable" || cause.code === "EPERM") {
      return new EtcdError("not permitted", cause.message, { cause, notApplied });
    }
    const untrusted = /CERT|VERIFY/.test(cause.code ?? "");
    const message = untrusted ? cause.message : `no connection: ${cause.message}`;
    return new EtcdError(untrusted ? "untrusted" : "unreachable", message, { cause, notApplied });
  }
}
