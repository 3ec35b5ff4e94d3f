import { assert, assertEquals, assertStrictEquals, assertStringIncludes } from "@std/assert";
import {
  formatAddress,
  isLoopback,
  isWildcard,
  nameCharsMax,
  parseAddress,
  parseHost,
  parseIp,
  parseIpAddress,
  parsePort,
  unmapped,
  whyNoServerAddress,
} from "../../lib/wire/address.ts";
import { canonicalIpv6 } from "../../lib/wire/ipv6.ts";
import { type Random, seeded } from "../support/random.ts";

const pure = { permissions: "none" } as const;

/** Texts, and the address in its canonical spelling. */
const ips: Record<string, string> = {
  "127.0.0.1": "127.0.0.1",
  "0.0.0.0": "0.0.0.0",
  "255.255.255.255": "255.255.255.255",
  "10.99.199.249": "10.99.199.249",
  "localhost": "127.0.0.1",
  "LocalHost": "127.0.0.1",
  "::1": "::1",
  "[::1]": "::1",
  "::": "::",
  "2001:DB8:0:0:0:0:0:1": "2001:db8::1",
  "::ffff:1.2.3.4": "::ffff:102:304",
};

Deno.test("an IP address is parsed from any of its spellings", pure, () => {
  for (const [text, ip] of Object.entries(ips)) assertStrictEquals(parseIp(text), ip, text);
});

// deno-fmt-ignore
const notIps = [
  "", " ", "x", "1", "1.2.3", "1.2.3.4.", ".1.2.3.4", "1.2.3.4.5", "1.2.3.256", "1.2.3.1000", "01.2.3.4", "1.2.3.04",
  "1.2.3.4 ", " 1.2.3.4", "1.2.3.4\n", "1,2,3,4", "-1.2.3.4", "0x7f.0.0.1", "1.2..4", "localhost.", "example.com",
  "127.0.0.1:80", "[127.0.0.1]", "[localhost]", "[]", ":", ":::", "1:2", "[::1", "::1]", "[[::1]]", "::1%eth0", "::g",
  "1:2:3:4:5:6:7:8:9", "12345::", "::1 ", "::1/", "::1?", "::1#", "::1\\",
];
/** Text around or inside an IPv6 address that a URL would accept or silently drop. */
// deno-fmt-ignore
const smuggled = [
  "::\n1", "::\r1", "::\t1", "[::1\n]", "\n::1", "::1]/x[", "::1]:80/[", "::1]?[", "::1]#[", "::1]\\[", "::1]@[::2", "[::1]/forged\nline[]",
];

Deno.test("a text that is not an IP address is refused", pure, () => {
  for (const text of notIps) assertStrictEquals(parseIp(text), undefined, JSON.stringify(text));
});

Deno.test("other characters around or inside an IPv6 address are refused", pure, () => {
  for (const text of smuggled) {
    assertStrictEquals(parseIp(text), undefined, JSON.stringify(text));
    assertStrictEquals(parseHost(text), undefined, JSON.stringify(text));
    const address = `${text.startsWith("[") ? text : `[${text}]`}:80`;
    assertStrictEquals(parseAddress(address), undefined, JSON.stringify(address));
    assertStrictEquals(parseIpAddress(address), undefined, JSON.stringify(address));
  }
});

const label = "a".repeat(63);
const longest = `${`${label}.`.repeat(3)}${"b".repeat(61)}`;

/** Texts, and the host in its canonical spelling. */
const hosts: Record<string, string> = {
  ...ips,
  "kv-0": "kv-0",
  "KV-0.Kv.Default": "kv-0.kv.default",
  "kv-0.": "kv-0",
  "localhost.": "127.0.0.1",
  "project_kv_1": "project_kv_1",
  "xn--so-9ja": "xn--so-9ja",
  "3com.com": "3com.com",
  "1a": "1a",
  "10.0.0.a1": "10.0.0.a1",
  [longest]: longest,
  [`${longest}.`]: longest,
};

Deno.test(
  "a host is an IP address or a DNS name, in lower case and without a dot at its end",
  pure,
  () => {
    assertStrictEquals(longest.length, nameCharsMax);
    for (const [text, host] of Object.entries(hosts)) {
      assertStrictEquals(
        parseHost(text),
        host,
        text,
      );
    }
  },
);

// deno-fmt-ignore
const notHosts = [
  "", " ", ".", "..", "a..b", ".a", "a..", "-a", "a-", "a.-b", "a-.b", "a b", " a", "a ", "a\n", "a\0", "a/b", "a:b", "a@b", "a%b", "são",
  "[a]", "::1%eth0", "fe80::1%1", `${label}a`, `a${longest}`,
  // mistyped IP addresses: some resolvers would take them for others
  "1", "1.2.3", "1.2.3.4.", "1.2.3.256", "01.2.3.4", "0x7f.0.0.1", "0x7f000001", "a.0x", "999.0.0.1", "a.1",
];

Deno.test("a text that is no host is refused", pure, () => {
  for (const text of notHosts) assertStrictEquals(parseHost(text), undefined, JSON.stringify(text));
});

Deno.test("a port is 1 to 65535 in decimal digits", pure, () => {
  const ports = { "1": 1, "80": 80, "080": 80, "10097": 10_097, "65535": 65_535 };
  for (const [text, port] of Object.entries(ports)) assertStrictEquals(parsePort(text), port);
  // deno-fmt-ignore
  const wrong = ["", "0", "00000", "65536", "99999", "100000", "-1", "+1", "1.0", "1e3", "0x50", " 80", "80 ", "80\n", "٣", "x"];
  for (const text of wrong) assertStrictEquals(parsePort(text), undefined, JSON.stringify(text));
});

