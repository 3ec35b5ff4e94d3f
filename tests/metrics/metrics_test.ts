import { assert, assertAlmostEquals, assertEquals, assertMatch } from "@std/assert";
import { timedPutsMax } from "../../lib/limits.ts";
import { Metrics } from "../../lib/metrics/metrics.ts";
import { type Metric, prometheusText } from "../../lib/metrics/prometheus.ts";
import { serveMetrics } from "../../lib/metrics/http.ts";
import { KvServer } from "../../lib/server/kv_server.ts";
import type { ServerStatus } from "../../lib/mensagem.ts";
import type { ServerPrints } from "../../lib/replication/environment.ts";
import { exitCode } from "../../lib/cli/exit_codes.ts";
import { main } from "../../server.ts";
import { seeded } from "../support/random.ts";
import { FakeTerminal } from "../support/fake_terminal.ts";
import { version } from "../../lib/version.ts";
import { anyPort, freePorts } from "../support/ports.ts";
import { eventually, within } from "../support/waiting.ts";
import { Wire } from "../support/wire_client.ts";

const pure = { permissions: "none" } as const;
const clientName = "10.0.9.1:5001";

const leaderStatus: ServerStatus = {
  server: "10.0.0.1:1",
  leader: "10.0.0.1:1",
  cluster: "c",
  timestamp: 42,
  inSync: ["10.0.0.1:1", "10.0.0.2:2"],
  followers: [
    { server: "10.0.0.2:2", timestamp: 42, inSync: true },
    { server: "[::1]:3", timestamp: 40, inSync: false },
  ],
  keys: 7,
  connections: 5,
  uptimeMs: 1_500,
  memoryBytes: 1024,
  faults: false,
};

/** Prints nothing and records all calls in `kept`. */
function recorder(kept: unknown[][] = []): ServerPrints {
  const record = (name: string) => (...of: unknown[]) => void kept.push([name, ...of]);
  return {
    put: record("put"),
    forwarding: record("forwarding"),
    replication: record("replication"),
    putOk: record("putOk"),
    get: record("get"),
  };
}

/** The samples of a text: the value by name and labels. */
function parsed(text: string): Map<string, number> {
  assert(text.endsWith("\n"), "the last line ends with LF");
  const values = new Map<string, number>();
  for (const line of text.split("\n").slice(0, -1)) {
    if (line.startsWith("#")) continue;
    const sample = line.match(/^([a-zA-Z_:][\w:]*(?:\{.*\})?) (\S+)$/);
    assert(sample !== null, line);
    assert(!values.has(sample[1]!), `${sample[1]} appears twice`);
    values.set(sample[1]!, sample[2] === "+Inf" ? Infinity : Number(sample[2]));
  }
  return values;
}

const watching = {
  watches: 4,
  changes: 5,
  overloaded: 6,
  refused: 7,
  interrupted: 8,
  restarted: 9,
};
const counts = { lists: 3, listsRefused: 10, watching, conflicts: 11, latest: 12, expired: 13 };

// The text format

Deno.test("a metric has its help, its type and a line for each sample", pure, () => {
  const metric: Metric = {
    name: "a_total",
    kind: "counter",
    help: "Of a\\b\nand c.",
    samples: [{ value: 1 }, { value: 2.5, labels: { x: "1", y: "2" } }],
  };
  assertEquals(
    prometheusText([metric]),
    '# HELP a_total Of a\\\\b\\nand c.\n# TYPE a_total counter\na_total 1\na_total{x="1",y="2"} 2.5\n',
  );
});

Deno.test("labels are escaped", pure, () => {
  const samples = [{ value: 0, labels: { l: 'a"b\\c\nd} 9' } }];
  const text = prometheusText([{ name: "g", kind: "gauge", help: "H.", samples }]);
  assertEquals(text.split("\n")[2], 'g{l="a\\"b\\\\c\\nd} 9"} 0');
});

Deno.test("infinity and NaN have the spelling of the format", pure, () => {
  const samples = [Infinity, -Infinity, NaN, 2 ** 52].map((value) => ({ value }));
  const text = prometheusText([{ name: "g", kind: "gauge", help: "H.", samples }]);
  assertEquals(text.split("\n").slice(2, -1), ["g +Inf", "g -Inf", "g NaN", "g 4503599627370496"]);
});

