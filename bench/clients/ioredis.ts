/**
 * The process of ioredis. Argument: the port of a Redis with two replicas.
 *
 * @module
 */

import { Redis } from "ioredis";
import { work } from "./worker.ts";

/** How long Redis waits for its replicas, in milliseconds. */
const waitMs = 5_000;

const redis = new Redis({ host: "127.0.0.1", port: Number(Deno.args[0]) });
redis.on("error", () => {}); // it tries again; what waits for an answer fails
try {
  await work({
    get: (key) => redis.get(key),
    put: (key, value) => Promise.all([redis.set(key, value), redis.wait(2, waitMs)]),
    read: (answer, value) => answer === value,
    written: (answer) => {
      const [set, replicas] = answer as [set: string, replicas: number];
      return set === "OK" && replicas === 2;
    },
  });
} finally {
  redis.disconnect();
}
