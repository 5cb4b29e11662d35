"use strict";
(() => {
  const runs = JSON.parse(document.getElementById("runs").textContent);
  const box = document.getElementById("curves");
  const smooth = document.getElementById("smooth"), log = document.getElementById("log");
  const DASH = ["", "7 4", "2 3", "9 3 2 3", "4 2", "1 2"];
  const LEFT = 46, RIGHT = 10, TOP = 10, BOTTOM = 24, HIGH = 220;

  const node = (name, options, text) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const key in options) made.setAttribute(key, options[key]);
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const word = v => Number.isFinite(v) ? String(+v.toPrecision(4))
    : Number.isNaN(v) ? "NaN" : v > 0 ? "∞" : "−∞";

  // The running mean whose weights fade; what is not finite is passed over, and stays.
  const smoothed = (values, a) => {
    let mean = 0, weight = 0;
    return values.map(v => {
      if (!Number.isFinite(v)) return v;
      mean = a * mean + (1 - a) * v;
      weight = a * weight + 1 - a;
      return mean / weight;
    });
  };
  const chosen = () => {
    const picks = [...document.querySelectorAll("input[name=run]")];
    return runs.map((_, i) => !picks.length || picks[i].checked);
  };
  const seriesOf = name => {
    const on = chosen(), found = [];
    runs.forEach((run, i) => [name, "val_" + name].forEach(key => {
      if (!on[i] || !run.columns[key]) return;
      found.push({ run: run.name, i, held: key !== name, values: run.columns[key].map(Number) });
    }));
    return found;
  };
  const ticks = (low, high) => {
    if (!(high > low)) return [low];
    const raw = (high - low) / 4, unit = 10 ** Math.floor(Math.log10(raw));
    const step = unit * [1, 2, 5, 10].find(s => s * unit >= raw), found = [];
    for (let k = Math.ceil(low / step); k * step <= high + step * 1e-9; k++) found.push(k * step);
    return found;
  };

  const draw = card => {
    const a = +smooth.value, wide = Math.max(card.svg.clientWidth, 200);
    const series = seriesOf(card.name);
    series.forEach(s => { s.shown = a ? smoothed(s.values, a) : s.values; });
    const able = v => Number.isFinite(v) && (!log.checked || v > 0);
    const scale = v => log.checked ? Math.log10(v) : v;
    const all = series.flatMap(s => s.values.filter(able).map(scale));
    const count = Math.max(1, ...series.map(s => s.values.length));
    let low = Math.min(...all), high = Math.max(...all);
    if (!all.length) [low, high] = [0, 1];
    if (high === low) {
      const room = log.checked ? 0.5 : Math.abs(low) / 2 || 0.5;
      [low, high] = [low - room, high + room];
    }
    const X = k => LEFT + (wide - LEFT - RIGHT) * (count > 1 ? k / (count - 1) : 0.5);
    const Y = v => TOP + (HIGH - TOP - BOTTOM) * (1 - (scale(v) - low) / (high - low));
    card.svg.replaceChildren();
    card.svg.setAttribute("viewBox", `0 0 ${wide} ${HIGH}`);
    for (const tick of ticks(low, high)) {
      const y = Y(log.checked ? 10 ** tick : tick);
      card.svg.append(node("path", { class: "grid", d: `M${LEFT} ${y}H${wide - RIGHT}` }),
        node("text", { x: LEFT - 5, y: y + 4, "text-anchor": "end" },
          word(log.checked ? 10 ** tick : tick)));
    }
    for (const tick of ticks(1, count).filter(Number.isInteger))
      card.svg.append(node("text", { x: X(tick - 1), y: HIGH - 8, "text-anchor": "middle" }, tick));
    const line = (s, values, options) => {
      let d = "", up = true;
      values.forEach((v, k) => {
        if (!able(v)) { up = true; return; }
        d += `${up ? "M" : "L"}${X(k).toFixed(1)} ${Y(v).toFixed(1)}`;
        if (up && !able(values[k + 1])) d += "h.01";
        up = false;
      });
      card.svg.append(node("path", { d, fill: "none", stroke: `var(--c${s.i % 6})`,
        "stroke-dasharray": DASH[s.i % 6], "stroke-linecap": "round", ...options }));
    };
    const notes = [];
    for (const s of series) {
      if (a) line(s, s.values, { "stroke-width": 1, opacity: 0.35, "stroke-dasharray": "" });
      line(s, s.shown, { "stroke-width": s.held ? 2.6 : 1.2 });
      const bad = s.values.map((v, k) => able(v) ? -1 : k).filter(k => k >= 0);
      for (const k of bad)
        card.svg.append(node("path", { class: "cross", d: `M${X(k) - 4} ${TOP}l8 8m0 -8l-8 8` }));
      if (bad.length) {
        const which = bad.slice(0, 5).map(k => `${k + 1}: ${word(s.values[k])}`).join(", ");
        notes.push(`${s.run}, ${s.held ? "held out" : "training"}: not drawn at epoch ${which}` +
          (bad.length > 5 ? ` and ${bad.length - 5} more` : ""));
      }
    }
    card.note.textContent = series.length ? notes.join("; ") : "no run is chosen";
    const last = series.map(s => `${s.run} ${s.held ? "held out" : "training"} ${word(s.values.at(-1))}`);
    card.svg.setAttribute("aria-label", `${card.name} by epoch, at the end: ${last.join(", ")}`);
    card.state = { series, count, X, wide };
    if (card.at !== null) read(card, card.at);
  };

  const read = (card, k) => {
    const { series, count, X } = card.state;
    card.at = Math.min(Math.max(k, 0), count - 1);
    card.svg.querySelector(".cursor")?.remove();
    card.svg.append(node("path", { class: "cursor", d: `M${X(card.at)} ${TOP}V${HIGH - BOTTOM}` }));
    const head = document.createElement("span");
    head.textContent = `epoch ${card.at + 1}`;
    card.read.replaceChildren(head, ...series.filter(s => card.at < s.values.length).map(s => {
      const span = document.createElement("span");
      span.textContent = `${runs.length > 1 ? s.run + ", " : ""}${s.held ? "held out" : "training"} ` +
        word(s.shown[card.at]);
      return span;
    }));
  };

  const names = [...new Set(runs.flatMap(run => Object.keys(run.columns)))]
    .filter(name => !name.startsWith("val_") && name !== "seconds");
  const cards = names.map(name => {
    const figure = document.createElement("figure"), caption = document.createElement("figcaption");
    const note = document.createElement("p"), said = document.createElement("p");
    const svg = node("svg", { role: "img", tabindex: 0 });
    caption.textContent = name === "lr" ? "learning rate" : name.replaceAll("_", " ");
    note.className = "note";
    said.className = "read";
    said.setAttribute("aria-live", "polite");
    figure.append(caption, svg, said, note);
    box.append(figure);
    const card = { name, svg, note, read: said, at: null, state: null };
    svg.addEventListener("pointermove", event => {
      const { count, wide } = card.state;
      const part = (event.clientX - svg.getBoundingClientRect().left - LEFT) / (wide - LEFT - RIGHT);
      read(card, Math.round(part * (count - 1)));
    });
    svg.addEventListener("keydown", event => {
      const moves = { ArrowLeft: -1, ArrowRight: 1, Home: -1e9, End: 1e9 };
      if (!(event.key in moves)) return;
      event.preventDefault();
      read(card, (card.at ?? -1) + moves[event.key]);
    });
    return card;
  });
  if (!names.length) box.textContent = "no epoch has been recorded";
  const all = () => {
    document.getElementById("smooth-value").textContent = (+smooth.value).toFixed(2);
    cards.forEach(draw);
  };
  document.getElementById("controls").addEventListener("input", all);
  document.getElementById("controls").addEventListener("submit", event => event.preventDefault());
  new ResizeObserver(all).observe(box);
  all();
})();
