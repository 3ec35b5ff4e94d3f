// @ts-check
/**
 * Curves between the boxes of the diagram.
 *
 * @module
 */

/**
 * `x` and `y` of a box are its centre.
 *
 * @typedef {{ readonly x: number, readonly y: number }} Point
 * @typedef {{ readonly from: Point, readonly bend: Point, readonly to: Point }} Curve
 * @typedef {Point & { readonly width: number, readonly height: number }} Box
 */

/**
 * A curve from the edge of one box to the edge of another.
 *
 * @param {Box} from
 * @param {Box} to
 * @param {Point} [bend] the point that the curve bends towards; a straight line without it
 * @returns {Curve}
 */
export function curveBetween(from, to, bend) {
  const middle = { x: (from.x + to.x) / 2, y: (from.y + to.y) / 2 };
  if (bend === undefined) return { from: edgeOf(from, to), bend: middle, to: edgeOf(to, from) };
  return { from: edgeOf(from, bend), bend, to: edgeOf(to, bend) };
}

/**
 * The same curve in the other direction.
 *
 * @param {Curve} curve
 * @returns {Curve}
 */
export function reversed({ from, bend, to }) {
  return { from: to, bend, to: from };
}

/**
 * The point on the edge of a box that lies between its centre and another point.
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
 * A point on a curve.
 *
 * @param {Curve} curve
 * @param {number} t from 0, the start, to 1, the end
 * @returns {Point}
 */
export function pointAt({ from, bend, to }, t) {
  const [a, b, c] = [(1 - t) ** 2, 2 * (1 - t) * t, t ** 2];
  return { x: a * from.x + b * bend.x + c * to.x, y: a * from.y + b * bend.y + c * to.y };
}

/**
 * A curve as the `d` of an SVG path.
 *
 * @param {Curve} curve
 */
export function pathOf({ from, bend, to }) {
  return `M${from.x} ${from.y}Q${bend.x} ${bend.y} ${to.x} ${to.y}`;
}

/**
 * Ease-in-out: slow at both ends.
 *
 * @param {number} t from 0 to 1
 */
export function ease(t) {
  return t < 0.5 ? 2 * t * t : 1 - (2 - 2 * t) ** 2 / 2;
}
