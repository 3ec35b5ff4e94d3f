import { assertEquals, assertThrows } from "@std/assert";
import {
  DerivationError,
  deriveClientSteps,
  deriveServerSteps,
  deriveSteps,
  namesOfClient,
  namesOfServer,
  type TypedLine,
} from "../../tools/grade/derived_steps.ts";

const pure = { permissions: "none" } as const;

const servers = [10097, 10098, 10099].map((port, i) => ({
  ...{ name: `S${i + 1}`, ip: "127.0.0.1", port },
}));
const [leader, follower] = servers as [typeof servers[number], typeof servers[number]];
const ofClient = [
  ...namesOfClient(servers),
  ...[["chave1x", "key"], ["azul", "value"]] as const,
];

const named = { init: namesOfClient(servers), put: ofClient, get: ofClient };

/** A dialogue, from what is printed and typed in turns. */
function dialog(...texts: readonly string[]): TypedLine[] {
  return Array.from({ length: texts.length / 2 }, (_, i) => ({
    ...{ printed: texts[2 * i]!, typed: texts[2 * i + 1]! },
  }));
}

const typed = (steps: readonly (readonly [unknown, string])[]) => steps.map((step) => step[1]);

Deno.test("typed addresses become names, a server's own first", pure, () => {
  const lines = ["127.0.0.1", "10097", "127.0.0.1", "10097", "127.0.0.1:10098", "127.0.0.1 10099"];
  const ofLeader = deriveSteps(
    lines.map((line) => ({ printed: "", typed: line })),
    namesOfServer(servers, leader),
  );
  assertEquals(typed(ofLeader), [
    ...["{ip}", "{port}", "{leaderIp}", "{leaderPort}", "{ip2}:{port2}", "{ip3} {port3}"],
  ]);
  const ofFollower = deriveSteps(
    dialog("IP", "127.0.0.1", "Port", "10098", "IP", "127.0.0.1", "Port", "10097"),
    namesOfServer(servers, follower),
  );
  assertEquals(typed(ofFollower), ["{ip}", "{port}", "{leaderIp}", "{leaderPort}"]);
});

Deno.test("addresses are named by the ports that are typed for them, in any order", pure, () => {
  const steps = deriveSteps(
    dialog("ports", "10099 10097", "addresses", "127.0.0.1 127.0.0.1"),
    ofClient,
  );
  assertEquals(typed(steps), ["{port3} {port1}", "{ip3} {ip1}"]);
});

Deno.test("only whole words become names, and names may be typed", pure, () => {
  const steps = deriveSteps(
    dialog("", "azulejo azul 110097 10097", "", "{key} chave1x=azul", "", "127.0.0.11"),
    ofClient,
  );
  assertEquals(typed(steps), [
    "azulejo {value} 110097 {port1}",
    "{key} {key}={value}",
    "127.0.0.11",
  ]);
});

Deno.test("a prompt is the last line, without colours and without what changes", pure, () => {
  const prompts = ([
    ["Welcome\nIP? ", "IP\\?"],
    ["\u001b[32mIP?\u001b[0m \n\n", "IP\\?"],
    ["", null],
    ["12:30:05 > ", null],
    ["12:30:05 Digite a porta (10097): ", "Digite a porta \\("],
    ["[1] PUT [2] GET", "\\[1\\] PUT \\[2\\] GET"],
  ] as const).map(([printed, prompt]) => [printed, prompt, "x"] as const);
  for (const [printed, prompt] of prompts) {
    const [step] = deriveSteps([{ printed, typed: "x" }], ofClient);
    assertEquals(step, [prompt, "x"], printed);
  }
});

Deno.test("what only the leader is asked for comes after the dialogue of all servers", pure, () => {
  const all = [["IP", "{ip}"], ["Port", "{port}"]] as const;
  const more = [["Port 2", "{port2}"]] as const;
  assertEquals(deriveServerSteps([...all, ...more], all), { serverDialog: all, leaderMore: more });
  assertEquals(deriveServerSteps(all, all), { serverDialog: all });
  assertEquals(deriveServerSteps([], []), {});
  for (const ofLeader of [all.slice(0, 1), [all[0], ["Port", "10097"]] as const]) {
    assertThrows(() => deriveServerSteps(ofLeader, all), DerivationError, "Line 2");
  }
});

const menu = "1 INIT\n2 PUT\n3 GET\nChoice: ";

Deno.test("what comes before every choice is the menu, also before an answer", pure, () => {
  const steps = deriveClientSteps({
    init: dialog(menu, "1", "Port ", "10097"),
    put: dialog(`ready\n${menu}`, "2", "Key: ", "chave1x", "Value: ", "azul"),
    get: dialog(`${menu}PUT_OK key: chave1x value azul\n`, "3", "Key: ", "chave1x"),
  }, named);
  assertEquals(steps, {
    menu: "Choice:",
    init: [[null, "1"], ["Port", "{port1}"]],
    put: [[null, "2"], ["Key:", "{key}"], ["Value:", "{value}"]],
    get: [[null, "3"], ["Key:", "{key}"]],
  });
});

Deno.test(
  "a client whose menu comes once has none, and the answer before is no prompt",
  pure,
  () => {
    const steps = deriveClientSteps({
      init: dialog(menu, "INIT"),
      put: dialog("ready\n", "PUT chave1x azul"),
      get: dialog("PUT_OK key: chave1x value azul\n", "GET chave1x"),
    }, named);
    assertEquals(steps, {
      init: [["Choice:", "INIT"]],
      put: [[null, "PUT {key} {value}"]],
      get: [[null, "GET {key}"]],
    });
  },
);

Deno.test("a client without INIT begins with its PUT", pure, () => {
  const put = dialog(menu, "2", "Key and value: ", "chave1x azul");
  const withMenu = deriveClientSteps({
    ...{ init: [], put, get: dialog(`PUT_OK\n${menu}`, "3", "Key: ", "chave1x") },
  }, named);
  assertEquals(withMenu, {
    menu: "Choice:",
    put: [[null, "2"], ["Key and value:", "{key} {value}"]],
    get: [[null, "3"], ["Key:", "{key}"]],
  });
  const without = deriveClientSteps({
    ...{ init: [], put, get: dialog("PUT_OK\n", "3", "Key: ", "chave1x") },
  }, named);
  assertEquals(without.menu, undefined);
  assertEquals(without.put?.[0], ["Choice:", "2"]);
});
