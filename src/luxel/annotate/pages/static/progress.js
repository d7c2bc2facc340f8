import "./session.js";
import { get } from "./api.js";
import { attempt, by, number, ready, show, table } from "./dom.js";

const STATES = ["open", "leased", "submitted", "returned", "accepted"];

attempt(async () => {
  const { states, people } = await get("/api/progress");
  const count = (kind, state) => states.find((row) => row.kind === kind && row.state === state)?.count ?? 0;
  const rows = [["references", "reference"], ["maps", "residual"]].map(([words, kind]) => [
    words,
    ...STATES.map((state) => `${count(kind, state)}`),
  ]);
  show(by("states"), table(["", "open", "in work", "submitted", "returned", "accepted"], rows));
  const heads = ["Name", "Role", "Submitted", "In work", "Minutes", "Known answers", "Error on them", "Second look, deviation"];
  const lines = people.map((person) => [
    person.name,
    person.role,
    `${person.submitted}`,
    `${person.open}`,
    number(person.minutes, 1),
    `${person.gold_tasks}`,
    number(person.gold_error),
    number(person.retest),
  ]);
  show(by("people"), table(heads, lines));
})().then(ready);
