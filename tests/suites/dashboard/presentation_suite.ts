/**
 * What a teacher shows on a wall: clients as boxes, labels that can be read, presentation mode, and
 * a page that says why a button is off.
 *
 * @module
 */

import { assert, assertEquals, assertLessOrEqual, assertMatch } from "@std/assert";
import type { Page } from "playwright-core";
import { storyDefault } from "../../../dashboard/stories/stories.js";
import { eventually } from "../../support/waiting.ts";
import { problemsOf, Scene } from "./browser.ts";

const storyEnd = "Cada passo deu o que foi dito.";
const screenshots = Deno.args.includes("--screenshots");
const wall = { width: 1280, height: 720 };

/** What the text of the current step says. */
async function stepText(page: Page): Promise<string> {
  return await page.locator("#present-text").textContent() ?? "";
}

/** Presses a key of a clicker, and waits until another step is shown and no message moves. */
async function click(page: Page, key: "PageDown" | "PageUp"): Promise<string> {
  const before = await stepText(page);
  await page.keyboard.press(key);
  await eventually("another step shows", async () => await stepText(page) !== before, 20_000);
  await eventually("the step is over", async () => {
    return await page.locator("#play").textContent() === "Reproduzir" &&
      await page.locator("#diagram .message").count() === 0;
  }, 20_000);
  return await stepText(page);
}

/** How far the page is larger than the window, in pixels. */
async function scrollable(page: Page): Promise<number> {
  return await page.evaluate(`Math.max(
    document.documentElement.scrollHeight - innerHeight,
    document.documentElement.scrollWidth - innerWidth,
  )`) as number;
}

Deno.test("a clicker tells the story on one screen", async () => {
  await using scene = await Scene.open({ viewport: wall });
  const { page } = scene;
  await scene.put("uma chave que não cabe na sua coluna", "um valor que também não cabe");
  await scene.put("turma", "A2");
  await scene.put("cidade", "Santo André");
  await scene.cellsSay("cidade", "Santo André", "Santo André", "Santo André");
  await page.locator("#answer").getByText("PUT_OK").waitFor();
  await page.locator("h1").click(); // keys in a field of the form are text
  await page.keyboard.press("p");
  assertLessOrEqual(await scrollable(page), 0, "before the story");
  await page.evaluate(
    `document.querySelector("#present-text").textContent = "palavra ".repeat(28)`,
  );
  assertLessOrEqual(await scrollable(page), 0, "with more text than any step has");
  const texts: string[] = [];
  for (let n = 0; n < 12 && texts.at(-1) !== storyEnd; n++) {
    texts.push(await click(page, "PageDown"));
    assertLessOrEqual(await scrollable(page), 0, texts.at(-1));
    for (const shown of ["#diagram", "#present-text", "#rows"]) {
      assert(await page.locator(shown).isVisible(), `${shown} in step ${n + 1}`);
    }
    if (!texts.at(-1)!.includes("TRY_OTHER")) continue;
    assertEquals(await scene.cellsAre("cor"), ["current", "current", "stale"]);
    if (screenshots) await page.screenshot({ path: "docs/images/dashboard-wall.png" });
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      assertEquals(await problemsOf(page), [], colorScheme);
    }
  }
  assertEquals(texts.length, storyDefault.steps.length + 1, texts.join("\n"));
  assertEquals(await scene.cellsAre("cor"), ["current", "current", "current"]);
  assertEquals(await click(page, "PageDown"), texts[0], "at its end the story begins again");
  for (const text of texts.toReversed()) {
    assertEquals(await click(page, "PageUp"), text);
  }
  assertEquals(await click(page, "PageDown"), texts[1]);
  await page.keyboard.press("Escape");
  await page.locator("#commands").waitFor();
});

