/**
 * A cut of the network between the leader and one follower. Clients still reach both.
 *
 * Routing rules send the packets between them to a device that leads nowhere. Servers are told
 * from clients by their user ids, see `serverUids`.
 *
 * @module
 */

import type { Server } from "./run.ts";
import { serverUids } from "./site.ts";
import type { Stage } from "./stage.ts";

/** The error where the system does not let the grader cut. */
export class CannotCutError extends Error {
  override readonly name = "CannotCutError";
}

const table = 97;
// a rule of the kernel that comes first delivers local packets: it has to come after those below
const prepare = `set -e
ip link add nowhere0 type veth peer name nowhere1
ip link set nowhere0 up
ip link set nowhere1 up
for file in /proc/sys/net/ipv4/conf/*/route_localnet; do echo 1 > $file; done
ip route add default dev nowhere0 table ${table}
ip rule add pref 10 lookup local
ip rule del pref 0`;

/** A cut that lasts until `end`. */
export class Cut implements AsyncDisposable {
  readonly #stage: Stage;
  readonly #rules: readonly string[];
  #ended = false;

  private constructor(stage: Stage, rules: readonly string[]) {
    this.#stage = stage;
    this.#rules = rules;
  }

  /** Cuts the leader and a follower apart, for new and for open connections. */
  static async make(stage: Stage, follower: Server): Promise<Cut> {
    const { site, leader } = stage;
    if (!site.isolated || !site.canMark) throw new CannotCutError("Cannot mark packets");
    if (await site.run(prepare) === undefined) throw new CannotCutError("Cannot set routes");
    const [leaderUid, followerUid] = [leader, follower].map((server) => {
      const uid = serverUids[stage.servers.indexOf(server)]!;
      return `uidrange ${uid}-${uid} ipproto tcp`;
    });
    const rules = [
      `${leaderUid} dport ${follower.port}`,
      `${followerUid} dport ${leader.port}`,
    ];
    // connections that the follower opened to the leader
    for (const port of await stage.portsOf(follower.name)) {
      rules.push(`${leaderUid} sport ${leader.port} dport ${port}`);
    }
    const add = rules.map((rule) => `ip rule add pref 5 ${rule} lookup ${table}`).join(" && ");
    if (await site.run(add) === undefined) throw new CannotCutError("Cannot add a rule");
    return new Cut(stage, rules);
  }

  /** Joins them again. */
  async end(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    const script = this.#rules.map((rule) => `ip rule del pref 5 ${rule} lookup ${table}`);
    await this.#stage.site.run(script.join("; "));
  }

  /** Joins them again, if they are still apart. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }
}
