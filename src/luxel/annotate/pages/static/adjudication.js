import "./session.js";
import { get, post } from "./api.js";
import { attempt, by, element, ready, say, show, table } from "./dom.js";

async function list() {
  const targets = await get("/api/targets");
  if (!targets.length) {
    show(by("targets"), element("p", { class: "quiet" }, "Nothing is submitted yet."));
    return;
  }
  const rows = targets.map((target) => [
    element("a", { href: `/adjudication/${target.scene_id}/${target.frame_id}` }, target.name),
    target.kind === "reference" ? "reference" : "map",
    `${target.opinions}`,
    `${target.accepted}`,
    target.disputed === null ? "one opinion" : `${(100 * target.disputed).toFixed(1)} %`,
    target.decided ? "yes" : "no",
  ]);
  show(by("targets"), table(["What", "Kind", "Opinions", "Accepted", "Disputed", "Decided"], rows));
}

by("more")?.addEventListener("click", attempt(async () => {
  const { added } = await post("/api/tasks/more");
  say(`${added} tasks added.`, "note");
}));
by("write")?.addEventListener("click", attempt(async () => {
  by("write").disabled = true;
  try {
    const written = await post("/api/write-back");
    const notes = written.notes.length ? ` Left out: ${written.notes.join("; ")}` : "";
    say(`${written.references} references and ${written.layers} layers written, ${written.changed} maps changed.${notes}`, "note");
  } finally {
    by("write").disabled = false;
  }
}));
attempt(list)().then(ready);
