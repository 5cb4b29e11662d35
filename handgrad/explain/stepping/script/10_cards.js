// A card: a value and its gradient, as heat maps and as a window of numbers that can be edited.
const ROWS = 6, COLUMNS = 6, FINEST = 48, PIXELS = 400;

/** The matrix that is shown of an array: rows, columns, and where element (0, 0) is. */
function slice(s, lead) {
  const [rows, columns] = s.length > 1 ? s.slice(-2) : [1, s[0] ?? 1];
  return {rows, columns, start: flatOf(lead, s.slice(0, -2)) * rows * columns};
}
/** Means of blocks, where a matrix has more cells than are drawn. */
function reduced(a, {rows, columns, start}) {
  const R = Math.min(rows, PIXELS), C = Math.min(columns, PIXELS), cells = [];
  for (let r = 0; r < R; r++)
    for (let c = 0; c < C; c++) {
      const [r0, r1] = [Math.floor(r * rows / R), Math.floor((r + 1) * rows / R)];
      const [c0, c1] = [Math.floor(c * columns / C), Math.floor((c + 1) * columns / C)];
      let sum = 0;
      for (let i = r0; i < r1; i++) for (let j = c0; j < c1; j++) sum += a.d[start + i * columns + j];
      cells.push(sum / ((r1 - r0) * (c1 - c0)));
    }
  return {R, C, cells};
}
function paint(canvas, a, part) {
  const {R, C, cells} = reduced(a, part), fine = R > FINEST || C > FINEST, side = fine ? 1 : 8;
  canvas.width = C * side;
  canvas.height = R * side;
  canvas.style.width = `min(100%, ${Math.max(C * (fine ? 2 : 14), 14)}px)`;
  if (fine) canvas.style.maxHeight = "14rem";
  const style = getComputedStyle(document.documentElement), pen = canvas.getContext("2d");
  const [above, below, ink] = ["--value", "--back", "--ink"].map(n => style.getPropertyValue(n).trim());
  const rgb = [above, below, ink].map(c => [1, 3, 5].map(i => parseInt(c.slice(i, i + 2), 16)));
  const image = fine && pen.createImageData(C, R);
  const top = cells.reduce((most, v) => Number.isFinite(v) ? Math.max(most, Math.abs(v)) : most, 0) || 1;
  cells.forEach((v, i) => {
    const shade = !Number.isFinite(v) ? 1 : v === 0 ? 0 : 0.12 + 0.88 * Math.abs(v) / top;
    if (fine) {
      image.data.set([...rgb[Number.isFinite(v) ? +(v < 0) : 2], 255 * shade], 4 * i);
      return;
    }
    const x = i % C * side, y = Math.floor(i / C) * side, inset = v < 0 ? side / 4 : 0;
    if (!Number.isFinite(v)) {
      pen.globalAlpha = 1;
      pen.strokeStyle = ink;
      pen.beginPath();
      pen.moveTo(x, y); pen.lineTo(x + side, y + side); pen.moveTo(x + side, y); pen.lineTo(x, y + side);
      return pen.stroke();
    }
    pen.globalAlpha = shade;
    pen.fillStyle = v > 0 ? above : below;
    pen.fillRect(x + inset, y + inset, side - 2 * inset, side - 2 * inset);
  });
  if (fine) pen.putImageData(image, 0, 0);
}

