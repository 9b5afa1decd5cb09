// Interactive figures of a batch correction, drawn by Vega-Lite from counts and cells in the page.
const COLOURS = { reference: "#6b6b6b", before: "#E69F00", after: "#0072B2" };
const DASHES = { reference: [1, 0], before: [6, 3], after: [1, 0] };
const SIDES = Object.keys(COLOURS);
const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", Arial, sans-serif';
const LOOK = {
  font: FONT, background: "#ffffff",
  axis: { labelFontSize: 12, titleFontSize: 12, titleFontWeight: 500, gridColor: "#eceff1", labelColor: "#1d2125" },
  title: { fontSize: 13, anchor: "start", fontWeight: 600 }, view: { stroke: null },
  legend: { orient: "top", labelFontSize: 12, title: null, symbolStrokeWidth: 3, symbolSize: 200 },
};
const colour = { field: "side", type: "nominal", scale: { domain: SIDES, range: SIDES.map((s) => COLOURS[s]) } };
const dash = { field: "side", type: "nominal", scale: { domain: SIDES, range: SIDES.map((s) => DASHES[s]) } };
const words = (population) => (population === "all" ? "all cells" : population);
const sum = (list) => list.reduce((total, n) => total + n, 0);

function parts(data, state) {
  const m = data.markers.indexOf(state.marker), here = data.counts[`${state.batch}|${state.population}`] || {};
  const there = data.counts[`${data.reference}|${state.population}`] || {};
  const of = { reference: there.reference, before: here.before, after: here.after };
  return SIDES.filter((side) => of[side]).map((side) => ({ side, counts: of[side][m] }));
}

function densityRows(data, state) {
  const [low, high] = data.edges[data.markers.indexOf(state.marker)];
  return parts(data, state).flatMap(({ side, counts }) => {
    const step = (high - low) / counts.length, total = sum(counts);
    return counts.map((n, i) => ({ x: +(low + (i + 0.5) * step).toFixed(3), side, n, share: n / total }));
  });
}

function density(data, state, width) {
  const x = { field: "x", type: "quantitative", title: `${state.marker} (arcsinh units)`, scale: { nice: false, zero: false }, axis: { tickCount: 8 } };
  const y = { field: "share", type: "quantitative", title: "share of cells", axis: { format: ".0%" }, stack: null };
  const hover = { transform: [{ pivot: "side", value: "n", groupby: ["x"] }], mark: { type: "rule", color: "#1d2125" },
    params: [{ name: "at", select: { type: "point", fields: ["x"], nearest: true, on: "pointerover", clear: "pointerout" } }],
    encoding: { x, opacity: { condition: { param: "at", empty: false, value: 0.6 }, value: 0 },
      tooltip: [{ field: "x", title: state.marker, format: ".2f" },
        ...SIDES.map((side) => ({ field: side, title: `cells ${side === "reference" ? "of the reference" : side}` }))] } };
  return { width, height: 240, autosize: { type: "fit", contains: "padding" }, data: { name: "cells", values: densityRows(data, state) },
    layer: [
      { transform: [{ filter: "datum.side == 'reference'" }], mark: { type: "area", interpolate: "monotone", opacity: 0.25, color: COLOURS.reference }, encoding: { x, y } },
      { mark: { type: "line", interpolate: "monotone", strokeWidth: 2 }, encoding: { x, y, color: colour, strokeDash: dash } },
      hover,
    ] };
}

function pair(data, state, width) {
  const [i, j] = [state.marker, state.second].map((name) => data.markers.indexOf(name));
  const population = data.populations.indexOf(state.population), cells = data.cells;
  const rows = (batch) => cells.batch.flatMap((name, k) => (name === batch && (population === 0 || cells.population[k] === population)
    ? [{ bx: cells.before[k][i] / 100, by: cells.before[k][j] / 100, ax: cells.after[k][i] / 100, ay: cells.after[k][j] / 100 }] : []));
  const columns = width < 560 ? 1 : 3, side = Math.floor(columns === 1 ? Math.min(width - 70, 280) : (width - 190) / 3);
  const axis = (field, m, name) => ({ field, type: "quantitative", title: name, scale: { domain: data.edges[m], nice: true, clamp: true, zero: false } });
  const view = (title, values, [fx, fy], tint, more = {}) => ({ title, width: side, height: side, data: { values },
    mark: { type: "point", filled: true, size: 14, opacity: 0.55 },
    encoding: { x: axis(fx, i, state.marker), y: axis(fy, j, state.second), color: tint,
      tooltip: [{ field: fx, title: state.marker, format: ".2f" }, { field: fy, title: state.second, format: ".2f" }] }, ...more });
  const chosen = (value) => ({ condition: { param: "brush", value }, value: "#d5d9dc" });
  const moved = rows(state.batch);
  return { columns, concat: [
    view(`reference: ${data.reference}`, rows(data.reference), ["bx", "by"], { value: COLOURS.reference }),
    view(`${state.batch} before`, moved, ["bx", "by"], chosen("#B97F00"), { params: [{ name: "brush", select: "interval" }] }),
    view(`${state.batch} after`, moved, ["ax", "ay"], chosen(COLOURS.after)),
  ] };
}

