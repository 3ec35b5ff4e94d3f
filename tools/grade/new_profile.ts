/**
 * Makes a profile by asking a person, and checks it with a first dialogue.
 *
 * @module
 */

import { escapeControls } from "../../lib/cli/escape.ts";
import { UsageError } from "../../lib/cli/flags.ts";
import type { Terminal } from "../../lib/cli/terminal.ts";
import { parseProfile, ProfileError, type Step } from "./profile.ts";
import { runTrial } from "./trial.ts";

const stepsMax = 30;

const introduction = `A profile tells how your programs are started and typed to.
Words of a command are separated by spaces. For each step of a dialogue, type a part of what the
program prints first (empty: it prints nothing), then what is to be typed.
`;

/** Asks for a profile, tries it, and writes it to a file that does not exist yet. */
export async function newProfile(file: string, terminal: Terminal): Promise<number> {
  const ask = async (question: string) => {
    const line = await terminal.keyboard.ask(`${question}: `);
    return line.trim();
  };
  terminal.out(introduction);
  const server = await ask("Command that starts a server");
  const client = await ask("Command that starts a client");
  const dialog = async (title: string, names: string) => {
    terminal.out(`${title}. Names that you can type: ${names}. An empty line ends the steps.\n`);
    const steps: Step[] = [];
    while (steps.length < stepsMax) {
      const typed = await ask(`  step ${steps.length + 1}, typed`);
      if (typed === "") break;
      const prompt = await ask(`  step ${steps.length + 1}, printed before it`);
      steps.push([prompt === "" ? null : escapePattern(prompt), typed]);
    }
    return steps;
  };
  const servers = "{ip} {port} {leaderIp} {leaderPort} {ip1} {port1} … {port3}";
  const serverDialog = await dialog("What a server asks for", servers);
  const leaderMore = await dialog("What only the leader asks for after that", servers);
  const menu = await ask("What the client prints when it waits for a choice (empty: nothing)");
  const init = await dialog("INIT, with its choice in the menu", "{ip1} {port1} … {port3}");
  const put = await dialog("PUT, with its choice in the menu", "{key} {value}");
  const get = await dialog("GET, with its choice in the menu", "{key}");
  const profile = {
    server: server.split(/\s+/),
    client: client.split(/\s+/),
    serverDialog,
    ...(leaderMore.length === 0 ? {} : { leaderMore }),
    menu: menu === "" ? null : escapePattern(menu),
    ...{ init, put, get },
  };
  const text = `${JSON.stringify(profile, null, 2)}\n`;
  const folder = file.includes("/") ? file.slice(0, file.lastIndexOf("/")) || "/" : ".";
  try {
    const parsed = parseProfile(text, file);
    terminal.err("A first dialogue: one trial, up to two minutes\n");
    const run = await runTrial({ profile: parsed, folder, argument: file }, "basics");
    for (const { console, kind, text } of run.events.slice(0, run.requests[1]?.to ?? 60)) {
      const mark = kind === "in" ? ">" : " ";
      terminal.err(`${escapeControls(`${console} ${mark} ${text}`)}\n`);
    }
    const problem = run.failed?.args.problem;
    if (problem !== undefined) terminal.err(`${escapeControls(problem)}\n`);
  } catch (error) {
    if (error instanceof ProfileError) throw new UsageError(error.message);
    throw error;
  }
  try {
    await Deno.writeTextFile(file, text, { createNew: true });
  } catch (error) {
    throw new UsageError(`cannot write ${file}: ${(error as Error).message}`);
  }
  terminal.out(`${file}\n`);
  return 0;
}

function escapePattern(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}
