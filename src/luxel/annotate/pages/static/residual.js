// The tool for residual maps: a signed brush in lightness or stops, fills, what is not judged.

import { bytes } from "./api.js";
import { by } from "./dom.js";
import { SCALE, added, clamp, extendDistance, smoothed, towards, weightOf, windowOf } from "./strokes.js";

const STEP = 0.02;
const MAX_THIRDS = 12;
const SEVERE = -0.9;
const MAX_POINTS = 1990;

export class ResidualTool {
  constructor(workplace) {
    this.workplace = workplace;
    this.tool = "brush"; // or "fill"
    this.mode = "add"; // "set", "smooth", "not_judged" or "start"
    this.unit = "lightness"; // or "stops"
    this.value = 0.1;
    this.thirds = 1;
    this.radius = Math.max(3, Math.round(Math.min(workplace.task.width, workplace.task.height) / 25));
    this.cursor = [workplace.task.width / 2, workplace.task.height / 2];
    this.stroke = null;
  }

  async prepare() {
    const { task, map, view } = this.workplace;
    const paths = [`/api/frames/${task.frame_id}/grey`, "/api/exposure-table"];
    const [grey, table, ...sources] = await Promise.all([
      ...paths.map(bytes),
      ...task.sources.map((source) => bytes(`/api/tasks/${task.id}/sources/${source}`)),
    ]);
    map.material.grey = new Uint8Array(grey);
    map.material.table = new Int16Array(table);
    for (const [action, source] of [["fromRules", "rules"], ["fromModel", "model"]])
      document.querySelector(`[data-action=${action}]`).hidden = !task.sources.includes(source);
    task.sources.forEach((source, i) => (map.material.sources[source] = new Int16Array(sources[i])));
    view.setMap(map.codes, map.status);
    view.set({ overlay: 0.55 });
    this.bind();
  }

  bind() {
    const inputs = { hardness: 80, opacity: 100 };
    for (const name of Object.keys(inputs)) by(name).addEventListener("input", () => this.describe());
    by("value").addEventListener("input", () => {
      const typed = Number(by("value").value);
      if (this.unit === "stops") this.thirds = clamp(Math.round(typed * 3), -MAX_THIRDS, MAX_THIRDS);
      else this.value = clamp(typed, -1, 1);
      this.describe();
    });
    by("opacity-of-map").addEventListener("input", () =>
      this.workplace.view.set({ overlay: Number(by("opacity-of-map").value) / 100 }),
    );
  }

  changed(window) {
    const { map, view } = this.workplace;
    view.setMap(map.codes, map.status, window);
    this.describe();
  }

  compare(held) {
    const { view } = this.workplace;
    if (held) this.overlay = view.state.overlay;
    view.set({ after: held ? 1 : 0, overlay: held ? 0 : (this.overlay ?? view.state.overlay) });
  }

  // What the next stroke or fill does.
  get facts() {
    const amount = this.unit === "stops" ? { stops: this.thirds } : { value: Math.round(this.value * SCALE) };
    const paints = this.mode === "set" || this.mode === "add";
    return { mode: this.mode, opacity: Math.max(1, Number(by("opacity").value)), ...(paints ? amount : {}) };
  }

  get brush() {
    return { radius: this.radius, hardness: Number(by("hardness").value), opacity: this.facts.opacity };
  }

  pressed(event, at) {
    if (!this.workplace.sync.writes) return;
    if (this.tool === "fill") {
      const { segments, granularity } = this.workplace;
      this.fill([segments.at(granularity, ...at)]);
      return;
    }
    const { map } = this.workplace;
    const cells = map.codes.length;
    this.stroke = { points: [], codes: map.codes.slice(), status: map.status.slice(), nearest: this.buffer(cells) };
    this.extend(at);
  }

  moved(event, at) {
    const { workplace } = this;
    this.cursor = at;
    if (this.tool === "fill") workplace.setFocus(workplace.segments.at(workplace.granularity, ...at));
    this.showCursor();
    if (this.stroke) this.extend(at);
    else this.describe();
  }

  released() {
    if (!this.stroke) return;
    const { map } = this.workplace;
    const { points, codes, status } = this.stroke;
    map.codes.set(codes);
    map.status.set(status);
    this.stroke = null;
    this.workplace.edit({ kind: "brush", points, ...this.brush, ...this.facts });
  }

  buffer(cells) {
    if (!this.distances) this.distances = new Float64Array(cells);
    return this.distances.fill(Infinity);
  }

  // Draws a stroke as it grows: only what the newest part reaches.
  extend(at) {
    const { map, view, task } = this.workplace;
    const limit = 4 * (Math.max(task.width, task.height) + this.radius);
    const point = at.map((value) => clamp(Math.round(value * 4), -limit, limit));
    const { points, codes, status, nearest } = this.stroke;
    const last = points[points.length - 1];
    if (last && last[0] === point[0] && last[1] === point[1]) return;
    points.push(point);
    const window = windowOf(points.slice(-2), this.radius, task.width, task.height);
    const whole = { left: 0, top: 0, right: task.width, bottom: task.height };
    extendDistance(nearest, points, points.length - 1, whole, this.radius);
    const { brush, facts } = this;
    const means = facts.mode === "smooth" ? smoothed(codes, task.width, task.height, window, Math.max(1, this.radius >> 1)) : null;
    const row = facts.stops !== undefined ? (facts.stops + MAX_THIRDS) * 256 : -1;
    for (let y = window.top, place = 0; y < window.bottom; y++) {
      for (let x = window.left; x < window.right; x++, place++) {
        const cell = y * task.width + x;
        const weight = weightOf(nearest[cell], brush);
        if (!(weight > 0)) continue;
        if (facts.mode === "not_judged") map.status[cell] = 2;
        else if (facts.mode === "start") {
          map.codes[cell] = map.start[cell];
          map.status[cell] = 0;
        } else {
          const amount = means ? means[place] : row >= 0 ? map.material.table[row + map.material.grey[cell]] : facts.value;
          map.codes[cell] = facts.mode === "add" ? added(codes[cell], amount, weight) : towards(codes[cell], amount, weight);
          map.status[cell] = 1;
        }
      }
    }
    view.setMap(map.codes, map.status, window);
    if (points.length >= MAX_POINTS) {
      this.released();
      this.pressed(null, at);
    }
  }