function samples(data, state, width) {
  const m = data.markers.indexOf(state.marker);
  const values = data.samples.filter((row) => row.population === state.population && [data.reference, state.batch].includes(row.batch))
    .flatMap((row) => (row.batch === data.reference ? ["reference"] : ["before", "after"]).map((side) => {
      const [low, q25, middle, q75, high] = row[side === "after" ? "after" : "before"][m];
      return { batch: row.batch, sample: row.sample, n: row.n, side, low, q25, middle, q75, high };
    }));
  const y = { field: "sample", type: "nominal", sort: null, title: null, scale: { paddingInner: 0.3 }, axis: { labelLimit: Math.min(180, width / 3), domain: false, ticks: false } };
  const at = (field) => ({ field, type: "quantitative", title: `${state.marker} (arcsinh units)`, scale: { zero: false } });
  const yOffset = { field: "side", type: "nominal", sort: SIDES };
  const tooltip = ["batch", "sample", "side", "n"].map((field) => ({ field, title: { n: "cells" }[field] || field }))
    .concat([["low", "5 %"], ["q25", "25 %"], ["middle", "median"], ["q75", "75 %"], ["high", "95 %"]].map(([field, title]) => ({ field, title, format: ".2f" })));
  const layer = (mark, x, x2) => ({ mark, encoding: { y, yOffset, x: at(x), ...(x2 && { x2: { field: x2 } }), color: colour, tooltip } });
  return { width, height: 36 * new Set(values.map((row) => row.sample)).size + 10, autosize: { type: "fit", contains: "padding" }, data: { values },
    layer: [layer({ type: "rule", strokeWidth: 1.5 }, "low", "high"), layer({ type: "rule", strokeWidth: 6, opacity: 0.45 }, "q25", "q75"),
      layer({ type: "point", filled: true, size: 50, opacity: 1 }, "middle")] };
}

const CHARTS = { density, pair, samples };

function download(name, url) {
  const link = Object.assign(document.createElement("a"), { href: url, download: name });
  link.click();
}

function savers(figure, name, svg, png) {
  const bar = figure.querySelector(".save") || figure.appendChild(Object.assign(document.createElement("p"), { className: "save" }));
  const button = (kind, act) => {
    const made = Object.assign(document.createElement("button"), { type: "button", textContent: kind });
    made.setAttribute("aria-label", `Save this figure as ${kind}`);
    made.addEventListener("click", act);
    bar.append(made);
  };
  bar.replaceChildren("Save: ");
  if (svg) button("SVG", async () => download(`${name}.svg`, await svg()));
  button("PNG", async () => download(`${name}.png`, await png()));
  button("PDF", () => { // the printer of the browser writes PDF with sharp lines
    document.body.classList.add("one-figure");
    figure.classList.add("printed");
    addEventListener("afterprint", () => { document.body.classList.remove("one-figure"); figure.classList.remove("printed"); }, { once: true });
    print();
  });
}

function painted(image) {
  const canvas = document.createElement("canvas"), size = 2;
  [canvas.width, canvas.height] = [image.naturalWidth * size, image.naturalHeight * size];
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL("image/png");
}

for (const figure of document.querySelectorAll("figure[data-name]")) {
  const image = figure.querySelector("img"), vector = image.src.startsWith("data:image/svg");
  savers(figure, figure.dataset.name, vector && (() => image.src), () => (vector ? painted(image) : image.src));
}

for (const button of document.querySelectorAll("button[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    getSelection().selectAllChildren(document.getElementById(button.dataset.copy));
    document.execCommand("copy");
    button.textContent = "Copied";
  });
}

addEventListener("beforeprint", () => { // a closed part would be missing on paper
  for (const part of document.querySelectorAll("details:has(table)")) part.open = true;
});

