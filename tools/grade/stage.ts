/**
 * Three servers and some clients of one implementation, driven by their consoles.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { waitForAnswer } from "./answers.ts";
import { Connections } from "./connections.ts";
import { DialogError, ProgramConsole } from "./console.ts";
import { addressesOf, splitSteps, withMenu } from "./dialog.ts";
import {
  fixedPorts,
  portsWithoutNamespace,
  readActivity,
  readSockets,
  socketsOfGroup,
} from "./network.ts";
import type { TcpSocket } from "./proc.ts";
import { fillIn, type Profile, type Step } from "./profile.ts";
import { PrintsTooMuchError, Recording } from "./recording.ts";
import { Rest, restMs } from "./rest.ts";
import { mentionsResult } from "./results.ts";
import type { Request, Server, Stop } from "./run.ts";
import { serverUids, type Site } from "./site.ts";

const ip = "127.0.0.1";
const startMs = 60_000;
const promptMs = 30_000;
const pollMs = 50;
/** A signal takes this long at most, on a machine under load. */
const stopMs = 500;

/** The programs of one trial. */
export class Stage {
  readonly profile: Profile;
  readonly recording: Recording = new Recording();
  readonly requests: Request[] = [];
  readonly stops: Stop[] = [];
  readonly restarts: number[] = [];
  readonly servers: readonly Server[];
  readonly connections: Connections;
  readonly clients: string[] = [];
  readonly site: Site;
  readonly #folder: string;
  readonly #programs = new Map<string, ProgramConsole>();
  readonly #rest = new Rest(this.recording);
  /** Steps of a client's last request that come after its answer. */
  readonly #stepsAfter = new Map<string, readonly Step[]>();
  #keys = 0;

  private constructor(profile: Profile, folder: string, site: Site, ports: readonly number[]) {
    this.profile = profile;
    this.#folder = folder;
    this.site = site;
    this.servers = ports.map((port, i) => ({ name: `S${i + 1}`, ip, port }));
    this.connections = new Connections(this.servers);
  }

  /** A stage on which no program runs yet. */
  static async open(profile: Profile, folder: string, site: Site): Promise<Stage> {
    if (site.isolated) return new Stage(profile, folder, site, fixedPorts);
    return new Stage(profile, folder, site, await portsWithoutNamespace(profile.ports, site));
  }

  /** The leader and the followers. */
  get leader(): Server {
    return this.servers[0]!;
  }
  get followers(): readonly Server[] {
    return this.servers.slice(1);
  }

  /** A key that this trial has not used. */
  newKey(): string {
    this.#keys++;
    return this.profile.keys === "integers" ? `${7000 + this.#keys}` : `chave${this.#keys}x`;
  }

  /** Adds a remark of the grader. Returns its index. */
  note(text: string, console = "grader"): number {
    this.#checkFull();
    return this.recording.add(console, "note", text)!;
  }

  /** Starts the servers, the leader first, and waits until they listen and have come to rest. */
  async startServers(options: { ownUids?: boolean } = {}): Promise<void> {
    const { serverDialog, leaderMore } = this.profile;
    for (const server of this.servers) {
      const program = await this.launchServer(server, options);
      const steps = server === this.leader ? [...serverDialog, ...leaderMore] : serverDialog;
      await this.followServer(server, program, steps);
    }
    await this.rest();
  }

