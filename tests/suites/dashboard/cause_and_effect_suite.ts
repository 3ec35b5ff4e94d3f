/**
 * The order of cause and effect, as the page shows it.
 *
 * @module
 */

import { assert } from "@std/assert";
import type { Page } from "playwright-core";
import { demoStepMs } from "../../../dashboard/server/dashboard.ts";
import { eventually } from "../../support/waiting.ts";
import { storyDefault } from "../../../dashboard/stories/stories.js";
import { Scene } from "./browser.ts";

/**
 * Notes in the page, in the order of the document's changes: a message that arrives, as
 * "GET_OK 127.0.0.1:50000 1" with its end and client, and the first time that an effect shows.
 * An effect is given by its name and an expression that is true once it shows.
 */
async function watch(page: Page, effects: Readonly<Record<string, string>>): Promise<void> {
  const checks = Object.entries(effects)
    .map(([name, shows]) => `[${JSON.stringify(name)}, () => ${shows}]`);
  await page.evaluate(`
    shown = [];
    effects = new Map([${checks.join(",")}]);
    new MutationObserver((changes) => {
      for (const { removedNodes } of changes) {
        for (const node of removedNodes) {
          const { label, to, client } = node.dataset ?? {};
          if (label !== undefined) shown.push([label, to, client ?? ""].join(" ").trim());
        }
      }
      for (const [name, shows] of effects) {
        if (!shows()) continue;
        effects.delete(name);
        shown.push(name);
      }
    }).observe(document.body, { subtree: true, childList: true, characterData: true });
  `);
}

/** What the page has shown since {@linkcode watch}, once the last effect shows. */
async function shownUntil(page: Page, last: string): Promise<readonly string[]> {
  let shown: string[] = [];
  await eventually(`${last} shows`, async () => {
    shown = await page.evaluate("shown") as string[];
    return shown.includes(last);
  }, 60_000);
  return shown;
}

/** Checks that a cause shows, and before its effect. Every text is the start of what was noted. */
function before(shown: readonly string[], cause: string, effect: string): void {
  const [first, second] = [cause, effect].map((one) => shown.findIndex((s) => s.startsWith(one)));
  assert(first! >= 0 && first! < second!, `${cause} is not before ${effect}:\n${shown.join("\n")}`);
}

const cellStarts = (server: string, value: string) =>
  `document.querySelector('td[data-key="cor"][data-server="${server}"]')
    ?.textContent.startsWith("${value}")`;
const exists = (selector: string) => `document.querySelector('${selector}') !== null`;

Deno.test("a server's copy changes when the message arrives there, live and in playback", async () => {
  await using scene = await Scene.open();
  const { page, servers } = scene;
  const [leader, near, far] = servers as [string, string, string];
  const effects = Object.fromEntries(
    servers.map((server) => [`copy ${server}`, cellStarts(server, "azul")]),
  );
  const check = (shown: readonly string[]) => {
    before(shown, `PUT ${leader} 1`, `copy ${leader}`);
    before(shown, `copy ${leader}`, `REPLICATION ${near}`);
    before(shown, `REPLICATION ${near}`, `copy ${near}`);
    before(shown, `REPLICATION ${far}`, `copy ${far}`);
    before(shown, `copy ${near}`, `REPLICATION_OK ${leader}`);
    before(shown, `REPLICATION_OK ${leader}`, "PUT_OK");
  };
  await watch(page, { ...effects, seen: exists("#seen dd") });
  await scene.put("cor", "azul");
  const live = await shownUntil(page, "seen");
  check(live);
  before(live, "PUT_OK", "seen");

  await page.locator("#timeline").focus();
  await page.keyboard.press("Home");
  await page.locator("#no-events").waitFor({ state: "visible" });
  await watch(page, { ...effects, live: exists('#live[aria-pressed="true"]') });
  await page.locator("#speed").selectOption("4");
  await page.locator("#play").click();
  check(await shownUntil(page, "live"));
});

Deno.test("a step of a story shows before its messages, and after those of the step before it", async () => {
  await using scene = await Scene.open({}, undefined, { stepMs: demoStepMs });
  const { page, servers } = scene;
  const [leader, , far] = servers as [string, string, string];
  const step = (name: string) => exists(`#demo-steps [data-step="${name}"]`);
  await watch(page, {
    ...Object.fromEntries(storyDefault.steps.map(({ name }) => [name, step(name)])),
    refusal: exists("#refusals li"),
    done: step("done"),
  });
  await page.locator("#demo").click();
  const shown = await shownUntil(page, "done");
  before(shown, "write", `PUT ${leader} 1`);
  before(shown, "PUT_OK", "pause");
  const refused = shown.slice(shown.indexOf("refused"));
  before(refused, `GET ${far} 2`, "refusal");
  before(refused, "refusal", "TRY_OTHER");
  before(refused, "TRY_OTHER", "first");
  const told = shown.slice(shown.indexOf("resume"));
  before(told, `REPLICATION ${far}`, "PUT_OK");
  before(told, "PUT_OK", "caught_up");
  before(told, "caught_up", "GET_OK");
  before(told, "GET_OK", "done");
});
