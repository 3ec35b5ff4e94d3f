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
const value = "azul";
/** What is not printed in this time is no prompt of a program that has just started. */
const startMs = 5_000;
/** And of one that has read a line. */
const promptMs = 1_000;

const introduction =
  `Now the programs are started. Each shows what it prints; type what it asks for.
A line with only a full stop ends a part; one with only a question mark shows what was printed
meanwhile. A choice in a menu belongs to the part that it begins.
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
  const steps = await dialog.ofServers();
  return { ...steps, ...await dialog.ofClient() };
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
    await this.#stage.followServer(server, program, []); // it listens by now
    return deriveSteps(lines, named);
  }

  async ofClient(): Promise<DerivedSteps> {
    const program = await this.#stage.launchClient();
    const key = this.#stage.newKey();
    const words: readonly Named[] = [[key, "key"], [value, "value"]];
    const addresses = namesOfClient(this.#stage.servers);
    const named = [...addresses, ...words];
    const lines: ClientLines = {
      init: await this.#lines({ program, title: "INIT", field: "init", named: addresses }),
      put: await this.#lines({
        ...{ program, title: `PUT of the key ${key} with the value ${value}`, field: "put", named },
        request: { op: "PUT", key, value },
      }),
      get: await this.#lines({
        ...{ program, title: `GET of the key ${key}`, field: "get", named },
        request: { op: "GET", key },
      }),
    };
    return deriveClientSteps(lines, named);
  }

  /** The lines that are typed to a program until a full stop. After a whole request its answer comes. */
  async #lines(part: Part): Promise<TypedLine[]> {
    const { program, field, named, request } = part;
    const values = Object.fromEntries(named.map(([text, name]) => [name, text]));
    const lines: TypedLine[] = [];
    this.#asker.tell(`--- ${part.title}\n`);
    for (let shown = ""; lines.length < linesMax;) {
      const waitMs = this.#known.has(program) ? promptMs : startMs;
      this.#known.add(program);
      await program.waitFor((fresh) => fresh !== "", waitMs);
      await this.#stage.rest([program]);
      const { fresh } = program;
      this.#show(fresh.startsWith(shown) ? fresh.slice(shown.length) : fresh);
      shown = fresh;
      if (program.ended) throw new DialogError(`${program.name} has ended`);
      const typed = await this.#asker.ask(`${program.name}> `);
      const missing = request === undefined ? [] : missingIn(lines, part);
      if (typed.trim() === "." && missing.length === 0) break;
      if (typed.trim() === ".") this.#asker.tell(`${missing[0]} was not typed yet\n`);
      if ([".", "?"].includes(typed.trim())) continue;
      if (this.#questions.refuses(fieldsOf(field, typed))) continue;
      lines.push({ printed: program.fresh, typed });
      await program.type(fillIn(typed, values));
      shown = "";
      const whole = missing.length > 0 && missingIn(lines, part).length === 0;
      if (request !== undefined && whole) await this.#answer(program, request);
    }
    return lines;
  }

  async #answer(program: ProgramConsole, request: NonNullable<Part["request"]>): Promise<void> {
    const { profile, recording } = this.#stage;
    const at = recording.events.length;
    const all = { ...request, client: program.name, from: at, typed: at, to: at, waited: true };
    const timeoutMs = profile.putTimeoutS * 1_000;
    const answered = await waitForAnswer(
      program,
      all,
      profile,
      timeoutMs,
      () => this.#stage.rest(),
    );
    if (!answered) this.#asker.tell(`no answer in ${profile.putTimeoutS} s\n`);
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