class Explorer {
  constructor(root) {
    this.root = root;
    this.data = JSON.parse(root.querySelector("script").textContent);
    this.form = root.querySelector("form");
    this.views = {};
    this.sorted = { column: 4, up: false };
    const asked = new URLSearchParams(location.hash.slice(1)), data = this.data;
    const lists = { batch: data.batches, population: data.populations, marker: data.markers, second: data.markers };
    this.state = {};
    for (const [name, list] of Object.entries(lists)) {
      const select = this.form.elements[name], first = name === "second" ? list[1] || list[0] : list[0];
      select.replaceChildren(...list.map((value) => new Option(name === "population" ? words(value) : value, value)));
      this.state[name] = select.value = list.includes(asked.get(name)) ? asked.get(name) : first;
    }
    this.form.addEventListener("change", () => this.choose({}));
    this.form.addEventListener("submit", (event) => event.preventDefault());
    for (const button of this.form.querySelectorAll("button[data-step]")) {
      button.addEventListener("click", () => {
        const n = data.markers.length, at = data.markers.indexOf(this.state.marker) + Number(button.dataset.step);
        this.choose({ marker: data.markers[(at + n) % n] });
      });
    }
    this.table();
    root.hidden = false;
    let width = 0;
    this.drawn = Promise.resolve();
    new ResizeObserver(() => {
      if (root.clientWidth !== width) { width = root.clientWidth; this.draw(); }
    }).observe(root);
  }

  choose(changed) {
    for (const [name, value] of Object.entries(changed)) this.form.elements[name].value = value;
    for (const name of Object.keys(this.state)) this.state[name] = this.form.elements[name].value;
    history.replaceState(null, "", `#${new URLSearchParams(this.state)}`);
    this.draw();
    this.rows();
  }

  draw() { this.drawn = this.drawn.then(() => this.drawNow()); return this.drawn; }

  async drawNow() {
    for (const [name, spec] of Object.entries(CHARTS)) {
      const figure = this.root.querySelector(`[data-chart=${name}]`), canvas = figure.querySelector(".canvas");
      const width = Math.min(figure.clientWidth, 780);
      const shown = await vegaEmbed(canvas, { config: LOOK, ...spec(this.data, this.state, width) }, { mode: "vega-lite", actions: false, renderer: "svg", defaultStyle: false });
      this.views[name]?.finalize();
      this.views[name] = shown.view;
      const file = [name, this.state.batch, this.state.population, this.state.marker].join("_").replace(/[^\w.-]+/g, "_");
      savers(figure, file, async () => `data:image/svg+xml,${encodeURIComponent(await shown.view.toSVG())}`, () => shown.view.toImageURL("png", 3));
    }
    const of = Object.fromEntries(parts(this.data, this.state).map(({ side, counts }) => [side, sum(counts)]));
    this.root.querySelector(".counts").textContent = of.before === undefined || of.reference === undefined
      ? `No cell of ${words(this.state.population)} in ${of.before === undefined ? this.state.batch : this.data.reference}.`
      : `${of.before} cells of ${this.state.batch}, before and after, and ${of.reference} cells of the reference ${this.data.reference}.`;
  }

  table() {
    const heads = [...this.root.querySelectorAll(".gate th")];
    heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
      this.sorted = { column, up: this.sorted.column === column ? !this.sorted.up : column < 3 };
      this.rows();
    }));
    this.rows();
  }

  rows() {
    // A row of the data: batch, population, marker, cells, cells of the reference, before, after, sampling, what happened.
    const shown = [2, 1, 8, 5, 6, 7, 3, 4], { column, up } = this.sorted, by = shown[column];
    const rows = this.data.gate.filter((row) => row[0] === this.state.batch);
    const less = (a, b) => (typeof a === "number" ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true }));
    rows.sort((a, b) => (up ? 1 : -1) * less(a[by], b[by]));
    [...this.root.querySelectorAll(".gate th")].forEach((head, i) => head.setAttribute("aria-sort", i !== column ? "none" : up ? "ascending" : "descending"));
    this.root.querySelector(".gate tbody").replaceChildren(...rows.map((row) => {
      const line = document.createElement("tr");
      shown.forEach((k) => {
        const cell = line.insertCell(), value = k === 1 ? words(row[k]) : k > 4 && k < 8 ? row[k].toFixed(3) : row[k];
        if (k === 2) {
          const button = Object.assign(document.createElement("button"), { type: "button", textContent: value });
          button.addEventListener("click", () => { this.choose({ marker: row[2], population: row[1] }); this.form.scrollIntoView({ block: "start" }); });
          cell.append(button);
        } else cell.textContent = value;
      });
      const current = row[2] === this.state.marker && row[1] === this.state.population;
      if (current) line.setAttribute("aria-current", "true");
      if (String(row[8]).startsWith("flagged")) line.classList.add("flagged");
      return line;
    }));
  }
}

window.explorers = [...document.querySelectorAll(".explorer")].map((root) => new Explorer(root));
