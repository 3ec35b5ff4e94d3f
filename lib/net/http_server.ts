/**
 * An HTTP server with limits on its connections.
 *
 * `Deno.serve` cannot limit connections, and ends when one cannot be accepted. The listener of
 * `node:http` accepts no more after that. So the connections come from a {@linkcode Listener}, and
 * `node:http` only speaks HTTP on them.
 *
 * @module
 */

// deno-lint-ignore-file no-external-import -- part of the runtime

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { Duplex, Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type Address, formatAddress } from "../wire/address.ts";
import { lingerMs } from "../limits.ts";
import { Listener } from "./listener.ts";
import { linesMax, ReportLimiter, type ReportLimits } from "./report_limiter.ts";
import { tuneTcp } from "./socket.ts";
import { TurnBudget } from "./turn_budget.ts";

/** A request must be complete within this time after its connection was accepted. */
export const requestMs = 10_000;

/** A peer must read some of its answer within this time. */
export const unreadMs = 10_000;

/** The time between two looks for counted lines that are due. */
const reportTickMs = 1_000;

/** The most refused connections that stay open for a moment, so that peers can read the reason. */
const refusedMax = 8;

const readBytes = 16 * 1024;
/**
 * The bytes that the parser takes at once until it has found a request. It does not stop at the first
 * one, and each further one takes long when the connection ends.
 */
const partBytes = 256;
/** Bytes of one write. A longer write would hide its progress. */
const writeBytesMax = 64 * 1024;

/**
 * What a read costs besides its bytes. It may bring a request, which takes about a millisecond to
 * answer.
 */
const readChars = 16 * 1024;

/**
 * What all HTTP connections of the process may read in one turn: two requests. The clients of the
 * store have the rest of the time.
 */
const reads = new TurnBudget(2 * readChars);

/** Counts a read, or an accepted connection, and waits while the budget is spent. */
async function takeTurn(bytes: number, stream?: Duplex): Promise<void> {
  reads.spend(readChars + bytes);
  while (reads.spent && stream?.destroyed !== true) await reads.nextTurn();
}

/** What an HTTP server needs. */
export interface HttpServerOptions {
  /** The number of connections. */
  readonly connectionsMax: number;
  /** The number of connections from one IP address. */
  readonly connectionsPerIpMax: number;
  /** See {@linkcode requestMs}. */
  readonly requestMs?: number;
  /** See {@linkcode unreadMs}. */
  readonly unreadMs?: number;
  /** How many lines are reported. */
  readonly reports?: ReportLimits<"connections" | "accept" | "failures">;
  /** Answers a request from an IP address. */
  handle(request: Request, ip: string): Response | Promise<Response>;
  /** Takes a line for the operator. */
  report(line: string): void;
}

/**
 * An HTTP server.
 *
 * - A connection carries one request.
 * - A connection over the limits is answered with 503 at once.
 * - If no connection can be accepted, it reports that and tries again.
 */
export class HttpServer implements AsyncDisposable {
  /** The address it listens on, with the port that the system chose if 0 was asked for. */
  readonly address: Address;
  readonly #options: HttpServerOptions;
  readonly #listener: Listener;
  readonly #http = createServer((request, response) => this.#take(request, response));
  readonly #accepting: Promise<void>;
  readonly #connections = new Map<unknown, HttpConnection>();
  /** Refused connections that are still open. */
  readonly #refused = new Set<Duplex>();
  readonly #answers = new Set<Promise<void>>();
  readonly #reports: ReportLimiter<"connections" | "accept" | "failures">;
  readonly #reportTicker: ReturnType<typeof setInterval>;

  /**
   * Listens and serves.
   *
   * @throws {Deno.errors.AddrInUse} if the port is taken.
   * @throws {Deno.errors.AddrNotAvailable} if the address is not one of this machine.
   */
  constructor(listen: Address, options: HttpServerOptions) {
    this.#options = options;
    this.#listener = new Listener(listen);
    this.address = this.#listener.address;
    const name = `HTTP on ${formatAddress(this.address)}`;
    const report = (line: string) => options.report(`${name}: ${line}`);
    this.#reports = new ReportLimiter(report, options.reports);
    this.#reportTicker = setInterval(() => this.#reports.tick(), reportTickMs);
    this.#http.on("clientError", (_, socket) => {
      this.#connections.get(socket)?.ignoreRest();
      socket.end("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    });
    this.#accepting = this.#listener.accept(
      (conn) => {
        this.#accept(conn);
        return takeTurn(0);
      },
      this.#reports.about("accept"),
    );
  }

