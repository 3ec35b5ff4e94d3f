/**
 * A table with LIST and WATCH, without a server.
 *
 * @module
 */

import {
  type AnyMensagem,
  type Changes,
  type List,
  Mensagem,
  Watch,
  type WatchTarget,
  Write,
} from "../../lib/mensagem.ts";
import { Store } from "../../lib/replication/store.ts";
import {
  type QueryLink,
  TableQueries,
  type TableQueriesOptions,
} from "../../lib/replication/table_queries.ts";
import { type Frames, textOf } from "../../lib/wire/frames.ts";
import type { Written } from "./watch_model.ts";

/** The connection of a client. A test sets how much of it is unsent. */
export class FakeLink implements QueryLink {
  readonly peer = "10.0.9.1:5001";
  betweenServers = false;
  unsentChars = 0;
  onWritten: (() => void) | undefined;
  /** Lines that came minus answers. */
  due = 0;
  readonly #received: AnyMensagem[] = [];

  send(frames: Frames): void {
    this.due--;
    this.push(frames);
  }

  push(frames: Frames): void {
    for (const line of textOf(frames).slice(0, -1).split("\n")) {
      this.#received.push(Mensagem.decode(line));
    }
  }

  needsNoAnswer(): void {
    this.due--;
  }

  close(): void {}

  /** The messages since the last call. */
  heard(): AnyMensagem[] {
    return this.#received.splice(0);
  }

  changes(): Changes[] {
    return this.heard() as Changes[];
  }
}

/** A table with its queries, and the history of its writes. */
export class Fixture {
  readonly store: Store;
  readonly writes: Written[] = [];
  readonly link = new FakeLink();
  readonly queries: TableQueries;
  readable = true;
  woken = 0;
  nowMs = 0;

  constructor(
    limits: Partial<TableQueriesOptions["limits"]> = {},
    tombstonesMax = 1_000,
  ) {
    this.store = new Store(tombstonesMax);
    this.queries = new TableQueries(this, {
      limits: { watchesMax: 100, watchesPerConnectionMax: 50, unsentChangesMax: 1_000, ...limits },
      wake: () => this.woken++,
    });
  }

  get table(): Store {
    return this.store;
  }

  /** The next write in the order of all. */
  write(key: string, value: string | null, timestamp = this.store.timestamp + 1): void {
    this.writes.push({ key, value, timestamp });
    this.store.apply(key, Write.of(key, value, timestamp));
  }

  watch(id: number, target: WatchTarget, after: number, link = this.link): void {
    link.due++;
    this.queries.watch(link, new Watch(id, target, after));
  }

  list(request: List, link = this.link): void {
    link.due++;
    this.queries.list(link, request);
  }

  /** Does everything that is due. */
  settle(): void {
    for (let turns = 0; turns < 100_000; turns++) {
      this.woken = 0;
      if (!this.queries.run() && this.woken === 0) return;
    }
    throw new Error("it never ends");
  }

  tick(ms: number): void {
    this.nowMs += ms;
    this.queries.tick(this.nowMs);
    this.settle();
  }
}
