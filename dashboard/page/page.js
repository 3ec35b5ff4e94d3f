/**
 * The page: takes the feed, records it, and shows the state at the cursor.
 *
 * @module
 */

import { CommandPanel } from "./command_panel.js";
import { Diagram } from "./diagram.js";
import { byId, setText } from "./dom.js";
import { FeedStream } from "./feed_stream.js";
import { namesIn } from "./format.js";
import { presentedRowsMax, rowsMax } from "./limits.js";
import { Playback } from "./playback.js";
import { showPlots } from "./plots.js";
import { Preferences } from "./preferences.js";
import { PresentationMode } from "./presentation_mode.js";
import { RecordingFiles } from "./recording_files.js";
import { isStep } from "./selectors.js";
import { SpaceTimeView } from "./spacetime_view.js";
import { decode } from "./state.js";
import { Traffic } from "./traffic.js";
import { showDemo, showEvents, showRefusals, showSeen, showTable } from "./views.js";

/** @import { State } from "../server/state.ts" */

/** Shortest time between two redraws of the tables. */
const redrawMs = 120;
/** Shortest time between two redraws of the plots, while the page is live. */
const plotsRedrawMs = 1_000;

const traffic = new Traffic();
const diagram = new Diagram(byId("diagram"));
const playback = new Playback({
  animation: diagram.animation,
  count: (all, drawn) => traffic.add(performance.now(), all, drawn),
  redraw: redrawAll,
  redrawState: redraw,
});
const commandPanel = new CommandPanel(redraw, () => playback.goLive());
const preferences = new Preferences(() => {
  showConnection();
  redrawAll();
});
const recordingFiles = new RecordingFiles(playback, redrawAll);
const spaceTimeView = new SpaceTimeView(redrawAll);
const presentation = new PresentationMode(playback, commandPanel, redrawAll);
/** Items that the feed could not deliver to this page. */
let lost = 0;
/** @type {import("./feed_stream.js").Connection} */
let connection = "disconnected";

function showConnection() {
  const element = byId("connection");
  element.dataset.up = `${connection === "connected"}`;
  setText(element, preferences.t.connection[connection]);
}

/* Drawing */

let redrawing = false;
let redrawnAt = 0;
let plotsRedrawnAt = 0;

/** Redraws the page soon. The plots are redrawn less often. */
function redraw() {
  if (redrawing) return;
  redrawing = true;
  setTimeout(
    () => requestAnimationFrame(redrawNow),
    Math.max(0, redrawnAt + redrawMs - performance.now()),
  );
}

/** Redraws the page soon, with the plots. */
function redrawAll() {
  plotsRedrawnAt = 0;
  redraw();
}

function redrawNow() {
  redrawing = false;
  redrawnAt = performance.now();
  const { recording, cursor } = playback;
  const { t } = preferences;
  if (!cursor.live) cursor.stay(); // the recording may have dropped its position
  const { state } = cursor;
  const names = namesIn(state, t);
  const later = playback.showsFile ? recording.last : playback.known;
  diagram.show(state, later, presentation.on, names, t);
  spaceTimeView.show(recording, cursor.position, names, t);
  const rows = presentation.on ? presentedRowsMax : rowsMax;
  showTable({ columns: byId("columns"), rows: byId("rows") }, state, rows, names, t);
  byId("table-empty").hidden = state.table.size > 0;
  const keys = byId("rows").childElementCount;
  setText(
    byId("table-note"),
    keys < state.table.size ? t.shownKeys(keys, state.table.size + state.keysDropped) : "",
  );
  showRefusals(byId("refusals"), state.refusals, names, t);
  byId("no-refusals").hidden = state.refusals.length > 0;
  showEvents(byId("events"), recording, cursor.position, isStep, names, t);
  byId("no-events").hidden = byId("events").childElementCount > 0;
  showDemo(byId("demo-steps"), state.demoSteps, names, t);
  const seen = state.clients.get(commandPanel.client)?.seen ?? new Map();
  showSeen(byId("seen"), seen, t);
  byId("seen-nothing").hidden = seen.size > 0;
  commandPanel.show(playback.known, connection !== "disconnected", t);
  playback.show(t);
  presentation.show(t);
  recordingFiles.show(t);
  showTraffic(recording.last);
  if (redrawnAt - plotsRedrawnAt < plotsRedrawMs && cursor.live) return;
  plotsRedrawnAt = redrawnAt;
  showPlots(byId("plots"), state, t);
  playback.showDensity();
}

/**
 * Shows how many of the messages were drawn, and how many events never arrived.
 *
 * @param {State} state
 */
function showTraffic({ servers }) {
  const { t } = preferences;
  const { all, drawn } = traffic.last(performance.now());
  setText(byId("sample"), drawn < all ? t.sampled(drawn, all) : t.notSampled);
  const missed = servers.reduce((sum, server) => sum + server.missed, 0) + lost;
  setText(byId("lost"), missed === 0 ? "" : t.lost(missed));
}

addEventListener("resize", redrawAll);
new FeedStream({
  onChange: (now) => {
    connection = now;
    showConnection();
    redraw();
  },
  onKeyframe: (data) => {
    const keyframe = decode(data);
    lost += keyframe.lost;
    playback.takeKeyframe(keyframe.state);
    redraw();
  },
  onItems: (data) => playback.takeItems(JSON.parse(data)),
});
showConnection();
redrawAll();