Deno.test("ip:port is parsed, with brackets only around IPv6", pure, () => {
  assertEquals(parseAddress("127.0.0.1:10097"), { hostname: "127.0.0.1", port: 10_097 });
  assertEquals(parseAddress("localhost:1"), { hostname: "127.0.0.1", port: 1 });
  assertEquals(parseAddress("[::1]:65535"), { hostname: "::1", port: 65_535 });
  // deno-fmt-ignore
  const wrong = [
    "", ":", ":80", "80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1: 80", "127.0.0.1:80:90",
    "a..b:80", "::1:80", "[::1]", "[::1]80", "[::1:80", "::1]:80", "[127.0.0.1]:80", "127.0.0.1:80\n", " 127.0.0.1:80",
    "kv-0", "kv-0:", "kv-0:0", "kv:0:80", "[kv-0]:80",
  ];
  for (const text of wrong) {
    assertStrictEquals(parseAddress(text), undefined, JSON.stringify(text));
    assertStrictEquals(parseIpAddress(text), undefined, JSON.stringify(text));
  }
});

Deno.test("host:port may have a name, ip:port may not", pure, () => {
  assertEquals(parseAddress("KV-0.kv:10097"), { hostname: "kv-0.kv", port: 10_097 });
  assertEquals(parseIpAddress("[::1]:1"), { hostname: "::1", port: 1 });
  for (const text of ["kv-0:80", "x:80"]) assertStrictEquals(parseIpAddress(text), undefined);
});

Deno.test("an IPv4 address inside an IPv6 address counts as that IPv4 address", pure, () => {
  const inside: Record<string, string> = {
    "::ffff:127.0.0.1": "127.0.0.1",
    "::ffff:7f00:1": "127.0.0.1",
    "::ffff:0:0": "0.0.0.0",
    "::ffff:102:304": "1.2.3.4",
    "::1": "::1",
    "::ffff:1:2:3": "::ffff:1:2:3",
    "1.2.3.4": "1.2.3.4",
    "kv-0": "kv-0",
  };
  for (const [ip, ipv4] of Object.entries(inside)) assertStrictEquals(unmapped(ip), ipv4, ip);
  for (const ip of ["127.0.0.1", "127.255.0.9", "::1", "::ffff:7f00:1"]) assert(isLoopback(ip), ip);
  for (const ip of ["128.0.0.1", "::", "::2", "::ffff:8000:1"]) assert(!isLoopback(ip), ip);
  for (const ip of ["0.0.0.0", "::", "::ffff:0:0"]) assert(isWildcard(ip), ip);
  for (const ip of ["0.0.0.1", "::1", "::ffff:0:1"]) assert(!isWildcard(ip), ip);
});

Deno.test(
  "multicast, broadcast and link-local addresses are no addresses of a server",
  pure,
  () => {
    // deno-fmt-ignore
    const never = {
    "link-local": ["fe80::1", "febf::1", "fe80::fc:ff:fe00:1"],
    multicast: ["ff02::1", "ff00::", "ffff::1", "224.0.0.1", "239.255.255.255", "::ffff:e000:1"],
    reserved: ["255.255.255.255", "240.0.0.1", "::ffff:ffff:ffff"],
  };
    for (const [kind, ips] of Object.entries(never)) {
      for (const ip of ips) assertStringIncludes(whyNoServerAddress(ip) ?? "", kind, ip);
    }
    // deno-fmt-ignore
    const usable = ["127.0.0.1", "0.0.0.0", "169.254.1.1", "223.255.255.255", "::", "::1", "fd00::1", "fec0::1", "2001:db8::ff02", "kv-0", "ff02"];
    for (const host of usable) assertStrictEquals(whyNoServerAddress(host), undefined, host);
  },
);

Deno.test("an address is formatted with brackets only around IPv6", pure, () => {
  assertStrictEquals(formatAddress({ hostname: "127.0.0.1", port: 0 }), "127.0.0.1:0");
  assertStrictEquals(formatAddress({ hostname: "::1", port: 10_097 }), "[::1]:10097");
});

Deno.test(
  "4,000 random addresses are parsed back from their formatted text",
  pure,
  seeded((random) => {
    for (let n = 0; n < 4_000; n++) {
      const hostname = random.chance(0.5) ? ipv4(random) : parseIp(ipv6(random))!;
      const address = { hostname, port: random.between(1, 65_535) };
      assertEquals(parseAddress(formatAddress(address)), address);
      assertStrictEquals(parseIp(hostname), hostname);
    }
  }),
);

Deno.test(
  "10,000 random texts are IPv6 addresses exactly if URL says so, in the same spelling",
  pure,
  seeded((random) => {
    // deno-fmt-ignore
    const parts = [
      "0", "0:", "::", ":", "1:", "ffff:", "a", "A:", "1.2.3.4", "00", "012f:", "0:0:", "255.1.0.0", ".", "1.2", "fe80:",
      "10000:", "01.2.3.4", "256.1.1.1",
    ];
    for (let n = 0; n < 10_000; n++) {
      let text = n % 2 === 0 ? ipv6(random).replace(/(^|:)(0:)+/, "::") : "";
      for (let more = random.below(n % 2 === 0 ? 2 : 12); more > 0; more--) {
        text += parts[random.below(parts.length)];
      }
      const url = text.includes(":") ? URL.parse(`http://[${text}]/`) : null;
      const expected = url === null ? undefined : url.hostname.slice(1, -1);
      assertStrictEquals(canonicalIpv6(text), expected, text);
    }
  }),
);

function ipv4(random: Random): string {
  return Array.from({ length: 4 }, () => random.below(256)).join(".");
}

function ipv6(random: Random): string {
  const groups = Array.from({ length: 8 }, () => random.chance(0.4) ? 0 : random.below(65_536));
  return groups.map((group) => group.toString(16)).join(":");
}
