// The page: what is at hand, the step, its values, its code, and training.
function h(tag, options = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(options))
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value !== false && value !== undefined && value !== null) element.setAttribute(key, value === true ? "" : value);
  element.append(...children.flat().filter(c => c !== null && c !== undefined && c !== ""));
  return element;
}
const headed = node => `${node.path ? `${node.path} ` : ""}${node.title}`;

class View {
  constructor(machine, data) {
    this.m = machine;
    this.data = data;
    machine.goal = data.goal;
    this.steps = this.listSteps();
    this.at = 0;
    this.target = {};
    this.cards = {};
    this.line = null;
    this.timer = null;
    this.build();
    this.go(0);
  }

  listSteps() {
    const {folded, nodes} = this.data, steps = [];
    const visit = (n, phase) => {
      if (!folded || n < folded[0] || n >= folded[1]) steps.push({phase, n});
      else if (n === (phase === "forward" ? folded[0] : folded[1] - 1)) steps.push({phase, n, folded: true});
    };
    nodes.forEach((_, n) => visit(n, "forward"));
    if (!this.data.backward) return steps;
    steps.push({phase: "seed", n: nodes.length});
    for (let n = nodes.length - 1; n >= 0; n--)
      if (this.m.sends.has(nodes[n])) visit(n, "backward");
    if (this.m.about.some(v => v.kind === "parameter")) steps.push({phase: "update", n: -1});
    return steps;
  }

  // -- what is there all the time

  build() {
    const button = (text, name, key, act) => h("button", {type: "button", title: `${name} (${key})`,
      "aria-label": name, onclick: () => { this.stop(); act(); }}, text);
    this.bar = h("div", {class: "bar", role: "toolbar", "aria-label": "Steps"},
      button("|◀", "First step", "Home", () => this.go(0)),
      button("◀", "Step back", "←", () => this.go(this.at - 1)),
      this.playing = h("button", {type: "button", title: "Play or pause (space)", "aria-label": "Play",
        onclick: () => this.play()}, "Play"),
      button("▶", "Next step", "→", () => this.go(this.at + 1)),
      button("▶|", "Last step", "End", () => this.go(this.steps.length - 1)),
      this.count = h("span", {class: "count"}));
    this.list = h("ol", {class: "nodes"});
    this.heading = h("h2", {});
    this.words = h("p", {class: "words", role: "status", "aria-live": "polite"});
    this.formula = h("p", {class: "formula"});
    this.check = h("p", {class: "check"});
    this.values = h("div", {class: "cards"});
    this.code = h("div", {class: "code"});
    const edges = [...new Set(this.m.nodes.filter(n => !n.op).map(n => n.title))];
    document.body.append(
      h("header", {}, h("h1", {}, this.data.title), this.summary = h("p", {class: "quiet"}),
        edges.length ? h("p", {class: "warn"}, `The page has no arithmetic for ${edges.join(", ")}: there it shows ` +
          "Python's numbers, and after an edit before them what follows is unknown.") : "",
        this.m.differing.length ? h("p", {class: "warn", id: "differing"},
          `Not as Python computes it: ${this.m.differing.map(node => headed(node) +
            (node.error ? ` (${node.error})` : "")).join(", ")}.`) : ""),
      this.bar,
      h("main", {},
        h("nav", {"aria-label": "Layers in the order of computing"}, h("h3", {}, "Layers"), this.list),
        h("section", {class: "step", "aria-label": "This step"}, this.heading, this.words, this.formula,
          this.check, this.values),
        h("aside", {}, this.code, this.training())),
      h("footer", {class: "quiet"}, "Keys: ← → a step, Home and End, space plays; , and . a line of the code. " +
        "Values above, gradients below them. Heat maps: a whole cell is positive, a small one negative, a darker " +
        "one larger, a crossed one not finite. Everything is computed in float64."));
    document.addEventListener("keydown", event => this.key(event));
  }

  key(event) {
    const on = event.target.tagName;
    if (event.altKey || event.ctrlKey || event.metaKey || on === "INPUT" || on === "SELECT") return;
    const acts = {
      ArrowRight: () => this.go(this.at + 1), ArrowLeft: () => this.go(this.at - 1),
      Home: () => this.go(0), End: () => this.go(this.steps.length - 1),
      ".": () => this.moveLine(1), ",": () => this.moveLine(-1),
      " ": on === "BUTTON" ? null : () => this.play(true),
    };
    if (!acts[event.key]) return;
    event.preventDefault();
    if (event.key !== " ") this.stop();
    acts[event.key]();
  }
  play() {
    if (this.timer) return this.stop();
    if (this.at === this.steps.length - 1) this.go(0);
    this.timer = setInterval(() => {
      if (this.at === this.steps.length - 1) this.stop(); else this.go(this.at + 1);
    }, 1500);
    this.playing.textContent = "Pause";
    this.playing.setAttribute("aria-label", "Pause");
  }
  stop() {
    clearInterval(this.timer);
    this.timer = null;
    this.playing.textContent = "Play";
    this.playing.setAttribute("aria-label", "Play");
  }

