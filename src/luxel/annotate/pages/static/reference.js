// The tool for references: zones and exposure of segments, with the dataset's own rule as preview.

import { bitmap, bytes } from "./api.js";
import { by, element, show } from "./dom.js";
import { GuidedPreview } from "./guided.js";
import { ROMAN, exposed, lightnessOfZone, zoneOf } from "./light.js";
import { SCALE, clamp } from "./strokes.js";

const THIRD = 1 / 3;
const DRAG_PIXELS = 24; // of a drag for a third of a stop

export class ReferenceTool {
  constructor(workplace) {
    this.workplace = workplace;
    this.frame = null;
  }

  async prepare() {
    const { segments, facts, task, view } = this.workplace;
    const arrays = await Promise.all(["guide", "free"].map((n) => bytes(`/api/scenes/${task.scene_id}/arrays/${n}`)));
    const [guide, free] = arrays.map((buffer) => new Uint8Array(buffer));
    this.preview = new GuidedPreview(segments, guide, free, facts.radius, facts.smoothness);
    view.setGuide(guide, free);
    view.set({ after: 1, borders: 0 });
    this.strip();
  }

  // The bracket, darkest first, to see what detail exists.
  strip() {
    const { task } = this.workplace;
    const items = task.frames.map((frame, i) => {
      const name = frame.ev === null ? frame.level : `${frame.level} (${frame.ev > 0 ? "+" : ""}${frame.ev.toFixed(1)})`;
      const image = element("img", { src: `/api/frames/${frame.id}/thumbnail.png`, alt: "" });
      return element("button", { type: "button", onclick: () => this.showFrame(i), title: `Frame ${name}` }, image, name);
    });
    items.push(element("button", { type: "button", onclick: () => this.showFrame(null), class: "result" }, "Result"));
    show(by("strip"), ...items);
    this.items = items;
  }

  async showFrame(index) {
    const { task, view, picture } = this.workplace;
    this.frame = index;
    this.items.forEach((item, i) => item.setAttribute("aria-pressed", i === (index ?? this.items.length - 1)));
    const image = index === null ? picture : await bitmap(`/api/frames/${task.frames[index].id}/image.png`);
    if (this.frame !== index) return; // another one was asked for meanwhile
    view.setImage(image);
    view.set({ after: index === null ? 1 : 0 });
  }

  changed() {
    const { map, view } = this.workplace;
    const shift = Float64Array.from(map.codes, (code) => code / SCALE);
    view.setLinear(this.preview.width, this.preview.height, this.preview.coefficients(shift));
    this.describe();
  }

  compare(held) {
    if (this.frame === null) this.workplace.view.set({ after: held ? 0 : 1 });
  }

  // Lightness of a segment before, and as it is decided.
  lightnessOf(segment) {
    const { segments, granularity, map } = this.workplace;
    let [area, before, after] = [0, 0, 0];
    for (const fine of segments.children[granularity][segment]) {
      area += segments.size[fine];
      before += segments.size[fine] * segments.mean[fine];
      after += segments.size[fine] * (segments.mean[fine] + map.codes[fine] / SCALE);
    }
    return [before / area, clamp(after / area, 0, 1)];
  }

  setZone(zone) {
    const { workplace } = this;
    const chosen = workplace.addressed;
    if (!chosen.length) return;
    const target = lightnessOfZone(Math.min(zone, 7.5));
    const values = chosen.map((segment) => code(target - this.lightnessOf(segment)[0]));
    workplace.edit({
      kind: "set_segments", granularity: workplace.granularity, segments: chosen, values, how: `zone ${zone}`,
    });
  }

  expose(stops) {
    const { workplace } = this;
    const { segments, granularity, map } = workplace;
    const chosen = workplace.addressed;
    if (!chosen.length) return;
    const fines = [];
    const values = [];
    for (const segment of chosen) {
      const lightness = this.lightnessOf(segment)[1];
      const change = code(exposed(lightness, stops) - lightness);
      for (const fine of segments.children[granularity][segment]) {
        fines.push(fine);
        values.push(clamp(map.codes[fine] + change, -SCALE, SCALE));
      }
    }
    const same = chosen.map((segment) => segments.children[granularity][segment].map((fine) => values[fines.indexOf(fine)]));
    const how = `${stops > 0 ? "+" : ""}${stops.toFixed(2)} stops`;
    if (same.every((group) => group.every((value) => value === group[0])))
      workplace.edit({ kind: "set_segments", granularity, segments: chosen, values: same.map((group) => group[0]), how });
    else workplace.edit({ kind: "set_segments", granularity: "fine", segments: fines, values, how });
  }

  pressed(event, [x, y]) {
    const { workplace } = this;
    const segment = workplace.segments.at(workplace.granularity, x, y);
    this.drag = { y: event.clientY, steps: 0, segment, moved: false, keep: event.ctrlKey || event.metaKey };
  }

  moved(event, [x, y]) {
    const { workplace } = this;
    if (!this.drag) {
      workplace.setFocus(workplace.segments.at(workplace.granularity, x, y));
      return;
    }
    const steps = Math.round((this.drag.y - event.clientY) / DRAG_PIXELS);
    if (steps === this.drag.steps || this.drag.segment === null) return;
    if (!this.drag.moved && !workplace.chosen.has(this.drag.segment)) workplace.toggle(this.drag.segment, this.drag.keep);
    this.drag.moved = true;
    this.expose((steps - this.drag.steps) * THIRD);
    this.drag.steps = steps;
  }

  released() {
    if (this.drag && !this.drag.moved) this.workplace.toggle(this.drag.segment, this.drag.keep);
    this.drag = null;
  }

  keyed(key) {
    if (!/^[0-9]$/.test(key)) return false;
    this.setZone(Number(key));
    return true;
  }

  act(action) {
    const { workplace } = this;
    const last = workplace.task.frames.length - 1;
    if (action === "more") this.expose(THIRD);
    else if (action === "less") this.expose(-THIRD);
    else if (action === "reset") {
      const segments = workplace.addressed;
      if (segments.length) workplace.edit({ kind: "reset_segments", granularity: workplace.granularity, segments });
    } else if (action === "previousFrame") this.showFrame(Math.max(0, (this.frame ?? last + 1) - 1));
    else if (action === "nextFrame") this.showFrame(this.frame === null ? 0 : Math.min(last, this.frame + 1));
    else if (action === "result") this.showFrame(null);
    else return false;
    return true;
  }

  describe() {
    const { workplace } = this;
    const chosen = workplace.addressed;
    if (!chosen.length) {
      by("readout").textContent = "Point at a segment, or press an arrow key.";
      return;
    }
    const [before, after] = this.lightnessOf(chosen[0]);
    const zone = (y) => `${ROMAN[clamp(Math.round(zoneOf(y)), 0, 10)]} (${zoneOf(y).toFixed(1)})`;
    const many = chosen.length > 1 ? `${chosen.length} segments; the first: ` : "";
    by("readout").textContent =
      `${many}zone ${zone(before)} → ${zone(after)}, lightness ${before.toFixed(2)} → ${after.toFixed(2)}`;
  }
}

const code = (value) => Math.floor(clamp(value, -1, 1) * SCALE + 0.5);
