/**
 * A server's standing with its member of etcd: found, named, watched, lost and found again.
 *
 * @module
 */

import { formatAddress, parseIp, parsePort } from "../wire/address.ts";
import type { EtcdClient } from "./client.ts";
import { EtcdError, explain } from "./errors.ts";
import type { EtcdEvent, EtcdStatus } from "./protocol.ts";

/** Pause between two looks at how an etcd member is. */
export const etcdPollMs = 500;

/** A watch on which nothing came for this long is opened anew: its connection may be dead. */
export const etcdWatchIdleMs = 60_000;

/** Who is told what the member says. */
export interface EtcdListener {
  /** A write, in the order of revisions, exactly once. */
  written(event: EtcdEvent): void;
  /** Writes were missed, and the keys were counted anew. */
  table(): void;
  /** Whether the member leads has changed, or whether it can be asked. */
  changed(): void;
  /** Tells the operator. */
  report(line: string): void;
}

/** What the pace of a member's watcher is. */
export interface EtcdPace {
  /** A member that does not answer for this long is lost. */
  readonly silenceMs: number;
  /** First and longest pause before it is tried again. */
  readonly redialFirstMs: number;
  /** See {@linkcode EtcdPace.redialFirstMs}. */
  readonly redialLongestMs: number;
  /** Pause between two looks at how it is. */
  readonly pollMs?: number;
  /** A watch on which nothing came for this long is opened anew. */
  readonly watchIdleMs?: number;
  /** A number from 0 up to, not including, 1. */
  random(): number;
  /** A name that no store had before. */
  newName(): string;
}

/** A watch is opened anew though nothing is wrong. */
const idle = new EtcdError("silent", "nothing has come for long");

/**
 * The member that a server asks.
 *
 * - It can be asked while its watch stands; before, and after it was lost, {@linkcode
 *   EtcdMember.whyNot} says why not.
 * - The watch goes on where it was, whatever happened meanwhile: no write is shown twice, and none is
 *   left out unless etcd itself has forgotten it, which is reported.
 * - A member that comes back with other data is not asked again: clients that are connected believe
 *   in the data that was there.
 */
export class EtcdMember {
  readonly #url: string;
  readonly #client: EtcdClient;
  readonly #pace: EtcdPace;
  readonly #told: EtcdListener;
  readonly #closing = new AbortController();
  readonly #task: Promise<void>;
  #whyNot: string | undefined = "etcd has not been asked yet";
  #cluster = "";
  #status: EtcdStatus | undefined;
  /** Where the member that leads takes requests, and which that is. */
  #leader = { id: "", address: "" };
  #complaints = "";
  /** What the operator was told of the outage, "" while there is none. */
  #lostAs = "";
  #keys = 0;
  /** The watch goes on from here, 0 before the first. */
  #next = 0;
  /** The newest revision that the watch has shown, and its keys that were shown. */
  #shownAt = 0;
  readonly #shown = new Set<string>();
  #heardAt = 0;

  /** Begins at once. */
  constructor(url: string, client: EtcdClient, pace: EtcdPace, told: EtcdListener) {
    this.#url = url;
    this.#client = client;
    this.#pace = pace;
    this.#told = told;
    this.#task = this.#run();
  }

  /** Why it cannot be asked, `undefined` where it can. */
  get whyNot(): string | undefined {
    return this.#whyNot;
  }

  /** The data that it has: etcd's cluster and the name of the store in it. "" before it is known. */
  get cluster(): string {
    return this.#cluster;
  }

  /** True where it is the leader of etcd, as it said last. */
  get leads(): boolean {
    return this.#status !== undefined && this.#status.leader === this.#status.member;
  }

  /** "ip:port" where etcd's leader takes requests, "" where that is not known. */
  get leader(): string {
    return this.#leader.address;
  }

