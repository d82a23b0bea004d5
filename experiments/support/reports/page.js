"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  // Plotly reads some HTML in what it writes; names are shown as they are.
  const escaped = (text) =>
    text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  const number = (x) => (x === null ? "none" : String(Number(x.toPrecision(6))));
  const faint = (hex, alpha) =>
    `rgba(${[1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)).join(",")},${alpha})`;
  const chosen = (id) =>
    new Set([...byId(id).querySelectorAll("input:checked")].map((box) => box.value));

  // The statistics of adqn_jax.results.estimates, of some seeds at one log point.
  const mean = (xs) => xs.reduce((sum, x) => sum + x, 0) / xs.length;
  const middle = (xs) => {
    const cut = Math.floor(xs.length / 4);
    return mean([...xs].sort((a, b) => a - b).slice(cut, xs.length - cut));
  };
  const standardError = (xs) => {
    if (xs.length < 2) return 0;
    const centre = mean(xs);
    const squares = xs.reduce((sum, x) => sum + (x - centre) ** 2, 0);
    return Math.sqrt(squares / (xs.length - 1) / xs.length);
  };

  // What the seeds shown have in common; of all seeds it is what Python has estimated.
  function estimate(run, metric, columns) {
    const whole = run.estimates[metric];
    if (columns.length === run.seeds.length) return whole;
    const rows = run.values[metric].map((row) => columns.map((column) => row[column]));
    const known = (row, of) => (row.includes(null) ? null : of(row));
    const value = rows.map((row) => known(row, data.statistic === "mean" ? mean : middle));
    if (data.interval !== "stderr") return { value, low: null, high: null };
    const error = rows.map((row) => known(row, standardError));
    const moved = (sign) => value.map((x, i) => (x === null ? null : x + sign * error[i]));
    return { value, low: moved(-1), high: moved(1) };
  }

  function traces(run, metric, drawn, seeds) {
    const columns = run.seeds.flatMap((seed, i) => (seeds.has(String(seed)) ? [i] : []));
    if (!columns.length) return [];
    const { hex, dash } = data.colours[run.label], at = run.timesteps, name = escaped(run.label);
    const line = (y, told, more) => ({
      x: at, y, mode: "lines", type: "scatter", name, hoverinfo: "text",
      text: y.map((v, i) => `${told(i)}<br>${at[i].toLocaleString("en")} timesteps`), ...more,
    });
    const lines = [];
    const centre = estimate(run, metric, columns);
    if (drawn !== "seeds" && centre.low)
      lines.push({
        x: [...at, ...[...at].reverse()], y: [...centre.high, ...[...centre.low].reverse()],
        fill: "toself", fillcolor: faint(hex, 0.2), line: { width: 0 }, mode: "lines",
        type: "scatter", name, hoverinfo: "skip", meta: { run: run.id, what: "interval" },
      });
    if (drawn !== "centre")
      for (const column of columns) {
        const y = run.values[metric].map((row) => row[column]);
        const told = (i) => `${name}<br>seed ${run.seeds[column]}: <b>${number(y[i])}</b>`;
        const style = { color: faint(hex, drawn === "seeds" ? 0.75 : 0.35), width: 1.2, dash };
        const meta = { run: run.id, what: "seed", seed: run.seeds[column] };
        lines.push(line(y, told, { line: style, meta }));
      }
    if (drawn !== "seeds") {
      const seedsTold = columns.length === 1 ? "1 seed" : `${columns.length} seeds`;
      const told = (i) => {
        const ends = centre.low ? ` (${number(centre.low[i])} to ${number(centre.high[i])})` : "";
        return `${name}<br>${data.statistic} of ${seedsTold}: <b>${number(centre.value[i])}</b>${ends}`;
      };
      const meta = { run: run.id, what: "centre" };
      lines.push(line(centre.value, told, { line: { color: hex, width: 2.6, dash }, meta }));
    }
    return lines;
  }

  // What the y axis must hold: all that is drawn, and a little room.
  function room(lines) {
    const all = lines.flatMap((line) => line.y).filter((y) => y !== null);
    if (!all.length) return [];
    const low = Math.min(...all), high = Math.max(...all), pad = 0.04 * (high - low || 1);
    return [low - pad, high + pad];
  }

  function layout(metric, lines) {
    const axis = {
      gridcolor: colour("--grid"), linecolor: colour("--line"), zerolinecolor: colour("--line"),
      automargin: true,
    };
    const title = (text) => ({ text, font: { size: 12, color: colour("--soft") }, standoff: 8 });
    return {
      margin: { l: 48, r: 12, t: 8, b: 40 }, showlegend: false, hovermode: "closest",
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", uirevision: metric,
      font: { family: getComputedStyle(document.body).fontFamily, color: colour("--ink"), size: 12 },
      xaxis: { ...axis, title: title("timesteps per seed"), tickformat: "~s", rangemode: "tozero" },
      yaxis: { ...axis, title: title(data.titles[metric]), autorangeoptions: { include: room(lines) } },
      hoverlabel: {
        bgcolor: colour("--raised"), bordercolor: colour("--line"), align: "left",
        font: { family: getComputedStyle(document.body).fontFamily, color: colour("--ink"), size: 13 },
      },
    };
  }

  const config = { displayModeBar: false, responsive: true };

  function draw() {
    const metric = byId("metric").value, drawn = byId("drawn").value;
    const runs = chosen("runs"), seeds = chosen("seeds");
    data.envs.forEach((env, i) => {
      const shown = data.runs.filter((run) => run.env === env && runs.has(data.colours[run.label].key));
      const lines = shown.flatMap((run) => traces(run, metric, drawn, seeds));
      Plotly.react(byId(`plot-${i}`), lines, layout(metric, lines), config);
    });
    for (const table of document.querySelectorAll("[data-metric]"))
      table.hidden = table.dataset.metric !== metric;
    for (const row of document.querySelectorAll("[data-run]"))
      row.hidden = !runs.has(row.dataset.run);
  }

  function sort(heading) {
    const up = heading.getAttribute("aria-sort") !== "ascending";
    const column = [...heading.parentNode.children].indexOf(heading);
    const body = heading.closest("table").tBodies[0];
    const key = (row) => {
      const cell = row.children[column], text = cell.dataset.sort ?? cell.textContent;
      return text === "" || isNaN(text) ? text : Number(text);
    };
    const compare = (a, b) => {
      if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1; // what is missing: last
      return (up ? 1 : -1) * (a < b ? -1 : a > b ? 1 : 0);
    };
    const rows = [...body.rows].sort((a, b) => compare(key(a), key(b)));
    for (const other of heading.parentNode.children) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", up ? "ascending" : "descending");
    body.append(...rows);
  }

  byId("drawn").value = data.drawn;
  byId("controls").addEventListener("change", draw);
  byId("controls").addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.classList.contains("sort")) sort(button.closest("th"));
    const list = button.dataset.all ?? button.dataset.none;
    if (!list) return;
    for (const box of byId(list).querySelectorAll("input")) box.checked = "all" in button.dataset;
    draw();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  draw();
})();