Deno.test("a metric without samples is left out", pure, () => {
  assertEquals(
    prometheusText([{ name: "g", kind: "gauge", help: "H.", samples: [] }]),
    "",
  );
});

// Counting

Deno.test(
  "5,000 random calls are passed on, and counted as a dumb second version counts them",
  pure,
  seeded((random) => {
    const kept: unknown[][] = [];
    const metrics = new Metrics(recorder(kept));
    const done: unknown[][] = [];
    for (let n = 0; n < 5_000; n++) {
      const calls = [
        ["put", clientName, "k", `v${n}`],
        ["forwarding", "k", `v${n}`],
        ["replication", "k", `v${n}`, n],
        ["replication", "k", null, n],
        ["putOk", clientName, "k", n],
        ["get", clientName, "k", n, 0, undefined],
        ["get", clientName, "k", 0, 0, null],
        ["get", clientName, "k", 0, n, `v${n}`],
      ] as const;
      const [name, ...of] = random.pick(calls);
      (metrics[name] as (...of: unknown[]) => void)(...of);
      done.push([name, ...of]);
    }
    assertEquals(kept, done);
    const count = (is: (call: unknown[]) => boolean) => done.filter(is).length;
    const values = parsed(prometheusText(metrics.read(leaderStatus, true, counts)));
    assertEquals(
      {
        kv_puts_total: values.get("kv_puts_total"),
        kv_puts_acknowledged_total: values.get("kv_puts_acknowledged_total"),
        kv_puts_forwarded_total: values.get("kv_puts_forwarded_total"),
        kv_replications_total: values.get("kv_replications_total"),
        kv_deletions_total: values.get("kv_deletions_total"),
        kv_gets_total: values.get("kv_gets_total"),
        kv_gets_refused_total: values.get("kv_gets_refused_total"),
      },
      {
        kv_puts_total: count(([name]) => name === "put"),
        kv_puts_acknowledged_total: count(([name]) => name === "putOk"),
        kv_puts_forwarded_total: count(([name]) => name === "forwarding"),
        kv_replications_total: count(([name]) => name === "replication"),
        kv_deletions_total: count((call) => call[0] === "replication" && call[2] === null),
        kv_gets_total: count(([name]) => name === "get"),
        kv_gets_refused_total: count((call) => call[0] === "get" && call[5] === undefined),
      },
    );
  }),
);

Deno.test(
  "each PUT is in the bucket of its latency",
  pure,
  seeded((random) => {
    let now = 1_000;
    const metrics = new Metrics(recorder(), () => now);
    const tookMs: number[] = [];
    for (let timestamp = 1; timestamp <= 1_000; timestamp++) {
      const waitedMs = random.chance(0.5) ? 0 : random.next() * 50;
      const ms = Math.exp(random.next() * 12 - 3); // 0.05 ms to 8 s
      metrics.written("k", "v", timestamp, waitedMs);
      now += ms;
      metrics.putOk(clientName, "k", timestamp);
      tookMs.push(waitedMs + ms);
    }
    const values = parsed(prometheusText(metrics.read(leaderStatus, true, counts)));
    const bounds = [...values.keys()].filter((name) => name.includes("_bucket"));
    assertEquals(bounds.length, 14);
    for (const bound of bounds) {
      const le = bound.match(/le="(.*)"/)![1]!;
      const within = tookMs.filter((ms) => le === "+Inf" || ms / 1_000 <= Number(le)).length;
      assertEquals(values.get(bound), within, bound);
    }
    assertEquals(values.get("kv_put_duration_seconds_count"), tookMs.length);
    const sum = tookMs.reduce((a, b) => a + b) / 1_000;
    assertAlmostEquals(values.get("kv_put_duration_seconds_sum")!, sum, 1e-6);
  }),
);

