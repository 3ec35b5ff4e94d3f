/** A simulated client: the real codec and the real session, and requests as the plan has them. */

import { answers, type Request } from "../../lib/client/requests.ts";
import { Session } from "../../lib/client/session.ts";
import {
  type AnyMensagem,
  type ErrorReply,
  Get,
  GetLatest,
  List,
  type ListOk,
  Mensagem,
  Put,
  WriteRequest,
} from "../../lib/mensagem.ts";
import { longValueChars } from "../../lib/wire/long_value.ts";
import type { Endpoint, Host, Process } from "./network.ts";
import type { Observation } from "./observation.ts";
import type { Life, Server } from "./server.ts";
import type { Target } from "./watch_checker.ts";
import { Watcher } from "./watcher.ts";
import type { World } from "./world.ts";

const clientTimeoutMs = 1_500;
/** No key comes after this one: a list of nothing asks whether something is lost. */
const lastKey = "\u{10ffff}";

/** What a client asks for a key. */
export type Asking =
  | { readonly kind: "put" | "get" | "latest"; readonly key: string }
  | {
    readonly kind: "write";
    readonly key: string;
    readonly deletes: boolean;
    /** The condition: none, the timestamp that the client has seen, or that the key does not exist. */
    readonly expected: "any" | "seen" | "absent";
    readonly ttlMs?: number;
  }
  | {
    readonly kind: "list";
    readonly prefix: string;
    readonly after?: string;
    readonly limit: number;
  };

/** Whether a request succeeded, what was seen is lost, or the server is not that far yet. */
type Read = "done" | "lost" | "late";

/** A request without an answer. */
interface InFlight {
  readonly request: Request;
  /** The timestamps that it carries. */
  readonly seen: readonly number[];
  /** The place of the run at which it was sent. */
  readonly place: number;
  readonly latest: boolean;
  /** Of a GET_LATEST, what lists and watches have shown that may be lost. */
  readonly shown: number | undefined;
  readonly deletion: WriteRequest | undefined;
  /** Called with the outcome; not after an ERROR, or if no answer comes. */
  readonly then: ((outcome: Read) => void) | undefined;
}

/** A client. */
export class Client implements Process, Host {
  readonly ip: string;
  readonly stopUntil = 0;
  readonly readDelayMs = 0;
  /** Its watches, those that have ended included. */
  readonly watchers: Watcher[] = [];
  readonly #world: World;
  readonly #sessionKeysMax: number | undefined;
  #session: Session;
  readonly #links = new Map<Server, Endpoint>();
  /** The process at the other end. */
  readonly #lives = new Map<Endpoint, Life>();
  /** Requests without an answer. */
  readonly #inFlight = new Map<number, InFlight>();

  /** A client that has seen nothing. Its session remembers this many keys. */
  constructor(world: World, ip: string, sessionKeysMax?: number) {
    this.#world = world;
    this.ip = ip;
    this.#sessionKeysMax = sessionKeysMax;
    this.#session = new Session(sessionKeysMax);
  }

