import { assertEquals, assertThrows } from "@std/assert";
import { parseNetstat, parseProcTcp, parseThreads } from "../../tools/grade/proc.ts";
import { splitSteps } from "../../tools/grade/dialog.ts";
import { fillIn, parseProfile, ProfileError } from "../../tools/grade/profile.ts";
import { mentionsResult } from "../../tools/grade/results.ts";

const pure = { permissions: "none" } as const;
const good = {
  server: ["server"],
  client: ["client"],
  put: [[null, "{key}"], ["Value", "{value}"]],
  get: [[null, "{key}"]],
};

Deno.test("a short profile gets the documented presets", pure, () => {
  const profile = parseProfile(JSON.stringify(good), "name");
  assertEquals(
    [profile.name, profile.ports, profile.putTimeoutS, profile.menu, profile.cwd],
    ["name", "free", 25, null, "."],
  );
  assertEquals(profile.serverLeader, ["server"]);
});

Deno.test("each bad field is named by its error", pure, () => {
  const bad: readonly (readonly [object, string])[] = [
    [{ server: "server" }, `"server" must be a list of words`],
    [{ server: undefined }, `"server" is missing`],
    [{ servers: [] }, `"servers" is not a field`],
    [{ put: [[null, "{key}"]] }, `"put" never types {value}`],
    [{ get: [[null, "{key} {value}"]] }, `"get[0]" has {value}`],
    [{ get: [["(", "{key}"]] }, `"get[0]": "(" is not a regular expression`],
    [{ init: [["x"]] }, `"init[0]" must be [prompt or null, text to type]`],
    [{ serverDialog: [[null, "a\nb"]] }, `"serverDialog[0]" types more than one line`],
    [{ putTimeoutS: 0 }, `"putTimeoutS" must be seconds`],
    [{ ports: "any" }, `"ports" must be "free" or "fixed"`],
    [{ env: { A: 1 } }, `"env.A" must be a text`],
    [{ build: [["make"], []] }, `"build[1]" must be a list of words`],
    [{ menu: 1 }, `"menu" must be a text`],
  ];
  for (const [change, message] of bad) {
    const text = JSON.stringify({ ...good, ...change });
    assertThrows(() => parseProfile(text, "name"), ProfileError, message);
  }
  assertThrows(() => parseProfile("{", "name"), ProfileError, "not JSON");
  assertThrows(() => parseProfile("[]", "name"), ProfileError, "must be a JSON object");
});

Deno.test("the last step with a key or value completes a request", pure, () => {
  const [menu, key, value, on] = [[null, "2"], ["K", "{key}"], ["V", "{value}"], [
    "On",
    "s",
  ]] as const;
  assertEquals(splitSteps([menu, key, value, on]), {
    before: [menu, key],
    last: value,
    after: [on],
  });
  const whole = [null, "get {key}"] as const;
  assertEquals(splitSteps([whole]), { before: [], last: whole, after: [] });
});

Deno.test("names in braces are filled in, others stay", pure, () => {
  assertEquals(fillIn("{ip}:{port} {x}", { ip: "::1", port: "1" }), "::1:1 {x}");
});

Deno.test("sockets of /proc/net/tcp and of netstat are read", pure, () => {
  const proc = "  sl  local_address rem_address   st\n" +
    "   0: 0100007F:2771 00000000:0000 0A 0:0 00:0 00000000 0 0 4242 1\n" +
    "   1: 0100007F:C350 0100007F:2771 06 0:0 00:0 00000000 0 0 0 1\n";
  assertEquals(
    parseProcTcp(proc).map(({ localPort, remotePort, listening }) => [
      ...[localPort, remotePort, listening],
    ]),
    [[10097, 0, true], [50000, 10097, false]],
  );
  assertEquals(parseNetstat("tcp4  0  0  127.0.0.1.10097  *.*  LISTEN")[0]?.listening, true);
});

Deno.test("a group rests only if each of its threads sleeps", pure, () => {
  const line = (state: string, group: number) =>
    `7 (a (b) c) ${state} 1 ${group} 7 0 -1 0 0 0 0 0 3 4 0 0`;
  const groups = new Set([70]);
  assertEquals(parseThreads(`${line("S", 70)}\n${line("R", 71)}`, groups).idle, true);
  const busy = parseThreads(`${line("S", 70)}\n${line("R", 70)}`, groups);
  assertEquals([busy.idle, busy.ticks, busy.threads], [false, 14, 2]);
});

Deno.test("an answer is told from a prompt and from a menu", pure, () => {
  const get = { client: "C1", op: "GET", key: "a1", from: 0, typed: 0, to: 0, waited: false };
  const answers = (fresh: string) =>
    mentionsResult(fresh, { ...get, op: "GET" } as const, "TRY_OTHER_SERVER_OR_LATER");
  assertEquals(answers("Key: a1\nINIT, PUT, GET? "), false);
  assertEquals(answers("GET key: a1 value: x obtido do ser"), false, "the line is not finished");
  assertEquals(answers("GET key: a1 value: x obtido do servidor\n"), true);
  assertEquals(answers("TRY_OTHER_SERVER_OR_LATER\n"), true);
});