  /** Starts a server, without its dialogue. */
  launchServer(server: Server, options: { ownUids?: boolean } = {}): Promise<ProgramConsole> {
    const { serverLeader, server: command } = this.profile;
    return this.#start(
      server.name,
      server === this.leader ? serverLeader : command,
      addressesOf(this.servers, server),
      options.ownUids ? { uid: serverUids[this.servers.indexOf(server)]! } : {},
    );
  }

  /** Types steps to a server, and waits until it listens. */
  async followServer(
    server: Server,
    program: ProgramConsole,
    steps: readonly Step[],
  ): Promise<void> {
    const values = addressesOf(this.servers, server);
    await program.follow(steps, values, promptMs, this.#restOf(program));
    await this.#untilListening(server, program);
  }

  /**
   * Starts a client and types INIT. With `only`, all three addresses are that server's: then the
   * client cannot choose another one.
   */
  async startClient(only?: Server): Promise<string> {
    const { profile, servers } = this;
    const values = addressesOf(only === undefined ? servers : servers.map(() => only), this.leader);
    const program = await this.launchClient(values);
    await program.follow(
      withMenu(profile.init, profile.menu),
      values,
      promptMs,
      this.#restOf(program),
    );
    await this.rest([program]);
    return program.name;
  }

  /** Starts a client, without its dialogue. */
  launchClient(
    values: Readonly<Record<string, string>> = addressesOf(this.servers, this.leader),
  ): Promise<ProgramConsole> {
    const name = `C${this.clients.length + 1}`;
    this.clients.push(name);
    return this.#start(name, this.profile.client, values, {});
  }

  /** Types a PUT or a GET, without waiting for its answer. */
  async begin(client: string, op: "PUT" | "GET", key: string, value?: string): Promise<Request> {
    const send = await this.prepare(client, op, key, value);
    return await send();
  }

  /**
   * Types a request as far as the line before the one that completes it. The returned function
   * types that line. Steps after it wait for the client's next request.
   */
  async prepare(
    client: string,
    op: "PUT" | "GET",
    key: string,
    value?: string,
  ): Promise<() => Promise<Request>> {
    const program = this.program(client);
    const { put, get, menu } = this.profile;
    const values = { ...addressesOf(this.servers, this.leader), key, value: value ?? "" };
    const from = this.recording.events.length;
    const { before, last, after } = splitSteps(withMenu(op === "PUT" ? put : get, menu));
    const left = this.#stepsAfter.get(client) ?? [];
    await program.follow([...left, ...before], values, promptMs, this.#restOf(program));
    this.#stepsAfter.set(client, after);
    if (last[0] === null) await this.rest([program]);
    else await program.waitForPrompt(last[0], promptMs);
    return async () => {
      await program.type(fillIn(last[1], values));
      const typed = this.recording.events.length;
      const request: Request = {
        ...{ client, op, key, from, typed, to: typed, waited: false },
        ...(value === undefined ? {} : { value }),
      };
      this.requests.push(request);
      return request;
    };
  }

  /** Waits until a program prints a line with a text, counted from an event. */
  async printed(name: string, text: string, from: number, timeoutMs: number): Promise<boolean> {
    const deadline = performance.now() + timeoutMs;
    while (true) {
      const found = this.recording.events.slice(from).some((event) =>
        event.console === name && event.kind === "out" && event.text.includes(text)
      );
      if (found) return true;
      if (performance.now() > deadline) return false;
      await delay(pollMs / 5);
    }
  }

  /** Waits for the answer of a request, at most as long as the profile allows. */
  async answer(request: Request, timeoutMs = this.profile.putTimeoutS * 1000): Promise<boolean> {
    const program = this.program(request.client);
    const seen = await waitForAnswer(program, request, this.profile, timeoutMs, () => this.rest());
    request.waited = !seen;
    return seen;
  }

  /** Waits for the answer of a request for a short time. */
  hasAnswer(request: Request, timeoutMs: number): Promise<boolean> {
    const { refusalWord } = this.profile;
    const program = this.program(request.client);
    return program.waitFor((fresh) => mentionsResult(fresh, request, refusalWord), timeoutMs);
  }

  /** Types a request, and waits for its answer and until the servers have come to rest. */
  async ask(client: string, op: "PUT" | "GET", key: string, value?: string): Promise<Request> {
    const request = await this.begin(client, op, key, value);
    await this.answer(request);
    await this.rest();
    request.to = this.recording.events.length;
    return request;
  }

  /** Remembers which ports are connected to which server. */
  async lookAtConnections(): Promise<void> {
    if (Deno.build.os !== "linux") return;
    this.connections.add(await this.sockets());
  }

  /** The sockets of the trial's network. */
  sockets(): Promise<TcpSocket[]> {
    return readSockets(this.site);
  }

  /** The started programs. */
  programs(): readonly ProgramConsole[] {
    return [...this.#programs.values()];
  }

  /** Ports of a server's open connections to the leader. */
  async portsOf(name: string): Promise<number[]> {
    const owned = await socketsOfGroup(this.program(name).group);
    return (await this.sockets())
      .filter((one) => owned.has(one.inode) && one.remotePort === this.leader.port)
      .map((one) => one.localPort);
  }

  /** Types the profile's own way to force a refusal. */
  async followHook(client: string, steps: readonly Step[], key: string): Promise<void> {
    const program = this.program(client);
    const values = { ...addressesOf(this.servers, this.leader), key, value: "gancho" };
    const left = this.#stepsAfter.get(client) ?? [];
    this.#stepsAfter.delete(client);
    await program.follow(
      [...left, ...withMenu(steps, this.profile.menu)],
      values,
      promptMs,
      this.#restOf(program),
    );
    await this.rest();
  }

  /** The program with a name. */
  program(name: string): ProgramConsole {
    return this.#programs.get(name)!;
  }

  /**
   * Waits until every thread sleeps, uses no time and nothing is printed. Returns whether that
   * came true within a few seconds.
   */
  rest(programs?: Iterable<ProgramConsole>, msMax?: number): Promise<boolean> {
    this.#checkFull();
    return this.#rest.of(programs ?? this.#programs.values(), msMax);
  }

  /** Stops a server, and waits until it does not run any more. Returns the event's index. */
  async stop(server: Server): Promise<number> {
    const { group } = this.program(server.name);
    const before = await readActivity(new Set([group]));
    const deadline = performance.now() + stopMs;
    await this.site.signal(group, "STOP");
    while (performance.now() < deadline) {
      const activity = await readActivity(new Set([group]), before?.pids);
      if (activity === undefined) await delay(restMs); // the system does not tell
      if (activity?.stopped !== false) break;
    }
    return this.note("SIGSTOP", server.name);
  }

  /** Lets a stopped server go on. */
  async goOn(server: Server, from: number, rested: boolean): Promise<void> {
    const to = this.note("SIGCONT", server.name);
    const durationMs = this.recording.elapsedMs - this.recording.events[from]!.atMs;
    this.stops.push({ server: server.name, from, to, durationMs, rested });
    await this.site.signal(this.program(server.name).group, "CONT");
  }

  /** Ends a program at once. */
  async kill(name: string): Promise<void> {
    this.note("SIGKILL", name);
    const program = this.program(name);
    await this.site.signal(program.group, "KILL");
    await program.done;
  }

  /** Ends all servers and starts them again without data. */
  async restartServers(): Promise<void> {
    this.restarts.push(this.recording.events.length);
    for (const server of this.servers) await this.kill(server.name);
    await this.startServers();
  }

  /** Waits until the outputs of programs that end have been read. */
  async drained(): Promise<void> {
    await Promise.all([...this.#programs.values()].map((program) => program.done));
  }

  #restOf(program: ProgramConsole): () => Promise<void> {
    return async () => {
      await this.rest([program]);
    };
  }

  async #start(
    name: string,
    command: readonly string[],
    values: Readonly<Record<string, string>>,
    options: { uid?: number },
  ): Promise<ProgramConsole> {
    const { encoding, cwd, env } = this.profile;
    const child = await this.site.launch(command.map((word) => fillIn(word, values)), {
      cwd: cwd.startsWith("/") ? cwd : `${this.#folder}/${cwd}`,
      env: { PYTHONUNBUFFERED: "1", PYTHONIOENCODING: encoding, LC_ALL: "C.UTF-8", ...env },
      ...options,
    });
    const program = new ProgramConsole(name, child, this.recording, encoding);
    this.#programs.set(name, program);
    return program;
  }

  async #untilListening(server: Server, program: ProgramConsole): Promise<void> {
    const deadline = performance.now() + startMs;
    while (performance.now() < deadline) {
      const listening = (await this.sockets()).some((socket) =>
        socket.listening && socket.localPort === server.port
      );
      if (listening) return;
      this.#checkFull();
      if (program.ended) throw new DialogError(`${server.name} ended before it listened`);
      await delay(pollMs);
    }
    throw new DialogError(`${server.name} does not listen on port ${server.port}`);
  }

  #checkFull(): void {
    if (this.recording.full) throw new PrintsTooMuchError("The programs print without an end");
  }
}