  go(at) {
    const next = Math.max(0, Math.min(at, this.steps.length - 1));
    if (next !== this.at) {
      this.line = null;
      this.target = {};
      for (const card of Object.values(this.cards)) if (!card.moved) card.top = card.left = card.lead = undefined;
    }
    this.at = next;
    this.draw();
  }
  get step() { return this.steps[this.at]; }

  // -- a step

  draw() {
    const {phase, n, folded} = this.step, node = this.m.nodes[n];
    const focus = document.activeElement?.dataset?.key;
    this.count.textContent = `${this.at + 1} of ${this.steps.length}`;
    const loss = this.m.loss();
    this.summary.textContent = `${this.m.nodes.length} steps of computing, ` +
      `${this.m.about.filter(v => v.kind === "parameter").reduce((s, v) => s + size(v.shape), 0).toLocaleString("en")} ` +
      `parameters${this.data.backward ? `; ${this.m.goal} = ${say(loss)}` : ""}${this.m.edited ? " (edited)" : ""}`;
    this.drawList();
    const titles = {forward: "Forward: ", backward: "Backward: ", seed: "Backward begins", update: "Update"};
    this.heading.textContent = titles[phase] + (folded ? "layers at once" : node && n >= 0 ? headed(node) : "");
    this.heading.className = phase;
    this.looked = {}; // the element of each value that the words are about
    const [ids, words, formula] = this.told(phase, n, node, folded);
    if (this.target.id !== undefined) this.looked[this.target.id] ??= this.spot(this.target.id);
    this.words.textContent = words;
    this.formula.replaceChildren(...formula);
    this.values.replaceChildren(...ids.map(([id, name, j]) => this.card(id, name, j)));
    this.drawCheck(phase, node, n);
    this.drawCode(phase, folded ? null : node);
    this.drawTraining();
    const again = focus && document.querySelector(`[data-key="${focus}"]`);
    if (again && again !== document.activeElement) {
      again.focus({preventScroll: true});
      again.select?.();
    }
  }

  /** The values of a step as [id, name, argument], what it says, and its formulas. */
  told(phase, n, node, folded) {
    const {m} = this;
    if (folded) return [[], `${this.data.folded[1] - this.data.folded[0]} layers in the middle are one step: the ` +
      "network has very many.", []];
    if (phase === "seed") return [m.outputs.map(id => [id, m.about[id].name, null]),
      this.data.loss ? "The gradient of the loss with respect to itself is 1: with it the way back begins."
        : "The way back begins with the gradient dy that was given for the output.", []];
    if (phase === "update") return this.updateTold();
    const ids = node.args.flatMap((id, j) => id === null ? [] : [[id, node.names[j], j]]);
    const outs = node.out.map(id => [id, node.out.length > 1 ? m.about[id].name : node.y || "y", null]);
    if (phase === "forward") {
      const id = node.out[0], touched = m.values[this.target.id], y = m.values[id];
      const with_ = y && node.op && ops[node.op].each && node.args.includes(this.target.id);
      const i = with_ && touched?.d.length === y.d.length ? this.spot(this.target.id) : y ? this.spot(id) : 0;
      if (y) this.look(node, id, i);
      return [[...ids, ...outs], forwardWords(m, node, i),
        [h("code", {}, node.formula), node.shapes && h("span", {class: "quiet"}, ` ${node.shapes}`)]];
    }
    const j = this.chosen(node), lines = Object.values(node.gradients);
    const fan = fanWords(m, node.args[j], n), i = this.spot(node.args[j]);
    const {text, most} = backwardWords(m, node, j, i);
    this.look(node, node.args[j], i);
    if (most) this.looked[node.out[most[0]]] = most[1];
    return [[...outs, ...ids], `${text}${fan && ` ${fan}`}`,
      (lines.length ? lines : [node.words]).map(line => h("code", {}, line))];
  }
  updateTold() {
    const {m} = this, ids = m.about.flatMap((v, id) => v.kind === "parameter" ? [id] : []);
    const id = this.target.id ?? ids[0], i = this.spot(id), g = m.gradients[id], lr = this.rate();
    this.looked[id] = i;
    const name = spotted(m.about[id].name, i, m.about[id].shape), w = m.values[id].d[i];
    const words = !g ? `The gradient of ${m.about[id].name} is unknown.`
      : this.rule.value === "SGD" ? `SGD: ${name} ← ${say(w)} − ${say(lr)} · ${factor(g.d[i])} = ${say(w - lr * g.d[i])}. ` +
        "“One step” does it for all parameters."
        : `${this.rule.value} moves ${name} = ${say(w)}, whose gradient is ${say(g.d[i])}, with what it remembers of ` +
          "earlier gradients. “One step” does it for all parameters.";
    return [ids.map(id => [id, m.about[id].name, null]), words, [h("code", {}, "p ← p − η · dp")]];
  }

