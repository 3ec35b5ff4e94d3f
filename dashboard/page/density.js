/**
 * The small bar chart above the timeline.
 *
 * @module
 */

/** @import { Recording } from "./recording.js" */

/** The number of bars. */
const barsMax = 160;

/**
 * Draws the writes over time, the refused GETs, and the position of the cursor.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {Recording} recording
 * @param {number} position
 */
export function showDensity(canvas, recording, position) {
  const context = canvas.getContext("2d");
  if (context === null) return;
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  const scale = devicePixelRatio;
  canvas.width = width * scale;
  canvas.height = height * scale;
  context.scale(scale, scale);
  const { first, end } = recording;
  const bars = Array.from({ length: barsMax }, () => ({ writes: 0, refused: 0 }));
  for (let at = first; at < end; at++) {
    const item = recording.itemAt(at);
    const bar = bars[Math.floor((at - first) / (end - first) * barsMax)];
    if (item === undefined || bar === undefined) continue;
    if (item.kind === "written") bar.writes++;
    if (item.kind === "get" && "refused" in item) bar.refused++;
  }
  const most = Math.max(1, ...bars.map(({ writes }) => writes));
  const style = getComputedStyle(canvas);
  const [ink, warn] = ["--accent", "--warn"].map((name) => style.getPropertyValue(name));
  // The canvas takes no `light-dark()`, so the browser computes the plain colour.
  const computed = (/** @type {string | undefined} */ colour) => {
    canvas.style.color = colour ?? "";
    return getComputedStyle(canvas).color;
  };
  const [accent, alarm] = [computed(ink), computed(warn)];
  // The middle of the slider's knob does not reach the ends of the slider.
  const inset = 8;
  const step = (width - 2 * inset) / barsMax;
  bars.forEach(({ writes, refused }, index) => {
    const x = inset + index * step;
    const shown = (index + 0.5) / barsMax * (end - first) + first <= position;
    context.globalAlpha = shown ? 1 : 0.35;
    context.fillStyle = accent;
    const bar = writes === 0 ? 0 : 3 + writes / most * (height - 9);
    context.fillRect(x, height - bar, Math.max(1, step - 1), bar);
    if (refused === 0) return;
    context.strokeStyle = alarm;
    context.lineWidth = 2;
    context.beginPath();
    context.moveTo(x - 2, 1);
    context.lineTo(x + 4, 7);
    context.moveTo(x + 4, 1);
    context.lineTo(x - 2, 7);
    context.stroke();
  });
}
