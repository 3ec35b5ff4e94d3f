/**
 * A first dialogue with the programs of a new profile: a person types, the grader watches.
 *
 * @module
 */

import { escapeControls } from "../../lib/cli/escape.ts";
import { waitForAnswer } from "./answers.ts";
import { DialogError, type ProgramConsole, shownText } from "./console.ts";
import {
  type ClientLines,
  deriveClientSteps,
  type DerivedSteps,
  deriveServerSteps,
  deriveSteps,
  type Named,
  type NamedOfClient,
  namesOfClient,
  namesOfServer,
  type TypedLine,
} from "./derived_steps.ts";
import { fillIn, type Step } from "./profile.ts";
import { type Asker, type Fields, type Questions, withoutSteps } from "./questions.ts";
import type { Request, Server } from "./run.ts";
import { Site } from "./site.ts";
import { Stage } from "./stage.ts";
import type { Subject } from "./trial.ts";

const linesMax = 50;
const lastWordsMax = 8;
const value = "azul";
/** What is not printed in this time is no prompt of a program that has just started. */
const startMs = 5_000;
/** And of one that has read a line. */
const promptMs = 1_000;

const introduction =
  `Now the programs are started. Each shows what it prints; type what it asks for.
A line with only "." ends a part, and "?" shows what was printed meanwhile. A choice in a menu belongs
to the part that it begins. After a mistake, bring the program back to where the part began, type a
line with only "!", and type the part again: what was typed before it is forgotten.
`;

/**
 * Starts the programs, lets a person type to the leader, to a follower and to a client, and derives
 * the steps. The other follower gets the derived ones.
 *
 * @throws {DialogError} if a program ends or does not listen.
 * @throws {DerivationError} if no profile can say what was typed.
 */
export async function watchFirstDialog(
  { profile, folder }: Subject,
  asker: Asker,
  questions: Questions,
): Promise<DerivedSteps> {
  await using site = await Site.open(true);
  const stage = await Stage.open(profile, folder, site);
  const dialog = new FirstDialog(stage, asker, questions);
  asker.tell(introduction);
  try {
    return { ...await dialog.ofServers(), ...await dialog.ofClient() };
  } catch (error) {
    if (error instanceof DialogError) asker.tell(lastWords(stage));
    throw error;
  }
}

/** What was printed last, on standard error too: most often it says why a program has ended. */
function lastWords({ recording }: Stage): string {
  const lines = recording.events.filter(({ kind }) => kind === "out").slice(-lastWordsMax);
  return lines.map(({ console, text }) => `  ${console} | ${escapeControls(text)}\n`).join("");
}

/** A part of the dialogue: what a person types to one program. */
interface Part {
  readonly program: ProgramConsole;
  readonly title: string;
  /** The field of the profile whose steps it gives. */
  readonly field: "serverDialog" | "init" | "put" | "get";
  /** What the names in braces stand for. */
  readonly named: readonly Named[];
  /** The request that is typed. */
  readonly request?: Pick<Request, "op" | "key" | "value">;
}

/** A dialogue with the programs of a stage. */
class FirstDialog {
  readonly #stage: Stage;
  readonly #asker: Asker;
  readonly #questions: Questions;
  /** What of a program's output was shown since the last typed line. */
  readonly #shown = new Map<ProgramConsole, string>();
  /** Programs that have had time to start. */
  readonly #known = new Set<ProgramConsole>();

  constructor(stage: Stage, asker: Asker, questions: Questions) {
    this.#stage = stage;
    this.#asker = asker;
    this.#questions = questions;
  }

  async ofServers(): Promise<DerivedSteps> {
    const { servers, leader } = this.#stage;
    for (const { name, ip, port } of servers) this.#asker.tell(`${name}: ${ip} ${port}\n`);
    const [follower, other] = this.#stage.followers as [Server, Server];
    const ofLeader = await this.#ofServer(leader, "the leader");
    const ofFollower = await this.#ofServer(follower, "a follower");
    const steps = deriveServerSteps(ofLeader, ofFollower);
    this.#asker.tell(`${other.name} gets the same lines as ${follower.name}\n`);
    const program = await this.#stage.launchServer(other);
    await this.#stage.followServer(other, program, ofFollower);
    return steps;
  }

  async #ofServer(server: Server, what: string): Promise<Step[]> {
    const program = await this.#stage.launchServer(server);
    const title = `${server.name}, ${what}: ${server.ip} ${server.port}`;
    const named = namesOfServer(this.#stage.servers, server);
    const lines = await this.#lines({ program, title, field: "serverDialog", named });
    this.#asker.tell(`waiting until ${server.name} listens on port ${server.port}, at most 60 s\n`);
    await this.#stage.followServer(server, program, []);
    return deriveSteps(lines, named);
  }

