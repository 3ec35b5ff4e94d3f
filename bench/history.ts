/**
 * What a client has asked and seen, and whether an answer can be true.
 *
 * @module
 */

import { type AnyMensagem, Get, type GetOk, Put, type PutOk } from "../lib/mensagem.ts";
import type { Values } from "./values.ts";

/** A server gave an answer that breaks its promises. */
export class Violation extends Error {
  /** Says which promise. */
  constructor(message: string) {
    super(message);
    this.name = "Violation";
  }
}

/** A request without an answer. */
export interface Asked {
  /** What was sent. */
  readonly request: Get | Put;
  /** The key's index. */
  readonly key: number;
  /** A GET's answer must be at least that new, a PUT's newer, as timestamps. */
  readonly floor: number;
  /** The number of the value that a PUT writes, 0 for a GET. */
  readonly number: number;
  /** When it was due, in milliseconds: its latency counts from here. */
  readonly dueMs: number;
  /** When it was sent, in milliseconds. */
  readonly sentMs: number;
}

/**
 * The memory of one client with many connections: it carries what it saw on one of them to all.
 *
 * It costs 16 bytes for each key, however much is asked.
 */
export class History {
  /** The values that it writes and recognises. */
  readonly values: Values;
  /** By key: the highest timestamp that was seen. None of them ever falls. */
  readonly #seen: Float64Array;
  /** By key: the number of the value at that timestamp. */
  readonly #numbers: Uint32Array;
  /** By key: how many values were sent. Their numbers are 1 to this. */
  readonly #sent: Uint32Array;
  /** The highest timestamp of all: a PUT that is sent now must get a higher one. */
  #highest = 0;

  /** A client that has seen nothing. */
  constructor(values: Values) {
    this.values = values;
    this.#seen = new Float64Array(values.keys);
    this.#numbers = new Uint32Array(values.keys);
    this.#sent = new Uint32Array(values.keys);
  }

  /** Makes a GET that carries the newest timestamp that was seen for the key. */
  get(id: number, key: number, dueMs: number, sentMs: number): Asked {
    const floor = this.#seen[key]!;
    return {
      request: new Get(id, this.values.key(key), floor),
      key,
      floor,
      number: 0,
      dueMs,
      sentMs,
    };
  }

  /** Makes a PUT of a value that was never written before. */
  put(id: number, key: number, dueMs: number, sentMs: number): Asked {
    const number = ++this.#sent[key]!;
    const request = new Put(id, this.values.key(key), this.values.value(key, number));
    return { request, key, floor: this.#highest, number, dueMs, sentMs };
  }

  /**
   * Takes note of an answer that is no ERROR. Returns false where it is
   * TRY_OTHER_SERVER_OR_LATER, which shows nothing.
   *
   * @throws {Violation} where a server that keeps its promises cannot have given it.
   */
  answered(asked: Asked, reply: AnyMensagem): boolean {
    const { request, floor } = asked;
    const what = `${request.type} of ${request.key}`;
    if ("key" in reply && reply.key === request.key) {
      if (request.type === "PUT" && reply.type === "PUT_OK") {
        this.#written(asked, reply, what);
        return true;
      }
      if (request.type === "GET" && reply.type === "GET_OK") {
        this.#read(asked, reply, what);
        return true;
      }
      if (request.type === "GET" && reply.type === "TRY_OTHER_SERVER_OR_LATER") {
        if (reply.timestamp < floor) return false;
        throw new Violation(
          `${what}: TRY_OTHER_SERVER_OR_LATER with timestamp ${reply.timestamp}, though ${floor} was asked for`,
        );
      }
    }
    throw new Violation(`${what}: answered with ${JSON.stringify(reply).slice(0, 200)}`);
  }

  #written(asked: Asked, { timestamp }: PutOk, what: string): void {
    if (timestamp <= asked.floor) {
      throw new Violation(
        `${what}: PUT_OK with timestamp ${timestamp}, though ${asked.floor} was seen before it was sent`,
      );
    }
    this.#learn(asked.key, timestamp, asked.number, what);
  }

  #read(asked: Asked, { timestamp, value }: GetOk, what: string): void {
    const { key, floor } = asked;
    if (timestamp < floor) {
      throw new Violation(`${what}: timestamp ${timestamp}, older than ${floor}, which was seen`);
    }
    if (value === null && timestamp === 0) return;
    const number = value === null ? undefined : this.values.numberOf(key, value);
    if (number === undefined || number < 1 || number > this.#sent[key]!) {
      const text = JSON.stringify(value?.slice(0, 100) ?? null);
      throw new Violation(`${what}: timestamp ${timestamp} with ${text}, which was never written`);
    }
    this.#learn(key, timestamp, number, what);
  }

  /** One key and timestamp means one value, whoever says so. */
  #learn(key: number, timestamp: number, number: number, what: string): void {
    const seen = this.#seen[key]!;
    if (timestamp === seen && this.#numbers[key] !== number) {
      throw new Violation(
        `${what}: timestamp ${timestamp} with value ${number}, though it was value ${
          this.#numbers[key]
        } before`,
      );
    }
    if (timestamp <= seen) return;
    this.#seen[key] = timestamp;
    this.#numbers[key] = number;
    if (timestamp > this.#highest) this.#highest = timestamp;
  }
}
