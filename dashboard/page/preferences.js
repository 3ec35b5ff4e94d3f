/**
 * The language and the theme of the page. The browser remembers both.
 *
 * @module
 */

import { byId, html, setText } from "./dom.js";
import { texts } from "./texts.js";

/** @type {HTMLSelectElement} */
const themeSelect = byId("theme");

/** Applies the language and the theme that people choose. */
export class Preferences {
  /** The texts in the chosen language. */
  t = localStorage.getItem("language") === "en" ? texts.en : texts.pt;

  /** @param {() => void} onChange is called after a change of language or colours */
  constructor(onChange) {
    this.#applyLanguage();
    this.#applyTheme();
    byId("language").addEventListener("click", () => {
      this.t = this.t === texts.pt ? texts.en : texts.pt;
      localStorage.setItem("language", this.t === texts.en ? "en" : "pt");
      this.#applyLanguage();
      onChange();
    });
    themeSelect.addEventListener("change", () => {
      localStorage.setItem("theme", themeSelect.value);
      this.#applyTheme();
      onChange();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", onChange);
  }

  /** Fills in the texts that do not depend on the state. */
  #applyLanguage() {
    const { t } = this;
    document.documentElement.lang = t.htmlLang;
    document.title = t.title;
    /** @type {Record<string, unknown>} */
    const byName = t;
    for (const element of document.querySelectorAll("[data-text]")) {
      setText(element, `${byName[element.getAttribute("data-text") ?? ""]}`);
    }
    for (const element of document.querySelectorAll("[data-label]")) {
      const text = `${byName[element.getAttribute("data-label") ?? ""]}`;
      element.setAttribute("aria-label", text);
      element.setAttribute("title", text);
    }
    const language = byId("language");
    setText(language, t.language);
    language.title = t.languageTitle;
    const options = Object.entries(t.themes)
      .map(([value, text]) => html("option", { value }, text));
    themeSelect.replaceChildren(...options);
    themeSelect.value = this.#theme;
  }

  #applyTheme() {
    const theme = this.#theme;
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
  }

  get #theme() {
    return localStorage.getItem("theme") ?? "auto";
  }
}
