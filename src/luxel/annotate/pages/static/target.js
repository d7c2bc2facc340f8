import "./session.js";
import { get, post } from "./api.js";
import { attempt, by, element, number, ready, say, show, table } from "./dom.js";
import { agreementTable } from "./numbers.js";

const { scene, frame } = document.body.dataset;
const place = `/api/targets/${scene}/${frame}`;
let opinions = [];

const figure = (source, words) =>
  element("figure", {}, element("img", { src: source, alt: words }), element("figcaption", {}, words));

async function load() {
  const found = await get(place);
  opinions = found.opinions;
  by("name").textContent = `${found.kind === "reference" ? "Reference of" : "Map of"} ${found.name}`;
  const stamp = Date.now();
  show(
    by("images"),
    found.kind === "reference"
      ? figure(`/api/scenes/${scene}/fused.png`, "Fused bracket")
      : figure(`/api/frames/${frame}/image.png`, "Frame"),
    ...opinions.map((o) => figure(`/api/submissions/${o.submission}/view.png`, o.expert)),
    ...(found.kind === "reference"
      ? opinions.map((o) => figure(`${place}/change.png?submission=${o.submission}`, `Change by ${o.expert}`))
      : []),
    opinions.length > 1 ? figure(`${place}/disagreement.png?${stamp}`, "Where they differ: white is 0.2 and more") : null,
    found.decision ? figure(`${place}/decision.png?${stamp}`, "Decision") : null,
  );
  const rows = opinions.map((o) => [
    o.expert,
    element("input", { type: "number", min: 0, max: 100, step: 0.1, id: `weight-${o.submission}`, "aria-label": `Weight of ${o.expert}`,
      value: found.decision ? (found.decision.weights[o.expert] ?? 0) : 1 }),
    o.verdict,
    `${o.minutes}`,
    `${(100 * (1 - o.untouched)).toFixed(1)} %`,
    o.blank ? "empty" : "rules",
    o.habit ? `${number(o.habit.offset)}, × ${number(o.habit.gain, 2)}` : "–",
    o.comment,
    element("span", { class: "buttons" },
      element("button", { type: "button", onclick: verdict(o, "accepted") }, "Accept"),
      element("button", { type: "button", onclick: verdict(o, "returned") }, "Return")),
  ]);
  const heads = ["Expert", "Weight", "State", "Minutes", "Changed", "Start", "Habit", "Comment", ""];
  show(by("opinions"), table(heads, rows));
  const decision = found.decision
    ? element("p", {}, `Decided by ${found.decision.by}: ${found.decision.reason}`)
    : element("p", { class: "quiet" }, "Not decided yet.");
  show(by("agreement"), decision, agreementTable(found.agreement));
}

const verdict = (opinion, word) => attempt(async () => {
  const reason = word === "returned" ? prompt(`Why is it returned to ${opinion.expert}?`) : "";
  if (reason === null) return;
  await post(`/api/submissions/${opinion.submission}/verdict`, { verdict: word, reason });
  await load();
});

by("decide").addEventListener("submit", attempt(async () => {
  const weights = Object.fromEntries(opinions.map((o) => [o.submission, Number(by(`weight-${o.submission}`).value)]));
  await post(`${place}/decide`, { weights, reason: by("reason").value, gold: by("gold").checked });
  await load();
  say("Decided.", "note");
}));
attempt(load)().then(ready);
