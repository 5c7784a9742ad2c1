/* Figures of volumes that come to life: the still picture of `ipiu.view` turns into a viewer when somebody asks for it
   or it comes into sight; only then is the rest loaded.
   A classic script without fetch or modules, so that pages opened from the disk work too. */
(function () {
  "use strict";

  const LIMIT = 4; // browsers lose WebGL contexts beyond a few
  const DWELL = 700; // ms a figure is in sight before it opens by itself
  const INVITATION = "Turn it in 3D";
  const live = []; // oldest first
  const scripts = {};

  function base() {
    return document.documentElement.dataset.content_root || "./";
  }

  /** Load a script once; RequireJS, where a page has it, must load the ones that call `define`. */
  function load(url, amd) {
    const path = new URL(url, document.baseURI).href;
    const name = url.split("/").pop();
    return (scripts[path] = scripts[path] || new Promise((done, failed) => {
      const fail = () => { delete scripts[path]; failed(new Error(`${name} could not be loaded`)); };
      if (amd && window.requirejs && window.define && window.define.amd) {
        window.requirejs.config({ context: "ipiu", waitSeconds: 0 })([path], done, fail);
        return;
      }
      const script = document.createElement("script");
      document.head.append(Object.assign(script, { src: path, onload: () => done(), onerror: fail }));
    }));
  }

  window.ipiuPage = { base, load }; // for the scripts of charts and tables

  async function volume(key) {
    const known = () => (window.ipiuVolumes || {})[key];
    if (!known()) await load(`${base()}_volumes/${key}.js`);
    if (!known()) throw new Error(`${key}.js holds no volume`);
    return known();
  }

  class Figure {
    constructor(node) {
      this.node = node;
      this.settings = JSON.parse(node.dataset.ipiuView);
      this.stage = node.querySelector(".ipiu-view-stage");
      this.still = node.querySelector(".ipiu-view-still");
      this.state = "still";
      this.button = Object.assign(document.createElement("button"), {
        type: "button", className: "ipiu-view-open", textContent: INVITATION, onclick: () => this.open(true),
      });
      this.note = Object.assign(document.createElement("p"), { className: "ipiu-view-note", hidden: true });
      this.note.setAttribute("role", "status");
      this.stage.append(this.button, this.note);
      this.watch();
    }

    watch() {
      const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
      const saving = navigator.connection && navigator.connection.saveData;
      const when = this.node.dataset.ipiuOpen;
      if (when === "click" || calm || saving || !window.IntersectionObserver) return;
      new IntersectionObserver((entries) => {
        clearTimeout(this.timer);
        if (!entries[entries.length - 1].isIntersecting) return;
        this.timer = setTimeout(() => this.dismissed || this.open(false), when === "now" ? 0 : DWELL);
      }, { threshold: 0.4 }).observe(this.stage);
    }

    say(text) {
      this.note.textContent = text;
      this.note.hidden = !text;
    }

    async open(asked) {
      if (this.state !== "still") return;
      const run = (this.run = {}); // a viewer that is closed while it loads stays closed
      this.state = this.node.dataset.ipiuState = "loading";
      this.say("");
      this.button.disabled = true;
      this.button.textContent = "Loading …";
      while (live.length >= LIMIT) live[0].close();
      live.push(this);
      try {
        if (!window.WebGL2RenderingContext) throw new Error("this browser offers no WebGL 2");
        const layers = [this.settings.image, ...this.settings.overlays];
        const [lib, , ...data] = await Promise.all([
          load(`${base()}_static/scripts/niivue.umd.js`, true).then((it) => it || window.niivue),
          load(`${base()}_static/ipiu-view-live.js`),
          ...layers.map((layer) => volume(layer.key)),
        ]);
        if (this.run !== run) return;
        const viewer = (this.viewer = new window.IpiuLiveViewer(this.node, this.settings, {
          close: () => this.close(true),
          lost: (why) => { this.close(); this.say(why); },
        }));
        if (!(await viewer.start(lib, layers, data))) return;
        this.still.style.visibility = "hidden";
        this.still.setAttribute("aria-hidden", "true");
        this.button.hidden = true;
        this.state = this.node.dataset.ipiuState = "live";
        if (asked) viewer.canvas.focus({ preventScroll: true });
      } catch (error) {
        if (this.run !== run) return;
        this.close();
        this.dismissed = true;
        this.say(`The picture stays still: ${error.message}.`);
      }
    }

    /** Back to the still picture; a person who closed it is not shown the viewer again unasked. */
    close(asked) {
      if (this.state === "still") return;
      this.state = this.node.dataset.ipiuState = "still";
      live.splice(live.indexOf(this), 1);
      if (this.viewer) this.viewer.end();
      this.viewer = this.run = null;
      this.still.style.visibility = "";
      this.still.removeAttribute("aria-hidden");
      this.button.hidden = this.button.disabled = false;
      this.button.textContent = INVITATION;
      if (!asked) return;
      this.dismissed = true;
      this.button.focus({ preventScroll: true });
    }
  }

  function wake() {
    for (const node of document.querySelectorAll("figure[data-ipiu-view]:not([data-ipiu-state])")) {
      node.dataset.ipiuState = "still";
      new Figure(node);
    }
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", wake);
  else wake();
})();
