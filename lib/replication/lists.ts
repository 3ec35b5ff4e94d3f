/**
 * LIST: the entries of a part of the keys, page by page.
 *
 * @module
 */

import { listEntriesMax } from "../limits.ts";
import { ErrorReply, type List, ListOk, TryOther } from "../mensagem.ts";
import { type Frames, sizeOf } from "../wire/frames.ts";
import { compareKeys } from "../wire/key_order.ts";
import type { Link } from "./environment.ts";
import { indexSliceKeys, type KeyIndex } from "./key_index.ts";
import type { Watched } from "./watches.ts";

/** A page ends when its entries reach this size: UTF-16 units, and bytes of long values. */
export const listPageChars: number = 512 * 1024;

/** LISTs that wait for the index. */
export const waitingListsMax = 4_096;

/** And those of one connection. */
export const waitingListsPerConnectionMax = 512;

/** What the answers of one slice cost, in UTF-16 units of costly text. It takes 1 or 2 ms. */
const sliceChars = 32 * 1024;

/** Slices of work on the index that a LIST does itself instead of waiting. */
const ownSlicesMax = 3;

/** What answering a page costs, in UTF-16 units of costly text: each LIST, each entry, and its text. */
const listChars = 512;
const entryChars = 24;
const textShare = 1 / 64;

/** The LISTs of one server. */
export class Lists {
  readonly #server: Watched;
  readonly #index: KeyIndex;
  readonly #isMixed: () => boolean;
  /** By connection, the one whose turn is next first. Invariant: no list is empty. */
  readonly #byLink = new Map<Link, List[]>();
  /** Invariant: the number of all those requests. */
  #waiting = 0;
  /** Pages sent since the start. */
  pages = 0;
  /** LISTs refused since the start: of a table that cannot answer, or over a limit. */
  refused = 0;

  /** No LISTs. `isMixed` says whether the table is a copy of different times. */
  constructor(server: Watched, index: KeyIndex, isMixed: () => boolean) {
    this.#server = server;
    this.#index = index;
    this.#isMixed = isMixed;
  }

  /** LISTs that wait for the index. */
  get waiting(): number {
    return this.#waiting;
  }

  /**
   * Answers a LIST, at once or when the index is complete. Returns what that costs now, in UTF-16 units
   * of costly text.
   */
  add(link: Link, request: List): number {
    this.#index.need();
    for (let slices = 0; slices < ownSlicesMax && this.#mayComplete; slices++) this.#index.step();
    if (this.#index.complete || this.#refuses(request)) return this.#answer(link, request);
    const full = this.#whyFull(link);
    if (full === undefined) this.#wait(link, request);
    else {
      this.refused++;
      link.send(new ErrorReply("OVERLOADED", `not listed: ${full}`, request.id).encode());
    }
    return listChars;
  }

  /** A connection has ended. */
  closed(link: Link): void {
    this.#waiting -= this.#byLink.get(link)?.length ?? 0;
    this.#byLink.delete(link);
  }

  /**
   * Answers some of those that wait, if the index is complete or the table cannot be read. The connections
   * have their turns, so that one that asks much does not hold up the others.
   */
  run(): void {
    let left = sliceChars;
    for (const [link, requests] of this.#byLink) {
      if (left <= 0 || (!this.#index.complete && !this.#refuses(requests[0]!))) return;
      const request = requests.shift()!;
      this.#waiting--;
      this.#byLink.delete(link);
      if (requests.length > 0) this.#byLink.set(link, requests);
      left -= this.#answer(link, request);
    }
  }

  #wait(link: Link, request: List): void {
    const requests = this.#byLink.get(link);
    if (requests === undefined) this.#byLink.set(link, [request]);
    else requests.push(request);
    this.#waiting++;
  }

  #whyFull(link: Link): string | undefined {
    const waits = "wait for the order of the keys already, try again later";
    if (this.#waiting >= waitingListsMax) return `${waitingListsMax} LISTs ${waits}`;
    return (this.#byLink.get(link)?.length ?? 0) < waitingListsPerConnectionMax
      ? undefined
      : `${waitingListsPerConnectionMax} LISTs of this connection ${waits}`;
  }

  /** Whether a few slices of work make the index complete. */
  get #mayComplete(): boolean {
    return !this.#index.complete && this.#index.missing < ownSlicesMax * indexSliceKeys;
  }

  /** Whether the table cannot answer, whatever the index has. */
  #refuses({ atLeast = 0 }: List): boolean {
    return !this.#server.readable || this.#isMixed() || !this.#server.table.covers(atLeast);
  }

  #answer(link: Link, request: List): number {
    const { id, atLeast = 0 } = request;
    const { table } = this.#server;
    if (this.#refuses(request)) {
      this.refused++;
      const lost = this.#server.readable && table.isLost(atLeast) ? true : undefined;
      link.send(new TryOther(id, undefined, table.timestamp, lost).encode());
      return 0;
    }
    const { elements, more, chars } = this.#page(request);
    this.pages++;
    link.send(ListOk.frame(id, elements, more, table.timestamp));
    return listChars + elements.length * entryChars + chars * textShare;
  }

  #page({ prefix, after, limit = listEntriesMax }: List) {
    const elements: Frames[] = [];
    let chars = 0;
    const begun = after !== undefined && compareKeys(after, prefix) >= 0;
    for (const key of this.#index.from(begun ? after : prefix, begun)) {
      if (!key.startsWith(prefix)) break;
      if (elements.length === limit || chars >= listPageChars) {
        return { elements, more: true, chars };
      }
      const element = this.#server.table.get(key)!.element(key);
      elements.push(element);
      chars += sizeOf(element);
    }
    return { elements, more: false, chars };
  }
}
