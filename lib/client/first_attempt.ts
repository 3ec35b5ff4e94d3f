/**
 * The first attempt of a call, with which nearly all calls end.
 *
 * @module
 */

import type { Deadlines } from "./deadlines.ts";
import type { Operation } from "./operations.ts";
import type { Asker } from "./pending_requests.ts";
import type { Waiting } from "./request_queue.ts";
import type { Requester } from "./requester.ts";
import type { Reply } from "./requests.ts";
import type { ServerConnection } from "./server_connection.ts";
import type { PooledServer } from "./server_pool.ts";
import { StaleAttempt } from "./stale_attempt.ts";

const none: ReadonlySet<PooledServer> = new Set();

/**
 * The first attempt of a call: it waits for a server with room, and then for the answer.
 *
 * It costs little: the object itself is in the queue and waits for the answer, and the only promise is
 * the caller's. What follows a first attempt without a result is up to the `RetryLoop`.
 */
export class FirstAttempt<T> implements Waiting, Asker {
  previous: Waiting | undefined;
  next: Waiting | undefined;
  readonly #requester: Requester;
  readonly #operation: Operation<T>;
  readonly #resolve: (result: T | Promise<T>) => void;
  readonly #reject: (reason: unknown) => void;
  #server: PooledServer | undefined;
  #connection: ServerConnection | undefined;
  #deadlines: Deadlines | undefined;

  /** An attempt that has not begun. `resolve` and `reject` settle the caller's promise. */
  constructor(
    requester: Requester,
    operation: Operation<T>,
    resolve: (result: T | Promise<T>) => void,
    reject: (reason: unknown) => void,
  ) {
    this.#requester = requester;
    this.#operation = operation;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  get call(): Operation<T>["call"] {
    return this.#operation.call;
  }

  get asked(): ReadonlySet<PooledServer> {
    return none;
  }

  start(server: PooledServer, now: number): void {
    const operation = this.#operation;
    const requester = this.#requester;
    this.#server = server;
    try {
      const connection = this.#connection = requester.pool.connection(server);
      const deadlines = this.#deadlines = requester.retry.deadlines(operation.call, 0, now);
      connection.ask(operation.request(connection.takeId()), deadlines, this);
    } catch (error) {
      this.failed(error);
    }
  }

  fail(reason: unknown): void {
    this.#reject(reason); // it was never sent
  }

  answered(reply: Reply): void {
    const operation = this.#operation;
    const requester = this.#requester;
    const [server, deadlines] = [this.#server!, this.#deadlines!];
    requester.pool.noteAnswer(server, reply);
    if (operation.call.write) requester.queue.putAnswered(deadlines.since);
    try {
      const result = operation.result(reply, server.name);
      this.#resolve(
        result instanceof StaleAttempt
          ? this.#goOn(requester.checked(result, server, deadlines))
          : result,
      );
    } catch (error) {
      this.#resolve(this.#goOn(Promise.reject(error)));
    }
  }

  failed(reason: unknown): void {
    const failure = Promise.reject(reason);
    const connection = this.#connection;
    const end = connection === undefined
      ? failure
      : this.#requester.noteFailure(this.#server!, connection, failure);
    this.#resolve(this.#goOn(end));
  }

  #goOn(end: Promise<StaleAttempt>): Promise<T> {
    const operation = this.#operation;
    const first = { server: this.#server!, end };
    return this.#requester.retry.run(operation.call, this.#requester.attempt(operation), first);
  }
}