  /** How many keys there are. */
  get keys(): number {
    return Math.max(0, this.#keys); // others may have removed what is no key of the store
  }

  /** The newest revision up to which everything was shown. */
  get revision(): number {
    return Math.max(0, this.#next - 1, this.#shownAt);
  }

  /** Ends the watch. */
  async close(): Promise<void> {
    this.#closing.abort(new EtcdError("silent", "this server is closing"));
    await this.#task;
  }

  async #run(): Promise<void> {
    const { redialFirstMs, redialLongestMs, random } = this.#pace;
    const { signal } = this.#closing;
    let pauseMs = redialFirstMs;
    while (!signal.aborted) {
      try {
        await this.#find();
        await this.#follow(() => pauseMs = redialFirstMs);
      } catch (error) {
        if (signal.aborted) break;
        this.#lost(error as Error);
        if (error instanceof EtcdError && error.trouble === "another cluster") break;
      }
      await pause(pauseMs * (0.5 + random() / 2), signal);
      pauseMs = Math.min(2 * pauseMs, redialLongestMs);
    }
  }

  /** Finds out who it is and whether it still has the data that it had. */
  async #find(): Promise<void> {
    const { silenceMs, newName } = this.#pace;
    const status = await this.#client.status(silenceMs);
    this.#client.pin(status.cluster);
    const name = await this.#client.claim(newName(), silenceMs);
    if (!/^[\w-]{1,40}$/.test(name)) {
      throw new EtcdError("strange", "what stands under the bare prefix is no name of a store");
    }
    const cluster = `${status.cluster}-${name}`;
    if (this.#cluster !== "" && cluster !== this.#cluster) {
      throw new EtcdError("another cluster", `${cluster} in the place of ${this.#cluster}`);
    }
    this.#cluster = cluster;
    if (this.#next === 0) {
      const { revision, count } = await this.#client.count(silenceMs);
      this.#next = revision + 1;
      this.#keys = count;
    }
    await this.#look(status);
  }

  /** Watches until something breaks. */
  async #follow(begun: () => void): Promise<never> {
    const broken = new AbortController();
    const end = () => broken.abort(this.#closing.signal.reason);
    this.#closing.signal.addEventListener("abort", end);
    if (this.#closing.signal.aborted) end();
    const polling = this.#poll(broken);
    try {
      while (true) await this.#watch(broken.signal, begun);
    } finally {
      this.#closing.signal.removeEventListener("abort", end);
      broken.abort();
      await polling;
    }
  }

  /** Looks at the member now and then, until `broken`, or breaks it. */
  async #poll(broken: AbortController): Promise<void> {
    const { silenceMs, pollMs = etcdPollMs } = this.#pace;
    while (!broken.signal.aborted) {
      await pause(pollMs, broken.signal);
      if (broken.signal.aborted) return;
      try {
        await this.#look(await this.#client.status(silenceMs));
      } catch (error) {
        broken.abort(error);
      }
    }
  }