  /** Stops accepting, and cuts off all connections. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#accepting;
    for (const { stream } of this.#connections.values()) stream.destroy();
    for (const stream of this.#refused) stream.destroy();
    await Promise.all(this.#answers);
    clearInterval(this.#reportTicker);
    this.#reports.close();
    await reads.nextTurn(); // a read may wait for its turn
  }

  #accept(conn: Deno.TcpConn): void {
    const refusal = this.#reasonAgainst(conn.remoteAddr.hostname);
    if (refusal !== undefined) return this.#refuse(conn, refusal);
    tuneTcp(conn); // an endless answer has no time limit while nothing is sent
    const { requestMs: untilRequestMs = requestMs, unreadMs: untilReadMs = unreadMs } =
      this.#options;
    const connection = new HttpConnection(conn, untilRequestMs, untilReadMs);
    const { stream } = connection;
    this.#connections.set(stream, connection);
    stream.on("close", () => this.#connections.delete(stream));
    this.#http.emit("connection", stream);
  }

  #reasonAgainst(ip: string): string | undefined {
    const { connectionsMax, connectionsPerIpMax } = this.#options;
    if (this.#connections.size >= connectionsMax) return `${connectionsMax} connections`;
    let ofIp = 0;
    for (const connection of this.#connections.values()) if (connection.ip === ip) ofIp++;
    return ofIp < connectionsPerIpMax ? undefined : `${connectionsPerIpMax} connections from ${ip}`;
  }

  /** Tells the peer the reason, and closes. */
  #refuse(conn: Deno.TcpConn, limit: string): void {
    const body = `this port has ${limit} already, which is its limit: try again later\n`;
    const answer = "HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain\r\n" +
      `content-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`;
    if (this.#refused.size < refusedMax) {
      const { stream } = new HttpConnection(conn, lingerMs, lingerMs);
      this.#refused.add(stream);
      stream.on("close", () => this.#refused.delete(stream));
      stream.resume(); // a close with unread bytes would cut off the answer
      stream.end(answer);
    } else conn.close();
    this.#reports.report(`refused a connection: this port has ${limit} already`, "connections");
  }

  #take(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const connection = this.#connections.get(incoming.socket);
    if (connection === undefined) return;
    if (connection.hasRequest) return connection.ignoreRest();
    connection.hasRequest = true;
    const answer = this.#answer(connection, incoming, outgoing).catch(() => {}); // the peer has gone
    this.#answers.add(answer);
    answer.finally(() => this.#answers.delete(answer));
  }

  async #answer(
    connection: HttpConnection,
    incoming: IncomingMessage,
    outgoing: ServerResponse,
  ): Promise<void> {
    const response = await this.#responseTo(connection, incoming);
    connection.ignoreRest(); // perhaps of a body that the handler has not read
    outgoing.shouldKeepAlive = false;
    outgoing.statusCode = response.status;
    outgoing.setHeaders(response.headers);
    if (response.body === null || !isEndless(response)) {
      const bytes = await response.bytes();
      // The answer to a HEAD has the length that the answer to a GET would have.
      if (response.status !== 204) outgoing.setHeader("content-length", bytes.length);
      outgoing.end(bytes);
    } else if (incoming.method === "HEAD") {
      await response.body.cancel();
      outgoing.end();
    } else await pipeline(Readable.fromWeb(response.body as never), outgoing);
  }

  async #responseTo(connection: HttpConnection, incoming: IncomingMessage): Promise<Response> {
    let request: Request;
    try {
      request = requestOf(incoming);
    } catch {
      // A method that no `Request` can have, such as TRACE.
      return new Response("not implemented\n", { status: 501 });
    }
    if (request.body === null) connection.requestIsComplete();
    else incoming.once("end", () => connection.requestIsComplete());
    try {
      return await this.#options.handle(request, connection.ip);
    } catch (error) {
      // A peer that leaves before the end of its request must not fill the operator's log.
      if (incoming.destroyed && !incoming.complete) throw error;
      this.#reports.report(`a request failed: ${(error as Error).stack}`, "failures", linesMax);
      return new Response("internal error\n", { status: 500 });
    }
  }
}

