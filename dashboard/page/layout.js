// @ts-check
/**
 * The layout of the diagram.
 *
 * @module
 */

import { curveBetween, reversed } from "./geometry.js";

/** @import { DiagramMessage } from "../server/state.ts" */
/** @import { Box, Curve } from "./geometry.js" */

/**
 * What the layout is made for.
 *
 * - `wide`: beside the commands;
 * - `wall`: over the whole width of a projector's 1280 × 720;
 * - `narrow`: a telephone. Everything goes from top to bottom instead of from left to right.
 *
 * @typedef {"wide" | "wall" | "narrow"} Shape
 */

/** By shape: the size of the diagram and of its boxes, in its own units. */
const sizes = {
  wide: { width: 860, height: 340, client: 164, server: 172, boxHeight: 84 },
  wall: { width: 860, height: 268, client: 164, server: 172, boxHeight: 78 },
  narrow: { width: 360, height: 452, client: 112, server: 162, boxHeight: 82 },
};
/** The greatest height of a client's box. */
const clientHeightMax = 66;
/** The space between two boxes, and between a box and the border. */
const gap = 6;

/** Places the boxes of the clients, the leader and the followers in this order. */
export class Layout {
  /** The width of the diagram. */
  width;
  /** The height of the diagram. */
  height;
  /** @type {Map<number, Box>} By number of the client: the boxes of the clients. */
  clients = new Map();
  /** @type {Map<string, Box>} By server. */
  #servers = new Map();
  #leader;
  #narrow;

  /**
   * @param {readonly string[]} servers
   * @param {string} leader "" until it is known
   * @param {readonly number[]} clients the numbers of the clients, at least one
   * @param {Shape} shape
   */
  constructor(servers, leader, clients, shape) {
    const { width, height, client, server, boxHeight } = sizes[shape];
    this.width = width;
    this.height = height;
    this.#leader = leader;
    this.#narrow = shape === "narrow";
    clients.forEach((number, index) => {
      const along = (index + 0.5) / clients.length;
      const each = (this.#narrow ? width : height) / clients.length - gap;
      this.clients.set(
        number,
        this.#narrow
          ? {
            x: width * along,
            y: gap + clientHeightMax / 2,
            width: Math.min(client, each),
            height: clientHeightMax,
          }
          : {
            x: gap + client / 2,
            y: height * along,
            width: client,
            height: Math.min(clientHeightMax, each),
          },
      );
    });
    const first = servers.includes(leader) ? leader : servers[0];
    if (first === undefined) return;
    const size = { width: server, height: boxHeight };
    this.#servers.set(first, { x: width / 2, y: height / 2, ...size });
    const followers = servers.filter((server) => server !== first);
    followers.forEach((follower, index) => {
      const along = (index + 0.5) / followers.length;
      const place = this.#narrow
        ? { x: width * along, y: height - gap - boxHeight / 2 }
        : { x: width - gap - server / 2, y: height * along };
      const each = (this.#narrow ? width : height) / followers.length - gap;
      this.#servers.set(follower, {
        ...place,
        width: this.#narrow ? Math.min(server, each) : server,
        height: this.#narrow ? boxHeight : Math.min(boxHeight, each),
      });
    });
  }

  /**
   * The box of a server; `undefined` if the address is not a server's.
   *
   * @param {string} address
   */
  server(address) {
    return this.#servers.get(address);
  }

  /** All boxes. */
  get boxes() {
    return [...this.clients.values(), ...this.#servers.values()];
  }

  /**
   * The curve that a message follows from one end to the other. An end that is not a server is the
   * message's client.
   *
   * @param {Pick<DiagramMessage, "from" | "to" | "client">} message
   * @returns {Curve | undefined} `undefined` if neither end is a server
   */
  curve({ from, to, client = 0 }) {
    const [start, end] = [this.server(from), this.server(to)];
    if (start !== undefined && end !== undefined) return curveBetween(start, end);
    if (end !== undefined) return this.#curveFrom(client, end, to);
    return start === undefined ? undefined : reversed(this.#curveFrom(client, start, from));
  }

  /**
   * The curve from a client to a server. Around the leader if the server is a follower.
   *
   * @param {number} client
   * @param {Box} box
   * @param {string} server
   */
  #curveFrom(client, box, server) {
    const from = this.clients.get(client) ?? [...this.clients.values()].at(-1) ?? box;
    if (server === this.#leader) return curveBetween(from, box);
    const { width, height } = this;
    const bend = this.#narrow
      ? { x: box.x < width / 2 ? -width / 4 : width * 5 / 4, y: height * 0.45 }
      : { x: width * 0.45, y: box.y < height / 2 ? -height / 7 : height * 8 / 7 };
    return curveBetween(from, box, bend);
  }
}
