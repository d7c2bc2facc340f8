// The workplace: opens a task, keeps it in step with the server, and hands keys and pointers to its tool.

import "./session.js";
import { bitmap, bytes, post } from "./api.js";
import { by, element, ready, say, show } from "./dom.js";
import { ACTIONS, actionOf, keyOf, keysOf, remap, resetKeys } from "./keys.js";
import { TaskMap } from "./maps.js";
import { ReferenceTool } from "./reference.js";
import { ResidualTool } from "./residual.js";
import { GRANULARITIES, Segments } from "./segments.js";
import { Sync } from "./sync.js";
import { View } from "./view.js";

const IDLE_MS = 60_000;
const BREAK_MS = 20 * 60_000;

class Workplace {
  async open(id) {
    const opened = await post(`/api/tasks/${id}/open`);
    this.task = opened.task;
    const { width, height, scene_id: scene, kind } = this.task;
    const image = kind === "reference" ? `/api/scenes/${scene}/fused.png` : `/api/frames/${this.task.frame_id}/image.png`;
    const binary = [`/api/scenes/${scene}/arrays/segments`, `/api/tasks/${id}/start`, "/api/palette"];
    const [fine, start, palette, picture, facts] = await Promise.all([
      ...binary.map(bytes),
      bitmap(image),
      fetch(`/api/scenes/${scene}/facts`).then((answer) => answer.json()),
    ]);
    this.picture = picture;
    this.segments = new Segments(new Uint16Array(fine), width, height, facts);
    this.facts = facts;
    this.view = new View(by("canvas"), width, height, kind, new URLSearchParams(location.search).get("view") ?? "");
    this.view.setImage(picture);
    this.view.setPalette(new Uint8Array(palette));
    const cells = kind === "reference" ? facts.mean.length : width * height;
    const shape = kind === "reference" ? { width: cells, height: 1 } : { width, height };
    this.map = new TaskMap(new Int16Array(start, 0, cells), shape, { segments: this.segments, sources: {} });
    this.granularity = "medium";
    this.chosen = new Set();
    this.focus = null;
    this.marks = new Uint8Array(65536);
    this.tool = kind === "reference" ? new ReferenceTool(this) : new ResidualTool(this);
    await this.tool.prepare();
    this.setGranularity("medium");
    this.sync = new Sync(id, opened.lease, opened.lease_s, () => this.report());
    for (const row of await this.sync.begin(opened.ops)) this.map.take(row.seq, row.operation);
    this.tool.changed(null);
    this.begun = performance.now();
    this.active = 0;
    this.last = performance.now();
    this.listen();
    this.describe();
    this.report();
  }

  // Every change goes through here: drawn at once, kept, sent.
  edit(operation) {
    if (!this.sync.writes) {
      say("This tab no longer writes; reload the page to take the task back.");
      return;
    }
    const seq = this.sync.add(operation);
    const window = this.map.take(seq, operation);
    this.tool.changed(window);
    this.report();
  }

  undo() {
    const target = this.map.done[this.map.done.length - 1];
    if (target !== undefined) this.edit({ kind: "undo", target });
  }

  redo() {
    const target = this.map.undone[this.map.undone.length - 1];
    if (target !== undefined) this.edit({ kind: "redo", target });
  }

  // Segments --------------------------------------------------------------------------------------------------------

  setGranularity(name) {
    const from = this.granularity;
    const members = [...this.chosen].flatMap((segment) => this.segments.children[from][segment]);
    this.chosen = new Set(members.map((fine) => this.segments.parents[name][fine]));
    if (this.focus !== null) this.focus = this.segments.parents[name][this.segments.children[from][this.focus][0]];
    this.granularity = name;
    this.view.setLabels(this.segments.labels(name));
    this.mark();
  }

  setFocus(segment) {
    if (segment === this.focus) return;
    this.focus = segment;
    this.mark();
  }

  toggle(segment, keep) {
    if (segment === null) return;
    const was = this.chosen.has(segment);
    if (!keep) this.chosen.clear();
    if (was) this.chosen.delete(segment);
    else this.chosen.add(segment);
    this.mark();
  }