  fill(segments, facts = this.facts) {
    const { workplace } = this;
    const named = segments.filter((segment) => segment !== null);
    if (named.length) workplace.edit({ kind: "fill", granularity: workplace.granularity, segments: named, ...facts });
  }

  keyed() {
    return false;
  }

  act(action) {
    const { workplace } = this;
    const moves = { left: [-1, 0], right: [1, 0], up: [0, -1], down: [0, 1] };
    const modes = { smooth: "smooth", notJudged: "not_judged", eraser: "start" };
    if (this.tool === "brush" && moves[action]) {
      const step = Math.max(1, this.radius / 2);
      this.cursor = this.cursor.map((value, i) => value + step * moves[action][i]);
      this.showCursor();
    } else if (this.tool === "brush" && action === "choose") {
      const points = [this.cursor.map((value) => Math.round(value * 4))];
      workplace.edit({ kind: "brush", points, ...this.brush, ...this.facts });
    } else if (this.tool === "fill" && action === "choose") this.fill(workplace.addressed);
    else if (action === "brush" || action === "fill") {
      this.tool = action;
      if (action === "brush") workplace.setFocus(null);
    } else if (action === "mode") this.mode = this.mode === "add" ? "set" : "add";
    else if (modes[action]) this.mode = this.mode === modes[action] ? "add" : modes[action];
    else if (action === "unit") this.unit = this.unit === "stops" ? "lightness" : "stops";
    else if (action === "more" || action === "less") this.change(action === "more" ? 1 : -1);
    else if (action === "smaller") this.radius = Math.max(1, Math.round(this.radius / 1.25));
    else if (action === "larger") this.radius = Math.min(400, Math.ceil(this.radius * 1.25));
    else if (action === "severe") [this.mode, this.unit, this.value] = ["set", "lightness", SEVERE];
    else if (action === "fromModel") this.fill(workplace.addressed, { mode: "set", source: "model" });
    else if (action === "fromRules") this.fill(workplace.addressed, { mode: "set", source: "rules" });
    else if (action === "overlay") {
      const slider = by("opacity-of-map");
      this.shown = workplace.view.state.overlay || this.shown;
      slider.value = workplace.view.state.overlay ? 0 : 100 * (this.shown ?? 0.55);
      workplace.view.set({ overlay: Number(slider.value) / 100 });
    } else return false;
    this.showCursor();
    this.describe();
    return true;
  }

  change(sign) {
    if (this.unit === "stops") this.thirds = clamp(this.thirds + sign, -MAX_THIRDS, MAX_THIRDS);
    else this.value = clamp(Math.round((this.value + sign * STEP) / STEP) * STEP, -1, 1);
  }

  showCursor() {
    const shown = this.tool === "brush" ? 1 : 0;
    this.workplace.view.set({ cursor: [...this.cursor, this.radius, shown] });
  }

  describe() {
    const { map, task } = this.workplace;
    const words = { add: "add", set: "set to", smooth: "smooth", not_judged: "not judged", start: "as it started" };
    const paints = this.mode === "set" || this.mode === "add";
    const amount = this.unit === "stops" ? `${(this.thirds / 3).toFixed(2)} stops` : this.value.toFixed(2);
    by("tool").textContent = `${this.tool}, ${words[this.mode]}${paints ? ` ${amount}` : ""}`;
    if (document.activeElement !== by("value"))
      by("value").value = this.unit === "stops" ? (this.thirds / 3).toFixed(2) : this.value.toFixed(2);
    by("value").step = this.unit === "stops" ? 1 / 3 : STEP;
    by("value-unit").textContent = this.unit;
    by("radius").textContent = `${this.radius} px`;
    for (const button of document.querySelectorAll("[data-action=brush], [data-action=fill]"))
      button.setAttribute("aria-pressed", button.dataset.action === this.tool);
    const modes = { smooth: "smooth", notJudged: "not_judged", eraser: "start" };
    for (const [action, mode] of Object.entries(modes))
      document.querySelector(`[data-action=${action}]`)?.setAttribute("aria-pressed", this.mode === mode);
    const [x, y] = this.cursor.map(Math.floor);
    if (x < 0 || y < 0 || x >= task.width || y >= task.height) return;
    const value = map.codes[y * task.width + x] / SCALE;
    const side = value > 0.005 ? "underexposed" : value < -0.005 ? "overexposed" : "ideal";
    by("readout").textContent = `residual ${value.toFixed(3)} (${side}) at ${x}, ${y}`;
  }
}