  /** Look at an element of a value, and where a layer works element by element at the others'. */
  look(node, id, i) {
    this.looked[id] = i;
    if (!node.op || !ops[node.op].each || node.op === "Take") return;
    for (const other of [...node.args, ...node.out])
      if (other !== null && this.m.values[other]?.d.length === this.m.values[id].d.length) this.looked[other] = i;
  }

  /** The argument whose gradient a backward step tells: the one that was touched, or the first. */
  chosen(node) {
    const j = node.args.findIndex((id, j) => id === this.target.id && node.wanted[j]);
    return j >= 0 ? j : Math.max(node.wanted.findIndex((w, j) => w && node.args[j] !== null), 0);
  }

  /** The element of a value that is looked at: the one that was touched, or the largest. */
  spot(id) {
    const card = this.cards[id] ||= {};
    const back = this.step.phase === "backward" || this.step.phase === "update";
    const a = back ? this.m.gradients[id] || this.m.values[id] : this.m.values[id];
    if (card.spot === undefined) return a && a.d.length ? extreme(a) : 0;
    return card.spot;
  }

  /** What a step knows: [value, gradient], each an array or a word. */
  known(id) {
    const {phase, n} = this.step, {m} = this;
    const maker = m.nodes.findIndex(node => node.out.includes(id));
    const value = phase === "forward" && maker > n ? "not computed yet" : m.values[id] || "unknown";
    if (!m.about[id].wanted || !this.data.backward) return [value, null];
    const uses = m.nodes.flatMap((node, at) => node.args.flatMap((a, j) => a === id && node.wanted[j] ? [[at, j]] : []));
    const done = phase === "forward" ? [] : uses.filter(([at]) => at >= n);
    const begun = m.outputs.includes(id) && phase !== "forward";
    if (!done.length && !begun) return [value, uses.length || begun ? "not computed yet" : null];
    if (done.length === uses.length) return [value, m.gradients[id] || "unknown"];
    const sent = done.map(([at, j]) => m.sends.get(m.nodes[at])?.[j]);
    return [value, sent.includes(null) || sent.includes(undefined) ? "unknown" : sent.reduce(plus)];
  }

  drawList() {
    const {phase, n} = this.step;
    this.list.replaceChildren(...this.m.nodes.flatMap((node, i) => {
      const fold = this.data.folded;
      if (fold && i > fold[0] && i < fold[1]) return [];
      const inFold = fold && i === fold[0], done = phase !== "forward" ? 2 : i <= n ? 1 : 0;
      const gone = phase === "backward" || phase === "update" ? i >= n : false;
      const here = this.steps.findIndex(s => s.n === i && s.phase === (phase === "forward" ? "forward" : "backward"));
      const target = here >= 0 ? here : this.steps.findIndex(s => s.n === i || (inFold && s.folded));
      return [h("li", {}, h("button", {type: "button", "aria-current": i === n ? "step" : false,
        onclick: () => { this.stop(); this.go(target); }},
      h("span", {}, inFold ? `${fold[1] - fold[0]} layers` : headed(node).replace(/\(.*/, "")),
      h("span", {class: "arrows", "aria-hidden": "true"}, done ? "↓" : "", gone ? "↑" : ""),
      h("span", {class: "quiet"}, inFold ? "" : lengths(this.m.about[node.out[0]].shape))))];
    }));
  }

  drawCheck(phase, node, n) {
    this.check.className = "check";
    this.check.textContent = "";
    if (phase !== "backward" || this.step.folded) return;
    const j = this.chosen(node), id = node.args[j];
    const {text, state} = checkWords(this.m, id, this.spot(id), node, j);
    this.check.classList.add(state);
    this.check.append(h("b", {}, "Numerical differentiation "), text);
  }
}
