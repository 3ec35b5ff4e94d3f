/**
 * The stories on the page.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { stopsServers, stories, storyOf } from "../../../dashboard/stories/stories.js";
import { Scene } from "./browser.ts";

const followerReturns = storyOf("follower-returns")!;

Deno.test("a story stops a server and starts it again, and the other stories wait", async () => {
  await using scene = await Scene.open({}, undefined, { control: true });
  const { page } = scene;
  const button = page.locator(`[data-story="${followerReturns.id}"]`);
  await button.click();
  await page.locator('#demo-steps [data-step="stop"]').waitFor();
  assertEquals(await button.textContent(), "Mostrando…");
  assertEquals(await page.locator("#demo").isDisabled(), true);
  const others = stories.map(({ id }) => id).filter((id) => id !== followerReturns.id).slice(1);
  for (const id of others) {
    assertEquals(await page.locator(`[data-story="${id}"]`).isDisabled(), true, id);
    const about = await page.locator(`#about-${id}`).textContent();
    assertStringIncludes(about!, "Uma história está em andamento.");
  }
  await page.locator("#diagram .down").getByText("fora do ar").waitFor();
  await scene.cellsSay("cor", "verde", "verde", "não se sabe");
  await page.locator('#demo-steps [data-step="done"]').waitFor();
  await scene.cellsSay("cor", "verde", "verde", "verde");
  const told = await page.locator("#demo-steps li").allTextContents();
  assertEquals(told.length, followerReturns.steps.length + 1);
  const [near, far] = scene.servers.slice(1).map((server) => server.split(":")[1]);
  assertEquals(told[3], `O cliente 2 lê em ${near}: recebe verde, com timestamp 2.`);
  assertEquals(told[5], `O cliente 2 lê em ${far}: verde, com o mesmo timestamp 2 que nos outros.`);
  assertEquals(told.at(-1), "Cada passo deu o que foi dito.");
  await page.locator("#demo:enabled").waitFor();
});

Deno.test("without --start the stories that stop a server are off, and say why", async () => {
  await using scene = await Scene.open();
  const { page } = scene;
  await page.locator("#demo:enabled").waitFor();
  await page.getByRole("button", { name: "English" }).click();
  for (const story of stories.slice(1)) {
    const button = page.getByRole("button", { name: story.title.en });
    assertEquals(await button.isDisabled(), stopsServers(story), story.id);
    const why = stopsServers(story)
      ? " Only with --start: the dashboard must be able to stop servers."
      : "";
    const about = await page.locator(`#about-${story.id}`).textContent();
    assertEquals(about, `${story.about.en}${why}`);
  }
});

Deno.test("a CONFLICT flies back, stands in the list with its reason, and an expired key is told", async () => {
  await using scene = await Scene.open();
  const { page } = scene;
  await page.evaluate(`
    globalThis.drawn = new Set();
    new MutationObserver((all) => all.forEach(({ addedNodes }) => addedNodes.forEach(({ dataset }) =>
      dataset?.label && globalThis.drawn.add(dataset.label)
    ))).observe(document.querySelector("#diagram"), { childList: true, subtree: true });
  `);
  await page.locator('[data-story="compare-and-set"]:enabled').click();
  await page.locator('#demo-steps [data-step="done"]').waitFor();
  const refusal = await page.locator("#refusals li span").first().textContent();
  assertMatch(refusal!, /^Cliente \d esperava vagas com timestamp \d+, mas a chave tem 9, com /);
  await page.locator("#events .refused").getByText("CONFLICT: Cliente ").waitFor();
  await page.locator('[data-story="lock-expires"]:enabled').click();
  await page.locator("#events").getByText("trava expirou: apagada com").waitFor();
  const drawn = await page.evaluate("[...globalThis.drawn]") as string[];
  for (const label of ["WRITE", "WRITE_OK", "CONFLICT"]) assert(drawn.includes(label), label);
  assertEquals(await page.locator("#lost").textContent(), "");
});