Deno.test(
  "PUTs without a PUT_OK are skipped, and only a bounded number of them is remembered",
  pure,
  () => {
    let now = 0;
    const metrics = new Metrics(recorder(), () => now);
    for (let timestamp = 1; timestamp <= timedPutsMax + 10; timestamp++) {
      metrics.written("k", "v", timestamp, 0);
    }
    now = 250;
    metrics.putOk(clientName, "k", 1); // no longer remembered
    metrics.putOk(clientName, "k", 11); // the oldest remembered
    metrics.putOk(clientName, "k", timedPutsMax + 10);
    const values = parsed(prometheusText(metrics.read(leaderStatus, true, counts)));
    assertEquals(values.get("kv_puts_acknowledged_total"), 3);
    assertEquals(values.get("kv_put_duration_seconds_count"), 2);
    assertEquals(values.get("kv_put_duration_seconds_sum"), 0.5);
  },
);

Deno.test(
  "writes of the leader are counted, deletions among them, and what other messages lead to",
  pure,
  () => {
    const metrics = new Metrics(recorder());
    metrics.written("k", "v", 1, 0);
    metrics.written("k", null, 2, 0);
    const values = parsed(prometheusText(metrics.read(leaderStatus, true, counts)));
    const names = ["writes", "deletions", "lists", "changes_sent", "watches_overloaded"]
      .concat("watches_refused", "watches_interrupted", "watches_restarted", "lists_refused")
      .concat("conflicts", "latest_gets", "expired_keys");
    assertEquals(
      names.map((name) => values.get(`kv_${name}_total`)),
      [2, 1, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13],
    );
    assertEquals(values.get("kv_watches"), 4);
  },
);

Deno.test("only the leader has gauges of followers", pure, () => {
  const metrics = new Metrics(recorder());
  const values = parsed(prometheusText(metrics.read(leaderStatus, true, counts)));
  const gauges = [...values].filter(([name]) => !/_total|duration/.test(name));
  assertEquals(Object.fromEntries(gauges), {
    [`kv_build_info{version="${version}"}`]: 1,
    kv_watches: 4,
    kv_leader: 1,
    kv_ready: 1,
    kv_cut_off_seconds: 0,
    kv_timestamp: 42,
    kv_keys: 7,
    kv_connections: 5,
    kv_in_sync: 2,
    'kv_follower_in_sync{follower="10.0.0.2:2"}': 1,
    'kv_follower_in_sync{follower="[::1]:3"}': 0,
    'kv_follower_lag{follower="10.0.0.2:2"}': 0,
    'kv_follower_lag{follower="[::1]:3"}': 2,
    kv_uptime_seconds: 1.5,
    process_resident_memory_bytes: 1024,
  });
  const status = { ...leaderStatus, leader: "10.0.0.9:9", inSync: [], followers: [] };
  const follower = parsed(prometheusText(metrics.read(status, false, counts)));
  assertEquals(follower.get("kv_leader"), 0);
  assertEquals(follower.get("kv_ready"), 0);
  assertEquals([...follower.keys()].filter((name) => /in_sync|lag/.test(name)), []);
});

// HTTP

/** The answer to a raw request. */
async function http(port: number, raw: string): Promise<string> {
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  await conn.write(new TextEncoder().encode(raw));
  let text = "";
  const buffer = new Uint8Array(64 * 1024);
  for (let count = await within("an answer", conn.read(buffer)); count !== null;) {
    text += new TextDecoder().decode(buffer.subarray(0, count));
    count = await within("the end of the answer", conn.read(buffer));
  }
  return text;
}

function request(port: number, path: string, method = "GET"): Promise<string> {
  return http(port, `${method} ${path} HTTP/1.1\r\nHost: any.example\r\nConnection: close\r\n\r\n`);
}

