/**
 * What a program does with the library, on any runtime: `program.mjs PACKAGE RECIPES SERVERS TLS CA OTHER_CA
 * PASSWORD_SERVER PASSWORD ELSEWHERE`. Prints `ok NAME` or `failed NAME: REASON` for each check, and ends by itself.
 */

// deno-lint-ignore-file no-console no-external-import -- it runs on Node.js and Bun too

import process from "node:process";

const [index, recipes, servers, tlsServer, ca, otherCa, guarded, password, elsewhere] = process
  .argv.slice(2);
const {
  ConflictError,
  ForbiddenError,
  InvalidArgumentError,
  KvClient,
  KvError,
  TlsError,
  UnavailableError,
} = await import(index);
const { elect, lock } = await import(recipes);
const timeoutMs = 20_000;

/** @param {boolean} condition @param {string} what */
function assert(condition, what) {
  if (!condition) throw new Error(what);
}

/** @param {Promise<unknown>} promise @returns {Promise<Error>} */
async function failure(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("no error");
}

const client = new KvClient(servers, { timeoutMs });

const checks = {
  "connect, write and read": async () => {
    await client.connect();
    const { timestamp } = await client.put("cor", "azul 🙂 \u2028");
    const got = await client.get("cor");
    assert(got.value === "azul 🙂 \u2028" && got.timestamp === timestamp, JSON.stringify(got));
    assert((await client.get("nada")).value === null, "an absent key has a value");
  },
  "a value of 1 MiB": async () => {
    const value = "é".repeat(512 * 1024);
    await client.put("grande", value);
    assert((await client.get("grande")).value === value, "another value");
  },
  "5,000 calls at once": async () => {
    await Promise.all(
      Array.from({ length: 5_000 }, (_, n) => client.put(`muitos/${n % 50}`, `${n}`)),
    );
    let keys = 0;
    for await (const _ of client.keys("muitos/")) keys++;
    assert(keys === 50, `${keys} keys`);
  },
  "a condition that does not hold is a conflict": async () => {
    const error = await failure(client.create("cor", "verde"));
    assert(error instanceof ConflictError && error.value === "azul 🙂 \u2028", `${error}`);
  },
  "a watch shows what comes": async () => {
    const seen = [];
    const events = client.watch({ prefix: "vista/" });
    for await (const event of events) {
      if (event.type === "ready") await client.put("vista/a", "1");
      if (event.type === "put") seen.push(event.value);
      if (event.value === "1") await client.delete("vista/a");
      if (event.type === "delete") break;
    }
    assert(seen.join() === "1", seen.join());
  },
  "a lock excludes, and an election has one leader": async () => {
    const held = await lock(client, "tranca", { ttlMs: 5_000 });
    const signal = AbortSignal.timeout(300);
    await failure(lock(client, "tranca", { ttlMs: 5_000, signal }));
    await held.release();
    await (await lock(client, "tranca", { ttlMs: 5_000 })).release();
    assert(typeof elect === "function", "no election");
  },
  "TLS with the CA, and without it": async () => {
    const good = new KvClient(tlsServer, { timeoutMs, tls: { ca } });
    await good.put("segredo", "x".repeat(100_000));
    assert((await good.get("segredo")).value.length === 100_000, "another value");
    await good.close();
    for (
      const [server, options] of [
        [tlsServer, { tls: { ca: otherCa } }],
        [servers.split(",")[0], { tls: { ca } }],
        [tlsServer, {}],
      ]
    ) {
      const bad = new KvClient(server, { timeoutMs, ...options });
      const error = await failure(bad.get("segredo"));
      assert(error instanceof TlsError, `${error.name}: ${error.message}`);
      await bad.close();
    }
  },
  "TLS with a certificate of the CA for another address": async () => {
    const bad = new KvClient(elsewhere, { timeoutMs, tls: { ca } });
    // Closed first: a client that is left open would keep the program alive after a failed check.
    const error = await failure(bad.get("segredo")).finally(() => bad.close());
    assert(error instanceof TlsError, `${error.name}: ${error.message}`);
    assert(error.message.includes("must name the address"), error.message);
  },
  "without servers, those of KV_SERVERS": async () => {
    const own = new KvClient(undefined, { timeoutMs });
    assert((await own.status()).map(({ server }) => server).join() === servers, "other servers");
    await own.close();
    for (const [value, text] of [["", "is empty"], ["127.0.0.1", "KV_SERVERS: a server must be"]]) {
      process.env.KV_SERVERS = value;
      let wrong;
      try {
        new KvClient();
      } catch (error) {
        wrong = error;
      }
      assert(wrong instanceof InvalidArgumentError && wrong.message.includes(text), `${wrong}`);
    }
  },
  "a password, and a wrong one": async () => {
    const good = new KvClient(guarded, { timeoutMs, password });
    await good.connect();
    await good.close();
    const bad = new KvClient(guarded, { timeoutMs, password: "outra senha, longa e errada" });
    const error = await failure(bad.connect());
    assert(error instanceof ForbiddenError, `${error.name}: ${error.message}`);
    await bad.close();
  },
  "a server that does not listen, and addresses that cannot be": async () => {
    const dead = new KvClient("127.0.0.1:1", { timeoutMs: 500 });
    const error = await failure(dead.put("a", "b"));
    assert(error instanceof UnavailableError, `${error.name}: ${error.message}`);
    assert(/refused/i.test(error.message), error.message);
    await dead.close();
    let wrong;
    try {
      new KvClient("127.0.0.1:70000");
    } catch (error) {
      wrong = error;
    }
    assert(wrong instanceof InvalidArgumentError && wrong instanceof KvError, `${wrong}`);
  },
  "a signal ends a call": async () => {
    const reason = new Error("no longer");
    const controller = new AbortController();
    const watching = client.watch("cor", { signal: controller.signal });
    await watching.next();
    controller.abort(reason);
    assert(
      await failure(client.get("cor", { signal: controller.signal })) === reason,
      "another reason",
    );
  },
};

let failed = false;
for (const [name, check] of Object.entries(checks)) {
  try {
    await check();
    console.log(`ok ${name}`);
  } catch (error) {
    failed = true;
    console.log(`failed ${name}: ${error?.stack ?? error}`);
  }
}
await client.close();
// A check that failed may have left a client open. Otherwise the program must end by itself.
if (failed) process.exit(1);
