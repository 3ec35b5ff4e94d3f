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
  /** Whether a key came or was removed since the last tick. */
  #changed = false;

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
    if (this.#index.due) this.#wake();
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
    if (this.#index.due) this.#index.step();
    this.#lists.run();
    const more = this.#watches.run();
    this.#woken = false;
    return more || this.#lists.waiting > 0 || this.#index.due;
  }

  /** Time has passed. `now` is in milliseconds and never goes back. */
  tick(now: number): void {
    this.#watches.tick(now);
    if (!this.#changed) this.#index.settle();
    this.#changed = false;
    if (this.#index.due || this.#watches.sendingDue) this.#wake();
  }

  changed(key: string, write: Write, existed: boolean): void {
    if (existed === write.deletes) {
      this.#changed = true;
      this.#index.touched(key, existed);
      if (this.#index.due) this.#wake();
    }
    this.#watches.changed(key, write);
  }

  cleared(): void {
    this.#index.clear();
    this.#watches.cleared();
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
