import { assert, assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../lib/cli/flags.ts";
import {
  limitFlags,
  parseServerFlags,
  type ServerFlags,
  tuningFlags,
} from "../../lib/cli/server_flags.ts";
import { tuningDefault } from "../../lib/replication/tuning.ts";
import { serverLimitsDefault } from "../../lib/server/server_limits.ts";

const pure = { permissions: "none" } as const;

function parse(...args: string[]): ServerFlags {
  const flags = parseServerFlags(args);
  assert(flags.help === undefined);
  return flags;
}

function pick(settings: object, names: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(settings).filter(([name]) => name in names));
}

Deno.test("without flags all numbers are the defaults, and nothing else is set", pure, () => {
  const { tuning, limits, addresses, ...others } = parse();
  assertEquals<object>(tuning, pick(tuningDefault, tuningFlags));
  assertEquals<object>(limits, pick(serverLimitsDefault, limitFlags));
  assert(Object.values(addresses).every((address) => address === undefined));
  assertEquals([others.dataDir, others.etcd, others.quiet, others.allowFaults], [
    ...[undefined, undefined, false, false],
  ]);
});

const settings = [
  ...Object.entries(tuningFlags).map(([setting, flag]) => ["tuning", setting, flag] as const),
  ...Object.entries(limitFlags).map(([setting, flag]) => ["limits", setting, flag] as const),
];

for (const [group, setting, flag] of settings) {
  Deno.test(
    `--${flag.name} takes the values of its range, in its unit, and no others`,
    pure,
    () => {
      const unit = "unit" in flag ? flag.unit : 1;
      // Some of the extremes are valid only with another flag.
      const otherFlags = {
        "cluster-size": ["--min-in-sync=1"],
        "min-in-sync": ["--cluster-size=99"],
        "log-size": ["--max-unsent=256"],
        "max-unsent": ["--log-size=1"],
      }[flag.name as string] ?? [];
      for (const value of [flag.min, flag.max]) {
        const parsed = parse(`--${flag.name}=${value}`, ...otherFlags);
        assertEquals(new Map(Object.entries(parsed[group])).get(setting), value * unit);
      }
      for (const value of [flag.min / 2 - 1, flag.max + 1]) {
        const message = `--${flag.name} must be a`;
        assertThrows(() => parse(`--${flag.name}=${value}`, ...otherFlags), UsageError, message);
      }
    },
  );
}

Deno.test(
  "a smaller cluster lowers the default of --min-in-sync, but not a given value",
  pure,
  () => {
    assertEquals(parse("--cluster-size=1").tuning.minInSync, 1);
    assertThrows(() => parse("--cluster-size=1", "--min-in-sync=2"), UsageError, "is more than");
  },
);

Deno.test("--max-unsent must have room for the log twice", pure, () => {
  assertEquals(parse("--log-size=8", "--max-unsent=16").limits.unsentCharsMax, 16 * 1024 * 1024);
  assertThrows(
    () => parse("--log-size=8.5", "--max-unsent=16"),
    UsageError,
    "--max-unsent must be at least twice --log-size",
  );
});

Deno.test("--help works beside wrong flags; an unknown page of help is an error", pure, () => {
  assertEquals(parseServerFlags(["--port=x", "--help"]), { help: "operator" });
  assertEquals(parseServerFlags(["--cluster-size=0", "--help=limits"]), { help: "limits" });
  assertThrows(() => parseServerFlags(["--help=x"]), UsageError, "--help takes no value");
});

Deno.test("the settings of etcd", pure, () => {
  const flags = ["--engine=etcd", "--etcd=https://10.0.0.1:2379", "--etcd-ca=a", "--etcd-user=u"];
  assertEquals(parse(...flags, "--etcd-prefix=p/", "--etcd-password-stdin").etcd, {
    ...{ url: "https://10.0.0.1:2379", prefix: "p/", user: "u", passwordFromInput: true },
    tlsPaths: { ca: "a", cert: undefined, key: undefined },
  });
  assertEquals(parse("--engine=etcd").etcd?.url, "http://127.0.0.1:2379");
  assertEquals(
    parse("--engine=etcd", "--etcd=HTTP://LOCALHOST:1/").etcd?.url,
    "http://localhost:1",
  );
  assertEquals(parse("--engine=embedded").etcd, undefined);
});

Deno.test("a message about --etcd repeats no user, password, path, query or fragment", pure, () => {
  for (
    const url of [
      ...["http://app:sesame@h:2379", "https://sesame@h:2379", "http://app:se%40sesame@h:2379"],
      ...["app:sesame@h:2379", "http%3A%2F%2Fapp%3Asesame%40h", "http://app:se/sesame@h"],
      ...["http://h:2379/v3/sesame", "http://h:2379?password=sesame", "http://h:2379/#sesame"],
      ...["http://h:2379/?sesame", "h:2379?sesame", "http:/h:2379/sesame"],
    ]
  ) {
    const error = assertThrows(
      () => parse("--engine=etcd", `--etcd=${url}`),
      UsageError,
      "--etcd ",
    );
    assert(!error.message.includes("sesame"), error.message);
  }
});
