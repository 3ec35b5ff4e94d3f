// @ts-check
/**
 * The layout of the diagram.
 *
 * @module
 */

import { curveBetween, reversed } from "./geometry.js";

/** @import { Box, Curve } from "./geometry.js" */

/**
 * Places the boxes of the clients, the leader and the followers in this order. They go from left to
 * right, or from top to bottom if the diagram is narrow.
 */
export class Layout {
  /** @type {Box} All clients share one box. */
  clients;
  /** @type {Map<string, Box>} By server. */
  #boxes = new Map();
  #leader;

  /**
   * @param {readonly string[]} servers
   * @param {string} leader "" until it is known
   * @param {boolean} narrow
   */
  constructor(servers, leader, narrow) {
    this.#leader = leader;
    this.clients = narrow
      ? { x: 180, y: 38, width: 190, height: 60 }
      : { x: 95, y: 165, width: 166, height: 66 };
    const size = { width: narrow ? 162 : 166, height: 82 };
    const first = servers.includes(leader) ? leader : servers[0];
    if (first === undefined) return;
    this.#boxes.set(first, narrow ? { x: 180, y: 205, ...size } : { x: 366, y: 165, ...size });
    const followers = servers.filter((server) => server !== first);
    followers.forEach((server, index) => {
      const along = (index + 0.5) / followers.length;
      const place = narrow ? { x: 360 * along, y: 385 } : { x: 672, y: 330 * along };
      const width = narrow ? Math.min(size.width, 340 / followers.length - 8) : size.width;
      this.#boxes.set(server, { ...place, height: size.height, width });
    });
  }

  /**
   * The box of a server; `undefined` if the address is not a server's.
   *
   * @param {string} address
   */
  server(address) {
    return this.#boxes.get(address);
  }

  /**
   * The curve that messages follow from one end to the other. If an end is not a server, it is a
   * client.
   *
   * @param {string} from
   * @param {string} to
   * @returns {Curve | undefined} `undefined` if neither end is a server
   */
  curve(from, to) {
    const [start, end] = [this.server(from), this.server(to)];
    if (start !== undefined && end !== undefined) return curveBetween(start, end, false);
    // Curves between clients and followers go around the leader.
    if (end !== undefined) return curveBetween(this.clients, end, to !== this.#leader);
    if (start === undefined) return undefined;
    return reversed(curveBetween(this.clients, start, from !== this.#leader));
  }
}
