/** The stories on the dashboard, with real servers that they may stop. */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { Dashboard } from "../../dashboard/server/dashboard.ts";
import type { DemoStep } from "../../dashboard/server/item.ts";
import type { State } from "../../dashboard/server/state.ts";
import { demoStepsMax } from "../../dashboard/page/limits.js";
import { cellOf } from "../../dashboard/page/selectors.js";
import { LocalServers } from "../../dashboard/stories/local_servers.ts";
import { stepText, stopsServers, stories, storyOf } from "../../dashboard/stories/stories.js";
import { formatAddress } from "../../lib/wire/address.ts";
import { anyPort } from "../support/ports.ts";
import { startSilentServer } from "../support/silent_server.ts";
import { eventually } from "../support/waiting.ts";

/** Three servers and a dashboard, which may stop them. */
class Scene implements AsyncDisposable {
  readonly local: LocalServers;
  readonly dashboard: Dashboard;
  readonly #stack: AsyncDisposableStack;
  /** Closes the dashboard, once. */
  readonly close: () => Promise<void>;

  private constructor(local: LocalServers, dashboard: Dashboard, stack: AsyncDisposableStack) {
    this.local = local;
    this.dashboard = dashboard;
    this.#stack = stack;
    let closed: Promise<void> | undefined;
    this.close = () => closed ??= dashboard[Symbol.asyncDispose]();
    stack.defer(this.close);
  }

  /** Opens it, and waits until all servers are in sync. */
  static async open(control = true, demoStepMs = 20): Promise<Scene> {
    await using stack = new AsyncDisposableStack();
    const local = stack.use(
      new LocalServers((listen, leader) =>
        startSilentServer({ listen, ...(leader === undefined ? {} : { leader }) })
      ),
    );
    for (let n = 0; n < 3; n++) local.add(anyPort);
    const options = { listen: anyPort, servers: local.addresses, demoStepMs };
    const dashboard = new Dashboard({ ...options, ...(control ? { control: local } : {}) });
    const scene = new Scene(local, dashboard, stack.move());
    await scene.sees("three in sync", ({ open, inSync }) => open && inSync.length === 3);
    return scene;
  }

  get servers(): readonly string[] {
    return this.local.addresses.map(formatAddress);
  }

  get steps(): readonly DemoStep[] {
    return this.dashboard.feed.state.demoSteps;
  }

  async sees(what: string, condition: (state: Readonly<State>) => boolean): Promise<void> {
    await eventually(what, () => condition(this.dashboard.feed.state), 20_000);
  }

  /** Plays a story. Resolves with its last step. */
  async play(id: string): Promise<DemoStep> {
    const before = this.steps.at(-1)?.run;
    await this.dashboard.demo(id);
    await this.sees("the end", ({ demoSteps }) => {
      const { name = "", run } = demoSteps.at(-1) ?? {};
      return run !== before && /done|failed/.test(name);
    });
    return this.steps.at(-1)!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

for (const { id, key, steps } of stories) {
  Deno.test(`the story ${id} can be told twice, and leaves all servers up, equal and not held`, async () => {
    await using scene = await Scene.open();
    const { state } = scene.dashboard.feed;
    for (let times = 0; times < 2; times++) {
      assertEquals((await scene.play(id)).failure, undefined);
      assertEquals(scene.steps.map(({ name }) => name), [...steps.map(({ name }) => name), "done"]);
      for (const step of scene.steps) {
        for (const lang of ["pt", "en"] as const) {
          const text = stepText(step, lang, (server) => server, (client) => client);
          assert(!/[{}]|undefined|NaN/.test(text), text);
        }
      }
      await scene.sees(
        "all up, equal and not held",
        ({ servers, inSync }) =>
          inSync.length === 3 &&
          servers.every((server) => {
            const { is } = cellOf(state, key, server);
            return server.up && server.fault === undefined && is === "current";
          }),
      );
    }
  });
}

Deno.test("no story has more steps than the page keeps, and each step has its own name", () => {
  for (const { id, steps } of stories) {
    assert(steps.length < demoStepsMax, id);
    assertEquals(new Set(steps.map(({ name }) => name)).size, steps.length, id);
  }
  assertEquals(new Set(stories.map(({ id }) => id)).size, stories.length);
});

Deno.test("an answer that the story does not expect ends it; what it has held is released", async () => {
  await using scene = await Scene.open();
  const { clients } = scene.dashboard;
  const get = clients.get.bind(clients);
  clients.get = async (...args) => ({ ...await get(...args), value: "azul" });
  const { failure, name } = await scene.play("try-other");
  assertEquals(name, "failed");
  const { new: write } = scene.steps.at(-1)!.writes;
  assertEquals(failure, {
    expected: `verde ${write!.timestamp}`,
    got: `azul ${write!.timestamp}`,
  });
  clients.get = get;
  await scene.sees("no fault", ({ servers }) => servers.every(({ fault }) => fault === undefined));
  const [leader] = scene.servers;
  assertEquals((await clients.get(1, "cor", leader)).value, "verde");
});

Deno.test("a story that fails while servers are stopped starts them again", async () => {
  await using scene = await Scene.open();
  const { clients } = scene.dashboard;
  const get = clients.get.bind(clients);
  clients.get = () => Promise.reject(new Error("no answer"));
  assertEquals((await scene.play("leader-returns")).failure, { reason: "no answer" });
  clients.get = get;
  await scene.sees(
    "all servers in sync",
    ({ servers, inSync }) => servers.every(({ up }) => up) && inSync.length === 3,
  );
});

Deno.test("a dashboard that is closed during a story ends it, and its servers run again", async () => {
  await using scene = await Scene.open(true, 60_000);
  const played = scene.dashboard.demo("follower-returns");
  await scene.sees("the first step", ({ demoSteps }) => demoSteps.length === 1);
  await scene.close();
  await played;
  assert(scene.servers.every((server) => scene.local.running(server) !== undefined));
});

Deno.test("without control no story stops a server, and an unknown one is refused", async () => {
  await using scene = await Scene.open(false);
  assertEquals(scene.dashboard.feed.state.control, false);
  for (const story of stories.filter(stopsServers)) {
    await assertRejects(() => scene.dashboard.demo(story.id), RangeError, "--start");
  }
  for (const id of ["", "toString", "try_other"]) {
    await assertRejects(() => scene.dashboard.demo(id), RangeError, "there is no story");
  }
  assert(scene.servers.every((server) => scene.local.running(server) !== undefined));
});

Deno.test("while a story is under way another one is refused, and the same one is waited for", async () => {
  await using scene = await Scene.open();
  const first = scene.dashboard.demo("compare-and-set");
  await assertRejects(() => scene.dashboard.demo("try-other"), Error, "is under way");
  await Promise.all([first, scene.dashboard.demo("compare-and-set")]);
  await scene.sees("the end", ({ demoSteps }) => demoSteps.at(-1)?.name === "done");
  assertEquals(scene.steps.length, storyOf("compare-and-set")!.steps.length + 1);
});

Deno.test("a story needs two followers in sync", async () => {
  await using scene = await Scene.open();
  await scene.local.stop(scene.servers[2]!);
  await scene.sees("one follower", ({ inSync }) => inSync.length === 2);
  const error = await assertRejects(() => scene.dashboard.demo(), Error);
  assertStringIncludes(error.message, "two followers in sync");
});
