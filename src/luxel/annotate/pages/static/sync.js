// Keeps a task's log in step with the server: browser first, then server; acknowledged once it is on the server's disk.

import { ApiError, post } from "./api.js";
import { Queue } from "./queue.js";

const BATCH = 100;
const RETRY_MS = [500, 1000, 2000, 5000, 10000];

function newName() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16)); // pages without TLS have no randomUUID
  const text = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return [text.slice(0, 8), text.slice(8, 12), text.slice(12, 16), text.slice(16, 20), text.slice(20)].join("-");
}

export class Sync {
  // changed: called whenever counts or state change. state: "ok", "offline", "stale" or "rejected".
  constructor(task, lease, leaseSeconds, changed) {
    this.task = task;
    this.lease = lease;
    this.changed = changed;
    this.acked = 0;
    this.unsent = [];
    this.state = "ok";
    this.reason = "";
    this.failures = 0;
    this.sending = false;
    this.slowest = 0;
    setInterval(() => this.renew(), Math.max(5, leaseSeconds / 4) * 1000);
    addEventListener("online", () => this.send());
  }

  get seq() {
    return this.acked + this.unsent.length;
  }

  get writes() {
    return this.state === "ok" || this.state === "offline";
  }

  // What the server has, and then what this browser kept; returns all operations in order.
  async begin(rows) {
    this.queue = await Queue.open(this.task);
    this.acked = rows.length ? rows[rows.length - 1].seq : 0;
    const known = new Set(rows.map((row) => row.client_uuid));
    const kept = await this.queue.all();
    await this.queue.remove(kept.filter((entry) => known.has(entry.client_uuid)));
    let waiting = kept.filter((entry) => !known.has(entry.client_uuid));
    if (waiting.some((entry, i) => entry.seq !== this.acked + i + 1)) {
      // Work continued elsewhere meanwhile: what was drawn here is drawn again after it, undo would take back others'.
      await this.queue.remove(waiting);
      const edits = waiting.filter((entry) => !["undo", "redo"].includes(entry.operation.kind));
      waiting = edits.map((entry, i) => ({ ...entry, client_uuid: newName(), seq: this.acked + i + 1 }));
      for (const entry of waiting) await this.queue.add(entry);
    }
    this.unsent = waiting;
    this.send();
    return [...rows, ...waiting];
  }

  // A new operation; its number. It is drawn at once, stored in the browser, then sent.
  add(operation) {
    const entry = { client_uuid: newName(), made_at: new Date().toISOString(), operation, seq: this.seq + 1 };
    this.unsent.push(entry);
    entry.stored = this.queue.add({ ...entry }).catch(() => {});
    this.changed();
    this.send();
    return entry.seq;
  }

  async send() {
    if (this.sending || !this.unsent.length || !this.writes) return;
    this.sending = true;
    try {
      while (this.unsent.length) {
        const batch = this.unsent.slice(0, BATCH);
        await Promise.all(batch.map((entry) => entry.stored));
        const begun = performance.now();
        await post(`/api/tasks/${this.task}/ops`, {
          token: this.lease.token,
          epoch: this.lease.epoch,
          base_seq: this.acked,
          ops: batch.map(({ client_uuid, made_at, operation }) => ({ client_uuid, made_at, operation })),
        });
        this.slowest = Math.max(this.slowest, performance.now() - begun);
        this.acked += batch.length;
        this.unsent.splice(0, batch.length);
        this.failures = 0;
        this.state = "ok";
        await this.queue.remove(batch);
        this.changed();
      }
    } catch (error) {
      this.failed(error);
    } finally {
      this.sending = false;
    }
  }

  failed(error) {
    if (error instanceof ApiError && [403, 404, 409, 410, 413, 422].includes(error.status)) {
      this.state = error.status === 410 || error.status === 409 ? "stale" : "rejected";
      this.reason = error.message;
    } else {
      this.state = "offline";
      this.reason = error.message;
      setTimeout(() => this.send(), RETRY_MS[Math.min(this.failures++, RETRY_MS.length - 1)]);
    }
    this.changed();
  }

  async renew() {
    if (!this.writes) return;
    try {
      await post(`/api/tasks/${this.task}/lease`, { token: this.lease.token, epoch: this.lease.epoch });
    } catch (error) {
      if (error instanceof ApiError && [409, 410].includes(error.status)) this.failed(error);
    }
  }

  // Waits until everything is acknowledged; false if that cannot be now.
  async settled() {
    while (this.unsent.length) {
      if (!this.writes) return false;
      if (this.state === "offline" && this.failures > 3) return false;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return true;
  }

  // What the server does not have, as a file for the person to keep.
  branch() {
    return new Blob([JSON.stringify({ task: this.task, after: this.acked, unsent: this.unsent }, null, 1)], {
      type: "application/json",
    });
  }
}
