/**
 * Where the servers stand in the diagram, and the ways between them.
 *
 * @module
 */

/**
 * @typedef {{ readonly x: number, readonly y: number }} Point
 * @typedef {{ readonly from: Point, readonly bend: Point, readonly to: Point }} Curve
 * @typedef {Point & { readonly width: number, readonly height: number }} Box
 */

/**
 * Where everything stands: clients, leader, followers.
 *
 * @param {readonly string[]} servers
 * @param {string} leader "" before it is known
 * @param {boolean} narrow
 * @returns {Map<string, Box>}
 */
export function layOut(servers, leader, narrow) {
  const boxes = new Map();
  const first = servers.includes(leader) ? leader : servers[0];
  const followers = servers.filter((server) => server !== first);
  const size = { width: narrow ? 162 : 166, height: 82 };
  boxes.set(
    "",
    narrow ? { x: 180, y: 38, width: 190, height: 60 } : { x: 95, y: 165, width: 166, height: 66 },
  );
  boxes.set(first, narrow ? { x: 180, y: 205, ...size } : { x: 366, y: 165, ...size });
  followers.forEach((server, index) => {
    const along = (index + 0.5) / followers.length;
    const place = narrow ? { x: 360 * along, y: 385 } : { x: 672, y: 330 * along };
    const width = narrow ? Math.min(size.width, 340 / followers.length - 8) : size.width;
    boxes.set(server, { ...place, height: size.height, width });
  });
  return boxes;
}

/**
 * From the edge of one box to the edge of another. A way `around` passes by what is between.
 *
 * @param {Box} one
 * @param {Box} other
 * @param {boolean} around
 * @returns {Curve}
 */
export function curveBetween(one, other, around) {
  const middle = { x: (one.x + other.x) / 2, y: (one.y + other.y) / 2 };
  if (!around) return { from: edgeOf(one, other), bend: middle, to: edgeOf(other, one) };
  const across = Math.abs(other.x - one.x) > Math.abs(other.y - one.y);
  const bend = across
    ? { x: middle.x, y: other.y < one.y ? -10 : 340 }
    : { x: other.x < one.x ? -60 : 420, y: middle.y };
  return { from: edgeOf(one, bend), bend, to: edgeOf(other, bend) };
}

/**
 * Where the line from the middle of a box towards a point leaves it.
 *
 * @param {Box} box
 * @param {Point} towards
 * @returns {Point}
 */
function edgeOf({ x, y, width, height }, towards) {
  const [dx, dy] = [towards.x - x, towards.y - y];
  const scale = Math.min(width / 2 / Math.abs(dx), height / 2 / Math.abs(dy), 1);
  return { x: x + dx * scale, y: y + dy * scale };
}

/**
 * @param {Curve} curve
 * @param {number} t from 0 to 1
 * @returns {Point}
 */
export function pointAt({ from, bend, to }, t) {
  const [a, b, c] = [(1 - t) ** 2, 2 * (1 - t) * t, t ** 2];
  return { x: a * from.x + b * bend.x + c * to.x, y: a * from.y + b * bend.y + c * to.y };
}

/** @param {Curve} curve */
export function path({ from, bend, to }) {
  return `M${from.x} ${from.y}Q${bend.x} ${bend.y} ${to.x} ${to.y}`;
}

/** @param {number} t */
export function ease(t) {
  return t < 0.5 ? 2 * t * t : 1 - (2 - 2 * t) ** 2 / 2;
}
