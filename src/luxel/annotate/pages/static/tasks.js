import "./session.js";
import { get, post } from "./api.js";
import { attempt, by, element, ready, say, show, table, when } from "./dom.js";

const WORDS = {
  leased: "in work",
  returned: "returned to you",
  submitted: "submitted",
  accepted: "accepted",
  open: "open",
};

const next = (kind) => attempt(async () => {
  const { task } = await post("/api/tasks/next", { kind });
  if (task) location.href = `/task/${task.id}`;
  else say("There is nothing for you at the moment. Thank you.", "note");
});

by("next").addEventListener("click", next(null));
for (const button of document.querySelectorAll("[data-kind]")) button.addEventListener("click", next(button.dataset.kind));

async function list() {
  const tasks = await get("/api/tasks/mine");
  if (!tasks.length) {
    show(by("mine"), element("p", { class: "quiet" }, "None yet. Begin with the next task."));
    return;
  }
  const rows = tasks.map((task) => [
    task.state === "leased" || task.state === "returned"
      ? element("a", { href: `/task/${task.id}` }, `${task.id}`)
      : `${task.id}`,
    task.kind === "reference" ? "reference" : `map of ${task.level}`,
    task.scene,
    WORDS[task.state],
    `${task.operations}`,
    task.reason || when(task.submitted_at),
  ]);
  show(by("mine"), table(["Task", "What", "Scene", "State", "Operations", ""], rows));
}

if (new URLSearchParams(location.search).has("submitted")) say("Submitted. Thank you.", "note");
attempt(list)().then(ready);
