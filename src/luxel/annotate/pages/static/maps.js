// The map of a task and its operations: apply, undo, hash. Mirrors `luxel.annotate.editing.replay`.

import { added, coverage, smoothed, towards, windowOf } from "./strokes.js";

export const UNTOUCHED = 0;
export const TOUCHED = 1;
export const NOT_JUDGED = 2;
const MAX_THIRDS = 12;
const FILL_SMOOTHING = 8;
const KEPT_PATCHES = 400;

export class TaskMap {
  // start: Int16Array of codes. shape: {width, height} of a residual map, {width: n, height: 1} of a reference.
  // material: {segments, grey, table, sources}
  constructor(start, shape, material) {
    this.start = start;
    this.width = shape.width;
    this.height = shape.height;
    this.material = material;
    this.codes = start.slice();
    this.status = new Uint8Array(start.length);
    this.log = new Map(); // number -> edit
    this.done = [];
    this.undone = [];
    this.patches = new Map(); // number -> what was there before
  }

  // Takes operation number seq; returns the window of cells that changed, null if none did.
  take(seq, operation) {
    if (operation.kind === "undo") {
      this.done.pop();
      this.undone.push(operation.target);
      return this.takeBack(operation.target);
    }
    if (operation.kind === "redo") {
      this.undone.pop();
      this.done.push(operation.target);
      return this.apply(operation.target, this.log.get(operation.target));
    }
    if (operation.kind === "start_over") {
      this.done = [];
      this.undone = [];
      this.patches.clear();
      return this.reset();
    }
    this.log.set(seq, operation);
    this.done.push(seq);
    this.undone = [];
    return this.apply(seq, operation);
  }

  reset() {
    this.codes.set(this.start);
    this.status.fill(UNTOUCHED);
    return this.everything();
  }

  everything() {
    return { left: 0, top: 0, right: this.width, bottom: this.height };
  }

  takeBack(seq) {
    const patch = this.patches.get(seq);
    if (patch) {
      this.write(patch.window, patch.codes, patch.status);
      this.patches.delete(seq);
      return patch.window;
    }
    this.reset();
    this.patches.clear();
    for (const number of this.done) this.apply(number, this.log.get(number));
    return this.everything();
  }

  read(window) {
    const wide = window.right - window.left;
    const codes = new Int16Array(wide * (window.bottom - window.top));
    const status = new Uint8Array(codes.length);
    for (let y = window.top, place = 0; y < window.bottom; y++, place += wide) {
      const from = y * this.width + window.left;
      codes.set(this.codes.subarray(from, from + wide), place);
      status.set(this.status.subarray(from, from + wide), place);
    }
    return { window, codes, status };
  }

  write(window, codes, status) {
    const wide = window.right - window.left;
    for (let y = window.top, place = 0; y < window.bottom; y++, place += wide) {
      this.codes.set(codes.subarray(place, place + wide), y * this.width + window.left);
      this.status.set(status.subarray(place, place + wide), y * this.width + window.left);
    }
  }

  apply(seq, edit) {
    const { window, weight, smoothing } = this.reach(edit);
    if (window.right <= window.left || window.bottom <= window.top) return null;
    this.patches.set(seq, this.read(window));
    if (this.patches.size > KEPT_PATCHES) this.patches.delete(this.patches.keys().next().value);
    if (edit.kind === "set_segments" || edit.kind === "reset_segments") this.setSegments(edit);
    else this.paint(edit, window, weight, smoothing);
    return window;
  }

  // The cells that an edit may change, and how much it covers each.
  reach(edit) {
    if (edit.kind === "set_segments" || edit.kind === "reset_segments") return { window: this.everything() };
    if (edit.kind === "brush") {
      const window = windowOf(edit.points, edit.radius, this.width, this.height);
      const brush = { radius: edit.radius, hardness: edit.hardness ?? 80, opacity: edit.opacity ?? 100 };
      return { window, weight: coverage(edit.points, brush, window), smoothing: Math.max(1, edit.radius >> 1) };
    }
    const { fine, parents } = this.material.segments;
    const of = parents[edit.granularity];
    const wanted = new Set(edit.segments);
    const window = { left: this.width, top: this.height, right: 0, bottom: 0 };
    for (let y = 0, place = 0; y < this.height; y++) {
      for (let x = 0; x < this.width; x++, place++) {
        if (!wanted.has(of[fine[place]])) continue;
        window.left = Math.min(window.left, x);
        window.right = Math.max(window.right, x + 1);
        window.top = Math.min(window.top, y);
        window.bottom = y + 1;
      }
    }
    const wide = window.right - window.left;
    const weight = new Float64Array(Math.max(0, wide * (window.bottom - window.top)));
    const share = (edit.opacity ?? 100) / 100;
    for (let y = window.top, place = 0; y < window.bottom; y++) {
      for (let x = window.left; x < window.right; x++, place++) {
        if (wanted.has(of[fine[y * this.width + x]])) weight[place] = share;
      }
    }
    return { window, weight, smoothing: FILL_SMOOTHING };
  }

  setSegments(edit) {
    const of = this.material.segments.parents[edit.granularity];
    const value = new Map(edit.segments.map((segment, i) => [segment, edit.values?.[i]]));
    for (let cell = 0; cell < of.length; cell++) {
      if (!value.has(of[cell])) continue;
      const reset = edit.kind === "reset_segments";
      this.codes[cell] = reset ? this.start[cell] : value.get(of[cell]);
      this.status[cell] = reset ? UNTOUCHED : TOUCHED;
    }
  }

  paint(edit, window, weight, smoothing) {
    const { grey, table, sources } = this.material;
    const source = edit.source ? sources[edit.source] : null;
    if (edit.source && !source && (edit.mode === "set" || edit.mode === "add")) return;
    const means = edit.mode === "smooth" ? smoothed(this.codes, this.width, this.height, window, smoothing) : null;
    const row = edit.stops !== undefined && edit.stops !== null && grey ? (edit.stops + MAX_THIRDS) * 256 : -1;
    let place = 0;
    for (let y = window.top; y < window.bottom; y++) {
      let cell = y * this.width + window.left;
      for (let x = window.left; x < window.right; x++, cell++, place++) {
        const share = weight[place];
        if (!(share > 0)) continue;
        if (edit.mode === "not_judged") {
          this.status[cell] = NOT_JUDGED;
          continue;
        }
        if (edit.mode === "start") {
          this.codes[cell] = this.start[cell];
          this.status[cell] = UNTOUCHED;
          continue;
        }
        if (means) this.codes[cell] = towards(this.codes[cell], means[place], share);
        else {
          let amount = edit.value ?? 0;
          if (source) amount = source[cell];
          else if (row >= 0) amount = table[row + grey[cell]];
          this.codes[cell] =
            edit.mode === "set" ? towards(this.codes[cell], amount, share) : added(this.codes[cell], amount, share);
        }
        this.status[cell] = TOUCHED;
      }
    }
  }

  async hash() {
    const plain = new Uint8Array(this.codes.length * 3);
    const view = new DataView(plain.buffer);
    for (let i = 0; i < this.codes.length; i++) view.setInt16(2 * i, this.codes[i], true);
    plain.set(this.status, 2 * this.codes.length);
    const digest = await crypto.subtle.digest("SHA-256", plain);
    return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  }
}