  /**
   * Sends a request. Returns its number: that of the second one if it is sent twice, 0 if it is not
   * sent.
   */
  ask(asking: Asking, server: Server, twice: boolean, then?: InFlight["then"]): number {
    if (this.#linkTo(server) === undefined) {
      this.#world.trace("   not sent: connection refused");
      return 0;
    }
    if (asking.kind === "get" || asking.kind === "latest" || asking.kind === "list") {
      const doubtful = this.#session.doubtful(asking.kind === "list");
      if (doubtful !== undefined) {
        this.#probe(doubtful, server, (outcome) => {
          if (outcome === "done") this.ask(asking, server, twice, then);
          else then?.(outcome);
        });
        return 0;
      }
    }
    let op = this.#world.nextOp();
    const value = valueOf(op);
    this.#send(this.#make(asking, op, value), server, then);
    if (twice) this.#send(this.#make(asking, op = this.#world.nextOp(), value), server);
    return op;
  }

  /** Watches from now on, beginning at this server. */
  watch(target: Target, server: Server): void {
    const watcher = new Watcher(this.#world, this.ip, target, {
      connect: (to) => this.#linkTo(to),
      /** Whether the client has seen more than the servers' state that it was sent. */
      saw: (timestamp) => this.#session.sawAll(timestamp),
    });
    this.watchers.push(watcher);
    watcher.begin(server);
  }

  /** Ends the oldest watch that goes on. */
  unwatch(): void {
    this.watchers.find(({ ended }) => !ended)?.end();
  }

  receive(link: Endpoint, lines: string[]): void {
    for (const line of lines) {
      if (this.#world.traced) this.#world.trace(`${link.peer} → ${this.ip}  ${line}`);
      const reply = Mensagem.decode(line);
      if (!("id" in reply) || reply.id === undefined) continue;
      if (this.watchers.some((watcher) => watcher.receive(link, reply))) continue;
      const request = this.#inFlight.get(reply.id);
      this.#inFlight.delete(reply.id);
      if (request === undefined) continue;
      if (reply.type !== "ERROR" && !answers(reply, request.request)) {
        this.#world.observe({ kind: "unfit", op: reply.id, asked: request.request, reply });
      }
      this.#answered(link, reply.id, reply, request);
    }
  }

  ended(link: Endpoint): void {
    for (const [server, known] of this.#links) if (known === link) this.#links.delete(server);
    for (const watcher of this.watchers) watcher.disconnected(link);
  }

  #make(asking: Asking, op: number, value: string): Request {
    const session = this.#session;
    switch (asking.kind) {
      case "put":
        return new Put(op, asking.key, value);
      case "get":
        return new Get(op, asking.key, session.timestamp(asking.key), session.atLeast);
      case "latest":
        return new GetLatest(op, asking.key);
      case "list":
        return new List(op, asking.prefix, asking.after, asking.limit, session.highest);
      case "write": {
        const { key, deletes, ttlMs } = asking;
        const expected = {
          any: undefined,
          seen: session.timestamp(key),
          absent: 0,
        }[asking.expected];
        return new WriteRequest(op, key, deletes ? null : value, expected, ttlMs);
      }
    }
  }

  /** Asks whether a timestamp is lost that a request alone would not tell of. */
  #probe(timestamp: number, server: Server, then: NonNullable<InFlight["then"]>): void {
    const op = this.#world.nextOp();
    this.#send(new List(op, "", lastKey, 1, timestamp), server, (outcome) => {
      if (outcome === "done") this.#session.confirm(timestamp);
      then(outcome);
    });
  }

  /** Asks the server that has passed on a GET_LATEST whether it has what was shown before, or that is lost. */
  #confirmShown(
    [shown, ...more]: readonly number[],
    link: Endpoint,
    then: NonNullable<InFlight["then"]>,
  ): void {
    if (shown === undefined) return then("done");
    const server = [...this.#links].find(([, known]) => known === link)?.[0];
    if (server === undefined || !link.open) return; // as if no answer had come
    this.#send(new List(this.#world.nextOp(), "", lastKey, 1, shown), server, (outcome) => {
      if (outcome !== "done") return then(outcome);
      this.#session.acknowledge(shown);
      this.#confirmShown(more, link, then);
    });
  }

  #send(request: Request, server: Server, then?: InFlight["then"]): void {
    const link = this.#linkTo(server)!;
    const { id: op } = request as { id: number };
    const seen: number[] = [];
    switch (request.type) {
      case "LIST":
        this.#world.observe({ kind: "listing", op, client: this.ip });
        if (request.atLeast !== undefined) seen.push(request.atLeast);
        break;
      case "GET":
      case "GET_LATEST": {
        seen.push(this.#session.timestamp(request.key));
        if (request.type === "GET") seen.push(request.atLeast ?? 0);
        const latest = request.type === "GET_LATEST" ? { latest: true as const } : {};
        const { key } = request;
        this.#world.observe({
          kind: "asked",
          op,
          client: this.ip,
          key,
          value: undefined,
          ...latest,
        });
        break;
      }
      case "PUT":
      case "WRITE": {
        const { key, expected, ttlMs } = request as WriteRequest;
        const value = request.value as string | null;
        this.#world.observe({ kind: "asked", op, client: this.ip, key, value, expected, ttlMs });
      }
    }
    const latest = request.type === "GET_LATEST";
    const deletion = request.type === "WRITE" && request.value === null ? request : undefined;
    const { place } = this.#world.history;
    const shown = latest ? this.#session.unacknowledged : undefined;
    this.#inFlight.set(op, { request, seen, place, latest, shown, deletion, then });
    link.send(request.encode());
    this.#world.clock.after(clientTimeoutMs, () => {
      if (this.#inFlight.delete(op)) link.close();
    });
  }

  #answered(
    link: Endpoint,
    op: number,
    reply: AnyMensagem,
    { seen, place, latest, shown, deletion, then }: InFlight,
  ): void {
    const client = this.ip;
    const world = this.#world;
    switch (reply.type) {
      case "PUT_OK":
      case "WRITE_OK": {
        const { key, timestamp } = reply;
        const made = deletion === undefined ||
          world.history.deletedSince(place, key, timestamp, deletion.expected);
        world.observe(
          made
            ? { kind: "put", op, client, key, timestamp }
            : { kind: "deletedNothing", op, client, key },
        );
        this.#session.learn(reply);
        break;
      }
      case "GET_OK": {
        const { key, value, timestamp } = reply;
        // As the library does, see lib/client/reading.ts.
        if (latest && timestamp < seen[0]! && value !== null) {
          this.#forget(seen);
          return then?.("lost");
        }
        const startFloor = latest ? 0 : this.#lives.get(link)!.startFloors.get(key) ?? 0;
        const got = { kind: "got", op, client, key, value, timestamp, startFloor, latest } as const;
        let observed: Observation = got;
        if (value === null && latest) {
          const moments = world.history.moments(key, reply, place).map((moment) =>
            moment.timestamp
          );
          const version = Math.min(...moments);
          observed = { ...got, version, versionMax: Math.max(...moments) };
        } else if (value === null) observed = { ...got, version: world.versions.get(op)! };
        const doubtful = [seen[0]!, shown ?? 0].filter((one) => {
          const told = value === null ? timestamp === one : timestamp >= one;
          return latest && !told && one > 0;
        });
        return this.#confirmShown(doubtful, link, (outcome) => {
          if (outcome === "done") {
            world.observe(observed);
            this.#session.learn(reply);
          }
          then?.(outcome);
        });
      }
      case "CONFLICT": {
        const { key, value, timestamp } = reply;
        world.observe({ kind: "conflict", op, client, key, value, timestamp });
        this.#session.learn(reply);
        break;
      }
      case "LIST_OK":
        this.#listed(op, reply);
        break;
      case "ERROR":
        if (isNotApplied(reply)) world.observe({ kind: "notApplied", op });
        return;
      case "TRY_OTHER_SERVER_OR_LATER":
        if (reply.lost !== true) return then?.("late");
        this.#forget(seen);
        return then?.("lost");
    }
    then?.("done");
  }

  #listed(op: number, { timestamp }: ListOk): void {
    const versions = this.#world.pages.get(op)!;
    if (versions.size === 0) return; // it shows nothing
    this.#world.observe({ kind: "listed", op, client: this.ip, versions });
    this.#session.sawAll(timestamp);
  }

  /** Something seen is lost: this client begins again. */
  #forget(seen: readonly number[]): void {
    this.#world.observe({ kind: "lost", client: this.ip, seen });
    this.#world.observe({ kind: "forgot", client: this.ip });
    this.#session = new Session(this.#sessionKeysMax);
  }

  #linkTo(server: Server): Endpoint | undefined {
    const known = this.#links.get(server);
    if (known?.open) return known;
    const { life } = server;
    if (life === undefined) return undefined;
    const [near, far] = this.#world.network.connect(this, this, server, server.address, life);
    life.accept(far, "client");
    this.#links.set(server, near);
    this.#lives.set(near, life);
    return near;
  }
}

function isNotApplied({ code }: ErrorReply): boolean {
  return code === "UNAVAILABLE" || code === "OVERLOADED";
}

/** The value of a PUT. Some values are long: a server keeps those as bytes. */
function valueOf(op: number): string {
  return `vé${op}`.padEnd(op % 8 === 0 ? longValueChars : 0, ".");
}