Deno.test("/healthz is 200 at once, /readyz once GETs are answered; other paths and methods are refused", async () => {
  let ready = false;
  const metrics = new Metrics(recorder());
  await using server = serveMetrics(anyPort, {
    metrics: () => metrics.read(leaderStatus, ready, counts),
    ready: () => ready,
  });
  const { port } = server.address;
  const statusOf = async (path: string, method?: string) =>
    Number((await request(port, path, method)).match(/^HTTP\/1.1 (\d+)/)?.[1]);
  assertEquals(await statusOf("/healthz"), 200);
  assertEquals(await statusOf("/readyz"), 503);
  ready = true;
  assertEquals(await statusOf("/readyz"), 200);
  assertEquals(await statusOf("/metrics"), 200);
  assertEquals(await statusOf("/metrics?x=1"), 200);
  for (const path of ["/", "/metrics/", "/Metrics", "/readyz/x", "//metrics"]) {
    for (const method of ["GET", "HEAD", "OPTIONS", "POST"]) {
      assertEquals(await statusOf(path, method), 404, `${method} ${path}`);
    }
  }
  for (const method of ["POST", "PUT", "DELETE", "PATCH"]) {
    assertEquals(await statusOf("/metrics", method), 405, method);
  }
  assertEquals(await statusOf("/metrics", "TRACE"), 501);
  assertMatch(await request(port, "/healthz", "POST"), /\r\nallow: GET, HEAD, OPTIONS\r\n/i);
  assertMatch(
    await request(port, "/metrics"),
    /\r\ncontent-type: text\/plain; version=0\.0\.4; charset=utf-8\r\n/i,
  );
});

Deno.test("HEAD is answered like GET without the body, OPTIONS with the methods", async () => {
  let ready = false;
  const samples = [{ value: 1 }];
  const metrics: Metric[] = [{ name: "g", kind: "gauge", help: "H.", samples }];
  await using server = serveMetrics(anyPort, { metrics: () => metrics, ready: () => ready });
  const { port } = server.address;
  const withoutDate = (answer: string) => answer.replace(/^date: .*\r\n/im, "");
  for (const path of ["/healthz", "/readyz", "/metrics"]) {
    const [head, body] = withoutDate(await request(port, path)).split(/(?<=\r\n\r\n)/);
    assertEquals(withoutDate(await request(port, path, "HEAD")), head, path);
    assertMatch(head!, new RegExp(`\r\ncontent-length: ${body!.length}\r\n`, "i"));
    const options = await request(port, path, "OPTIONS");
    assertMatch(options, /^HTTP\/1.1 204 .*\r\nallow: GET, HEAD, OPTIONS\r\n.*\r\n\r\n$/is);
  }
  assertMatch(await request(port, "/readyz", "HEAD"), /^HTTP\/1.1 503 /);
  ready = true;
  assertMatch(await request(port, "/readyz", "HEAD"), /^HTTP\/1.1 200 /);
});

Deno.test("an invalid Host, a half-sent request and unread answers do not block others", async () => {
  const samples = [{ value: 0, labels: { long: "x".repeat(64 * 1024) } }];
  const metrics: Metric[] = [{ name: "g", kind: "gauge", help: "H.", samples }];
  const server = serveMetrics(anyPort, { metrics: () => metrics, ready: () => true });
  const { port } = server.address;
  const odd = "GET /healthz HTTP/1.1\r\nHost: [[%\r\nConnection: close\r\n\r\n";
  assertMatch(await http(port, odd), /^HTTP\/1.1 404 /);
  using half = await Deno.connect({ hostname: "127.0.0.1", port });
  await half.write(new TextEncoder().encode("GET /healthz HTTP/1.1\r\nHo"));
  using deaf = await Deno.connect({ hostname: "127.0.0.1", port });
  const asked = "GET /metrics HTTP/1.1\r\nHost: any.example\r\n\r\n".repeat(1_000);
  await deaf.write(new TextEncoder().encode(asked));
  assertMatch(await request(port, "/healthz"), /^HTTP\/1.1 200 /);
  await within("the server stops", Promise.resolve(server[Symbol.asyncDispose]()));
});

// The role

/** Runs the server role alone in its cluster until it is disposed of. */
async function role(...flags: string[]) {
  const [port] = freePorts(1) as [number];
  const stopped = Promise.withResolvers<void>();
  const terminal = new FakeTerminal("");
  const args = ["--ip=127.0.0.1", `--port=${port}`, "--leader-ip=127.0.0.1"];
  args.push(`--leader-port=${port}`, "--cluster-size=1", ...flags);
  const ended = exitCode(terminal, () => main(args, terminal, stopped.promise));
  await eventually(
    "the server is serving",
    () => terminal.errors.includes("serving on") || undefined,
  );
  return {
    address: { hostname: "127.0.0.1", port },
    async [Symbol.asyncDispose]() {
      stopped.resolve();
      assertEquals(await within("the server ends", ended), 0);
    },
  };
}

