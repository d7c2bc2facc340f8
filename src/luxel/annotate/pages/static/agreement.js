import "./session.js";
import { get } from "./api.js";
import { attempt, by, element, number, ready, show, table } from "./dom.js";
import { agreementTable } from "./numbers.js";

attempt(async () => {
  const found = await get("/api/agreement");
  const sections = [["References", found.reference], ["Residual maps", found.residual]].map(([words, part]) => {
    const habits = Object.entries(part.habits).map(([name, habit]) => [
      name,
      number(habit.offset),
      number(habit.gain),
      `${habit.scenes}`,
    ]);
    const { anchoring } = part;
    const start = anchoring.things
      ? `Mean correction from an empty map ${number(anchoring.blank)}, from the rules' map ${number(anchoring.rules)} (${anchoring.things} shared).`
      : `How far the start pulls is not known: ${anchoring.note}.`;
    return element(
      "section",
      {},
      element("h2", {}, words),
      agreementTable(part),
      element("h3", {}, "Habits, which are taken out before opinions are combined"),
      habits.length ? table(["Expert", "Offset", "Gain", "Scenes"], habits) : element("p", { class: "quiet" }, "None yet."),
      element("p", { class: "quiet" }, start),
    );
  });
  show(by("agreement"), ...sections);
})().then(ready);
