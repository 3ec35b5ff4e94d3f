/**
 * The buttons that save the recording as a file and open one.
 *
 * @module
 */

import { byId, setText } from "./dom.js";
import { download, fileTime } from "./download.js";
import { recordingBytesMax } from "./limits.js";
import { decodeRecording, encodeRecording } from "./story_file.js";

/** @import { Playback } from "./playback.js" */
/** @import { FileProblem } from "./story_file.js" */
/** @import { Texts } from "./texts.js" */

/** @type {HTMLInputElement} */
const input = byId("recording-file");

/** Saves and opens recordings, and says which file is shown. */
export class RecordingFiles {
  #playback;
  /** The name of the file that was opened last. */
  #name = "";
  /** @type {{ name: string, problem: FileProblem } | undefined} Why the last choice was not opened. */
  #refused;
  #redraw;

  /**
   * Listens to the buttons.
   *
   * @param {Playback} playback
   * @param {() => void} redraw redraws the whole page soon
   */
  constructor(playback, redraw) {
    this.#playback = playback;
    this.#redraw = redraw;
    byId("save-recording").addEventListener("click", () => {
      const { recording } = playback;
      const time = fileTime(new Date(recording.last.at));
      download(`recording-${time}.json`, "application/json", encodeRecording(recording));
    });
    byId("open-recording").addEventListener("click", () => input.click());
    input.addEventListener("change", () => this.#open());
    byId("close-recording").addEventListener("click", () => {
      playback.goLive();
      byId("open-recording").focus();
    });
  }

  /**
   * Shows which file is shown, or why one was not opened.
   *
   * @param {Texts} t
   */
  show(t) {
    const { showsFile, recording } = this.#playback;
    byId("close-recording").hidden = !showsFile;
    /** @type {HTMLButtonElement} */
    const save = byId("save-recording");
    save.disabled = recording.last.servers.length === 0;
    const refused = this.#refused;
    const note = byId("recording-note");
    note.dataset.bad = `${refused !== undefined}`;
    setText(
      note,
      refused !== undefined
        ? t.fileRefused(refused.name, refused.problem)
        : showsFile
        ? t.fileShown(this.#name)
        : "",
    );
  }

  /** Opens the file that was chosen. If it is not a recording, what is shown stays. */
  async #open() {
    const [file] = input.files ?? [];
    if (file === undefined) return;
    const opened = await read(file);
    // So that the same file can be chosen again.
    input.value = "";
    this.#refused = undefined;
    if ("problem" in opened) this.#refused = { name: file.name, problem: opened.problem };
    else {
      this.#name = file.name;
      this.#playback.open(opened.recording);
    }
    this.#redraw();
  }
}

/**
 * The recording in a file. Its size is checked before it is read.
 *
 * @param {File} file
 * @returns {Promise<ReturnType<typeof decodeRecording> | { problem: FileProblem }>}
 */
async function read(file) {
  if (file.size > recordingBytesMax) return { problem: { is: "large" } };
  try {
    return decodeRecording(await file.text());
  } catch (error) {
    // Such as a file that was removed after it had been chosen.
    if (error instanceof DOMException) return { problem: { is: "unreadable" } };
    throw error;
  }
}
