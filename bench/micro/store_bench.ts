/** The cost of writing and reading a small and a large table. */

import { Store } from "../../lib/replication/store.ts";

const value = "x".repeat(100);
const stride = 7_919; // a prime: it reaches all keys, and the next one is always far away

for (const size of [1_000, 1_000_000]) {
  const keys = Array.from({ length: size }, (_, n) => `key:${`${n}`.padStart(12, "0")}`);
  const store = new Store();
  let timestamp = 0;
  for (const key of keys) store.put(key, value, ++timestamp);
  let next = 0;
  const draw = () => keys[next = (next + stride) % size]!;
  const group = `${size} keys`;
  Deno.bench(`put, ${group}`, { group }, () => {
    store.put(draw(), value, ++timestamp);
  });
  Deno.bench(`read, ${group}`, { group }, () => {
    store.read(draw(), 0);
  });
}
