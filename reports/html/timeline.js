"use strict";
// Draws the timeline of a trial into its <details> when that is opened. Texts
// reach the page through textContent and attributes alone, never as markup.
(() => {
  const NS = "http://www.w3.org/2000/svg";
  const TICK = 100; // of a request's times: 10 µs, so 100 are one millisecond
  const LEFT = 104, RIGHT = 16;

  // Outcomes: family (colour), shape, and how the shape is painted.
  const LOOK = {
    "ok": ["ok", "circle", ""], "4xx": ["honest", "down", ""], "5xx": ["honest", "up", ""], "refused": ["honest", "square", ""],
    "reset": ["broken", "cross", "line"], "eof": ["broken", "plus", "line"], "truncated": ["broken", "diamond", ""],
    "timeout": ["broken", "ring", "hollow"], "tls-alert": ["broken", "box", "hollow"],
    "corrupt": ["wrong", "star", ""], "crosstalk": ["wrong", "bow", ""], "malformed": ["wrong", "kite", "hollow"],
    "closed": ["calm", "stroke", "line"], "held": ["calm", "ring", "hollow"], "aborted": ["calm", "dash", "line"],
  };
  const FAMILIES = { ok: "ok", honest: "failed honestly (4xx, 5xx, refused)", broken: "broken off", wrong: "wrong answer" };
  const look = (o) => LOOK[o] || ["calm", "dash", "line"];
  const poly = (x, y, pts) => "M" + pts.map(([a, b]) => `${r1(x + a)} ${r1(y + b)}`).join("L") + "Z";
  const SHAPES = {
    circle: (x, y) => arc(x, y, 2.4), ring: (x, y) => arc(x, y, 3),
    up: (x, y) => poly(x, y, [[0, -3.4], [3.3, 2.6], [-3.3, 2.6]]), down: (x, y) => poly(x, y, [[0, 3.4], [3.3, -2.6], [-3.3, -2.6]]),
    square: (x, y) => poly(x, y, [[-2.5, -2.5], [2.5, -2.5], [2.5, 2.5], [-2.5, 2.5]]), box: (x, y) => SHAPES.square(x, y),
    diamond: (x, y) => poly(x, y, [[0, -4], [3.4, 0], [0, 4], [-3.4, 0]]), kite: (x, y) => SHAPES.diamond(x, y),
    cross: (x, y) => `M${r1(x - 2.8)} ${r1(y - 2.8)}l5.6 5.6m0 -5.6l-5.6 5.6`, plus: (x, y) => `M${r1(x - 3.3)} ${r1(y)}h6.6m-3.3 -3.3v6.6`,
    star: (x, y) => poly(x, y, [[0, -4.5], [1.3, -1.3], [4.5, 0], [1.3, 1.3], [0, 4.5], [-1.3, 1.3], [-4.5, 0], [-1.3, -1.3]]),
    bow: (x, y) => poly(x, y, [[-3.6, -3.2], [3.6, 3.2], [3.6, -3.2], [-3.6, 3.2]]),
    stroke: (x, y) => `M${r1(x)} ${r1(y - 3.5)}v7`, dash: (x, y) => `M${r1(x - 2.5)} ${r1(y)}h5`,
  };
  const r1 = (v) => Math.round(v * 10) / 10;
  const arc = (x, y, r) => `M${r1(x - r)} ${r1(y)}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0Z`;
  const wide = (s) => s.length * 6.1; // an estimate, for labels of 11 px

  function el(parent, name, attrs, text) {
    const e = document.createElementNS(NS, name);
    for (const k in attrs) e.setAttribute(k, typeof attrs[k] === "number" ? r1(attrs[k]) : attrs[k]);
    if (text !== undefined) e.textContent = text;
    if (parent) parent.append(e);
    return e;
  }
  const seconds = (t) => (t / 1e5).toFixed(3) + " s";
  const duration = (t) => t < 1e5 ? (t / TICK).toFixed(2) + " ms" : (t / 1e5).toFixed(3) + " s";
  const count = (n, one) => `${n} ${n === 1 ? one.replace(/s$/, "") : one}`;

  // unpack turns the columns into requests with absolute times.
  function unpack(d) {
    let at = 0;
    const named = new Set(d.req.bad);
    return (d.req.id || []).map((id, i) => {
      at += d.req.plan[i];
      const took = d.req.took[i], outcome = d.outcomes[d.req.out[i]], cls = d.req.class[i];
      return { id, at, outcome, cls, lag: d.req.lag[i], end: took < 0 ? d.dur : at + took, took, conn: d.req.conn[i],
        status: d.req.status[i] || (outcome === "ok" && !d.held[cls] ? 200 : 0), detail: d.req.detail[i] || "", named: named.has(i), held: d.held[cls] };
    });
  }

  // step is a round distance of ticks, so that about so many fit.
  function step(span, many) {
    const raw = span / many, p = Math.pow(10, Math.floor(Math.log10(raw)));
    return [1, 2, 5, 10].map((m) => m * p).find((s) => s >= raw);
  }

  class Plot {
    constructor(box, d) {
      this.box = box; this.d = d; this.reqs = unpack(d);
      this.dur = Math.max(d.dur, 1);
      this.width = Math.max(box.clientWidth, 560);
      this.svg = el(null, "svg", { role: "img", "aria-label": "timeline of the trial, drawn to scale" });
      this.under = el(this.svg, "g", {}); this.over = el(this.svg, "g", {});
      this.y = 0; this.spots = [];
    }
    x(t) { return LEFT + Math.min(Math.max(t, 0), this.dur) / this.dur * (this.width - LEFT - RIGHT); }
    label(text, y, cls) { el(this.over, "text", { x: LEFT - 10, y, "text-anchor": "end", class: cls || "" }, text); }

    draw() {
      this.axis(); this.phases(); this.faults(); this.nodes(); this.top = this.y;
      this.lanes(); if (this.reqs.some((q) => !q.held)) { this.latency(); this.rates(); }
      this.lines(); this.pointer();
      this.svg.setAttribute("viewBox", `0 0 ${this.width} ${r1(this.y + 4)}`);
      this.svg.setAttribute("height", r1(this.y + 4));
      this.box.replaceChildren(this.svg);
    }
    axis() {
      this.ticks = [];
      const s = step(this.dur, (this.width - LEFT - RIGHT) / 90), digits = s < 1e5 ? Math.ceil(-Math.log10(s / 1e5)) : 0;
      for (let t = 0; t <= this.dur; t += s) {
        this.ticks.push(t);
        el(this.over, "text", { x: this.x(t), y: 11, "text-anchor": "middle" }, (t / 1e5).toFixed(digits) + " s");
      }
      this.y = 18;
    }
    phases() {
      if (!this.d.phases.length) return;
      let free = 0;
      for (const p of this.d.phases) {
        const x = Math.max(this.x(p.from) + 3, free);
        if (this.x(p.to) > x || p.name === "fault") { el(this.over, "text", { x, y: this.y + 10 }, p.name); free = x + wide(p.name) + 8; }
      }
      this.shades = this.d.phases.filter((p) => p.name === "fault").concat(this.d.faults.filter((f) => f.to > f.from));
      this.y += 16;
    }
    faults() {
      for (const f of this.d.faults) {
        const y = this.y + 14, from = f.from || f.at, end = this.x(f.to || f.at + f.for);
        const g = el(this.over, "g", {});
        if (f.for) el(g, "rect", { x: this.x(f.at), y: y - .5, width: Math.max(this.x(f.at + f.for) - this.x(f.at), 2), height: 9, class: "planned" });
        else el(g, "path", { d: `M${r1(this.x(f.at))} ${y - 1}v10`, class: "planned" });
        if (f.to) el(g, "rect", { x: this.x(f.from), y: y + 2, width: Math.max(end - this.x(f.from), 2), height: 4, class: "real" });
        const text = `${f.label}: ` + (f.to ? f.bites ? "bit " + count(f.bites, f.touched) : "bit nothing" : "never took effect");
        const x = this.x(from), fits = x + wide(text) < this.width - RIGHT;
        el(g, "text", { x: fits ? x : this.width - RIGHT, y: y - 4, "text-anchor": fits ? "start" : "end", class: f.to && f.bites ? "strong" : "bad" }, text);
        el(g, "title", {}, `planned ${seconds(f.at)}` + (f.for ? ` to ${seconds(f.at + f.for)}` : "") + (f.to ? `; real ${seconds(f.from)} to ${seconds(f.to)}` : ""));
        this.y += 28;
      }
      if (this.d.faults.length) this.label(this.d.faults.length > 1 ? "faults" : "fault", this.y - 28 * this.d.faults.length + 22);
    }
    nodes() {
      for (const n of this.d.nodes) {
        const y = this.y + 3, taken = [];
        this.label(n.name, y + 11);
        for (const l of n.lives) this.life(n, l, y);
        for (const s of n.signals) el(this.over, "path", { d: `M${r1(this.x(s.t))} ${y}v15`, class: "signal" });
        const put = (text, places, cls) => {
          const ok = places.find(([x, anchor]) => {
            const a = anchor === "end" ? x - wide(text) : x;
            return a > LEFT && a + wide(text) < this.width - RIGHT / 2 && !taken.some(([p, q]) => a < q && a + wide(text) > p);
          });
          if (!ok) return;
          const a = ok[1] === "end" ? ok[0] - wide(text) : ok[0];
          taken.push([a - 4, a + wide(text) + 4]);
          el(this.over, "text", { x: ok[0], y: y + 11, "text-anchor": ok[1], class: cls }, text);
        };
        const bursts = this.bursts(n);
        for (const b of bursts) taken.push([this.x(b.from) - 1, this.x(b.to) + 1]);
        for (const l of n.lives) if (l.to !== undefined) put(l.end + (l.bad ? " by the bed" : ""), [[this.x(l.to) + 5, "start"], [this.x(l.to) - 5, "end"]], l.bad ? "bad" : "strong");
        for (const b of bursts) put(b.name + (b.n > 1 ? " ×" + b.n : ""), [[this.x(b.from) - 4, "end"], [this.x(b.to) + 5, "start"]], "strong");
        this.y += 22;
      }
    }
    life(n, l, y) {
      const a = this.x(l.from), b = l.to === undefined ? this.x(this.dur) : this.x(l.to);
      const g = el(this.over, "g", {});
      el(g, "rect", { x: a, y: y + .5, width: Math.max(b - a, 1), height: 14, class: "life" });
      if (l.ready !== undefined && l.ready > 0) el(g, "path", { d: `M${r1(this.x(l.ready))} ${y + 4}v7`, class: "exit faint" });
      if (l.to !== undefined) el(g, "path", { d: `M${r1(b)} ${y - 1}v17`, class: "exit", "stroke-width": 2 });
      el(g, "title", {}, `${n.name}: from ${seconds(l.from)}` + (l.ready !== undefined ? `, ready ${seconds(l.ready)}` : "") + (l.to !== undefined ? `, ${l.end} at ${seconds(l.to)}` : ""));
    }
    // bursts joins signals of one name within one life.
    bursts(n) {
      const out = [];
      for (const s of n.signals) {
        const last = out[out.length - 1];
        if (last && last.name === s.name && s.t - last.to < this.dur / 8) { last.to = s.t; last.n++; } else out.push({ name: s.name, from: s.t, to: s.t, n: 1 });
      }
      return out;
    }
    // lanes draws one lane per class; within a lane, rows keep dots and tails apart.
    lanes() {
      this.d.classes.forEach((name, cls) => {
        const own = this.reqs.filter((q) => q.cls === cls), held = this.d.held[cls], most = held ? 12 : 7, pitch = held ? 8 : 7;
        const ends = [];
        for (const q of own) {
          const a = this.x(q.at) - 3.4, b = this.x(q.end) + 3.4;
          let row = ends.findIndex((e) => e <= a);
          if (row < 0) row = ends.length < most ? ends.length : ends.indexOf(Math.min(...ends));
          ends[row] = b; q.row = row;
        }
        const rows = Math.max(ends.length, 2), h = rows * pitch + 8;
        this.label(name || "request", this.y + h / 2 + 4);
        el(this.under, "path", { d: `M${LEFT} ${r1(this.y)}H${this.width - RIGHT}`, class: "edge" });
        for (const q of own) { q.x = this.x(q.end); q.y = this.y + 4 + (q.row + .5) * pitch; }
        this.marks(own, held);
        this.y += h;
      });
      el(this.under, "path", { d: `M${LEFT} ${r1(this.y)}H${this.width - RIGHT}`, class: "edge" });
    }
    // marks paints tails or bars first, then one path per outcome.
    marks(own, held) {
      const tails = {}, dots = {};
      let halo = "";
      for (const q of own) {
        const x0 = this.x(q.at), [family] = look(q.outcome);
        if (held) tails[family] = (tails[family] || "") + `M${r1(x0)} ${r1(q.y - 2.5)}H${r1(q.x)}v5H${r1(x0)}Z`;
        else if (q.x - x0 > 4) tails[family] = (tails[family] || "") + `M${r1(x0)} ${r1(q.y)}H${r1(q.x)}`;
        dots[q.outcome] = (dots[q.outcome] || "") + SHAPES[look(q.outcome)[1]](q.x, q.y);
        if (q.named) halo += arc(q.x, q.y, 6);
        this.spots.push({ x: q.x, y: q.y, q });
      }
      for (const f in tails) el(this.over, "path", { d: tails[f], class: `f-${f} ${held ? "hold" : "tail"}` });
      for (const o in dots) el(this.over, "path", { d: dots[o], class: `dot f-${look(o)[0]} ${look(o)[2]}` });
      if (halo) el(this.over, "path", { d: halo, class: "halo" });
    }
    latency() {
      const own = this.reqs.filter((q) => !q.held && q.took >= 0), h = 92, top = this.y + 14, bottom = top + h;
      const ms = (q) => Math.max(q.took / TICK, .05), values = own.map(ms).concat(1);
      const lo = Math.floor(Math.log10(Math.min(...values))), hi = Math.max(Math.ceil(Math.log10(Math.max(...values))), lo + 1);
      const y = (v) => bottom - (Math.log10(v) - lo) / (hi - lo) * h;
      this.label("latency", top + 3, "strong"); this.label("at planned", top + 16); this.label("instant", top + 28);
      for (let e = lo; e <= hi; e++) {
        el(this.under, "path", { d: `M${LEFT} ${r1(y(10 ** e))}H${this.width - RIGHT}`, class: "grid" });
        el(this.over, "text", { x: this.width - RIGHT + 2, y: y(10 ** e) - 2, "text-anchor": "end" }, e < 3 ? 10 ** e + " ms" : 10 ** (e - 3) + " s");
      }
      const dots = {};
      for (const q of own) {
        const px = this.x(q.at), py = y(ms(q));
        dots[q.outcome] = (dots[q.outcome] || "") + SHAPES[look(q.outcome)[1]](px, py);
        this.spots.push({ x: px, y: py, q });
      }
      for (const o in dots) el(this.over, "path", { d: dots[o], class: `dot f-${look(o)[0]} ${look(o)[2]}` });
      this.y = bottom + 6;
    }
    rates() {
      const bin = this.d.bin || (this.dur > 6e6 ? 1e5 : 1e4), bins = [], h = 52, top = this.y + 14, bottom = top + h;
      const add = (i, outcome, n) => { (bins[i] ||= { ok: 0, honest: 0, broken: 0, wrong: 0, calm: 0 })[look(outcome)[0]] += n; };
      if (this.d.of) for (const [i, o, n] of this.d.rates || []) { if (i >= 0) add(i, this.d.outcomes[o], n); }
      else for (const q of this.reqs) if (!q.held && q.took >= 0) add(Math.floor(q.end / bin), q.outcome, 1);
      const sum = (b) => b.ok + b.honest + b.broken + b.wrong + b.calm, most = Math.max(1, ...bins.filter(Boolean).map(sum));
      this.label("ended per", top + 3, "strong"); this.label(bin === 1e4 ? "100 ms" : "1 s", top + 16);
      el(this.under, "path", { d: `M${LEFT} ${bottom}H${this.width - RIGHT}M${LEFT} ${top}H${this.width - RIGHT}`, class: "grid" });
      el(this.over, "text", { x: this.width - RIGHT + 2, y: top - 2, "text-anchor": "end" }, most + " ended");
      bins.forEach((b, i) => {
        let y = bottom;
        const x = this.x(i * bin), w = Math.max(this.x((i + 1) * bin) - x - 1, .5), g = el(this.over, "g", {});
        for (const f of ["ok", "calm", "honest", "broken", "wrong"]) {
          if (!b[f]) continue;
          const t = b[f] / most * h;
          y -= t;
          el(g, "rect", { x, y, width: w, height: t, class: `rate f-${f}` });
        }
        el(g, "title", {}, `${seconds(i * bin)}: ` + Object.keys(FAMILIES).filter((f) => b[f]).map((f) => `${b[f]} ${FAMILIES[f]}`).join(", "));
      });
      this.y = bottom + 4;
    }
    // lines draws what runs through the whole height, below everything else.
    lines() {
      for (const p of this.shades || []) {
        const a = this.x(p.from), b = this.x(p.to);
        if (b > a) this.under.prepend(el(null, "rect", { x: a, y: 18, width: b - a, height: this.y - 18, class: "phase" }));
      }
      for (const t of this.ticks) el(this.under, "path", { d: `M${r1(this.x(t))} 16V${r1(this.y)}`, class: "grid" });
      for (const n of this.d.nodes) {
        for (const s of n.signals) el(this.under, "path", { d: `M${r1(this.x(s.t))} ${r1(this.top)}V${r1(this.y)}`, class: "signal faint" });
        for (const l of n.lives) if (l.to !== undefined && n.signals.length) el(this.under, "path", { d: `M${r1(this.x(l.to))} ${r1(this.top)}V${r1(this.y)}`, class: "exit faint" });
      }
    }
    // pointer shows the time below it and the nearest request.
    pointer() {
      const tip = document.getElementById("tip"), cross = el(this.over, "path", { class: "cross" }), ring = el(this.over, "path", { class: "mark" });
      this.ring = ring;
      this.svg.addEventListener("pointermove", (ev) => {
        const r = this.svg.getBoundingClientRect(), k = this.width / r.width, x = (ev.clientX - r.left) * k, y = (ev.clientY - r.top) * k;
        cross.setAttribute("d", x > LEFT && x < this.width - RIGHT ? `M${r1(x)} 16V${r1(this.y)}` : "");
        const s = this.near(x, y), t = (x - LEFT) / (this.width - LEFT - RIGHT) * this.dur;
        ring.setAttribute("d", s ? arc(s.x, s.y, 6) : "");
        tip.hidden = !s && !(x > LEFT && y < 16);
        tip.textContent = s ? this.describe(s.q) : seconds(t);
        const flip = ev.clientX > innerWidth - 320;
        tip.style.left = flip ? "" : ev.pageX + 14 + "px"; tip.style.right = flip ? document.documentElement.clientWidth - ev.pageX + 14 + "px" : "";
        tip.style.top = ev.pageY + 14 + "px";
      });
      this.svg.addEventListener("pointerleave", () => { tip.hidden = true; cross.setAttribute("d", ""); ring.setAttribute("d", ""); });
    }
    near(x, y) {
      let best = null, least = 14 * 14;
      for (const s of this.spots) {
        const d = (s.x - x) ** 2 + (s.y - y) ** 2;
        if (d < least) { least = d; best = s; }
      }
      return best;
    }
    describe(q) {
      const lines = [`${this.d.classes[q.cls] || "request"} ${q.id}`, q.outcome + (q.status ? ` · status ${q.status}` : "") + (q.took >= 0 ? ` · ${q.held ? "held " : ""}${duration(q.took)}` : " · no end recorded")];
      lines.push(`planned ${seconds(q.at)}, begun ${duration(q.lag)} later, ended ${seconds(q.end)}`);
      if (q.conn) lines.push("connection " + q.conn);
      if (q.detail) lines.push(q.detail);
      if (q.named) lines.push("named by a violation");
      return lines.join("\n");
    }
    point(id) {
      const s = this.spots.find((s) => s.q.id === id);
      this.ring.setAttribute("d", s ? arc(s.x, s.y, 7) : "");
      return s;
    }
    legend(box) {
      const counts = {};
      if (this.d.of) this.d.outcomes.forEach((o, i) => { counts[o] = this.d.counts[i]; });
      else for (const q of this.reqs) counts[q.outcome] = (counts[q.outcome] || 0) + 1;
      box.replaceChildren();
      for (const o of this.d.outcomes) {
        if (!counts[o]) continue;
        const s = document.createElement("span"), g = el(null, "svg", { viewBox: "-7 -7 14 14", "aria-hidden": "true" });
        el(g, "path", { d: SHAPES[look(o)[1]](0, 0), class: `dot f-${look(o)[0]} ${look(o)[2]}` });
        s.append(g, `${o} ${counts[o]}`);
        box.append(s);
      }
      const how = document.createElement("span");
      const some = this.d.of ? `${this.reqs.length} of ${this.d.of} requests are drawn, as many of each sort; counts and rates are of all. ` : "";
      how.textContent = this.reqs.length ? some + "A mark stands where it ended, its tail reaches back to the planned instant; a red ring is named by a violation." : "";
      box.append(how);
    }
  }

  const plots = new WeakMap();
  function show(details) {
    const box = details.querySelector(".plot"), data = details.querySelector('script[type="application/json"]');
    if (!box || !data || !details.open) return;
    const p = new Plot(box, plots.get(details)?.d || JSON.parse(data.textContent));
    plots.set(details, p);
    p.draw(); p.legend(details.querySelector(".legend"));
  }
  const trials = [...document.querySelectorAll("details.trial")];
  for (const t of trials) {
    t.addEventListener("toggle", () => { if (t.open && !plots.has(t)) show(t); });
    for (const li of t.querySelectorAll("[data-id]")) li.firstElementChild.addEventListener("click", () => {
      if (plots.get(t)?.point(li.dataset.id)) t.querySelector(".plot").scrollIntoView({ block: "nearest" });
    });
  }
  function follow() {
    const t = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!t || !t.matches("details.trial")) return;
    t.hidden = false; t.open = true; show(t); t.scrollIntoView();
  }
  addEventListener("hashchange", follow);
  document.addEventListener("click", (ev) => { if (ev.target.closest?.("a[href^='#trial-']")?.hash === location.hash) follow(); });
  follow();

  const filter = document.querySelector(".filter");
  filter.hidden = false;
  filter.addEventListener("click", (ev) => {
    const want = ev.target.closest("button")?.dataset.show;
    if (!want) return;
    for (const b of filter.children) b.setAttribute("aria-pressed", String(b.dataset.show === want));
    for (const t of trials) t.hidden = want !== "all" && t.dataset.verdict !== want;
  });
  let timer;
  addEventListener("resize", () => { clearTimeout(timer); timer = setTimeout(() => trials.filter((t) => t.open).forEach(show), 150); });

  // On paper, failed and undecided trials are opened.
  let opened = [];
  addEventListener("beforeprint", () => { opened = trials.filter((t) => !t.open && t.dataset.verdict !== "pass"); opened.forEach((t) => { t.open = true; show(t); }); });
  addEventListener("afterprint", () => opened.forEach((t) => { t.open = false; }));
})();
