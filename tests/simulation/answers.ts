/** Tells the checkers what a server answers, and what its table holds at that moment. */

import { type AnyMensagem, Mensagem } from "../../lib/mensagem.ts";
import { heldAt } from "./observation.ts";
import { servers } from "./actions.ts";
import type { Life } from "./server.ts";
import type { World } from "./world.ts";

/** An observer of the answers of one process. */
export class AnswerObserver {
  readonly #world: World;
  readonly #life: Life;
  readonly #server: string;
  /** Writes that the process has applied one by one, oldest first. */
  readonly applied: { readonly key: string; readonly timestamp: number }[] = [];
  /** Watches by the number of their request. */
  readonly #watches = new Set<number>();

  constructor(world: World, life: Life, server: string) {
    this.#world = world;
    this.#life = life;
    this.#server = server;
  }

  /** Whether a request is a watch that this process has begun to answer. */
  streams(op: number): boolean {
    return this.#watches.has(op);
  }

  /** The leader sends frames to a follower, among them answers to what the follower forwards. */
  toFollower(frames: string): void {
    if (frames.startsWith(`{"type":"WRITE_OK"`)) this.#committed(frames);
    else if (frames.startsWith(`{"type":"GET_OK"`)) this.#shownLatest(frames);
  }

  /** A server sends a frame to a client. `line` is the request, if it had no answer before. */
  toClient(op: number, frame: string, line: string | undefined, answersGets: boolean): void {
    if (frame.startsWith(`{"type":"TRY_OTHER`)) {
      if (line !== undefined) this.#refused(op, frame, line, answersGets);
    } else if (frame.startsWith(`{"type":"GET_OK"`)) {
      if (line?.startsWith(`{"type":"GET_LATEST"`)) {
        if (this.#server === servers[0]) this.#shownLatest(frame);
      } else if (frame.includes(`"value":null,`)) this.#absentIn(op, frame);
    } else if (frame.startsWith(`{"type":"WRITE_OK"`)) {
      if (this.#server === servers[0]) this.#committed(frame);
    } else if (frame.startsWith(`{"type":"LIST_OK"`)) this.#listed(op, frame, line);
    else if (frame.startsWith(`{"type":"CHANGES"`)) this.#streamed(op, frame);
  }

  #committed(frame: string): void {
    const { key, timestamp } = decode(frame, "WRITE_OK");
    const write = this.#world.history.at(key, timestamp);
    // The deletion of a key that does not exist writes nothing. It is answered with an older timestamp.
    const wroteNothing = write === undefined ||
      (write.value === null && timestamp <= this.#world.highestCommitted);
    if (wroteNothing) return;
    this.#life.committed(key, timestamp);
  }

  #shownLatest(frame: string): void {
    const { key, value, timestamp } = decode(frame, "GET_OK");
    if (value === null) return;
    const copies = this.#life.copies(key);
    this.#world.observe({ kind: "shownLatest", key, timestamp, copies });
  }

  #absentIn(op: number, frame: string): void {
    const { key } = decode(frame, "GET_OK");
    this.#world.versions.set(op, this.#absent(key));
  }

  /** This server says that a key does not exist. Returns the newest write of it that it has applied. */
  #absent(key: string): number {
    const { table, timestamp: applied } = this.#life.engine;
    const { history } = this.#world;
    const heldTimestamp = heldAt(this.#life.table, key);
    // A tombstone says it itself. It may be newer than `applied` while a snapshot comes in.
    if (heldTimestamp > table.floor) return heldTimestamp;
    this.#world.observe({ kind: "absent", server: this.#server, key, applied });
    return history.upTo(key, applied).timestamp;
  }

  #listed(op: number, frame: string, line: string | undefined): void {
    const { entries, more } = decode(frame, "LIST_OK");
    const { prefix, after, limit } = decode(line!, "LIST");
    const server = this.#server;
    this.#world.observe({ kind: "page", server, prefix, after, limit, entries, more });
    const shown = new Map(entries.map(([key, , timestamp]) => [key, timestamp]));
    const last = entries.at(-1)?.[0];
    const versions = new Map<string, number>();
    for (const key of this.#world.history.keys) {
      if (!key.startsWith(prefix) || (after !== undefined && key <= after)) continue;
      if (more && (last === undefined || key > last)) continue;
      versions.set(key, shown.get(key) ?? this.#absent(key));
    }
    this.#world.pages.set(op, versions);
  }

  #streamed(op: number, frame: string): void {
    this.#watches.add(op);
    const { changes, timestamp, reset, more } = decode(frame, "CHANGES");
    const { applied } = this;
    this.#world.observe({
      kind: "streamed",
      op,
      server: this.#server,
      changes,
      timestamp,
      reset: reset === true,
      more: more === true,
      applied,
    });
  }

  #refused(op: number, frame: string, line: string, answersGets: boolean): void {
    const request = Mensagem.decode(line);
    const { timestamp: own, lost } = decode(frame, "TRY_OTHER_SERVER_OR_LATER");
    if (request.type !== "GET") return; // a table that is being copied answers no LIST or WATCH
    const { timestamp: seen, atLeast = 0 } = request;
    const excused = lost === true || atLeast > this.#life.engine.timestamp;
    const server = this.#server;
    this.#world.observe({ kind: "refused", op, server, seen, own, answersGets, excused });
  }
}

function decode<T extends AnyMensagem["type"]>(
  frame: string,
  _type: T,
): AnyMensagem & { type: T } {
  return Mensagem.decode(frame.endsWith("\n") ? frame.slice(0, -1) : frame) as AnyMensagem & {
    type: T;
  };
}
