// The layer's own code, with the lines that ran; and the panel that trains.
Object.assign(View.prototype, {
  runs(phase, node) {
    return node && (phase === "forward" || phase === "backward") && node[phase] || [];
  },
  moveLine(by) {
    const {phase, n} = this.step, node = this.m.nodes[n];
    const last = this.runs(phase, node).reduce((sum, [, lines]) => sum + lines.length, 0) - 1;
    if (last < 0) return;
    const from = this.line ?? (by > 0 ? -1 : last + 1);
    this.line = Math.max(0, Math.min(from + by, last));
    this.drawCode(phase, node, true);
  },

  drawCode(phase, node, told = false) {
    const runs = this.runs(phase, node);
    if (!runs.length) {
      this.code.replaceChildren(node && (phase === "forward" || phase === "backward")
        ? h("p", {class: "quiet"}, "The layer's code is not available.") : "");
      return;
    }
    const count = runs.reduce((sum, [, lines]) => sum + lines.length, 0);
    const current = this.line ?? Math.max(runs[0][1].length - 1, 0); // the end of the method itself
    const button = (text, name, by) => h("button", {type: "button", "aria-label": name,
      title: `${name} (${by > 0 ? "." : ","})`, "data-key": name,
      onclick: () => this.moveLine(by)}, text);
    let number = 0, note = "";
    const parts = runs.map(([id, lines]) => {
      const method = this.data.methods[id];
      const of = new Map(lines.map(([first, last, text]) => [first, {last, text, number: number++}]));
      let open = null;
      const shown = method.text.split("\n").map((text, i) => {
        const ran = of.get(i + 1);
        if (ran) open = ran; else if (open && i + 1 > open.last) open = null;
        const here = open && open.number === current;
        if (here && ran) note = open.text;
        return h("span", {class: `line${open ? " ran" : ""}${here ? " here" : ""}`,
          "aria-current": here ? "true" : false}, h("i", {}, String(method.first + i)), text || " ");
      });
      const file = h("span", {class: "quiet"}, method.file);
      return [h("h4", {}, `${method.name} `, file), h("pre", {tabindex: 0}, shown)];
    });
    const says = `Line ${current + 1} of ${count}${note && `: ${note}`}` +
      `${note && this.m.edited ? " (before the edit)" : ""}`;
    this.code.replaceChildren(h("div", {class: "lines"}, h("h3", {}, "The layer's own code"),
      button("▲", "Line before", -1), button("▼", "Next line", 1),
      h("span", {class: "note", role: told ? "status" : false}, says)), ...parts.flat());
  },

  training() {
    const about = this.m.about.some(v => v.kind === "parameter") && this.data.backward;
    if (!about) return "";
    const steps = count => () => {
      this.stop();
      for (let i = 0; i < count; i++)
        if (!this.m.train(this.rule.value, this.rate())) {
          this.result.textContent = "A gradient is unknown: the page has no arithmetic for a layer " +
            "on the way, so after an edit it cannot train. “As before” takes the edits back.";
          return;
        }
      this.draw();
    };
    this.rule = h("select", {"aria-label": "Update rule", onchange: () => {
      this.m.memory = {};
      this.m.time = 0;
      this.draw();
    }}, Object.keys(rules).map(name => h("option", {}, name)));
    this.lr = h("input", {type: "text", inputmode: "decimal", value: "0.1",
      "aria-label": "Learning rate", onchange: () => this.draw()});
    this.result = h("p", {role: "status", class: "result"});
    this.curve = h("div", {class: "curve"});
    return h("section", {class: "train", "aria-label": "Training"}, h("h3", {}, "Train"),
      h("p", {class: "fields"}, h("label", {}, "rule ", this.rule), h("label", {}, "η ", this.lr)),
      h("p", {class: "fields"},
        h("button", {type: "button", id: "one", onclick: steps(1)}, "One step"),
        h("button", {type: "button", id: "ten", onclick: steps(10)}, "Ten steps"),
        h("button", {type: "button", id: "reset", onclick: () => {
          this.stop();
          this.m.reset();
          this.draw();
        }}, "As before")),
      this.result, this.curve);
  },
  rate() {
    const lr = Number(this.lr.value.replace(",", "."));
    if (lr > 0 && Number.isFinite(lr)) return lr;
    this.lr.value = "0.1";
    return 0.1;
  },
  drawTraining() {
    if (!this.result) return;
    const {losses, edited} = this.m, last = this.m.loss(), count = losses.length - 1;
    const goal = this.m.goal[0].toUpperCase() + this.m.goal.slice(1);
    this.result.textContent = count
      ? `${goal} ${say(losses[0])} → ${say(last)} after ${count} step${count > 1 ? "s" : ""}.`
      : `${goal} ${say(last)}${edited ? " after the edit" : ", not trained yet"}.`;
    const finite = losses.filter(Number.isFinite);
    if (!count || finite.length < 2) return this.curve.replaceChildren();
    const low = Math.min(...finite), span = Math.max(...finite) - low || 1;
    const point = (v, i) => [i / count * 196 + 2, 58 - 54 * (v - low) / span].map(p => p.toFixed(1));
    const points = losses.map((v, i) => point(v, i).join())
      .filter((_, i) => Number.isFinite(losses[i])).join(" ");
    const box = h("div");
    box.innerHTML = `<svg viewBox="0 0 200 62" role="img" aria-label="The loss after each step, from ` +
      `${say(losses[0])} to ${say(last)}"><polyline points="${points}"/></svg>`;
    this.curve.replaceChildren(box.firstChild);
  },
});

/** Show a machine; `window.stepping` is for the curious, and for tests. */
function show(machine) {
  window.stepping = new View(machine, machine.data);
}