  mark() {
    this.marks.fill(0);
    for (const segment of this.chosen) this.marks[segment] |= 1;
    if (this.focus !== null) this.marks[this.focus] |= 2;
    this.view.setMarks(this.marks);
    this.describe();
  }

  get addressed() {
    if (this.chosen.size) return [...this.chosen].sort((a, b) => a - b);
    return this.focus === null ? [] : [this.focus];
  }

  moveFocus(direction) {
    const middle = [this.segments.width / 2, this.segments.height / 2];
    if (this.focus === null) this.setFocus(this.segments.at(this.granularity, ...middle));
    else this.setFocus(this.segments.towards(this.granularity, this.focus, direction));
  }

  // Input -----------------------------------------------------------------------------------------------------------

  listen() {
    const canvas = by("canvas");
    const guarded = (handler) => (event) => {
      this.noteActivity();
      handler(event);
    };
    canvas.addEventListener("pointerdown", guarded((event) => this.pressed(event)));
    canvas.addEventListener("pointermove", guarded((event) => this.moved(event)));
    canvas.addEventListener("pointerup", guarded((event) => this.released(event)));
    canvas.addEventListener("pointercancel", guarded((event) => this.released(event)));
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("wheel", guarded((event) => {
      event.preventDefault();
      this.view.zoomBy(event.deltaY < 0 ? 1.25 : 0.8, this.view.at(event));
    }), { passive: false });
    addEventListener("keydown", guarded((event) => this.keyed(event)));
    addEventListener("keyup", (event) => {
      if (keyOf(event).endsWith("Space") || actionOf(keyOf(event)) === "compare") this.tool.compare(false);
    });
    for (const button of document.querySelectorAll("[data-action]"))
      button.addEventListener("click", guarded(() => {
        this.act(button.dataset.action);
        button.blur();
      }));
    addEventListener("beforeunload", (event) => {
      if (this.sync.unsent.length && this.sync.state !== "offline") event.preventDefault();
    });
    by("submit-back").addEventListener("click", () => by("submit-dialog").close());
    by("submit-form").addEventListener("submit", (event) => this.submit(event));
    by("save-branch").addEventListener("click", () => this.saveBranch());
    setInterval(() => this.tick(), 1000);
  }

  pressed(event) {
    if (event.button === 1 || event.shiftKey) {
      this.panning = [event.clientX, event.clientY];
    } else if (event.button === 0) this.tool.pressed(event, this.view.at(event));
    by("canvas").setPointerCapture(event.pointerId);
  }

  moved(event) {
    if (this.panning) {
      this.view.moveBy(event.clientX - this.panning[0], event.clientY - this.panning[1]);
      this.panning = [event.clientX, event.clientY];
      return;
    }
    const events = event.getCoalescedEvents?.() ?? [];
    for (const part of events.length ? events : [event]) this.tool.moved(part, this.view.at(part));
  }

  released(event) {
    if (this.panning) this.panning = null;
    else this.tool.released(event, this.view.at(event));
  }

  keyed(event) {
    if (event.target.closest?.("input, textarea, select, dialog")) return;
    const key = keyOf(event);
    if (this.tool.keyed(key)) {
      event.preventDefault();
      return;
    }
    const action = actionOf(key);
    if (!action || (event.repeat && action === "compare")) return;
    event.preventDefault();
    this.act(action);
  }

  act(action) {
    const moves = { left: [-1, 0], right: [1, 0], up: [0, -1], down: [0, 1] };
    if (this.tool.act(action)) return;
    if (action === "undo") this.undo();
    else if (action === "redo") this.redo();
    else if (moves[action]) this.moveFocus(moves[action]);
    else if (action === "choose") this.toggle(this.focus, true);
    else if (action === "none") {
      this.chosen.clear();
      this.mark();
    } else if (action === "granularity")
      this.setGranularity(GRANULARITIES[(GRANULARITIES.indexOf(this.granularity) + 1) % 3]);
    else if (action === "borders") this.view.set({ borders: 1 - this.view.state.borders });
    else if (action === "compare") this.tool.compare(true);
    else if (action === "zoomIn") this.view.zoomBy(1.5, this.centreOfFocus());
    else if (action === "zoomOut") this.view.zoomBy(1 / 1.5);
    else if (action === "fit") this.view.zoomBy(0);
    else if (action === "viewBrighter") this.view.set({ gamma: Math.max(0.3, this.view.state.gamma / 1.1) });
    else if (action === "viewDarker") this.view.set({ gamma: Math.min(3, this.view.state.gamma * 1.1) });
    else if (action === "submit") this.askToSubmit();
    else if (action === "help") this.showKeys();
    this.describe();
  }

