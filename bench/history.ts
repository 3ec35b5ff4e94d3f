/**
 * The requests and answers of a client, and the check of each answer.
 *
 * @module
 */

import { type AnyMensagem, Get, type GetOk, Put, type PutOk } from "../lib/mensagem.ts";
import type { Values } from "./values.ts";

/** A wrong answer of a server. */
export class Violation extends Error {
  /** A violation of the guarantee that `message` names. */
  constructor(message: string) {
    super(message);
    this.name = "Violation";
  }
}

/** A request without an answer. */
export interface Asked {
  /** The message. */
  readonly request: Get | Put;
  /** The key's index. */
  readonly key: number;
  /** The timestamp of a GET's answer must be at least this, that of a PUT's must be higher. */
  readonly floor: number;
  /** The number of the value of a PUT; 0 for a GET. */
  readonly number: number;
  /** When it was due, in milliseconds. Its latency counts from then. */
  readonly dueMs: number;
  /** When it was sent, in milliseconds. */
  readonly sentMs: number;
}

/**
 * The history of one client with many connections. What the client saw on one connection counts for
 * all of them.
 *
 * The history takes 16 bytes for each key, for any number of requests.
 */
export class History {
  /** The keys and values of the client. */
  readonly values: Values;
  /** By key: the highest timestamp seen. It never falls. */
  readonly #seen: Float64Array;
  /** By key: the number of the value at that timestamp. */
  readonly #numbers: Uint32Array;
  /** By key: the number of values that were sent. The first value has number 1. */
  readonly #sent: Uint32Array;
  /** The highest timestamp of all keys: a PUT that is sent now must get a higher one. */
  #highest = 0;

  /** The history of a client that has seen nothing. */
  constructor(values: Values) {
    this.values = values;
    this.#seen = new Float64Array(values.keys);
    this.#numbers = new Uint32Array(values.keys);
    this.#sent = new Uint32Array(values.keys);
  }

  /** Makes a GET with the highest timestamp seen for the key. */
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

  /** Makes a PUT of a new value. */
  put(id: number, key: number, dueMs: number, sentMs: number): Asked {
    const number = ++this.#sent[key]!;
    const request = new Put(id, this.values.key(key), this.values.value(key, number));
    return { request, key, floor: this.#highest, number, dueMs, sentMs };
  }

  /**
   * Checks and records an answer other than ERROR. Returns whether the request was served: `false` for
   * TRY_OTHER_SERVER_OR_LATER.
   *
   * @throws {Violation} if it breaks a guarantee.
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

  /** Records a value. A key and a timestamp have one value at all servers. */
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
