/**
 * What clients ask of more than one key of a table: LIST and WATCH.
 *
 * @module
 */

import type { List, Unwatch, Watch } from "../mensagem.ts";
import type { Write } from "../wire/encoded_write.ts";
import type { Link } from "./environment.ts";
import { KeyIndex } from "./key_index.ts";
import { Lists } from "./lists.ts";
import type { StoreListener } from "./store.ts";
import type { WatchLimits } from "./watch_registry.ts";
import { type WatchCounts, type Watched, Watches } from "./watches.ts";
import type { WatchLink } from "./watcher.ts";

/** The connection of a client. */
export type QueryLink = Link & WatchLink;

/** What LIST and WATCH have done since the start, and how many watches there are. */
export interface QueryCounts {
  /** Pages of LIST that were sent. */
  readonly lists: number;
  /** LISTs that were refused: of a table that cannot answer, or over a limit. */
  readonly listsRefused: number;
  /** The watches. */
  readonly watching: WatchCounts;
}

/** After a LIST the index is kept up to date for this number of ticks: some 5 s. */
const usedTicks = 100;

/** While it is kept up to date, this many keys may wait to be taken in. */
const waitingKeysMax = 256;

/** The settings of {@linkcode TableQueries}. */
export interface TableQueriesOptions {
  /** The bounds of watches. */
  readonly limits: WatchLimits;
  /** Is called when `run` has something to do: call it at the end of this turn. */
  wake(): void;
}

/**
 * Answers LIST and WATCH from the table of an engine, whichever that is.
 *
 * - It is told of every change of the table, and does the work for it at the end of the turn.
 * - Work that takes long is done in slices, one in a turn.
 */
export class TableQueries implements StoreListener {
  readonly #index: KeyIndex;
  readonly #watches: Watches;
  readonly #lists: Lists;
  readonly #wake: () => void;
  /** Whether the owner was woken and `run` has not ended yet. */
  #woken = false;
  /** Whether the table has changed since the last tick. */
  #changed = false;
  /** Whether nothing has happened for a tick: then there is time for the index. */
  #idle = false;
  /** Ticks for which the index is kept up to date: a LIST may follow soon. */
  #usedTicks = 0;

  /** Answers from the table of a server, and becomes the table's listener. */
  constructor(server: Watched, { limits, wake }: TableQueriesOptions) {
    const { table } = server;
    this.#wake = () => {
      if (this.#woken) return;
      this.#woken = true;
      wake();
    };
    this.#index = new KeyIndex(table);
    this.#watches = new Watches(server, this.#index, limits, this.#wake);
    this.#lists = new Lists(server, this.#index, () => this.#watches.mixed);
    table.listener = this;
  }

  /** What was done since the start. */
  get counts(): QueryCounts {
    const { pages: lists, refused: listsRefused } = this.#lists;
    return { lists, listsRefused, watching: this.#watches.counts };
  }

  /** Whether a connection has watches. It waits for changes, so it is never idle. */
  has(link: WatchLink): boolean {
    return this.#watches.has(link);
  }

  /** Answers a LIST. Returns what that costs now, in UTF-16 units of costly text. */
  list(link: Link, request: List): number {
    const cost = this.#lists.add(link, request);
    this.#usedTicks = usedTicks;
    if (this.#index.wanted) this.#wake();
    return cost;
  }

  /** Answers a WATCH. Returns what that costs now, in UTF-16 units of costly text. */
  watch(link: QueryLink, request: Watch): number {
    return this.#watches.add(link, request);
  }

  /** Ends a watch. */
  unwatch(link: QueryLink, { id }: Unwatch): void {
    this.#watches.remove(link, id);
  }

  /** A connection has ended. */
  closed(link: QueryLink): void {
    this.#lists.closed(link);
    this.#watches.closed(link);
  }

  /** Does a slice of the work that is due. Returns whether to call it again in a later turn. */
  run(): boolean {
    this.#woken = true; // what this slice makes due is for a later turn
    if (this.#indexDue) this.#index.step();
    this.#lists.run();
    const more = this.#watches.run();
    this.#woken = false;
    return more || this.#lists.waiting > 0 || this.#indexDue;
  }

  /** Time has passed. `now` is in milliseconds and never goes back. */
  tick(now: number): void {
    this.#watches.tick(now);
    this.#idle = !this.#changed;
    this.#changed = false;
    if (this.#usedTicks > 0) this.#usedTicks--;
    if (this.#indexDue || this.#watches.sendingDue) this.#wake();
  }

  changed(key: string, write: Write, existed: boolean): void {
    this.#changed = true;
    if (existed === write.deletes) this.#touched(key);
    this.#watches.changed(key, write);
  }

  cleared(): void {
    this.#index.clear();
    this.#watches.cleared();
  }

  #touched(key: string): void {
    this.#index.touched(key);
    if (this.#usedTicks === 0 || this.#index.due < waitingKeysMax) return;
    this.#index.need();
    this.#wake();
  }

  /** Whether keys should be taken into the index now. */
  get #indexDue(): boolean {
    return this.#index.wanted || (this.#idle && this.#index.due > 0);
  }

  /**
   * Checks the invariants.
   *
   * @throws {Error} if one is broken.
   */
  checkInvariants(): void {
    this.#watches.checkInvariants();
  }
}
