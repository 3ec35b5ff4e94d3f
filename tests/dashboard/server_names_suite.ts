/** Servers that the dashboard dials at another address than their own. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Dashboard } from "../../dashboard/server/dashboard.ts";
import { ServerNames } from "../../dashboard/server/server_names.ts";
import type { State } from "../../dashboard/server/state.ts";
import { cellOf } from "../../dashboard/page/selectors.js";
import { formatAddress } from "../../lib/wire/address.ts";
import { anyPort, freePorts } from "../support/ports.ts";
import { startSilentServer } from "../support/silent_server.ts";
import { eventually } from "../support/waiting.ts";

const pure = { permissions: "none" } as const;

Deno.test("servers are shown whose own names are not what the dashboard dials, and their faults work", async () => {
  // As behind forwarded ports: the servers know each other by 127.0.0.2.
  const own = freePorts(3).map((port) => ({ hostname: "127.0.0.2", port }));
  const dialled = own.map(({ port }) => ({ hostname: "127.0.0.1", port }));
  await using servers = new AsyncDisposableStack();
  for (const advertise of own) {
    const listen = { hostname: "0.0.0.0", port: advertise.port };
    servers.use(startSilentServer({ listen, advertise, leader: own[0]! }));
  }
  await using dashboard = new Dashboard({ listen: anyPort, servers: dialled, demoStepMs: 20 });
  const shows = async (what: string, condition: (state: Readonly<State>) => boolean) => {
    await eventually(what, () => condition(dashboard.feed.state));
  };
  const names = dialled.map(formatAddress);
  await shows(
    "the leader and all in sync, by the names of the page",
    ({ leader, inSync }) => leader === names[0] && names.every((name) => inSync.includes(name)),
  );
  await dashboard.fault(names[2]!, "pause");
  await shows("the fault", ({ servers }) => servers[2]!.fault?.action === "pause");
  await dashboard.fault(names[2]!, "resume");
  await dashboard.demo();
  await shows("the end", ({ demoSteps }) => demoSteps.at(-1)?.name === "done");
  const { state } = dashboard.feed;
  await shows(
    "the same value on all",
    ({ servers }) => servers.every((server) => cellOf(state, "cor", server).is === "current"),
  );
});

Deno.test("a server cannot take the name of another one, dialled or its own", pure, () => {
  const names = new ServerNames(["a:1", "b:1", "c:1"]);
  assertEquals(names.take("a:1", "a:1"), undefined);
  assertEquals(names.take("10.0.0.2:1", "b:1"), undefined);
  assertStringIncludes(names.take("a:1", "c:1")!, "is another one of --servers");
  assertStringIncludes(names.take("10.0.0.2:1", "c:1")!, "is b:1 of --servers");
  assertEquals(names.own("c:1"), "c:1");
  assertEquals(names.own("b:1"), "10.0.0.2:1");
  // A server that has been restarted under another name.
  assertEquals(names.take("10.0.0.3:1", "b:1"), undefined);
  assertEquals(names.own("b:1"), "10.0.0.3:1");
  assertEquals(names.take("10.0.0.2:1", "c:1"), undefined);
  assert(names.take("10.0.0.3:1", "a:1") !== undefined);
});
