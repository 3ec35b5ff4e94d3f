// @ts-check
/**
 * The events of a space-time diagram, one in each row, and the messages between them.
 *
 * @module
 */

import { isStep } from "./selectors.js";

/** @import { Item } from "../server/item.ts" */
/** @import { DiagramMessage, State } from "../server/state.ts" */

/**
 * An event of a client or server, or a line of text across all columns. `at` is left out for what a
 * client does: only the servers say when something happened.
 *
 * @typedef {{ readonly at?: number, readonly note?: Item }} Row
 */

/**
 * The rows of items, in the order of the events.
 *
 * - A message begins in the row of its cause, and ends in the row of its arrival.
 * - Clients report nothing. A request leaves its client just before it arrives, and an answer arrives
 *   just after it has left, each in a row without a time.
 */
export class EventRows {
  /** @type {Row[]} */
  rows = [];
  /**
   * `begin` is `undefined` if the cause is not in a row, `end` if the message has not arrived.
   *
   * @type {{ message: DiagramMessage, begin: Row | undefined, end: Row | undefined }[]}
   */
  messages = [];
  /** @type {{ item: Item, server: string, row: Row }[]} What messages have caused on servers. */
  effects = [];
  /** @type {Map<number, { row: Row, key: string }>} By timestamp: where the leader has written. */
  #writes = new Map();
  /** @type {Map<string, Row>} By server and timestamp: where a follower has applied a write. */
  #copies = new Map();
  /** @type {{ server: string, key: string, value: string | null, row: Row }[]} Not yet at the leader. */
  #forwarded = [];

  /**
   * Adds an item.
   *
   * @param {Item} item
   * @param {readonly DiagramMessage[]} messages the messages that it stands for
   */
  add(item, messages) {
    if (!isStep(item)) return;
    const [first, second] = messages;
    switch (item.kind) {
      case "put":
      case "write":
        this.#addPut(item, first, second);
        return;
      case "forwarding":
      case "forwarding_write": {
        const { server, key, value } = item;
        this.#forwarded.push({ server, key, value, row: this.#effect(item, server) });
        return;
      }
      case "written":
        this.#writes.set(item.timestamp, { row: this.#effect(item, item.server), key: item.key });
        return;
      case "replication": {
        const row = this.#effect(item, item.server);
        this.#copies.set(`${item.server} ${item.timestamp}`, row);
        this.#message(first, this.#writes.get(item.timestamp)?.row, row);
        return;
      }
      case "acknowledged": {
        const copy = this.#copies.get(`${item.follower} ${item.timestamp}`);
        this.#message(first, copy, this.#row({ at: item.at }));
        return;
      }
      case "put_ok":
      case "write_ok":
      case "conflict": {
        let row = item.kind === "conflict"
          ? this.#effect(item, item.server)
          : this.#row({ at: item.at });
        for (const message of messages) {
          const arrival = this.#row({});
          this.#message(message, row, arrival);
          row = arrival;
        }
        return;
      }
      case "get": {
        const asked = this.#row({});
        const row = this.#effect(item, item.server);
        this.#message(first, asked, row);
        this.#message(second, row, this.#row({}));
        return;
      }
      default:
        this.#row({ at: item.at, note: item });
    }
  }

  /**
   * Adds the REPLICATIONs that followers in sync have yet to apply.
   *
   * @param {State} state the state after the items
   */
  addMessagesUnderWay({ servers, leader, inSync, writtenKeys }) {
    for (const { name: to, up, timestamp: applied } of servers) {
      if (to === leader || !up || !inSync.includes(to)) continue;
      for (const [timestamp, { row, key }] of this.#writes) {
        // A write that the leader does not know any more was in a cluster before this one.
        if (timestamp <= applied || writtenKeys.get(timestamp) !== key) continue;
        this.#message({ from: leader, to, key, label: "REPLICATION", timestamp }, row, undefined);
      }
    }
  }

  /**
   * Adds a PUT or WRITE that has reached the leader. If a follower has forwarded it, it left its client
   * before that.
   *
   * @param {Extract<Item, { readonly kind: "put" | "write" }>} item
   * @param {DiagramMessage | undefined} first
   * @param {DiagramMessage | undefined} second left out if the client sent it to the leader itself
   */
  #addPut({ at, key, value }, first, second) {
    if (second === undefined) {
      const sent = this.#row({});
      this.#message(first, sent, this.#row({ at }));
      return;
    }
    const index = this.#forwarded
      .findIndex((put) => put.server === second.from && put.key === key && put.value === value);
    const [forwarded] = index < 0 ? [] : this.#forwarded.splice(index, 1);
    if (forwarded !== undefined) {
      const sent = {};
      this.rows.splice(this.rows.indexOf(forwarded.row), 0, sent);
      this.#message(first, sent, forwarded.row);
    }
    this.#message(second, forwarded?.row, this.#row({ at }));
  }

  /**
   * Adds a row at the end.
   *
   * @param {Row} row
   */
  #row(row) {
    this.rows.push(row);
    return row;
  }

  /**
   * Adds an effect, in a row of its own.
   *
   * @param {Item} item
   * @param {string} server
   */
  #effect(item, server) {
    const row = this.#row({ at: item.at });
    this.effects.push({ item, server, row });
    return row;
  }

  /**
   * @param {DiagramMessage | undefined} message
   * @param {Row | undefined} begin
   * @param {Row | undefined} end
   */
  #message(message, begin, end) {
    if (message !== undefined) this.messages.push({ message, begin, end });
  }
}