Deno.test("without a story the keys go from event to event, one for each press", async () => {
  await using scene = await Scene.open({ viewport: wall });
  const { page } = scene;
  await scene.put("cor", "azul");
  await scene.cellsSay("cor", "azul", "azul", "azul");
  await page.locator("#answer").getByText("PUT_OK").waitFor();
  await page.locator("#present").click();
  await click(page, "PageUp");
  const before = await click(page, "PageUp");
  const after = await click(page, "PageDown");
  for (let n = 0; n < 5; n++) await page.keyboard.down("PageUp");
  await page.keyboard.up("PageUp");
  await page.locator("#present-text").getByText(before).waitFor();
  await page.locator("#present-next").click();
  await page.locator("#present-text").getByText(after).waitFor();
  await page.keyboard.press("ArrowLeft"); // the button has the focus
  await page.locator("#present-text").getByText(before).waitFor();
});

Deno.test("a key that is pressed before anything has come does no harm", async () => {
  await using scene = await Scene.open({ viewport: wall });
  const { page } = scene;
  const gate = Promise.withResolvers<void>();
  await page.route("**/events*", async (route) => {
    await gate.promise;
    await route.continue();
  });
  await page.goto("about:blank");
  await page.goto(`${scene.url}/#present`);
  for (let n = 0; n < 3; n++) await page.keyboard.press("PageDown");
  gate.resolve();
  await page.getByText("✓ em dia").nth(2).waitFor();
  assertEquals(await page.locator("#demo-steps li").count(), 0);
  await page.keyboard.press("PageDown");
  await page.locator("#demo-steps li").first().waitFor({ state: "attached" });
});

Deno.test("clients are boxes of their own, with what each has seen", async () => {
  await using scene = await Scene.open();
  const { page, servers } = scene;
  const box = (client: number) => page.locator(`#diagram [data-client-box="${client}"]`);
  assertEquals(await page.locator("#diagram .client").count(), 2);
  await page.evaluate(`
    starts = [];
    new MutationObserver((changes) => {
      for (const { target, attributeName } of changes) {
        const { label, client } = target.dataset ?? {};
        if (attributeName !== "transform" || label === undefined || target.noted) continue;
        target.noted = true;
        const [x, y] = target.getAttribute("transform").match(/[-0-9.]+/g).map(Number);
        starts.push({ label, client, x, y });
      }
    }).observe(document.querySelector("#diagram"), { subtree: true, attributes: true });
  `);
  await scene.put("cor", "azul");
  await box(1).locator(".fine").getByText("cor: azul · ts 1").waitFor();
  assertEquals(await box(2).locator(".fine").count(), 0);
  await page.getByRole("radio", { name: "3" }).check();
  await page.locator("#server").selectOption(servers[2]!);
  await page.locator("#get").click();
  await box(3).locator(".fine").getByText("cor: azul · ts 1").waitFor();
  assertEquals(await box(2).locator(".fine").count(), 0);
  const starts = await page.evaluate("starts") as {
    label: string;
    client?: string;
    x: number;
    y: number;
  }[];
  for (const [label, client] of [["PUT", "1"], ["GET", "3"]]) {
    const start = starts.find((one) => one.label === label && one.client === client);
    assert(start !== undefined, `${label} of client ${client}: ${JSON.stringify(starts)}`);
    const rect = await page.evaluate(`
      ["x", "y", "width", "height"].map((name) =>
        document.querySelector('[data-client-box="${client}"] rect')[name].baseVal.value
      )
    `) as [number, number, number, number];
    const [x, y, width, height] = rect;
    const near = start.x > x - 20 && start.x < x + width + 60 && start.y > y - 60 &&
      start.y < y + height + 60;
    assert(near, `${label} begins at ${start.x}, ${start.y}, and the box is ${rect}`);
  }
});