Deno.test("--metrics-port: requests are counted, also while an observer is connected", async () => {
  const [port] = freePorts(1) as [number];
  await using server = await role(`--metrics-port=${port}`);
  const values = async () => parsed((await request(port, "/metrics")).split("\r\n\r\n")[1]!);
  using client = await Wire.connect(server.address);
  const put = { type: "PUT", id: 1, key: "cor", value: "azul" };
  assertEquals((await client.ask(put)).type, "PUT_OK");
  assertEquals((await client.ask({ type: "GET", id: 2, key: "cor", timestamp: 1 })).value, "azul");

  using observer = await Wire.connect(server.address);
  await observer.send({ type: "OBSERVE", id: 1 });
  await observer.messageOf("EVENTS");
  assertEquals((await client.ask(put)).type, "PUT_OK");
  assertEquals((await client.ask({ type: "GET", id: 2, key: "cor", timestamp: 9 })).timestamp, 2);

  const now = await values();
  const told = ["kv_puts_total", "kv_puts_acknowledged_total", "kv_put_duration_seconds_count"]
    .concat("kv_gets_total", "kv_gets_refused_total", "kv_keys", "kv_timestamp", "kv_connections");
  assertEquals(told.map((name) => now.get(name)), [2, 2, 2, 2, 1, 1, 2, 2]);

  observer.close();
  const left = async () => (await values()).get("kv_connections") === 1 || undefined;
  await eventually("the observer's connection ends", left);
  assertEquals((await client.ask(put)).type, "PUT_OK");
  assertEquals((await values()).get("kv_put_duration_seconds_count"), 3);
  assertMatch(await request(port, "/readyz"), /^HTTP\/1.1 200 /);
});

Deno.test("without --metrics-port the server speaks no HTTP", async () => {
  await using server = await role();
  const answer = await http(server.address.port, "GET /metrics HTTP/1.1\r\n\r\n");
  assertEquals(JSON.parse(answer.split("\n")[0]!).type, "ERROR");
});

Deno.test("the `watch` option is told of writes without an observer", async () => {
  const told: string[] = [];
  const watch = new Proxy({} as Metrics, {
    get: (_, name) => () => void told.push(String(name)),
  });
  const options = { listen: anyPort, prints: recorder(), report: () => {} };
  const tuning = { clusterSize: 1, minInSync: 1 };
  await using watched = KvServer.start({ ...options, tuning, watch });
  await within("the server is ready", watched.ready);
  using client = await Wire.connect(watched.address);
  await client.ask({ type: "PUT", id: 1, key: "k", value: "v" });
  assert(told.includes("written"));
});

Deno.test("a --metrics-port that is in use or wrong ends the server with one line", async () => {
  const ends = async (metricsPort: string, port: number) => {
    const terminal = new FakeTerminal("");
    const args = ["--ip=127.0.0.1", `--port=${port}`, "--leader-ip=127.0.0.1"];
    args.push(`--leader-port=${port}`, `--metrics-port=${metricsPort}`);
    const never = Promise.withResolvers<void>().promise;
    const code = await within(
      "the server ends",
      exitCode(terminal, () => main(args, terminal, never)),
    );
    return { code, errors: terminal.errors };
  };
  const [port] = freePorts(1) as [number];
  using taken = Deno.listen({ ...anyPort });
  const busy = await ends(`${taken.addr.port}`, port);
  assertEquals(busy.code, 1);
  assertMatch(
    busy.errors,
    new RegExp(`Cannot listen on 127.0.0.1:${taken.addr.port}: the port is in use`),
  );
  assertEquals((await ends(`${port}`, port)).code, 2);
  const wrong = await ends("70000", port);
  assertEquals(wrong.code, 2);
  assertMatch(wrong.errors, /70000/);
});