Object.assign(View.prototype, {
  card(id, name, j) {
    const about = this.m.about[id], state = this.cards[id] ||= {}, s = about.shape;
    const [value, gradient] = this.known(id), index = indexOf(this.looked[id] ?? 0, s);
    const lead = state.lead || index.slice(0, Math.max(s.length - 2, 0));
    const part = slice(s, lead), [row, column] = [0, 0, ...index].slice(-2);
    const seen = (at, from, count, room) => Math.max(0, Math.min(from ?? at - 1, count - room));
    state.top = seen(row, state.top, part.rows, ROWS);
    state.left = seen(column, state.left, part.columns, COLUMNS);
    const editable = about.kind !== "computed" && !about.fixed && typeof value !== "string";
    const label = about.name === name || about.kind === "computed" ? name : `${name} = ${about.name}`;
    return h("section", {class: `card ${about.kind}`, "aria-label": `${label}, ${lengths(s)}, ${about.kind}`},
      h("h4", {}, h("code", {}, label), h("span", {class: "quiet"}, ` ${lengths(s)} ${about.kind}`)),
      h("div", {class: "maps"}, this.map(id, value, part, "value"),
        gradient && this.map(id, gradient, part, "gradient")),
      size(s) ? this.mover(id, s, lead, part) : "",
      size(s) && typeof value !== "string" || gradient && typeof gradient !== "string"
        ? this.table(id, s, part, value, gradient, editable) : "");
  },

  map(id, a, part, kind) {
    const word = typeof a === "string";
    const name = (kind === "gradient" ? "d" : "") + this.m.about[id].name;
    const figure = h("figure", {class: kind}, h("figcaption", {}, word ? `${kind}: ${a}` : `${kind}: ${
      a.d.length === 1 ? say(a.d[0]) : extent(a)}`));
    if (word || a.d.length < 2) return figure;
    const canvas = h("canvas", {role: "img", "aria-label": `Heat map of ${name}: ${extent(a)}`, onclick: event => {
      const box = canvas.getBoundingClientRect();
      const r = Math.floor((event.clientY - box.top) / box.height * part.rows);
      const c = Math.floor((event.clientX - box.left) / box.width * part.columns);
      this.touch(id, part.start + Math.min(r, part.rows - 1) * part.columns + Math.min(c, part.columns - 1));
    }});
    paint(canvas, a, part);
    figure.append(canvas);
    return figure;
  },

  /** Look at one element: the window of numbers goes there. */
  touch(id, spot, keep = false) {
    const card = this.cards[id];
    card.spot = spot;
    if (!keep) card.moved = card.top = card.left = card.lead = undefined;
    this.target = {id};
    this.draw();
  },

  /** Number fields by which the window of numbers is moved. */
  mover(id, s, lead, part) {
    const card = this.cards[id], name = this.m.about[id].name;
    const field = (text, value, most, set) => h("label", {}, `${text} `, h("input", {
      type: "number", min: 0, max: most, value, "data-key": `${id} ${text}`,
      "aria-label": `${name}: ${text}`, onchange: event => {
        set(Math.max(0, Math.min(Math.trunc(Number(event.target.value)) || 0, most)));
        card.moved = true;
        this.draw();
      }}));
    const fields = lead.map((v, a) => s[a] > 1 && field(`axis ${a}`, v, s[a] - 1, to => {
      card.lead = lead.map((old, b) => a === b ? to : old);
    }));
    if (part.rows > ROWS) fields.push(field("from row", card.top, part.rows - ROWS, to => { card.top = to; }));
    if (part.columns > COLUMNS)
      fields.push(field("from column", card.left, part.columns - COLUMNS, to => { card.left = to; }));
    const shown = fields.filter(Boolean);
    return shown.length ? h("p", {class: "mover"}, shown) : "";
  },

  table(id, s, part, value, gradient, editable) {
    const card = this.cards[id], about = this.m.about[id], spot = this.looked[id], rows = [];
    for (let r = card.top; r < Math.min(card.top + ROWS, part.rows); r++) {
      const cells = [];
      for (let c = card.left; c < Math.min(card.left + COLUMNS, part.columns); c++) {
        const i = part.start + r * part.columns + c, name = spotted(about.name, i, s);
        const v = typeof value === "string" ? null : value.d[i];
        const g = !gradient || typeof gradient === "string" ? null : gradient.d[i];
        cells.push(h("td", {class: i === spot ? "spot" : false},
          editable ? this.field(id, i, v, name) : h("button", {
            type: "button", class: "number", "data-key": `${id} ${i}`,
            "aria-label": `${name} = ${v === null ? "not computed yet" : say(v)}`,
            "aria-pressed": String(i === spot), onclick: () => this.touch(id, i, true),
          }, v === null ? "·" : say(v)),
          g === null ? "" : h("span", {class: "gradient", title: `d${name} = ${g}`}, say(g))));
      }
      rows.push(h("tr", {}, h("th", {scope: "row"}, s.length > 1 ? String(r) : ""), cells));
    }
    const columns = [];
    for (let c = card.left; c < Math.min(card.left + COLUMNS, part.columns); c++)
      columns.push(h("th", {scope: "col"}, s.length ? String(c) : ""));
    const head = h("thead", {}, h("tr", {}, h("td", {}), columns));
    return h("div", {class: "scroll"}, h("table", {}, head, h("tbody", {}, rows)));
  },

  field(id, i, v, name) {
    return h("input", {type: "text", inputmode: "decimal", class: "number",
      value: say(v).replace(/−/g, "-"), title: `${name} = ${v}`, "data-key": `${id} ${i}`, "aria-label": name,
      onfocus: () => { if (this.looked[id] !== i) this.touch(id, i, true); },
      onchange: event => this.changed(id, i, event.target)});
  },
  changed(id, i, input) {
    const text = input.value.trim().replace(/−/g, "-"), about = this.m.about[id];
    const v = /^-?inf(inity)?$/i.test(text) ? (text[0] === "-" ? -Infinity : Infinity)
      : /^nan$/i.test(text) ? NaN : text === "" ? undefined : Number(text.replace(",", "."));
    const bound = about.whole && this.limit(id);
    const none = v === undefined || (Number.isNaN(v) && !/^nan$/i.test(text));
    const wrong = none ? `${input.value || "Nothing"} is no number.`
      : !about.whole || (Number.isInteger(v) && v >= 0 && v < bound) ? ""
        : `An integer from 0 to ${bound - 1} is needed, got ${input.value}.`;
    if (!wrong) this.m.edit(id, i, v);
    setTimeout(() => { // when the focus has moved on
      this.draw();
      if (wrong) this.words.textContent = wrong;
    });
  },
  /** How many integers are valid: the largest label or id that the layers with this input know. */
  limit(id) {
    return Math.min(...this.m.nodes.filter(n => n.args.includes(id)).map(n => {
      if (/^Embedding/.test(n.op)) return this.m.about[n.args.at(-1)].shape[0];
      const scores = this.m.about[n.args[0]].shape;
      return scores.length > this.m.about[id].shape.length ? scores.at(-1) : Infinity;
    }));
  },
});