for (const mode of ["page", "wall", "narrow"] as const) {
  Deno.test(`no label covers a box: ${mode}`, async () => {
    const viewport = mode === "narrow" ? { width: 360, height: 740 } : wall;
    await using scene = await Scene.open({ viewport });
    const { page } = scene;
    await page.evaluate(`
      labels = 0;
      covered = new Set();
      const look = () => {
        const boxes = [...document.querySelectorAll("#diagram .box, #diagram .note rect")]
          .map((box) => box.getBoundingClientRect());
        for (const label of document.querySelectorAll("#diagram .message text")) {
          if (getComputedStyle(label).visibility === "hidden") continue;
          labels++;
          const one = label.getBoundingClientRect();
          for (const box of boxes) {
            const inside = one.left < box.right && one.right > box.left &&
              one.top < box.bottom && one.bottom > box.top;
            if (inside) covered.add(label.textContent);
          }
        }
        requestAnimationFrame(look);
      };
      look();
    `);
    if (mode === "wall") await page.locator("#present").click();
    // The clicks of a script, because in presentation mode the buttons are not on the screen.
    await page.evaluate(`document.querySelector("#demo").click()`);
    const doneText = "#demo-steps [data-step=done]";
    await page.locator(doneText).waitFor({ state: "attached", timeout: 30_000 });
    assert(await page.evaluate("labels") as number > 50, "labels were looked at");
    assertEquals(await page.evaluate("[...covered]"), []);
  });
}

Deno.test("a button that does nothing is off, and the reason is beside it", async () => {
  await using scene = await Scene.open();
  const { page, servers } = scene;
  const group = page.locator(`[data-follower="${servers[2]}"]`);
  const button = (action: string) => group.locator(`[data-action="${action}"]`);
  assert(await button("resume").isDisabled());
  assertMatch((await group.locator("[data-off]").textContent())!, /Nada está retido/);
  await button("pause").click();
  await group.locator("[data-fault=true]").waitFor();
  await eventually("it cannot be held twice", async () => {
    return await button("pause").getAttribute("aria-disabled") === "true";
  });
  assertMatch((await group.locator("[data-off]").textContent())!, /Já está segurada/);
  await button("resume").click();
  await group.locator("[data-fault=false]").waitFor();
  await page.locator("#demo").click();
  await page.locator("#demo-off").getByText("em andamento").waitFor();
  await page.locator('#demo-steps [data-step="done"]').waitFor({ timeout: 30_000 });
  await scene.stop(2);
  await group.getByText("só um seguidor em dia").waitFor();
  await scene.stop(0);
  await page.locator("#demo-off").getByText("o líder está fora do ar").waitFor();
  await scene.stop(1);
  await page.locator("#request-off").getByText("nenhum servidor").waitFor();
  for (const id of ["#put", "#get", "#demo"]) assert(await page.locator(id).isDisabled(), id);
});

Deno.test("long keys are one line, the commands stay in sight, a telephone shows three servers", async () => {
  await using scene = await Scene.open();
  const { page } = scene;
  const key = `chave ${"comprida ".repeat(6)}`.trim();
  const value = `valor ${"comprido ".repeat(6)}`.trim();
  await scene.put("cor", "azul");
  await scene.put(key, value);
  const row = page.locator("#rows tr", { hasText: "chave comprida" });
  await row.waitFor();
  // In one go, because the table is redrawn at any time.
  const heights = await page.evaluate(`
    [...document.querySelectorAll("#rows tr")].map((row) => row.getBoundingClientRect().height)
  `) as number[];
  assertEquals(heights.length, 2);
  assertEquals(heights[0], heights[1]);
  assertEquals(await row.locator("th").getAttribute("title"), key);
  await row.locator("td .cell-value").first().waitFor();
  assertEquals(await row.locator("td .cell-value").first().getAttribute("title"), value);

  await page.evaluate("scrollTo(0, document.documentElement.scrollHeight)");
  const { top, bottom } = await page.evaluate(
    `document.querySelector("#commands").getBoundingClientRect()`,
  ) as DOMRect;
  assert(top >= 0 && bottom <= 900, `the commands are from ${top} to ${bottom}`);
  await page.setViewportSize({ width: 360, height: 740 });
  const columns = await page.evaluate(`
    [...document.querySelectorAll("#columns th")].map((cell) => {
      const { left, right } = cell.getBoundingClientRect();
      return left >= 0 && right <= 360;
    })
  `);
  assertEquals(columns, [true, true, true, true]);
});
