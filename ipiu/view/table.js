/* Lists to choose from above a table of itables: one for each column named in the figure's data-filters.
   A cell may hold several words with commas between them. */
(function () {
  "use strict";

  const NONE = "none stated";

  function words(cell) {
    const text = new DOMParser().parseFromString(String(cell ?? ""), "text/html").body.textContent.trim();
    return text ? text.split(/,\s*/) : [NONE];
  }

  function choices(api, column) {
    const counts = new Map();
    for (const cell of api.column(column).data().toArray()) {
      for (const word of words(cell)) counts.set(word, (counts.get(word) || 0) + 1);
    }
    const last = (word) => word === NONE;
    return [...counts].sort(([a], [b]) => last(a) - last(b) || a.localeCompare(b, "en", { numeric: true }));
  }

  function list(api, column, title, redraw) {
    const label = document.createElement("label");
    const select = document.createElement("select");
    select.append(new Option(`any`, ""));
    for (const [word, count] of choices(api, column)) select.append(new Option(`${word} (${count})`, word));
    select.addEventListener("change", () => {
      const wanted = select.value;
      api.search.fixed(`ipiu-${column}`, wanted ? (_, row) => words(row[column]).includes(wanted) : null);
      select.classList.toggle("ipiu-set", Boolean(wanted));
      redraw();
    });
    label.append(Object.assign(document.createElement("span"), { textContent: title }), select);
    return label;
  }

  function equip(figure, api) {
    const columns = JSON.parse(figure.dataset.filters);
    if (figure.querySelector(".ipiu-table-filters")) return;
    const bar = Object.assign(document.createElement("div"), { className: "ipiu-table-filters" });
    const clear = Object.assign(document.createElement("button"), { type: "button", textContent: "Clear", hidden: true });
    const redraw = () => {
      clear.hidden = !bar.querySelector(".ipiu-set");
      api.draw();
    };
    for (const column of columns) bar.append(list(api, column, api.column(column).title(), redraw));
    clear.addEventListener("click", () => {
      for (const select of bar.querySelectorAll("select")) {
        select.value = "";
        select.dispatchEvent(new Event("change"));
      }
    });
    bar.append(clear);
    figure.prepend(bar);
  }

  /** The plain rows give way to the table that is about to be made. */
  function reveal() {
    for (const rows of document.querySelectorAll("figure.ipiu-table [id$='_fallback']:not([hidden])")) {
      rows.hidden = true;
      rows.previousElementSibling.hidden = false; // not by id: the same table may stand twice
    }
  }

  const library = Object.keys(window).find((name) => name.startsWith("_itables_"));
  window[library].then(reveal);
  if (window.ipiuTables) return; // in a notebook each table brings the script
  window.ipiuTables = true;
  window[library].then(({ jQuery }) => {
    const start = (settings) => {
      const figure = settings.nTableWrapper.closest("figure.ipiu-table[data-filters]");
      if (figure) equip(figure, new jQuery.fn.dataTable.Api(settings));
    };
    jQuery(document).on("init.dt", (event, settings) => start(settings));
  });
})();