  centreOfFocus() {
    return this.focus === null ? null : this.segments.centres[this.granularity][this.focus];
  }

  // Words -----------------------------------------------------------------------------------------------------------

  describe() {
    const gamma = this.view.state.gamma;
    by("granularity").textContent = this.granularity;
    by("view-note").textContent = Math.abs(gamma - 1) > 0.01 ? `view gamma ${gamma.toFixed(2)}` : "";
    this.tool.describe?.();
  }

  report() {
    const { sync } = this;
    const unsent = sync.unsent.length;
    by("counts").textContent = `${this.map.done.length} changes, ${unsent} unsent`;
    by("counts").className = unsent && sync.state !== "ok" ? "warn" : "";
    const words = {
      ok: "",
      offline: "No connection. Your work is kept in this browser and is sent when the network is back.",
      stale: "This task is open in another tab, or was taken from you. This tab no longer writes.",
      rejected: `The server rejected a change: ${sync.reason}`,
    };
    by("sync-note").textContent = words[sync.state];
    by("sync-note").hidden = sync.state === "ok";
    by("save-branch").hidden = !(unsent && !sync.writes);
    const facts = document.documentElement.dataset;
    Object.assign(facts, { seq: sync.seq, acked: sync.acked, unsent, sync: sync.state, backend: this.view.backend });
  }

  noteActivity() {
    const moment = performance.now();
    this.active += Math.min(moment - this.last, IDLE_MS);
    this.last = moment;
  }

  tick() {
    if (performance.now() - this.begun > BREAK_MS && !this.reminded) {
      this.reminded = true;
      say("Twenty minutes: look into the distance for a while. Your work is stored.", "note");
    }
  }

  showKeys() {
    const rows = Object.entries(ACTIONS).map(([action, [, words]]) => {
      const button = element("button", { type: "button", title: "Change the key" }, keysOf(action).join(" or "));
      button.addEventListener("click", () => {
        button.textContent = "press a key";
        button.addEventListener("keydown", (event) => {
          event.preventDefault();
          event.stopPropagation();
          const taken = remap(action, keyOf(event));
          button.textContent = taken ? `taken: ${ACTIONS[taken][1]}` : keysOf(action).join(" or ");
        }, { once: true });
      });
      return element("tr", {}, element("td", {}, button), element("td", {}, words));
    });
    const again = element("button", { type: "button", onclick: () => { resetKeys(); this.showKeys(); } }, "All keys as they were");
    show(by("key-table"), ...rows);
    show(by("key-reset"), again);
    if (!by("keys").open) by("keys").showModal();
  }

  // Submission ------------------------------------------------------------------------------------------------------

  askToSubmit() {
    by("as-is-line").hidden = this.map.status.some((state) => state !== 0);
    by("submit-dialog").showModal();
  }

  async submit(event) {
    event.preventDefault();
    by("submit-error").textContent = "";
    try {
      if (!(await this.sync.settled())) throw new Error("Not everything is sent yet; wait for the network and try again.");
      await post(`/api/tasks/${this.task.id}/submit`, {
        token: this.sync.lease.token,
        epoch: this.sync.lease.epoch,
        seq: this.sync.acked,
        seconds_active: Math.round(this.active / 1000),
        comment: by("comment").value,
        as_is: by("as-is").checked,
      });
      location.href = "/?submitted=1";
    } catch (error) {
      by("submit-error").textContent = error.message;
    }
  }

  saveBranch() {
    const address = URL.createObjectURL(this.sync.branch());
    element("a", { href: address, download: `task-${this.task.id}-unsent.json` }).click();
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
  }
}

const workplace = new Workplace();
window.luxelTask = workplace; // for scripts: every action is a method
workplace
  .open(Number(document.body.dataset.task))
  .then(ready)
  .catch((error) => {
    say(error.body?.holder ? `${error.body.holder} has this task.` : error.message);
    document.documentElement.dataset.ready = "failed";
  });