  async ofClient(): Promise<DerivedSteps> {
    const program = await this.#stage.launchClient();
    const key = this.#stage.newKey();
    const named: NamedOfClient = {
      init: namesOfClient(this.#stage.servers),
      put: [[key, "key"], [value, "value"]],
      get: [[key, "key"]],
    };
    const part = (field: keyof ClientLines, title: string, request?: Part["request"]) =>
      this.#lines({
        ...{ program, title, field, named: named[field] },
        ...(request === undefined ? {} : { request }),
      });
    const lines: ClientLines = {
      init: await part("init", "INIT, and nothing else"),
      put: await part("put", `PUT of the key ${key} with the value ${value}`, {
        ...{ op: "PUT", key, value },
      }),
      get: await part("get", `GET of the key ${key}`, { op: "GET", key }),
    };
    return deriveClientSteps(lines, named);
  }

  /** The lines that are typed to a program until a full stop. After a whole request its answer comes. */
  async #lines(part: Part): Promise<TypedLine[]> {
    const { program, field, named, request } = part;
    const values = Object.fromEntries(named.map(([text, name]) => [name, text]));
    let lines: TypedLine[] = [];
    let answered = request === undefined;
    this.#asker.tell(`--- ${part.title}\n`);
    while (lines.length < linesMax) {
      await this.#showOutput(program);
      const typed = await this.#asker.ask(`${program.name}> `);
      const missing = request === undefined ? [] : missingIn(lines, part);
      if (typed.trim() === ".") {
        if (missing.length === 0 && answered) break;
        if (missing.length > 0) this.#asker.tell(`${missing[0]} was not typed yet\n`);
        else this.#asker.tell(`there was no answer. Another "." ends the part all the same\n`);
        answered = true;
      } else if (typed.trim() === "!") {
        lines = [];
        answered = request === undefined;
      } else if (typed.trim() !== "?" && !this.#questions.refuses(fieldsOf(field, typed))) {
        lines.push({ printed: program.fresh, typed });
        this.#shown.delete(program);
        await program.type(fillIn(typed, values));
        const whole = missing.length > 0 && missingIn(lines, part).length === 0;
        if (request !== undefined && whole) answered = await this.#answer(program, request);
      }
    }
    return lines;
  }

  /** Waits until a program has come to rest, and shows what it has printed since. */
  async #showOutput(program: ProgramConsole): Promise<void> {
    const waitMs = this.#known.has(program) ? promptMs : startMs;
    this.#known.add(program);
    await program.waitFor((fresh) => fresh !== "", waitMs);
    await this.#stage.rest([program]);
    const { fresh } = program;
    const shown = this.#shown.get(program) ?? "";
    this.#show(fresh.startsWith(shown) ? fresh.slice(shown.length) : fresh);
    this.#shown.set(program, fresh);
    if (program.ended) throw new DialogError(`${program.name} has ended`);
  }

  async #answer(program: ProgramConsole, request: NonNullable<Part["request"]>): Promise<boolean> {
    const { profile, recording } = this.#stage;
    const at = recording.events.length;
    const all = { ...request, client: program.name, from: at, typed: at, to: at, waited: true };
    const { putTimeoutS } = profile;
    this.#asker.tell(`waiting for the answer, at most ${putTimeoutS} s\n`);
    return await waitForAnswer(
      program,
      all,
      profile,
      putTimeoutS * 1_000,
      () => this.#stage.rest([program]),
    );
  }

  #show(printed: string): void {
    for (const line of printed.split("\n")) {
      const text = shownText(line);
      if (text.trim() !== "") this.#asker.tell(`  | ${escapeControls(text)}\n`);
    }
  }
}

/** A profile's fields with one step, to be checked. */
function fieldsOf(field: Part["field"], typed: string): Fields {
  const rest = field === "put" || field === "get" ? withoutSteps[field] : [];
  return { [field]: [[null, typed], ...rest] };
}

/** What the lines of a request do not type yet. */
function missingIn(lines: readonly TypedLine[], { field, named }: Part): readonly string[] {
  const typed = deriveSteps(lines, named).map((step) => step[1]).join(" ");
  const needed = named.filter(([, name]) =>
    name === "key" || (name === "value" && field === "put")
  );
  return needed.filter(([, name]) => !typed.includes(`{${name}}`)).map(([text]) => text);
}
