import "./session.js";
import { ask } from "./api.js";
import { attempt, by, element, ready, say, show, table } from "./dom.js";

const STEPS = 12;

function patch(level, text, ground) {
  const made = element("div", { class: "patch" }, text);
  made.style.background = `rgb(${ground}, ${ground}, ${ground})`;
  made.style.color = `rgb(${level}, ${level}, ${level})`;
  return made;
}

show(by("ramp"), ...Array.from({ length: STEPS }, (_, i) => {
  const level = Math.round((255 * i) / (STEPS - 1));
  return patch(level < 128 ? 255 : 0, `${i + 1}`, level);
}));
// Number n differs from its ground by n codes: who reads low numbers sees fine steps.
show(by("dark-end"), ...Array.from({ length: STEPS }, (_, i) => patch(1 + i, `${i + 1}`, 0)));
show(by("bright-end"), ...Array.from({ length: STEPS }, (_, i) => patch(254 - i, `${i + 1}`, 255)));

const facts = {
  pixel_ratio: devicePixelRatio,
  depth: screen.colorDepth,
  wide_gamut: matchMedia("(color-gamut: p3)").matches,
  hdr: matchMedia("(dynamic-range: high)").matches,
};
show(by("facts"), table(["", ""], [
  ["device pixels per pixel", `${facts.pixel_ratio}`],
  ["bits per pixel", `${facts.depth}`],
  ["wide gamut", facts.wide_gamut ? "yes: set the screen to sRGB if you can" : "no"],
  ["high dynamic range", facts.hdr ? "on: switch it off" : "off"],
]));
by("check").addEventListener("submit", attempt(async () => {
  await ask("PUT", "/api/session/screen", { darkest: Number(by("darkest").value), brightest: Number(by("brightest").value), ...facts });
  say("Stored. Thank you.", "note");
}));
ready();
