/**
 * The files of the page. They are imported as text, so that serving them needs no permission.
 *
 * @module
 */

import baseStyle from "../page/base.css" with { type: "text" };
import browserPlacesScript from "../page/browser_places.js" with { type: "text" };
import commandPanelScript from "../page/command_panel.js" with { type: "text" };
import cursorScript from "../page/cursor.js" with { type: "text" };
import densityScript from "../page/density.js" with { type: "text" };
import diagramStyle from "../page/diagram.css" with { type: "text" };
import diagramScript from "../page/diagram.js" with { type: "text" };
import domScript from "../page/dom.js" with { type: "text" };
import downloadScript from "../page/download.js" with { type: "text" };
import effectClockScript from "../page/effect_clock.js" with { type: "text" };
import feedStreamScript from "../page/feed_stream.js" with { type: "text" };
import formatScript from "../page/format.js" with { type: "text" };
import geometryScript from "../page/geometry.js" with { type: "text" };
import knownServersScript from "../page/known_servers.js" with { type: "text" };
import labelPlaceScript from "../page/label_place.js" with { type: "text" };
import layoutScript from "../page/layout.js" with { type: "text" };
import limitsScript from "../page/limits.js" with { type: "text" };
import messageAnimationScript from "../page/message_animation.js" with { type: "text" };
import page from "../page/page.html" with { type: "text" };
import pageScript from "../page/page.js" with { type: "text" };
import panelsStyle from "../page/panels.css" with { type: "text" };
import playbackScript from "../page/playback.js" with { type: "text" };
import plotsScript from "../page/plots.js" with { type: "text" };
import preferencesScript from "../page/preferences.js" with { type: "text" };
import presentationStyle from "../page/presentation.css" with { type: "text" };
import presentationModeScript from "../page/presentation_mode.js" with { type: "text" };
import recordingScript from "../page/recording.js" with { type: "text" };
import recordingFilesScript from "../page/recording_files.js" with { type: "text" };
import selectorsScript from "../page/selectors.js" with { type: "text" };
import shapesScript from "../page/shapes.js" with { type: "text" };
import spacetimeStyle from "../page/spacetime.css" with { type: "text" };
import spacetimeScript from "../page/spacetime.js" with { type: "text" };
import spacetimeDrawingScript from "../page/spacetime_drawing.js" with { type: "text" };
import spacetimeMarksScript from "../page/spacetime_marks.js" with { type: "text" };
import spacetimeRowsScript from "../page/spacetime_rows.js" with { type: "text" };
import spacetimeViewScript from "../page/spacetime_view.js" with { type: "text" };
import standaloneSvgScript from "../page/standalone_svg.js" with { type: "text" };
import stateScript from "../page/state.js" with { type: "text" };
import storyFileScript from "../page/story_file.js" with { type: "text" };
import storyListScript from "../page/story_list.js" with { type: "text" };
import storyShapesScript from "../page/story_shapes.js" with { type: "text" };
import textsScript from "../page/texts.js" with { type: "text" };
import textsEnScript from "../page/texts_en.js" with { type: "text" };
import textsPtScript from "../page/texts_pt.js" with { type: "text" };
import trafficScript from "../page/traffic.js" with { type: "text" };
import viewsScript from "../page/views.js" with { type: "text" };
import compareAndSetStoryScript from "../stories/compare_and_set.js" with { type: "text" };
import followerReturnsStoryScript from "../stories/follower_returns.js" with { type: "text" };
import leaderReturnsStoryScript from "../stories/leader_returns.js" with { type: "text" };
import lockExpiresStoryScript from "../stories/lock_expires.js" with { type: "text" };
import storiesScript from "../stories/stories.js" with { type: "text" };
import tryOtherStoryScript from "../stories/try_other.js" with { type: "text" };
import writesAtOnceStoryScript from "../stories/writes_at_once.js" with { type: "text" };

