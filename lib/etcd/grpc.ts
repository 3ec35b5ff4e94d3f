/**
 * gRPC to one address: HTTP/2 over one connection that stays open. The only file of this folder that
 * opens sockets.
 *
 * It uses `node:http2`, which obeys no proxy. The runtime's `fetch` obeys `http_proxy` and its like,
 * for loopback too and with any client. Requests to etcd contain passwords and values, so no proxy
 * may see them.
 *
 * @module
 */

// deno-lint-ignore-file no-external-import -- part of the runtime

import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect as connectHttp2,
  constants,
  type IncomingHttpHeaders,
} from "node:http2";
import { connect, type Socket } from "node:net";
import { setImmediate } from "node:timers";
import { connect as connectTls } from "node:tls";
import { errorOf, EtcdError, unexpected } from "./errors.ts";
import { framed, Frames } from "./grpc_frames.ts";
import { type EtcdTls, portOf } from "./options.ts";
import { Message } from "./protobuf.ts";

/** The longest answer to a request: a value and some room. */
const answerBytesMax = 4 * 1024 * 1024;

/** The longest message of a watch. etcd splits what exceeds its request limit. */
const streamBytesMax = 16 * 1024 * 1024;

/** What etcd may send before it is read, on the connection and on each stream. */
const windowBytes = 4 * 1024 * 1024;

/** A connection that is not made within this time is given up. */
const connectMsMax = 5_000;

/** How a request is sent. */
export interface CallOptions {
  /** The time limit, in milliseconds: of the whole answer, or of the first message of a stream. */
  readonly withinMs: number;
  /** Further headers. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** The longest message that is read, in bytes. */
  readonly bytesMax?: number;
}

/** How often the time limits of requests are checked, in milliseconds. */
const sweepMs = 20;

/**
 * The connection to one address.
 *
 * - It is made when a request needs it, and again after it is lost.
 * - A request is sent once. Its error says whether anything may have been sent.
 * - Every request ends within its time limit, to within {@linkcode sweepMs}.
 */
export class GrpcConnection implements Disposable {
  readonly #url: URL;
  readonly #tls: EtcdTls;
  /** The connection that requests use. `undefined` if there is none. */
  #current: Current | undefined;
  /** All open connections: streams may be left on one that requests no longer use. */
  readonly #open = new Set<ClientHttp2Session>();
  /** The requests on their way that have a time limit. */
  readonly #calls = new Set<Call>();
  /** Checks the time limits. `undefined` while there are none: most requests need no timer of their own. */
  #sweeper: ReturnType<typeof setInterval> | undefined;
  #disposed = false;

  /** Connects only when a request is made. */
  constructor(url: URL, tls: EtcdTls) {
    this.#url = url;
    this.#tls = tls;
  }

