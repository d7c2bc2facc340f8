// Operations that the server has not acknowledged, kept in the browser so that a lost network or a crash loses nothing.

const NAME = "luxel-annotate";
const STORE = "unsent";

function opened() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: ["task", "client_uuid"] });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function finished(transaction) {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onerror = () => reject(transaction.error);
    transaction.onabort = () => reject(transaction.error);
  });
}

export class Queue {
  static async open(task) {
    const queue = new Queue();
    queue.task = task;
    queue.database = await opened();
    return queue;
  }

  async all() {
    const transaction = this.database.transaction(STORE, "readonly");
    const range = IDBKeyRange.bound([this.task, ""], [this.task, "\uffff"]);
    const request = transaction.objectStore(STORE).getAll(range);
    await finished(transaction);
    return request.result.sort((a, b) => a.seq - b.seq);
  }

  async add(entry) {
    const transaction = this.database.transaction(STORE, "readwrite", { durability: "strict" });
    transaction.objectStore(STORE).put({ ...entry, task: this.task });
    await finished(transaction);
  }

  async remove(entries) {
    const transaction = this.database.transaction(STORE, "readwrite");
    for (const entry of entries) transaction.objectStore(STORE).delete([this.task, entry.client_uuid]);
    await finished(transaction);
  }
}
