/* The live viewer of a figure: NiiVue with its controls. Loaded by ipiu-view.js when a figure opens. */
(function () {
  "use strict";

  const PLANES = { axial: 0, coronal: 1, sagittal: 2, multi: 3, render: 4 };
  const NAMES = { axial: "Axial", coronal: "Coronal", sagittal: "Sagittal", multi: "Planes + 3D", render: "3D" };
  const CAMERA = [215, 15]; // the still picture's surface is seen from here
  const NO_WEBGL = "this browser offers no WebGL 2";
  const ICONS = {
    adjust: "M3 5h6m4 0h4M3 10h2m4 0h8M3 15h8m4 0h2M11 3v4M7 8v4M13 13v4",
    cut: "M10 3a7 7 0 1 0 7 7h-7z",
    reset: "M4 9a6 6 0 1 1 1.5 5M4 4v5h5",
    full: "M4 8V4h4M12 4h4v4M16 12v4h-4M8 16H4v-4",
    close: "M5 5l10 10M15 5L5 15",
  };

  /** An element with properties, attributes (keys with a dash or "role") and children; text is never parsed. */
  function el(tag, props, ...children) {
    const node = document.createElement(tag);
    for (const [key, value] of Object.entries(props || {})) {
      if (/-|^role$|^for$/.test(key)) node.setAttribute(key, value);
      else node[key] = value;
    }
    node.append(...children);
    return node;
  }

  function icon(name) {
    const box = document.createElement("span");
    box.setAttribute("aria-hidden", "true");
    box.innerHTML = `<svg viewBox="0 0 20 20" width="18" height="18"><path d="${ICONS[name]}"/></svg>`;
    return box;
  }

  /** Give the graphics memory of a viewer back. */
  function release(nv) {
    if (!nv || !nv._gl) return false;
    nv.cleanup();
    nv.drawScene = () => {};
    const lose = nv.gl.getExtension("WEBGL_lose_context");
    if (lose) lose.loseContext();
    return false;
  }

  /** Resolve when what was asked of the graphics card is done, without waiting in between. */
  function drawn(gl) {
    const fence = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
    gl.flush();
    return new Promise((done) => {
      const poll = () => (gl.clientWaitSync(fence, 0, 0) === gl.TIMEOUT_EXPIRED ? setTimeout(poll, 15) : done());
      poll();
    });
  }

  const rgb = (hex) => [1, 3, 5].map((n) => parseInt(hex.slice(n, n + 2), 16));
  const short = (value) => String(Number(value.toPrecision(4))).replace("-", "−");

  /** A place in the patient as a radiologist writes it: R 12 A 3 S 40 mm. */
  function place(mm, digits) {
    const words = ["RL", "AP", "SI"].map((pair, n) => {
      const size = Math.abs(mm[n]).toFixed(digits);
      return `${pair[mm[n] < 0 && Number(size) ? 1 : 0]} ${size}`;
    });
    return `${words.join("  ")} mm`;
  }

  class LiveViewer {
    /** `host` is told to `close` and shown to be `lost`; nothing is drawn before `start`. */
    constructor(figure, settings, host) {
      this.node = figure;
      this.settings = settings;
      this.host = host;
      this.stage = figure.querySelector(".ipiu-view-stage");
    }

    /** Build everything and draw it once; false where the viewer was closed meanwhile. */
    async start(lib, layers, data) {
      this.canvas = el("canvas", { tabIndex: 0, role: "application", "aria-label": `${this.settings.title}: arrow keys ` +
        "move the cross-hair, Page Up and Page Down change the slice, plus and minus zoom, Escape closes the viewer" });
      this.pane = el("div", { className: "ipiu-view-pane" }, this.canvas);
      this.panel = el("div", { className: "ipiu-view-live" }, this.pane);
      this.stage.append(this.panel);
      const nv = (this.nv = new lib.Niivue({
        logLevel: "silent", loadingText: "", dragAndDropEnabled: false, showLegend: false,
        isRadiologicalConvention: true, sagittalNoseLeft: true, isForceMouseClickToVoxelCenters: true,
        multiplanarLayout: 2, multiplanarShowRender: 1, multiplanarPadPixels: 4, dragMode: 9,
        crosshairColor: [1, 0.82, 0.29, 0.7], crosshairWidthUnit: "mm", clipPlaneColor: [0, 0, 0, 0],
        fontColor: [0.85, 0.85, 0.85, 1], fontMinPx: 14,
      }));
      nv.resetBriCon = () => {}; // a double click must not change the window
      this.guard();
      this.controls(); // before the first drawing, so that its size stays
      await nv.attachToCanvas(this.canvas).catch((error) => { throw nv._gl ? error : new Error(NO_WEBGL); });
      // gradients serve lighting, which is off; computing them takes most of the time without a graphics card
      nv.blurShader = nv.sobelFirstOrderShader = nv.passThroughShader;
      const draw = nv.drawScene.bind(nv);
      nv.drawScene = () => {}; // nothing before everything is there
      nv.volumes = await Promise.all(layers.map((layer, n) => this.image(lib, nv, layer, data[n])));
      if (this.over) return release(nv);
      nv.onLocationChange = (where) => this.read(where);
      const { dimsRAS, pixDimsRAS } = nv.volumes[0];
      nv.opts.crosshairWidth = Math.max(...[1, 2, 3].map((n) => dimsRAS[n] * pixDimsRAS[n])) / 250;
      this.defaults();
      nv.setVolume(nv.volumes[0], 0);
      nv.createOnLocationChange();
      nv.opts.multiplanarShowRender = 0; // planes first: without a graphics card the rendering takes half a second more
      draw();
      let due = 0; // one drawing a frame, however often it is asked for
      nv.drawScene = () => { due = due || requestAnimationFrame(() => { due = 0; if (!this.over) draw(); }); };
      await drawn(nv.gl);
      nv.opts.multiplanarShowRender = 1;
      nv.drawScene();
      this.ready = !this.over;
      return this.ready;
    }

    /** Take everything away again. */
    end() {
      this.over = true;
      this.node.removeEventListener("keydown", this.leave);
      if (document.fullscreenElement === this.stage) document.exitFullscreen();
      for (const button of this.switches || []) button.replaceWith(...button.childNodes);
      if (this.panel) this.panel.remove();
      release(this.nv);
    }

    async image(lib, nv, layer, base64) {
      const [centre, width] = this.settings.window;
      const options = { base64, name: `${layer.key}.nii.gz`, colormap: "gray", colorbarVisible: false };
      if (layer.kind === "image") Object.assign(options, { cal_min: centre - width / 2, cal_max: centre + width / 2 });
      if (layer.kind === "probability") {
        const [r, g, b] = rgb(layer.labels[0][2]);
        options.colormap = `ipiu${layer.labels[0][2].slice(1)}`;
        nv.addColormap(options.colormap, { R: [r, r], G: [g, g], B: [b, b], A: [0, 255], I: [0, 255] });
      }
      const image = await lib.NVImage.loadFromBase64(options);
      // with type 1 of NiiVue 0.69 opacity grows with the square of the probability up to cal_min
      if (layer.kind === "probability") Object.assign(image, { colormapType: 1, cal_min: 1, cal_max: 1 });
      return image;
    }

    /** Give a label map its colours; labels that are not `shown` are transparent. */
    paint(image, layer, shown) {
      const map = { R: [0], G: [0], B: [0], A: [0], I: [0] };
      for (const [value, , colour] of layer.labels) {
        rgb(colour).forEach((level, n) => map["RGB"[n]].push(level));
        map.A.push(shown(value) ? 255 : 0);
        map.I.push(value);
      }
      image.setColormapLabel(map);
    }

    /** The page scrolls over a viewer that was not clicked, and the keys are ours. */
    guard() {
      const active = () => document.activeElement === this.canvas || document.fullscreenElement === this.stage;
      const hold = (event) => active() || event.stopPropagation();
      for (const type of ["wheel", "touchstart", "touchmove", "touchend"]) {
        this.pane.addEventListener(type, hold, { capture: true, passive: true });
      }
      this.pane.addEventListener("mousedown", () => {
        this.readout.setAttribute("aria-live", "off");
        this.canvas.focus({ preventScroll: true });
      }, true);
      this.pane.addEventListener("mouseup", () => setTimeout(() => this.ready && this.shades()), true);
      this.pane.addEventListener("keyup", (event) => event.stopPropagation(), true);
      this.pane.addEventListener("keydown", (event) => {
        event.stopPropagation();
        if (!event.ctrlKey && !event.metaKey && !event.altKey && this.key(event)) event.preventDefault();
      }, true);
      this.leave = (event) => event.key === "Escape" && this.host.close(); // from the controls and the legend too
      this.node.addEventListener("keydown", this.leave);
      this.canvas.addEventListener("webglcontextlost", () => {
        if (this.over) return; // given back by us
        this.host.lost("The browser needed its graphics memory elsewhere; open the viewer again.");
      });
    }

    /** Do what a key asks for; false where it asks for nothing. */
    key(event) {
      const nv = this.nv, mode = this.mode, far = event.shiftKey ? 10 : 1;
      const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
      const [x, y] = arrows[event.key] || [0, 0];
      const z = { PageUp: 1, PageDown: -1 }[event.key] || 0;
      this.readout.setAttribute("aria-live", "polite");
      if (event.key === "Escape") this.host.close();
      else if (!this.ready) return false;
      else if ("+=-_".includes(event.key)) this.zoom("+=".includes(event.key) ? 1.2 : 1 / 1.2);
      else if (event.key === "Home") this.reset();
      else if (!x && !y && !z) return false;
      else if (mode === "render" && !z) {
        nv.setRenderAzimuthElevation(nv.scene.renderAzimuth + 8 * x, nv.scene.renderElevation + 8 * y);
      } else {
        // the patient's right, and in a sagittal plane the front, is at the left of the screen
        const step = { coronal: [-x, z, y], sagittal: [z, -x, y] }[mode] || [-x, y, z];
        nv.moveCrosshairInVox(...step.map((n) => n * far));
      }
      return true;
    }

    zoom(factor) {
      const nv = this.nv, [x, y, z, now] = nv.scene.pan2Dxyzmm, next = Math.min(10, Math.max(0.5, now * factor));
      const at = nv.frac2mm(nv.scene.crosshairPos), moved = [x, y, z].map((pan, n) => pan + (now - next) * at[n]);
      nv.scene.pan2Dxyzmm = [...moved, next];
      nv.setScale(next);
    }

    controls() {
      const { planes, overlays } = this.settings;
      const modes = planes.length > 1 ? Object.keys(NAMES) : planes;
      this.first = modes.includes(this.settings.mode) ? this.settings.mode : modes[0];
      const group = `ipiu-view-${Math.random().toString(36).slice(2)}`;
      const choice = el("div", { className: "ipiu-view-modes", role: "radiogroup", "aria-label": "What is shown" });
      this.radios = modes.map((mode) => {
        const input = el("input", { type: "radio", name: group, value: mode, onchange: () => this.show(mode) });
        choice.append(el("label", {}, input, el("span", {}, NAMES[mode])));
        return input;
      });
      choice.hidden = modes.length < 2;
      this.readout = el("output", { className: "ipiu-view-readout", "aria-live": "off" });
      const tool = (name, label, onclick) =>
        el("button", { type: "button", title: label, "aria-label": label, onclick }, icon(name));
      const isCut = () => this.cutter.getAttribute("aria-pressed") === "true";
      this.cutter = tool("cut", "Cut the rendering open", () => this.cut(!isCut()));
      const opener = tool("adjust", "Window and opacity", () => {
        this.sliders.hidden = !this.sliders.hidden;
        opener.setAttribute("aria-expanded", String(!this.sliders.hidden));
      });
      opener.setAttribute("aria-expanded", "false");
      const tools = [opener, tool("reset", "Reset the view", () => this.reset())];
      if (modes.length > 1) tools.unshift(this.cutter);
      if (document.fullscreenEnabled) {
        const turn = () => (document.fullscreenElement ? document.exitFullscreen() : this.stage.requestFullscreen());
        tools.push(tool("full", "Full screen", turn));
      }
      tools.push(tool("close", "Close the viewer", () => this.host.close()));
      const number = (label) => {
        const onchange = () => this.window(this.centre.value, this.width.value);
        const input = el("input", { type: "number", step: "any", onchange });
        return [el("label", {}, `${label} `, input), input];
      };
      let centre, width;
      [centre, this.centre] = number("Level");
      [width, this.width] = number("Width");
      this.width.min = 0;
      const about = { className: "ipiu-view-sliders", hidden: true, role: "group", "aria-label": "Window and opacity" };
      this.sliders = el("div", about, centre, width);
      const presets = Object.keys(this.settings.presets);
      if (presets.length) {
        const choose = () => select.value && this.window(...this.settings.presets[select.value]);
        const select = el("select", { onchange: choose }, el("option", { value: "" }, "Preset"));
        select.append(...presets.map((name) => el("option", { value: name }, name)));
        this.sliders.append(el("label", {}, select));
        select.setAttribute("aria-label", "Window preset");
      }
      if (overlays.length) {
        this.opacity = el("input", { type: "range", min: 0, max: 1, step: 0.05, oninput: () => this.overlay() });
        this.sliders.append(el("label", {}, "Overlay ", this.opacity));
      }
      this.panel.append(el("div", { className: "ipiu-view-tools", role: "toolbar", "aria-label": "Viewer" }, ...tools),
        this.sliders, el("div", { className: "ipiu-view-bar" }, this.readout, choice));
      this.legend();
    }

    /** Names in the legend become switches, and names again when the viewer closes. */
    legend() {
      this.hiddenLabels = new Set();
      const entries = this.settings.overlays.flatMap((layer, n) => layer.labels.map(([value]) => `${n}/${value}`));
      this.switches = [...this.node.querySelectorAll(".ipiu-view-legend li")].map((item, n) => {
        const button = el("button", { type: "button", "aria-pressed": "true", onclick: () => {
          const on = this.hiddenLabels.delete(entries[n]) || !this.hiddenLabels.add(entries[n]);
          button.setAttribute("aria-pressed", String(on));
          this.overlay();
        } });
        button.append(...item.childNodes);
        item.append(button);
        return button;
      });
    }

    /** Hand the switches and the opacity on to the overlays. */
    blend() {
      this.settings.overlays.forEach((layer, n) => {
        const image = this.nv.volumes[n + 1], shown = (value) => !this.hiddenLabels.has(`${n}/${value}`);
        if (layer.kind === "labels") this.paint(image, layer, shown);
        image.opacity = layer.kind === "labels" || shown(1) ? Number(this.opacity.value) : 0;
      });
    }

    overlay() {
      this.blend();
      this.nv.updateGLVolume();
    }

    show(mode) {
      this.mode = mode;
      for (const radio of this.radios) radio.checked = radio.value === mode;
      this.cutter.disabled = mode !== "render" && mode !== "multi";
      this.nv.setSliceType(PLANES[mode]);
    }

    cut(on) {
      this.cutter.setAttribute("aria-pressed", String(on));
      const { renderAzimuth, renderElevation } = this.nv.scene;
      this.nv.setClipPlane([on ? 0.05 : 2, renderAzimuth, renderElevation]);
    }

    window(centre, width) {
      const [c, w] = [Number(centre), Number(width)], image = this.nv.volumes[0];
      if (Number.isFinite(c) && w > 0) {
        [image.cal_min, image.cal_max] = [c - w / 2, c + w / 2];
        this.nv.updateGLVolume();
      }
      this.shades();
    }

    shades() {
      const { cal_min: low, cal_max: high } = this.nv.volumes[0];
      this.centre.value = Number(((low + high) / 2).toPrecision(4));
      this.width.value = Number((high - low).toPrecision(4));
    }

    /** Everything as it is when the viewer opens; drawn by the caller. */
    defaults() {
      const nv = this.nv, [centre, width] = this.settings.window, image = nv.volumes[0];
      [image.cal_min, image.cal_max] = [centre - width / 2, centre + width / 2];
      nv.scene.crosshairPos = nv.mm2frac(this.settings.point, 0, true);
      nv.scene.pan2Dxyzmm = [0, 0, 0, 1];
      nv.scene.volScaleMultiplier = 1;
      [nv.scene.renderAzimuth, nv.scene.renderElevation] = CAMERA;
      nv.setClipPlane([2, 0, 0]);
      this.cutter.setAttribute("aria-pressed", "false");
      this.hiddenLabels.clear();
      for (const button of this.switches) button.setAttribute("aria-pressed", "true");
      if (this.opacity) this.opacity.value = this.settings.opacity;
      this.blend();
      this.show(this.first);
      this.shades();
    }

    reset() {
      this.defaults();
      this.nv.updateGLVolume();
      this.nv.createOnLocationChange();
    }

    /** Tell where the cross-hair is, the image's value there, and what lies over it. */
    read(where) {
      const { image, overlays } = this.settings, words = [];
      const value = where.values[0].value, unit = ["", "arbitrary"].includes(image.unit) ? "" : ` ${image.unit}`;
      overlays.forEach((layer, n) => {
        const here = where.values[n + 1].value;
        const graded = layer.kind === "probability";
        if (graded && here >= 0.005) words.push(`${layer.labels[0][1]} ${Math.round(100 * here)} %`);
        const named = !graded && layer.labels.find(([label]) => label === Math.round(here));
        if (named) words.push(named[1]);
      });
      const mm = Array.from(where.mm).slice(0, 3);
      const fine = Math.min(...this.nv.volumes[0].pixDimsRAS.slice(1, 4)) < 1 ? 1 : 0;
      this.readout.textContent = [place(mm, fine), short(value) + unit, ...words].join(" · ");
      this.readout.dataset.mm = mm.map((n) => n.toFixed(3)).join(",");
      this.readout.dataset.values = where.values.map((item) => item.value).join(",");
    }

  }

  window.IpiuLiveViewer = LiveViewer;
})();