/** Whether an answer is sent as it comes. Any other one is sent whole, with its length. */
function isEndless({ headers }: Response): boolean {
  return headers.get("content-type") === "text/event-stream";
}

/** @throws {TypeError} if `Request` cannot hold it, such as a TRACE. */
function requestOf(incoming: IncomingMessage): Request {
  const { method = "GET", url = "/", rawHeaders } = incoming;
  const headers = new Headers();
  // A header that comes twice, such as Host, has both values. `incoming.headers` has only one.
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    headers.append(rawHeaders[at]!, rawHeaders[at + 1]!);
  }
  const origin = url.startsWith("/") ? `http://${headers.get("host")}` : "";
  const parsed = URL.parse(origin + url);
  const target = parsed?.username === "" ? parsed : new URL("http://invalid.invalid/");
  // The host of a whole URL counts in place of the Host header (RFC 9112, section 3.2.2).
  if (origin === "") headers.set("host", target.host);
  const hasBody = method !== "GET" && method !== "HEAD";
  return new Request(target, {
    method,
    headers,
    body: hasBody ? Readable.toWeb(incoming) as ReadableStream : null,
  });
}

/** A connection as the stream that `node:http` needs, with its time limits. */
class HttpConnection {
  readonly stream: Duplex;
  readonly ip: string;
  /** Whether its request has come. */
  hasRequest = false;
  #ignores = false;
  readonly #conn: Deno.TcpConn;
  readonly #unreadMs: number;
  readonly #buffer = new Uint8Array(readBytes);
  /** Bytes that were read and that the parser does not have yet. */
  #rest = new Uint8Array(0);
  /** Runs until the request is complete, also while something is written ("100 Continue"). */
  readonly #requestTimer: ReturnType<typeof setTimeout>;
  /** Runs while the peer has to read. */
  #writeTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(conn: Deno.TcpConn, requestMs: number, unreadMs: number) {
    this.#conn = conn;
    this.ip = conn.remoteAddr.hostname;
    this.#unreadMs = unreadMs;
    this.stream = new Duplex({
      read: () => void this.#read(),
      write: (bytes: Uint8Array, _, done) => void this.#write(bytes).then(() => done(), done),
      final: (done) => void this.#end().then(() => done(), done),
      destroy: (error, done) => {
        clearTimeout(this.#requestTimer);
        clearTimeout(this.#writeTimer);
        conn.close();
        done(error);
      },
    });
    this.stream.on("error", () => {}); // the connection has ended
    this.#requestTimer = this.#cutOffAfter(requestMs);
  }

  /** Reads from now on only to notice the end. The parser takes long for thousands of requests. */
  ignoreRest(): void {
    this.#ignores = true;
  }

  /** Ends the time limit of the request. The answer may take as long as its handler needs. */
  requestIsComplete(): void {
    clearTimeout(this.#requestTimer);
    this.ignoreRest();
  }

  #cutOffAfter(ms: number): ReturnType<typeof setTimeout> {
    return setTimeout(() => this.stream.destroy(), ms);
  }

  async #read(): Promise<void> {
    try {
      if (this.#rest.length === 0 || this.#ignores) {
        let count: number | null;
        do {
          count = await this.#conn.read(this.#buffer);
          await takeTurn(count ?? 0, this.stream);
        } while (count !== null && this.#ignores);
        if (count === null) return void this.stream.push(null);
        this.#rest = this.#buffer.slice(0, count);
      }
      const part = this.#rest.subarray(0, this.hasRequest ? readBytes : partBytes);
      this.#rest = this.#rest.subarray(part.length);
      this.stream.push(part);
    } catch (error) {
      this.stream.destroy(error as Error);
    }
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let sent = 0; sent < bytes.length;) {
      clearTimeout(this.#writeTimer);
      this.#writeTimer = this.#cutOffAfter(this.#unreadMs);
      sent += await this.#conn.write(bytes.subarray(sent, sent + writeBytesMax));
    }
    clearTimeout(this.#writeTimer);
  }

  async #end(): Promise<void> {
    await this.#conn.closeWrite();
    this.#writeTimer = this.#cutOffAfter(lingerMs);
  }
}
