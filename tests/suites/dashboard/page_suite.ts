/**
 * The dashboard's page in a headless Chromium.
 *
 * Not named like a test, because it needs more than the network: `deno task test:dashboard` runs it.
 * `deno task test:dashboard -- --screenshots` also renews the pictures of the README.
 *
 * @module
 */

import { assert, assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";
import type { Page } from "playwright-core";
import { storyDefault } from "../../../dashboard/stories/stories.js";
import { KvClient } from "../../../lib/client/kv_client.ts";
import { parseAddress } from "../../../lib/wire/address.ts";
import { portsDefault } from "../../../lib/limits.ts";
import { eventually } from "../../support/waiting.ts";
import { problemsOf, Scene } from "./browser.ts";

const screenshots = Deno.args.includes("--screenshots");

/** Takes a picture of the moment of the refusal. */
async function picture(page: Page, name: string): Promise<void> {
  if (!screenshots) return;
  for (const step of ["#back", "#back", "#forward", "#forward"]) await page.locator(step).click();
  await page.locator('#diagram .message.refused[visibility="visible"]').waitFor();
  await page.screenshot({ path: `docs/images/${name}.png`, fullPage: true });
}

/** Plays the story of the refusal up to it, and pauses playback there. */
async function showRefusal({ page }: Scene): Promise<void> {
  await page.locator("#demo").click();
  await page.locator("#refusals li").waitFor();
  await page.locator("#play").click();
}

Deno.test("the page loads without errors, and only from the dashboard", async () => {
  await using scene = await Scene.open();
  const { page } = scene;
  assertEquals(await page.title(), "Replicação ao vivo");
  assertEquals(await page.locator("#connection").textContent(), "conectado");
  assertStringIncludes((await page.locator("#diagram").getAttribute("aria-label"))!, "líder");
});

Deno.test("a PUT shows on all three servers, and its client has seen it", async () => {
  await using scene = await Scene.open();
  await scene.put("cor", "azul");
  await scene.cellsSay("cor", "azul", "azul", "azul");
  assertEquals(await scene.cellsAre("cor"), ["current", "current", "current"]);
  const { page } = scene;
  await page.locator("#answer").getByText("PUT_OK").waitFor();
  await page.locator("#seen dd").getByText("ts 1").waitFor();
  await page.getByRole("radio", { name: "2" }).check();
  await page.locator("#seen dd").waitFor({ state: "detached" });
  await page.locator("#get").click();
  await page.locator("#answer").getByText("azul de").waitFor();
});

Deno.test("keys and values from outside are shown as text, not as markup", async () => {
  await using scene = await Scene.open();
  const value = '<img src="x" onerror="alert(1)">\u202e';
  await scene.put("<b>chave</b>", value);
  await scene.cellsSay("<b>chave</b>", '<img src="x" onerror="alert(1)">\\u202e');
});

Deno.test("with the keyboard alone: held replication shows as a stale cell", async () => {
  await using scene = await Scene.open();
  const { page } = scene;
  const press = async (key: string, times = 1) => {
    for (let n = 0; n < times; n++) await page.keyboard.press(key);
  };
  const focused = () => page.evaluate("document.activeElement.id") as Promise<string>;
  /** Presses Tab until the element has the focus, and checks that the focus is visible. */
  const tabTo = async (selector: string) => {
    for (let n = 0; n < 60; n++) {
      await press("Tab");
      if (await page.locator(`${selector}:focus`).count() === 0) continue;
      const outline = await page.evaluate("getComputedStyle(document.activeElement).outline");
      assert(/solid [1-9]/.test(`${outline}`), `${selector} shows no focus: ${outline}`);
      return;
    }
    throw new Error(`Tab does not lead to ${selector}, but to ${await focused()}`);
  };
  await press("Tab");
  await press("Enter"); // the link that skips to the commands
  assertEquals(await focused(), "commands");
  await tabTo("#key");
  await press("Enter");
  await scene.cellsSay("cor", "azul", "azul", "azul");
  const follower = `[data-follower="${scene.servers[2]}"]`;
  await tabTo(`${follower} [data-action="pause"]`);
  await press("Enter");
  await page.locator(`${follower} p[data-fault="true"]`).waitFor();
  await page.locator("#value").focus();
  await page.keyboard.insertText("verde");
  await press("Enter");
  await scene.cellsSay("cor", "verde", "verde", "atrasada");
  assertEquals(await scene.cellsAre("cor"), ["current", "current", "stale"]);
  await page.locator("#diagram .note").getByText("segurada · 1").waitFor();
  await tabTo(`${follower} [data-action="resume"]`);
  await press("Space");
  await scene.cellsSay("cor", "verde", "verde", "verde");
  await page.locator("#answer").getByText("PUT_OK").waitFor();
});

Deno.test("a story shows TRY_OTHER step by step, and the reason in words", async () => {
  await using scene = await Scene.open({}, screenshots ? portsDefault : undefined);
  const { page } = scene;
  for (const [key, value] of [["cidade", "Santo André"], ["cor", "azul"], ["turma", "A2"]]) {
    await scene.put(key!, value!);
    await scene.cellsSay(key!, value!, value!, value!);
  }
  await showRefusal(scene);
  assertEquals(await scene.cellsAre("cor"), ["current", "current", "stale"]);
  const port = scene.servers[2]!.split(":")[1];
  assertEquals(
    (await page.locator("#refusals li span").first().textContent())!,
    `Cliente 2 já viu cor com timestamp 5; o servidor ${port} só tem 4.`,
  );
  await picture(page, "dashboard");
  await page.locator("#live").click();
  await page.locator('#demo-steps [data-step="done"]').waitFor();
  const story = await page.locator("#demo-steps li").allTextContents();
  assertEquals(story.length, storyDefault.steps.length + 1);
  assertEquals(await scene.cellsAre("cor"), ["current", "current", "current"]);
});

Deno.test("playback steps back and forward through the recording", async () => {
  await using scene = await Scene.open();
  const { page } = scene;
  const moment = () => page.locator("#moment").textContent();
  for (const value of ["azul", "verde"]) {
    await scene.put("cor", value);
    await scene.cellsSay("cor", value, value, value);
    await page.locator("#events").getByText(`PUT cor = ${value}`).waitFor();
  }
  await page.locator("#play").click();
  await page.locator('#live[aria-pressed="false"]').waitFor();
  const last = await moment();
  /** Steps until the leader's cell has the value. Returns the text of each step. */
  const stepUntil = async (button: string, value: string) => {
    const moments: (string | null)[] = [];
    for (let n = 0; n < 40; n++) {
      moments.push(await moment());
      await page.locator(button).click();
      await eventually("the step shows", async () => await moment() !== moments.at(-1));
      if ((await scene.cell("cor", 0).textContent())?.startsWith(value)) {
        return [...moments, await moment()];
      }
    }
    throw new Error(`${button} does not lead to ${value}: ${moments}`);
  };
  const back = await stepUntil("#back", "azul");
  assertEquals(back[0], last);
  assert(back.some((text) => text?.includes("REPLICATION cor = verde")), `${back}`);
  const forth = await stepUntil("#forward", "verde");
  assertEquals(forth.at(-1), back.at(-2), "a step forward undoes a step back");

  // New writes are recorded while the page shows an older moment.
  await scene.put("cor", "roxo");
  await page.locator("#answer").getByText("timestamp 3").waitFor();
  assertEquals((await scene.cell("cor", 0).textContent())?.startsWith("verde"), true);

  await page.locator("#timeline").focus();
  await page.keyboard.press("Home");
  await page.locator("#no-events").waitFor({ state: "visible" });
  await page.locator("#speed").selectOption("4");
  await page.locator("#play").click();
  await page.locator('#live[aria-pressed="true"]').waitFor();
  await scene.cellsSay("cor", "roxo", "roxo", "roxo");
});

Deno.test("a server that has stopped is shown as unreachable", async () => {
  await using scene = await Scene.open();
  await scene.put("cor", "azul");
  await scene.cellsSay("cor", "azul", "azul", "azul");
  await scene.stop(2);
  await scene.page.locator("#diagram .down").getByText("fora do ar").waitFor();
  await scene.cellsSay("cor", "azul", "azul", "não se sabe");
});

Deno.test("with too many messages a sample is drawn, and the table stays correct", async () => {
  await using scene = await Scene.open();
  const { page } = scene;
  await using client = new KvClient([parseAddress(scene.servers[0]!)!]);
  for (let round = 0; round < 6; round++) {
    await Promise.all(
      Array.from({ length: 500 }, (_, n) => client.put(`chave${n % 7}`, `${round} ${n}`)),
    );
  }
  await page.locator("#sample").getByText(/^Amostra: desenhadas \d+ de \d+/).waitFor();
  await client.put("chave0", "o último");
  await scene.cellsSay("chave0", "o último", "o último", "o último");
  await eventually(
    "no cell stays stale",
    async () => await page.locator('td[data-is="stale"], td[data-is="missing"]').count() === 0,
  );
});

Deno.test("the page has an English version, and remembers language and theme", async () => {
  await using scene = await Scene.open();
  const { page } = scene;
  await page.getByRole("button", { name: "English" }).click();
  await page.locator("#theme").selectOption("dark");
  const background = () =>
    page.evaluate("getComputedStyle(document.body.parentElement).background");
  const dark = await background();
  await page.reload();
  await page.getByRole("heading", { name: "Replication, live" }).waitFor();
  assertEquals(await page.locator("html").getAttribute("lang"), "en");
  await eventually("the theme is dark", async () => await background() === dark);
  await page.locator("#theme").selectOption("light");
  assertNotEquals(await background(), dark);
});

Deno.test("with reduced motion no message moves", async () => {
  await using scene = await Scene.open({ reducedMotion: "reduce" });
  const { page } = scene;
  await page.evaluate(`
    places = new Set();
    new MutationObserver(() => {
      for (const message of document.querySelectorAll("#diagram .message")) {
        message.number ??= places.numbers = (places.numbers ?? 0) + 1;
        places.add(message.number + " " + message.getAttribute("transform"));
      }
    }).observe(document.querySelector("#diagram"), {
      subtree: true, childList: true, attributes: true, attributeFilter: ["transform"],
    });
  `);
  await scene.put("cor", "azul");
  await page.locator("#diagram .message").first().waitFor({ state: "attached" });
  await page.locator("#diagram .message").first().waitFor({ state: "detached" });
  const places = await page.evaluate("[...places]") as string[];
  const numbers = new Set(places.map((place) => place.split(" ")[0]));
  const stood = places.filter((place) => !place.endsWith(" null"));
  assertEquals(stood.length, numbers.size, `${places}`);
});

for (const width of [1280, 360]) {
  Deno.test(`axe finds no accessibility problems, in light and dark: ${width} px wide`, async () => {
    await using scene = await Scene.open({ viewport: { width, height: 800 } });
    const { page } = scene;
    await scene.put("cor", "azul");
    await scene.cellsSay("cor", "azul", "azul", "azul");
    await showRefusal(scene);
    await page.locator('#demo-steps [data-step="refused"]').waitFor();
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      assertEquals(await problemsOf(page), [], colorScheme);
    }
    const overflow = await page.evaluate("document.documentElement.scrollWidth - innerWidth");
    assertEquals(overflow, 0, "something is wider than the page");
    if (width === 360) await picture(page, "dashboard-narrow");
  });
}