/** A file of the page. */
export interface PageFile {
  /** Its content type. */
  readonly type: string;
  /** Its content. */
  readonly text: string;
}

/** The files of the page, by path. */
export const pageFiles: ReadonlyMap<string, PageFile> = new Map([
  ["/", { type: "text/html; charset=utf-8", text: page }],
  ["/base.css", css(baseStyle)],
  ["/diagram.css", css(diagramStyle)],
  ["/panels.css", css(panelsStyle)],
  ["/presentation.css", css(presentationStyle)],
  ["/spacetime.css", css(spacetimeStyle)],
  ["/browser_places.js", javascript(browserPlacesScript)],
  ["/command_panel.js", javascript(commandPanelScript)],
  ["/cursor.js", javascript(cursorScript)],
  ["/density.js", javascript(densityScript)],
  ["/diagram.js", javascript(diagramScript)],
  ["/dom.js", javascript(domScript)],
  ["/download.js", javascript(downloadScript)],
  ["/effect_clock.js", javascript(effectClockScript)],
  ["/feed_stream.js", javascript(feedStreamScript)],
  ["/format.js", javascript(formatScript)],
  ["/geometry.js", javascript(geometryScript)],
  ["/known_servers.js", javascript(knownServersScript)],
  ["/label_place.js", javascript(labelPlaceScript)],
  ["/layout.js", javascript(layoutScript)],
  ["/limits.js", javascript(limitsScript)],
  ["/message_animation.js", javascript(messageAnimationScript)],
  ["/page.js", javascript(pageScript)],
  ["/playback.js", javascript(playbackScript)],
  ["/plots.js", javascript(plotsScript)],
  ["/preferences.js", javascript(preferencesScript)],
  ["/presentation_mode.js", javascript(presentationModeScript)],
  ["/recording.js", javascript(recordingScript)],
  ["/recording_files.js", javascript(recordingFilesScript)],
  ["/selectors.js", javascript(selectorsScript)],
  ["/shapes.js", javascript(shapesScript)],
  ["/spacetime.js", javascript(spacetimeScript)],
  ["/spacetime_drawing.js", javascript(spacetimeDrawingScript)],
  ["/spacetime_marks.js", javascript(spacetimeMarksScript)],
  ["/spacetime_rows.js", javascript(spacetimeRowsScript)],
  ["/spacetime_view.js", javascript(spacetimeViewScript)],
  ["/standalone_svg.js", javascript(standaloneSvgScript)],
  ["/state.js", javascript(stateScript)],
  ["/stories/compare_and_set.js", javascript(compareAndSetStoryScript)],
  ["/stories/follower_returns.js", javascript(followerReturnsStoryScript)],
  ["/stories/leader_returns.js", javascript(leaderReturnsStoryScript)],
  ["/stories/lock_expires.js", javascript(lockExpiresStoryScript)],
  ["/stories/stories.js", javascript(storiesScript)],
  ["/stories/try_other.js", javascript(tryOtherStoryScript)],
  ["/stories/writes_at_once.js", javascript(writesAtOnceStoryScript)],
  ["/story_file.js", javascript(storyFileScript)],
  ["/story_list.js", javascript(storyListScript)],
  ["/story_shapes.js", javascript(storyShapesScript)],
  ["/texts.js", javascript(textsScript)],
  ["/texts_en.js", javascript(textsEnScript)],
  ["/texts_pt.js", javascript(textsPtScript)],
  ["/traffic.js", javascript(trafficScript)],
  ["/views.js", javascript(viewsScript)],
]);

/** The page for a window that another site has opened without a click: it waits until it is used. */
export const waitingPage: PageFile = {
  type: "text/html; charset=utf-8",
  text: page.replace("<html ", '<html data-waits="true" '),
};

function css(text: string): PageFile {
  return { type: "text/css; charset=utf-8", text };
}

function javascript(text: string): PageFile {
  return { type: "text/javascript; charset=utf-8", text };
}
