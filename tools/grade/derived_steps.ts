/**
 * Steps of a profile, derived from what a person typed to a program.
 *
 * @module
 */

import { shownText } from "./console.ts";
import { addressesOf } from "./dialog.ts";
import { initNames, promptPattern, serverNames, type Step } from "./profile.ts";
import type { Server } from "./run.ts";

/** A line that was typed to a program, and what the program had printed since the line before. */
export interface TypedLine {
  readonly printed: string;
  readonly typed: string;
}

/** What stands for a name in braces, and that name. */
export type Named = readonly [text: string, name: string];

/** Steps of a profile by their field. */
export interface DerivedSteps {
  readonly serverDialog?: readonly Step[];
  readonly leaderMore?: readonly Step[];
  readonly menu?: string;
  readonly init?: readonly Step[];
  readonly put?: readonly Step[];
  readonly get?: readonly Step[];
}

/** The error when no profile can say what was typed. */
export class DerivationError extends Error {
  override readonly name = "DerivationError";
}

/** Longest prompt of a step. */
const promptCharsMax = 60;

/** The names of all addresses, the server's own and the leader's first. */
export function namesOfServer(servers: readonly Server[], own: Server): Named[] {
  const values = addressesOf(servers, own);
  return serverNames.map((name) => [values[name]!, name]);
}

/** The names of all addresses, for a client. */
export function namesOfClient(servers: readonly Server[]): Named[] {
  const values = addressesOf(servers, servers[0]!);
  return initNames.map((name) => [values[name]!, name]);
}

/**
 * Steps of a dialogue. Texts that have names become these. The first time a text is typed it is the
 * first one of its names, and so on: a leader types its own address, then the leader's.
 */
export function deriveSteps(lines: readonly TypedLine[], named: readonly Named[]): Step[] {
  const typed = withNames(lines.map((line) => line.typed), named);
  const texts = [...new Set(named.map(([text]) => text))];
  return lines.map(({ printed }, i) => [promptOf(printed, texts), typed[i]!]);
}

/**
 * The steps of servers, from what was typed to the leader and to a follower.
 *
 * @throws {DerivationError} if the leader's dialogue does not begin like that of a follower.
 */
export function deriveServerSteps(
  ofLeader: readonly Step[],
  ofFollower: readonly Step[],
): DerivedSteps {
  for (const [i, [, typed]] of ofFollower.entries()) {
    if (ofLeader[i]?.[1] === typed) continue;
    const [one, other] = [ofLeader[i]?.[1], typed].map((text) => JSON.stringify(text ?? "nothing"));
    throw new DerivationError(
      `Line ${i + 1} typed to the leader stands for ${one}, and to the follower for ${other}. ` +
        "Both must begin alike, with the addresses as they are shown",
    );
  }
  const more = ofLeader.slice(ofFollower.length);
  return {
    ...(ofFollower.length === 0 ? {} : { serverDialog: ofFollower }),
    ...(more.length === 0 ? {} : { leaderMore: more }),
  };
}

/** What was typed to a client for INIT, a PUT and a GET. */
export interface ClientLines {
  readonly init: readonly TypedLine[];
  readonly put: readonly TypedLine[];
  readonly get: readonly TypedLine[];
}

/** What has a name in each of these parts. */
export type NamedOfClient = Readonly<Record<keyof ClientLines, readonly Named[]>>;

/** The steps of a client. What it prints before each of its choices is the menu. */
export function deriveClientSteps(lines: ClientLines, named: NamedOfClient): DerivedSteps {
  const steps = {
    init: deriveSteps(lines.init, named.init),
    put: deriveSteps(lines.put, named.put),
    get: deriveSteps(lines.get, named.get),
  };
  const [first] = [...steps.init, ...steps.put];
  const menu = first?.[0] ?? null;
  const again = lines.init.length === 0 ? [lines.get] : [lines.put, lines.get];
  const isMenu = menu !== null &&
    again.every(([line]) => line !== undefined && promptPattern(menu).test(plain(line.printed)));
  const init = isMenu ? afterMenu(steps.init) : steps.init;
  return {
    ...(isMenu ? { menu } : {}),
    ...(init.length === 0 ? {} : { init }),
    // without a menu, what is printed before a choice is the answer of the request before
    put: init.length > 0 || isMenu ? afterMenu(steps.put) : steps.put,
    get: afterMenu(steps.get),
  };
}

function afterMenu([first, ...rest]: readonly Step[]): Step[] {
  return first === undefined ? [] : [[null, first[1]], ...rest];
}

/**
 * What a program prints before it reads a line: the last line, without texts that change. Signs alone are
 * no prompt: any line may have them.
 */
function promptOf(printed: string, texts: readonly string[]): string | null {
  const last = plain(printed).split("\n").findLast((line) => line.trim() !== "") ?? "";
  const changing = [...texts.map(escapePattern), "\\d{2,}"].join("|");
  const pieces = last.split(new RegExp(changing, "u")).map((piece) => piece.trim());
  const longest = pieces.reduce((a, b) => b.length > a.length ? b : a);
  if (!/[\p{L}\d]/u.test(longest)) return null;
  return escapePattern([...longest].slice(-promptCharsMax).join("").trim());
}

/** Lines in which texts that stand alone are replaced by their names. */
function withNames(lines: readonly string[], named: readonly Named[]): string[] {
  const texts = [...new Set(named.map(([text]) => text))].sort((a, b) => b.length - a.length);
  const alone = `(?<![\\p{L}\\d.])(?:${texts.map(escapePattern).join("|")})(?![\\p{L}\\d])`;
  const times = new Map<string, number>();
  const replaced = lines.map((line) =>
    line.replaceAll(new RegExp(alone, "gu"), (text) => {
      const names = named.filter(([one]) => one === text).map(([, name]) => name);
      const time = times.get(text) ?? 0;
      times.set(text, time + 1);
      return `{${names[Math.min(time, names.length - 1)]}}`;
    })
  );
  return pairAddresses(replaced);
}

/** Lines in which each address has the name of the port that is typed with it. */
function pairAddresses(lines: readonly string[]): string[] {
  const all = lines.join("\n");
  const ports = all.match(/\{(?:leaderPort|port\d?)\}/g) ?? [];
  const ip = /\{(?:leaderIp|ip\d?)\}/g;
  if (all.match(ip)?.length !== ports.length) return [...lines];
  const names = ports.map((port) => port.replace("Port", "Ip").replace("port", "ip")).values();
  return lines.map((line) => line.replaceAll(ip, () => names.next().value!));
}

function plain(printed: string): string {
  return printed.split("\n").map(shownText).join("\n");
}

function escapePattern(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}
