import { assertEquals, assertStrictEquals } from "@std/assert";
import { formatAddress, parseAddress, parseIp, parsePort } from "../../lib/wire/address.ts";
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
    const address = `${text.startsWith("[") ? text : `[${text}]`}:80`;
    assertStrictEquals(parseAddress(address), undefined, JSON.stringify(address));
  }
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
    "x:80", "::1:80", "[::1]", "[::1]80", "[::1:80", "::1]:80", "[127.0.0.1]:80", "127.0.0.1:80\n", " 127.0.0.1:80",
  ];
  for (const text of wrong) assertStrictEquals(parseAddress(text), undefined, JSON.stringify(text));
});

Deno.test("an address is formatted with brackets only around IPv6", pure, () => {
  assertStrictEquals(formatAddress({ hostname: "127.0.0.1", port: 0 }), "127.0.0.1:0");
  assertStrictEquals(formatAddress({ hostname: "::1", port: 10_097 }), "[::1]:10097");
});

Deno.test(
  "10,000 random addresses are parsed back from their formatted text",
  pure,
  seeded((random) => {
    for (let n = 0; n < 10_000; n++) {
      const hostname = random.chance(0.5) ? ipv4(random) : parseIp(ipv6(random))!;
      const address = { hostname, port: random.between(1, 65_535) };
      assertEquals(parseAddress(formatAddress(address)), address);
      assertStrictEquals(parseIp(hostname), hostname);
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
