// @ts-check
/**
 * Where the label of a message goes: beside its dot, and never over a box.
 *
 * @module
 */

/** @import { Box, Point } from "./geometry.js" */

/** The least distance between a label and a box. */
const margin = 3;

/**
 * The centre of a label that is as near as possible to where it would be without boxes, and neither
 * covers a box nor leaves the area.
 *
 * @param {Box} label where it would be
 * @param {readonly Box[]} boxes
 * @param {{ readonly width: number, readonly height: number }} area
 * @returns {Point} the same place if there is no free one
 */
export function labelPlace(label, boxes, area) {
  const wanted = within(label, area);
  if (isFree(wanted, label, boxes)) return wanted;
  let best = wanted;
  let bestDistance = Infinity;
  for (const box of boxes) {
    const [dx, dy] = [
      (box.width + label.width) / 2 + margin,
      (box.height + label.height) / 2 + margin,
    ];
    const places = [
      { x: box.x - dx, y: wanted.y },
      { x: box.x + dx, y: wanted.y },
      { x: wanted.x, y: box.y - dy },
      { x: wanted.x, y: box.y + dy },
    ];
    for (const place of places) {
      const distance = Math.hypot(place.x - wanted.x, place.y - wanted.y);
      if (distance >= bestDistance || !isWithin(place, label, area)) continue;
      if (!isFree(place, label, boxes)) continue;
      [best, bestDistance] = [place, distance];
    }
  }
  return best;
}

/**
 * @param {Point} place
 * @param {Box} size
 * @param {readonly Box[]} boxes
 */
function isFree({ x, y }, { width, height }, boxes) {
  return boxes.every((box) =>
    Math.abs(box.x - x) >= (box.width + width) / 2 + margin ||
    Math.abs(box.y - y) >= (box.height + height) / 2 + margin
  );
}

/**
 * @param {Box} label
 * @param {{ readonly width: number, readonly height: number }} area
 * @returns {Point}
 */
function within({ x, y, width, height }, area) {
  return {
    x: Math.min(Math.max(x, width / 2), area.width - width / 2),
    y: Math.min(Math.max(y, height / 2), area.height - height / 2),
  };
}

/**
 * @param {Point} place
 * @param {Box} size
 * @param {{ readonly width: number, readonly height: number }} area
 */
function isWithin({ x, y }, { width, height }, area) {
  return x >= width / 2 && x <= area.width - width / 2 && y >= height / 2 &&
    y <= area.height - height / 2;
}
