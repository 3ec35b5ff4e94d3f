/**
 * Three members of a real etcd, as processes that can be killed, stopped and started again.
 *
 * @module
 */

// deno-lint-ignore-file no-external-import -- part of the runtime

import { Buffer } from "node:buffer";
import { request } from "node:http";
import { request as requestTls } from "node:https";
import { Process } from "../../../bench/process.ts";
import type { EtcdTls } from "../../../lib/etcd/options.ts";
import { freePorts } from "../../support/ports.ts";
import { eventually, waitMsMax, within } from "../../support/waiting.ts";

/** A process starts slowly if many start at once. */
const startMsMax = 20_000;
const startsMax = 3;

/** The name of the program; `undefined` if it is not installed. */
export const etcdProgram: string | undefined = find("etcd");

function find(program: string): string | undefined {
  try {
    const { success } = new Deno.Command(program, { args: ["--version"], stderr: "null" })
      .outputSync();
    return success ? program : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** How members are started. */
export interface EtcdSetup {
  /** Further flags of each member. */
  readonly flags?: readonly string[];
  /** Paths of PEM files for TLS with clients. Between members there is no TLS. */
  readonly tls?: { readonly ca: string; readonly cert: string; readonly key: string };
}

/** A cluster of three members. */
export class RealEtcd implements AsyncDisposable {
  readonly members: readonly RealMember[];
  readonly #folder: string;

  private constructor(folder: string, { flags = [], tls }: EtcdSetup) {
    const ports = freePorts(6);
    const scheme = tls === undefined ? "http" : "https";
    const peers = [3, 4, 5].map((index) => `http://127.0.0.1:${ports[index]}`);
    const cluster = peers.map((url, index) => `m${index}=${url}`).join(",");
    const secure = tls === undefined ? [] : [
      ...["--cert-file", tls.cert, "--key-file", tls.key],
      ...["--trusted-ca-file", tls.ca, "--client-cert-auth"],
    ];
    this.#folder = folder;
    this.members = peers.map((peer, index) => {
      const url = `${scheme}://127.0.0.1:${ports[index]}`;
      return new RealMember(url, [
        ...["--name", `m${index}`, "--data-dir", `${folder}/m${index}`],
        ...["--listen-client-urls", url, "--advertise-client-urls", url],
        ...["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer],
        ...["--initial-cluster", cluster, "--initial-cluster-token", folder],
        ...["--heartbeat-interval", "50", "--election-timeout", "500", "--log-level", "error"],
        ...secure,
        ...flags,
      ], tls && memberTls(tls));
    });
  }

  /** Starts three members. Resolves when each of them knows the leader. */
  static async start(setup: EtcdSetup = {}): Promise<RealEtcd> {
    // Another program may take a port before etcd does.
    for (let attempt = 1;; attempt++) {
      const etcd = new RealEtcd(await Deno.makeTempDir({ prefix: "kv-etcd-" }), setup);
      try {
        for (const member of etcd.members) member.start();
        await etcd.ready();
        return etcd;
      } catch (error) {
        await etcd[Symbol.asyncDispose]();
        if (attempt === startsMax || !`${error}`.includes("address already in use")) throw error;
      }
    }
  }

  /** Resolves when each running member answers and knows the leader. */
  async ready(): Promise<void> {
    await Promise.all(this.members.filter(({ alive }) => alive).map((member) => member.ready()));
  }

  /** Starts a killed member again with an empty disk: the others remove it, and add it once more. */
  async replace(index: number): Promise<void> {
    const [name, folder] = [`m${index}`, `${this.#folder}/m${index}`];
    const helper = this.members.find((member) => member.alive)!;
    const { members } = await helper.ask("cluster/member/list", {});
    const { ID, peerURLs } = (members as { name: string; ID: string; peerURLs: string[] }[])
      .find((member) => member.name === name)!;
    await helper.ask("cluster/member/remove", { ID });
    await eventually(`${name} is added`, async () => {
      const added = helper.ask("cluster/member/add", { peerURLs });
      return await added.then(() => true, () => false); // refused until the others are all connected
    });
    await Deno.remove(folder, { recursive: true });
    this.members[index]!.start("existing");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.members.map((member) => member.kill()));
    await Deno.remove(this.#folder, { recursive: true });
  }
}

function memberTls({ ca, cert, key }: NonNullable<EtcdSetup["tls"]>): EtcdTls {
  const read = (path: string) => Deno.readTextFileSync(path);
  return { ca: read(ca), cert: read(cert), key: read(key) };
}

/** One member. It keeps its address and data while its processes are killed and started again. */
export class RealMember {
  readonly url: string;
  /** The number of its newest process, counted from 1. */
  life = 0;
  readonly #args: readonly string[];
  readonly #tls: EtcdTls | undefined;
  #process: Process | undefined;

  constructor(url: string, args: readonly string[], tls?: EtcdTls) {
    this.url = url;
    this.#args = args;
    this.#tls = tls;
  }

  /** "host:port" for clients. */
  get address(): string {
    return new URL(this.url).host;
  }

  get alive(): boolean {
    return this.#process?.ended === false;
  }

  /** Starts a process with the data of the one before. `state` is for one without data. */
  start(state: "new" | "existing" = "new"): void {
    this.#process = new Process(etcdProgram!, [...this.#args, "--initial-cluster-state", state]);
    this.life++;
  }

  /** Resolves when it listens and knows a leader. */
  async ready(): Promise<void> {
    await eventually(`etcd at ${this.url} knows a leader`, async () => {
      if (!this.alive) throw new Error(`etcd has ended: ${this.#process?.errors}`);
      const status = await this.ask("maintenance/status", {}).catch(() => undefined);
      return status?.leader !== undefined;
    }, startMsMax);
  }

  /**
   * Sends a request to its JSON gateway, as other programs do.
   *
   * @throws {Error} if the answer is an error.
   */
  async ask(
    path: string,
    body: Record<string, unknown>,
    token?: string,
  ): Promise<Record<string, unknown>> {
    const { hostname, port, protocol } = new URL(this.url);
    const headers = {
      "Content-Type": "application/json",
      ...(token === undefined ? {} : { Authorization: token }),
    };
    const options = { hostname, port, path: `/v3/${path}`, method: "POST", headers, agent: false };
    const { promise, resolve, reject } = Promise.withResolvers<[status: number, text: string]>();
    const timeout = AbortSignal.timeout(waitMsMax);
    const sent = protocol === "https:"
      ? requestTls({ ...options, ...this.#tls, signal: timeout })
      : request({ ...options, signal: timeout });
    sent.on("error", reject).on("response", (response) => {
      const chunks: Uint8Array[] = [];
      response.on("error", reject).on("data", (chunk) => chunks.push(chunk)).on(
        "end",
        () => resolve([response.statusCode!, Buffer.concat(chunks).toString()]),
      );
    });
    sent.end(JSON.stringify(body));
    const [status, text] = await promise;
    const answer = JSON.parse(text);
    if (status !== 200) throw new Error(`${path}: ${answer.error}`);
    return answer;
  }

  /** Kills the process (SIGKILL). Resolves when it has ended. */
  async kill(): Promise<void> {
    const killed = this.#process?.kill() ?? Promise.resolve();
    await within(`etcd at ${this.url} dies`, killed, waitMsMax);
  }

  /** Stops the process (SIGSTOP). Resolves when it stands still: until then it may still answer. */
  async standStill(): Promise<void> {
    this.signal("SIGSTOP");
    const args = ["-o", "stat=", "-p", `${this.#process!.pid}`];
    await eventually(`etcd at ${this.url} stands still`, async () => {
      const { stdout } = await new Deno.Command("ps", { args }).output();
      return new TextDecoder().decode(stdout).startsWith("T");
    });
  }

  /** Sends a signal to the process, if it runs. */
  signal(signal: Deno.Signal): void {
    this.#process?.signal(signal);
  }
}
