/**
 * Rules about dialogues: the client's menu, and the addresses that INIT and a server ask for.
 *
 * @module
 */

import type { Step } from "../profile.ts";
import type { ClauseId, ClauseResult, Reason } from "../types.ts";
import { inconclusive, result, type Transcript, type Transcripts } from "./transcripts.ts";

/** The results for the menu and for both kinds of INIT. */
export function dialogResults(transcripts: Transcripts): ClauseResult[] {
  const { profile } = transcripts;
  const basics = transcripts.get("basics");
  const problem = transcripts.problem("basics");
  const dialog = (clause: ClauseId, steps: readonly Step[], names: string[], field: string) => {
    if (problem !== undefined) return inconclusive(clause, problem);
    const typed = steps.map(([, text]) => text).join(" ");
    if (!names.every((name) => typed.includes(name))) {
      return inconclusive(clause, { reason: "not-in-profile", args: { field } });
    }
    const console = field === "init" ? "C1" : "S1";
    const events = basics!.run.events.entries()
      .filter(([, event]) => event.kind === "in" && event.console === console)
      .map(([event]) => ({ trial: basics!.id, event }));
    return result(clause, "met", [...events].slice(0, steps.length));
  };
  return [
    problem !== undefined ? inconclusive("client-menu", problem) : menuResult(basics!),
    dialog("client-init", profile.init, ["{port1}", "{port2}", "{port3}"], "init"),
    dialog("server-init", profile.serverDialog, ["{port}", "{leaderPort}"], "serverDialog"),
  ];
}

const portugueseChoice =
  /(?<!\p{L})(?:inserir|gravar|adicionar|armazenar|salvar|escrever|obter|buscar|consultar|procurar|recuperar|ler)(?!\p{L})/iu;

function menuResult(transcript: Transcript): ClauseResult {
  const { run, others } = transcript;
  const printed = others.filter((event) => run.events[event]!.console.startsWith("C"));
  const words = ["INIT", "PUT", "GET"];
  const places = new Map<string, number>();
  for (const word of words) {
    const event = printed.find((one) =>
      new RegExp(`(?<!\\p{L})${word}(?!_?OK|\\p{L})`, "iu").test(run.events[one]!.text)
    );
    if (event !== undefined) places.set(word, event);
  }
  const show = (events: Iterable<number>) =>
    [...new Set(events)].map((event) => ({ trial: transcript.id, event }));
  const missing = words.filter((word) => !places.has(word));
  if (missing.length === 0) return result("client-menu", "met", show(places.values()));
  if (printed.length === 0) {
    return inconclusive("client-menu", { reason: "nothing-printed", args: { console: "C1" } });
  }
  const why: Reason = { reason: "menu-choices", args: { missing: missing.join(", ") } };
  // INIT may be asked for when the client starts, and words may be Portuguese
  const inPortuguese = printed.some((one) => portugueseChoice.test(run.events[one]!.text));
  if (places.size === 0 || missing.includes("INIT") || inPortuguese) {
    return inconclusive("client-menu", why, show(printed.slice(0, 6)));
  }
  return result("client-menu", "not-met", show(places.values()), why);
}
