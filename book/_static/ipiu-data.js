/* Charts and tables of a page. Their libraries are loaded once something of theirs comes near the window.
   A classic script without fetch or modules, so that pages opened from the disk work too. */
(function () {
  "use strict";

  const NEAR = "400px";
  const scripts = () => `${window.ipiuPage.base()}_static/scripts/`;

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  /** The page's colours, for what a chart draws besides its data. */
  function theme() {
    const text = colour("--pst-color-text-base");
    const line = colour("--ipiu-line");
    const look = { "font.color": text, "legend.font.color": text, "hoverlabel.bgcolor": colour("--pst-color-background"),
      "hoverlabel.font.color": text, "hoverlabel.bordercolor": line, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)" };
    return { text, line, look };
  }

  function axes(layout, { text, line }) {
    const found = Object.keys(layout).filter((name) => /^[xy]axis\d*$/.test(name));
    return Object.fromEntries(found.flatMap((name) => [
      [`${name}.gridcolor`, line], [`${name}.linecolor`, line], [`${name}.zerolinecolor`, line],
      [`${name}.tickcolor`, line], [`${name}.tickfont.color`, text], [`${name}.title.font.color`, text],
    ]));
  }

  function paint(stage, plotly) {
    const now = theme();
    const heat = stage.data.flatMap((trace, number) => (trace.type === "heatmap" ? [number] : []));
    const numbers = heat.length ? { "textfont.color": now.text } : {};
    return plotly.update(stage, numbers, { ...now.look, ...axes(stage.layout, now) }, heat);
  }

  async function draw(figure) {
    const stage = figure.querySelector(".ipiu-chart-stage");
    try {
      const drawing = JSON.parse(figure.querySelector("script[type='application/json']").textContent);
      const plotly = (await window.ipiuPage.load(`${scripts()}plotly.min.js`, true)) || window.Plotly;
      const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
      const options = { responsive: true, displaylogo: false, displayModeBar: false, scrollZoom: false };
      if (calm) drawing.layout.transition = { duration: 0 };
      await plotly.newPlot(stage, drawing.data, drawing.layout, options);
      await paint(stage, plotly);
      new MutationObserver(() => paint(stage, plotly))
        .observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
      stage.on("plotly_click", ({ points }) => {
        const told = points[0] && points[0].customdata;
        const page = Array.isArray(told) ? told[0] : told;
        if (typeof page === "string" && page.startsWith("book/")) location.assign(window.ipiuPage.base() + page);
      });
      figure.dataset.ipiuChart = "drawn";
    } catch (error) {
      const table = figure.querySelector("details") ? "; its numbers stand in the table below" : "";
      figure.querySelector(".ipiu-chart-note").textContent = `The chart could not be drawn (${error.message})${table}.`;
      figure.dataset.ipiuChart = "failed";
    }
  }

  /** Do something once, when one of the nodes comes near the window. */
  function near(node, act) {
    if (!window.IntersectionObserver) return act(node);
    const watch = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      watch.disconnect();
      act(node);
    }, { rootMargin: NEAR });
    watch.observe(node);
  }

  function wake() {
    for (const figure of document.querySelectorAll("figure[data-ipiu-chart='']")) near(figure, draw);
    for (const figure of document.querySelectorAll("figure.ipiu-table")) {
      near(figure, () => window.ipiuPage.load(`${scripts()}itables.js`));
    }
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", wake);
  else wake();
})();