  /**
   * Sends a request with one answer.
   *
   * @throws {EtcdError} if the answer is an error, or does not come.
   */
  async ask(path: string, request: Uint8Array, options: CallOptions): Promise<Message> {
    const { promise, resolve, reject } = Promise.withResolvers<Message>();
    let answered = false;
    const call = await this.#begin(path, options, answerBytesMax, {
      message: (answer) => {
        answered = true;
        resolve(answer);
      },
      ended: (error) => answered || reject(error ?? unexpected("no message")),
    });
    call.stream.end(framed(request));
    return await promise;
  }

  /**
   * Sends a request with many answers. Resolves when the other end ends it.
   *
   * @param took is called with each answer. What it throws ends the request.
   * @throws {EtcdError} if it breaks off. Throws the signal's reason if it is aborted.
   */
  async watch(
    path: string,
    request: Uint8Array,
    took: (answer: Message) => void,
    signal: AbortSignal,
    options: CallOptions,
  ): Promise<void> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const call = await this.#begin(path, options, streamBytesMax, {
      message: (answer) => {
        this.#calls.delete(call);
        took(answer);
      },
      ended: (error) => error === undefined ? resolve() : reject(error),
    });
    const abort = () => call.fail(signal.reason);
    signal.addEventListener("abort", abort);
    // The stream stays open in this direction: etcd would take its end for that of the watch.
    call.stream.write(framed(request));
    if (signal.aborted) abort();
    try {
      await promise;
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  /** Requests from now on use a new connection: this one may be dead. */
  renew(): void {
    this.#current?.session.close();
    this.#current = undefined;
  }

  /** Aborts all requests. */
  [Symbol.dispose](): void {
    this.#disposed = true;
    clearInterval(this.#sweeper);
    for (const session of this.#open) session.destroy();
  }

  /** Opens a stream with a time limit, for a request that is written next. */
  async #begin(
    path: string,
    { withinMs, metadata, bytesMax }: CallOptions,
    bytesMaxDefault: number,
    { message, ended }: CallEvents,
  ): Promise<Call> {
    if (withinMs <= 0) {
      throw new EtcdError("no answer", "no time was left to ask etcd", { notApplied: true });
    }
    const untilMs = performance.now() + withinMs;
    const { session, gather } = this.#current?.made ?? await this.#connected(withinMs);
    gather();
    const call: Call = new Call(session, path, metadata, bytesMax ?? bytesMaxDefault, {
      message: (answer) => {
        gather();
        message(answer);
      },
      ended: (error) => {
        this.#calls.delete(call);
        ended(error);
      },
    });
    call.untilMs = untilMs;
    call.withinMs = withinMs;
    this.#calls.add(call);
    if (!this.#disposed) this.#sweeper ??= setInterval(() => this.#sweep(), sweepMs);
    return call;
  }

  #sweep(): void {
    const now = performance.now();
    for (const call of this.#calls) {
      if (call.untilMs <= now) call.fail(noAnswer(call.withinMs));
    }
    if (this.#calls.size > 0) return;
    clearInterval(this.#sweeper);
    this.#sweeper = undefined;
  }

  /** Waits for the connection. An error means that nothing was sent. */
  async #connected(withinMs: number): Promise<Made> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      const reason = `no connection within ${Math.round(withinMs)} ms`;
      late.reject(new EtcdError("unreachable", reason, { notApplied: true }));
    }, Math.max(0, withinMs));
    try {
      return await Promise.race([(this.#current ??= this.#connect()).making, late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  #connect(): Current {
    const socket = dialEtcd(this.#url, this.#tls);
    const session = connectHttp2(this.#url, {
      createConnection: () => socket,
      settings: { enablePush: false, initialWindowSize: windowBytes },
    });
    this.#open.add(session);
    const { promise, resolve, reject } = Promise.withResolvers<Made>();
    const current: Current = { session, making: promise, made: undefined };
    const timer = setTimeout(() => session.destroy(), connectMsMax);
    const forget = () => {
      if (this.#current === current) this.#current = undefined;
    };
    session.once("connect", () => {
      clearTimeout(timer);
      if (session.destroyed) return; // this comes late
      session.setLocalWindowSize(windowBytes);
      current.made = { session, gather: gathering(socket) };
      resolve(current.made);
    });
    session.once("goaway", forget);
    session.on("error", (error) => {
      forget();
      reject(dialError(error));
    });
    session.once("close", () => {
      clearTimeout(timer);
      this.#open.delete(session);
      forget();
      reject(dialError(new Error("the connection was closed")));
    });
    promise.catch(() => {}); // its waiters may have given up
    if (this.#disposed) session.destroy();
    return current;
  }
}

/** Opens a socket. With `keepAlive` the kernel notices an etcd that vanished under an idle watch. */
export function dialEtcd(url: URL, { ca, cert, key }: EtcdTls): Socket {
  const secure = url.protocol === "https:";
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const to = { host, port: Number(portOf(url)), noDelay: true, keepAlive: true };
  if (!secure) return connect(to);
  return connectTls({
    ...to,
    // An `undefined` CA is not the same as none.
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined || key === undefined ? {} : { cert, key }),
    ALPNProtocols: ["h2"],
    // Explicit, so that NODE_TLS_REJECT_UNAUTHORIZED has no effect.
    rejectUnauthorized: true,
  });
}

/** A connection that is made. */
interface Made {
  readonly session: ClientHttp2Session;
  /** Holds what is sent until the end of the turn: each write to the socket takes long. */
  readonly gather: () => void;
}

/** A connection that is made or being made. */
interface Current {
  readonly session: ClientHttp2Session;
  /** Resolves when it is made. */
  readonly making: Promise<Made>;
  /** The same; `undefined` until it is made. */
  made: Made | undefined;
}

function gathering(socket: Socket): () => void {
  let corked = false;
  return () => {
    if (corked) return;
    corked = true;
    socket.cork();
    setImmediate(() => {
      corked = false;
      socket.uncork();
    });
  };
}

/** What is done with the answers to a request. */
interface CallEvents {
  /** A message has come. What this throws ends the request. */
  message(answer: Message): void;
  /** The request has ended: without an error if its status says so. Called once. */
  ended(error: unknown): void;
}

/** One request on a connection. */
class Call {
  readonly stream: ClientHttp2Stream;
  /** The time limit, on the clock of `performance`, and what it was. */
  untilMs = Infinity;
  withinMs = 0;
  readonly #frames: Frames;
  readonly #events: CallEvents;
  readonly #headers: IncomingHttpHeaders = {};
  #error: unknown;
  #ended = false;

  constructor(
    session: ClientHttp2Session,
    path: string,
    metadata: Readonly<Record<string, string>> | undefined,
    bytesMax: number,
    events: CallEvents,
  ) {
    this.#frames = new Frames(bytesMax);
    this.#events = events;
    try {
      this.stream = session.request({
        ":method": "POST",
        ":path": path,
        "content-type": "application/grpc",
        "te": "trailers",
        ...metadata,
      });
    } catch (cause) { // it was closed a moment ago
      throw dialError(cause as Error);
    }
    const add = (headers: IncomingHttpHeaders) => void Object.assign(this.#headers, headers);
    this.stream.on("response", add).on("trailers", add)
      .on("data", (chunk: Uint8Array) => this.#take(chunk))
      // A stream whose own direction is open does not close by itself.
      .on("end", () => void (this.stream.writableEnded || this.stream.end()))
      .on("error", (error) => this.#error ??= brokenOff(error))
      .on("close", () => this.#end(this.#error ?? this.#problem()));
  }

  /** Ends the request with an error. */
  fail(error: unknown): void {
    this.#error ??= error;
    // One that the other end has reset without an error waits for ever to write what is left.
    if (this.stream.closed) this.stream.destroy();
    else this.stream.close(constants.NGHTTP2_CANCEL);
    this.#end(this.#error);
  }

  #end(error: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#events.ended(error);
  }

  #take(chunk: Uint8Array): void {
    if (this.#error !== undefined) return;
    try {
      const frames = this.#frames;
      frames.push(chunk);
      for (let next = frames.take(); next !== undefined; next = frames.take()) {
        this.#events.message(new Message(next));
      }
    } catch (error) {
      this.fail(error);
    }
  }

  /** What is wrong with the end of the answer; `undefined` if nothing is. */
  #problem(): EtcdError | undefined {
    const { [":status"]: http, "grpc-status": status, "grpc-message": text } = this.#headers;
    if (http !== undefined && Number(http) !== 200) return unexpected(`HTTP ${http}`);
    if (status === "0") return undefined;
    if (status === undefined) return brokenOff(new Error("it ended without a status"));
    return errorOf(Number(status), decoded(`${text ?? ""}`));
  }
}

/** The text of a header, in which gRPC escapes what is not printable. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The error of a request that was sent and has broken off. */
function brokenOff(cause: Error): EtcdError {
  return new EtcdError("no answer", `the connection broke: ${cause.message}`, { cause });
}

function noAnswer(withinMs: number): EtcdError {
  return new EtcdError("no answer", `etcd did not answer within ${Math.round(withinMs)} ms`);
}

/** The error of a connection that could not be made. */
function dialError(cause: Error & { readonly code?: string }): EtcdError {
  const how = { cause, notApplied: true };
  // EPERM: the runtime may not resolve the name.
  if (cause.name === "NotCapable" || cause.code === "EPERM") {
    return new EtcdError("not permitted", cause.message, how);
  }
  const untrusted = /CERT|VERIFY/.test(cause.code ?? "");
  if (untrusted) return new EtcdError("untrusted", cause.message, how);
  return new EtcdError("unreachable", `no connection: ${cause.message}`, how);
}
