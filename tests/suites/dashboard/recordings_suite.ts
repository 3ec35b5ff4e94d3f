/**
 * Recordings that are saved as files and opened.
 *
 * @module
 */

import { assertEquals, assertMatch } from "@std/assert";
import type { Page } from "playwright-core";
import { Dashboard } from "../../../dashboard/server/dashboard.ts";
import { formatAddress } from "../../../lib/wire/address.ts";
import { anyPort, deadAddress } from "../../support/ports.ts";
import { Scratch } from "../../support/scratch.ts";
import { eventually } from "../../support/waiting.ts";
import { problemsOf, saved, Scene } from "./browser.ts";

const moment = (page: Page) => page.locator("#moment").textContent();

/** What the page shows of the recording, without the number of its events, which grows. */
async function shownBy(page: Page): Promise<readonly (string | undefined | null)[]> {
  const position = await page.locator("#position").textContent();
  return [await moment(page), position?.replace(/ de \d+$/, "")];
}

/** Writes a file, and chooses it with the button, as a user does. */
async function open(page: Page, { path }: Scratch, name: string, text: string): Promise<void> {
  await Deno.writeTextFile(`${path}/${name}`, text);
  const [chooser] = await Promise.all([
    page.waitForEvent("filechooser"),
    page.locator("#open-recording").click(),
  ]);
  await chooser.setFiles(`${path}/${name}`);
}

/** Runs the demonstration to its end, and saves the recording. */
async function recordDemonstration({ page }: Scene): Promise<{ name: string; text: string }> {
  await page.locator("#demo").click();
  await page.locator('#demo-steps [data-step="done"]').waitFor();
  return await saved(page, page.locator("#save-recording"));
}

Deno.test("a saved demonstration is played by a page without servers, from its beginning to its end", async () => {
  using folder = new Scratch();
  await using stack = new AsyncDisposableStack();
  const scene = stack.use(await Scene.open());
  const { name, text } = await recordDemonstration(scene);
  const told = await scene.page.locator("#demo-steps li").allTextContents();
  assertMatch(name, /^recording-\d{4}-\d\d-\d\d-\d{4}\.json$/);
  const far = scene.servers[2]!;

  const dashboard = stack.use(new Dashboard({ listen: anyPort, servers: [deadAddress()] }));
  const page = await scene.page.context().browser()!.newPage({ locale: "pt-BR" });
  const errors: string[] = [];
  page.on("pageerror", ({ message }) => errors.push(message));
  await page.goto(`http://${formatAddress(dashboard.address)}`);
  await page.locator("#diagram").getByText("fora do ar").waitFor();
  await open(page, folder, name, text);
  await page.getByText(`Mostrando o arquivo ${name}.`).waitFor();
  await page.getByText(/^evento 0 de \d+$/).waitFor();
  assertEquals(await page.locator("#demo-steps li").count(), 0);
  assertEquals(await page.locator("#diagram").getByText("✓ em dia").count(), 3);
  assertEquals(await problemsOf(page), []);

  await page.locator("#view-spacetime").click();
  const before = await moment(page);
  await page.locator("#forward").click();
  await eventually("the first step shows", async () => await moment(page) !== before);
  await page.locator("#speed").selectOption("4");
  await page.locator("#play").click();
  await page.locator('#demo-steps [data-step="refused"]').waitFor();
  await page.locator(`td[data-key="cor"][data-server="${far}"][data-is="stale"]`).waitFor();
  await page.locator("#spacetime .label.refused").waitFor();
  await page.locator('#demo-steps [data-step="done"]').waitFor();
  await page.getByRole("button", { name: "Reproduzir" }).waitFor();
  assertEquals(await page.locator("#demo-steps li").allTextContents(), told);
  assertEquals(await page.locator("#live").getAttribute("aria-pressed"), "false");
  assertEquals(await problemsOf(page), []);

  await page.locator("#timeline").focus();
  await page.keyboard.press("Home");
  await page.locator("#demo-steps li").first().waitFor({ state: "detached" });
  await page.locator("#present").click();
  const steps = page.locator("#demo-steps li");
  for (const [index, step] of told.entries()) {
    await page.keyboard.press("PageDown");
    await page.locator("#present-text").getByText(step).waitFor();
    await eventually("the step is over", async () => {
      if (await steps.count() !== index + 1) return false;
      return await page.evaluate("document.querySelector('#play').textContent") === "Reproduzir";
    });
  }
  await page.locator("#present").click();

  await page.locator("#close-recording").click();
  await page.locator('#live[aria-pressed="true"]').waitFor();
  await page.locator("#demo-steps li").first().waitFor({ state: "detached" });
  assertEquals(await page.locator("#recording-note").textContent(), "");
  assertEquals(errors, []);
});

Deno.test("what happens while a file is shown is recorded behind it", async () => {
  using folder = new Scratch();
  await using scene = await Scene.open();
  const { page } = scene;
  await scene.put("cor", "azul");
  await scene.cellsSay("cor", "azul", "azul", "azul");
  const { name, text } = await saved(page, page.locator("#save-recording"));
  await open(page, folder, name, text);
  await page.locator("#recording-note").getByText(name).waitFor();
  const length = await page.locator("#timeline").getAttribute("max");
  await scene.put("cor", "verde");
  await page.locator("#answer").getByText("timestamp 2").waitFor();
  // The buttons show the newest state. What came before this fault has come too.
  const follower = page.locator(`[data-follower="${scene.servers[2]}"]`);
  await follower.locator('[data-action="pause"]').click();
  await follower.locator('[data-fault="true"]').waitFor();
  assertEquals(await page.locator("#events").getByText("verde").count(), 0);
  assertEquals(await page.locator("#timeline").getAttribute("max"), length);
  await page.locator("#close-recording").click();
  await scene.cellsSay("cor", "verde", "verde", "verde");
  await page.locator("#events").getByText("PUT cor = verde").waitFor();
  await page.locator("#back").click();
  await page.locator("#timeline").focus();
  await page.keyboard.press("Home");
  await page.locator("#no-events").waitFor({ state: "visible" });
});

Deno.test("a file that is no recording gets a sentence, and changes nothing", async () => {
  using folder = new Scratch();
  await using scene = await Scene.open();
  const { page } = scene;
  await scene.put("cor", "azul");
  await scene.cellsSay("cor", "azul", "azul", "azul");
  await page.locator("#events").getByText("PUT_OK").waitFor();
  await page.locator("#play").click();
  await page.locator('#live[aria-pressed="false"]').waitFor();
  const shown = await shownBy(page);
  const { text } = await saved(page, page.locator("#save-recording"));
  const file = JSON.parse(text);
  file.parts[0].items[0].kind = "unknown";
  const files = [
    ["carta.txt", "Olá!", "carta.txt não foi aberto: não é uma gravação deste painel."],
    ["nova.json", text.replace('"version":1', '"version":7'), /da versão 7, que esta página/],
    ["torta.json", JSON.stringify(file), /a gravação está errada em parts\[0\]\.items\[0\]\.kind/],
  ] as const;
  for (const [name, content, sentence] of files) {
    await open(page, folder, name, content);
    await page.locator('#recording-note[data-bad="true"]').getByText(sentence).waitFor();
    assertEquals(await shownBy(page), shown);
    assertEquals(await page.locator("#close-recording").isVisible(), false);
  }
  await open(page, folder, "boa.json", text);
  await page.getByText("Mostrando o arquivo boa.json.").waitFor();
});