  /** One watch, until it is idle for too long. */
  async #watch(broken: AbortSignal, begun: () => void): Promise<void> {
    const { silenceMs, watchIdleMs = etcdWatchIdleMs } = this.#pace;
    using stop = new Stop(broken);
    this.#heardAt = performance.now();
    const timer = setInterval(() => {
      if (performance.now() - this.#heardAt > watchIdleMs) stop.abort(idle);
    }, watchIdleMs / 4);
    try {
      for await (const line of this.#client.watch(this.#next, silenceMs, stop.signal)) {
        this.#heardAt = performance.now();
        switch (line.kind) {
          case "progress":
            if (line.created) this.#found();
            if (line.created) begun();
            if (line.revision >= this.#next) this.#next = line.revision + 1;
            break;
          case "events":
            this.#take(line.events, line.partial);
            break;
          case "compacted":
            return await this.#reread(line.revision);
          case "failed":
            throw line.error;
        }
      }
      throw new EtcdError("silent", "etcd has ended the watch");
    } catch (error) {
      if (error !== idle) throw error;
    } finally {
      clearInterval(timer);
    }
  }

  #take(events: readonly EtcdEvent[], partial: boolean): void {
    for (const event of events) {
      // After a watch that broke off in the middle of a revision it comes again from its start.
      if (event.revision < this.#shownAt) continue;
      if (event.revision > this.#shownAt) this.#shown.clear();
      else if (this.#shown.has(event.key)) continue;
      this.#shownAt = event.revision;
      this.#shown.add(event.key);
      if (event.deleted) this.#keys--;
      else if (event.created) this.#keys++;
      this.#told.written(event);
    }
    this.#next = Math.max(this.#next, partial ? this.#shownAt : this.#shownAt + 1);
  }

  /** etcd has forgotten what the watch needs: it goes on from now. */
  async #reread(compacted: number): Promise<void> {
    const { revision, count } = await this.#client.count(this.#pace.silenceMs);
    this.#told.report(
      `etcd has compacted its history up to revision ${compacted}: writes from revision ` +
        `${this.#next} to ${revision} are not shown as REPLICATION. What GETs answer is not affected`,
    );
    this.#next = Math.max(this.#next, revision + 1);
    this.#keys = count;
    this.#told.table();
  }

  async #look(status: EtcdStatus): Promise<void> {
    const before = this.#status?.leader;
    const led = this.leads;
    this.#status = status;
    const complaints = status.errors.filter((one) => !one.includes("no leader")).join(", ");
    if (complaints !== this.#complaints) {
      this.#complaints = complaints;
      const space = complaints.includes("NOSPACE")
        ? explain(new EtcdError("no space", ""))
        : "etcd";
      this.#told.report(
        complaints === "" ? "etcd complains no more" : `${space.replace(/: $/, "")}: ${complaints}`,
      );
    }
    if (status.leader === before) return;
    if (status.leader === "") {
      this.#leader = { id: "", address: "" };
      this.#told.report(
        "etcd has no leader, fewer than a majority of its members work together: PUTs fail",
      );
    } else {
      if (this.#leader.id !== status.leader) await this.#findLeader(status.leader);
      const where = this.leads ? "this server's member" : this.#leader.address || "not known where";
      this.#told.report(`etcd's leader is member ${status.leader}, ${where}`);
    }
    if (led !== this.leads) this.#told.changed();
  }

  /** Who may not ask that, knows no address. */
  async #findLeader(id: string): Promise<void> {
    const url = await this.#client.clientUrl(id, this.#pace.silenceMs).catch(() => undefined);
    const { hostname = "", port = "" } = URL.parse(url ?? "") ?? {};
    const [ip, number] = [parseIp(hostname), parsePort(port)];
    const known = ip !== undefined && number !== undefined;
    this.#leader = { id, address: known ? formatAddress({ hostname: ip, port: number }) : "" };
  }

  #found(): void {
    if (this.#whyNot === undefined) return;
    this.#whyNot = undefined;
    this.#lostAs = "";
    this.#told.report(
      `etcd at ${this.#url} answers, cluster ${this.#cluster}, revision ${this.revision}`,
    );
    this.#told.changed();
  }

  #lost(error: Error): void {
    const etcd = error instanceof EtcdError;
    this.#whyNot = etcd ? explain(error) : error.message;
    const trouble = etcd ? error.trouble : "strange";
    // Said once per outage, not once per try, unless it turns out to be something else.
    const as = trouble === "unreachable" ? "silent" : trouble;
    if (as !== this.#lostAs) {
      const trying = trouble === "another cluster" ? "" : ", trying on";
      this.#told.report(`etcd at ${this.#url} is lost${trying}: ${this.#whyNot}`);
    }
    this.#lostAs = as;
    this.#status = undefined;
    this.#told.changed();
  }
}

/** A signal that follows another, and can be given sooner. */
class Stop implements Disposable {
  readonly #controller = new AbortController();
  readonly #above: AbortSignal;
  readonly #follow = () => this.#controller.abort(this.#above.reason);

  constructor(above: AbortSignal) {
    this.#above = above;
    above.addEventListener("abort", this.#follow);
    if (above.aborted) this.#follow();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  abort(reason: Error): void {
    this.#controller.abort(reason);
  }

  [Symbol.dispose](): void {
    this.#above.removeEventListener("abort", this.#follow);
  }
}

/** Waits, but no longer than until the signal. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const end = () => resolve();
  const timer = setTimeout(end, ms);
  signal.addEventListener("abort", end);
  await promise;
  signal.removeEventListener("abort", end);
  clearTimeout(timer);
}
